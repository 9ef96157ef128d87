// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

func TestServiceServesItsSecret(t *testing.T) {
	t.Parallel()
	d := Engine(t)
	name := d.Name(t)
	d.CreateSecret(t, name+"-a", "value a")
	d.CreateSecret(t, name+"-b", "value b")
	service := d.Service(t, name, name+"-a")
	service.WaitFor(t, 2, "value a")
	service.Update(t, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Secrets[0] = d.Reference(t, name+"-b", SecretTarget)
	})
	service.WaitFor(t, 2, "value b")
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	d := Engine(t)
	name := d.Name(t)
	d.CreateSecret(t, name, Refused+" value")
	service := d.Service(t, name, name)
	for begun := time.Now(); !strings.Contains(service.tasks(), "non-zero exit (3)"); time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > converging {
			t.Fatal(service.tasks())
		}
	}
}

// A watcher has to see a gap where there is one: a test that finds none with it
// shows something only then.
func TestWatcherSeesGaps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		order swarm.UpdateOrder
		gap   bool
	}{{swarm.UpdateOrderStartFirst, false}, {swarm.UpdateOrderStopFirst, true}} {
		t.Run(string(test.order), func(t *testing.T) {
			t.Parallel()
			d := Engine(t)
			name := d.Name(t)
			d.CreateSecret(t, name+"-a", "value a")
			d.CreateSecret(t, name+"-b", "value b")
			service := d.Service(t, name, name+"-a", func(spec *swarm.ServiceSpec) {
				spec.UpdateConfig.Order = test.order
				if test.gap {
					spec.UpdateConfig.Parallelism = 2
				}
			})
			service.WaitFor(t, 2, "value a")
			stop := service.Watch()
			service.Update(t, func(spec *swarm.ServiceSpec) {
				spec.TaskTemplate.ContainerSpec.Secrets[0] = d.Reference(t, name+"-b", SecretTarget)
			})
			service.WaitFor(t, 2, "value b")
			answers := stop()
			if (answers.Failed > 0) != test.gap {
				t.Errorf("%d requests failed, the first with: %v", answers.Failed, answers.First)
			}
			if answers.By["value a"] == 0 || answers.By["value b"] == 0 {
				t.Errorf("the watcher saw %d and %d answers", answers.By["value a"], answers.By["value b"])
			}
		})
	}
}

func TestNameRemovesWhatIsLeft(t *testing.T) {
	t.Parallel()
	d := Engine(t)
	var name string
	t.Run("used", func(t *testing.T) {
		name = d.Name(t)
		d.CreateSecret(t, name+"-a", "value")
		d.Service(t, name+"-s", name+"-a", func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64(0)) })
	})
	if left := d.SecretNames(t, name); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	services, err := d.Client.ServiceList(context.Background(), client.ServiceListOptions{Filters: client.Filters{}.Add("name", name)})
	if err != nil || len(services.Items) > 0 {
		t.Errorf("%d services left: %v", len(services.Items), err)
	}
}

// An import can fail after the engine has begun to answer. The test then says how.
func TestImportThatFails(t *testing.T) {
	t.Parallel()
	const answer = `{"error":"no space left on device"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	defer server.Close()
	api, err := client.New(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	err = (&Daemon{Client: api}).importImage("roi-test:1", "/program", nil)
	if want := "failed to import the image roi-test:1: the answer names no image\n" + answer; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestImageGoesWithItsTest(t *testing.T) {
	t.Parallel()
	d := Engine(t)
	const name = "roi-test-image:1"
	is := func(t *testing.T) bool {
		t.Helper()
		found, err := d.Client.ImageList(context.Background(), client.ImageListOptions{Filters: client.Filters{}.Add("reference", name)})
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Items) == 1
	}
	t.Run("its test", func(t *testing.T) {
		d.Image(t, name, "/server", map[string]string{"/server": "./testdata/server"})
		if !is(t) {
			t.Error("there is no image")
		}
	})
	if is(t) {
		t.Error("the image is still there")
	}
}
