// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
)

// stackOverride is what differs in the test: the network, which is that of the
// daemon, a folder for sockets, and shorter times.
const stackOverride = `version: "3.9"
services:
  api:
    environment:
      TASK: "{{.Task.ID}}"
    volumes:
      - type: bind
        source: %s
        target: /sockets
    healthcheck:
      interval: 1s
      start_period: 0s
    stop_grace_period: 1s
    deploy:
      update_config:
        monitor: 1s
      rollback_config:
        monitor: 1s
networks:
  default:
    external: true
    name: host
`

// deployStack is what the README says, with the file of the test.
const deployStack = `terraform output -raw compose_secrets > compose.secrets.yaml
docker stack deploy --resolve-image never -c compose.yaml -c compose.secrets.yaml -c override.yaml %s`

func TestStackStaging(t *testing.T) {
	t.Parallel()
	t.Run("terraform test", func(t *testing.T) {
		t.Parallel()
		stackTests(t, newStack(t, "staging"))
	})
	if _, err := exec.LookPath("docker"); err != nil {
		missing(t, "the docker command is not on the PATH, so the stack for staging was not deployed")
	}
	b := fakeBackend(t)
	engine := docker.Engine(t)
	name := engine.Name(t)
	engine.Image(t, name+":1", "/app", map[string]string{"/app": "./testdata/stackapp"})
	w := newStack(t, "staging")
	onFake(w, b)
	for variable, value := range map[string]string{"TF_VAR_stack": name, "DOCKER_HOST": engine.Host, "IMAGE": name + ":1", "DOCKER_CONFIG": t.TempDir()} {
		w.SetEnv(variable, value)
	}
	w.Init()
	w.Run("validate", "-no-color").Require(t, 0)
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	const id = "shop/staging/app"
	scanner := leak.New(t)
	before := stackValues(t, b, id, scanner, nil)
	s := &stack{Daemon: engine, t: t, service: name + "_api", sockets: t.TempDir()}
	if err := os.Chmod(s.sockets, 0o700); err != nil {
		t.Fatal(err)
	}
	w.WriteFile("override.yaml", fmt.Sprintf(stackOverride, s.sockets))
	w.Shell(fmt.Sprintf(deployStack, name)).Require(t, 0)
	s.waitFor(before)
	w.Plan().Require(t, 0)

	w.SetEnv("TF_VAR_incidents", `{jwt="INC-42"}`)
	result := w.Apply()
	result.Require(t, 0)
	if !strings.Contains(result.Message(), "Service belongs to a stack") {
		t.Error("the apply does not warn that the stack has to be told")
	}
	after := stackValues(t, b, id, scanner, before)
	if diff := cmp.Diff([]string{"JWT_REFRESH_SECRET", "JWT_SECRET"}, changed(before, after)); diff != "" {
		t.Errorf("rotated in the incident (-want +got):\n%s", diff)
	}
	tasks := s.waitFor(after)
	w.Plan().Require(t, 0)

	// The next deployment has the names of the new versions and changes nothing.
	references := s.references()
	w.Shell(fmt.Sprintf(deployStack, name)).Require(t, 0)
	if diff := cmp.Diff(references, s.references()); diff != "" {
		t.Errorf("secrets of the service after the next deployment (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(tasks, s.waitFor(after)); diff != "" {
		t.Errorf("tasks after the next deployment (-before +after):\n%s", diff)
	}
	w.Plan().Require(t, 0)
	w.LeakCheck(scanner)

	w.Shell("docker stack rm "+name).Require(t, 0)
	w.Destroy().Require(t, 0)
	if left := engine.SecretNames(t, name); len(left) > 0 {
		t.Errorf("left in Docker: %v", left)
	}
}

// stack is a deployed stack, with the sockets of its tasks.
type stack struct {
	*docker.Daemon
	t       *testing.T
	service string
	sockets string
}

// waitFor waits until two tasks, and no others, answer with values, and returns
// their sockets.
func (s *stack) waitFor(values map[string]string) []string {
	s.t.Helper()
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		sockets, err := filepath.Glob(filepath.Join(s.sockets, "*.sock"))
		if err != nil {
			s.t.Fatal(err)
		}
		var right, wrong []string
		for _, socket := range sockets {
			switch got, err := ask(socket); {
			case err != nil: // a task that has ended leaves its socket
			case maps.Equal(got, values):
				right = append(right, socket)
			default:
				wrong = append(wrong, socket)
			}
		}
		if len(right) == 2 && len(wrong) == 0 {
			return right
		}
		if time.Since(begun) > 3*time.Minute {
			s.t.Fatalf("%d tasks of %s answer with the values, want 2; %d with others\n%s", len(right), s.service, len(wrong), s.tasks())
		}
	}
}

// ask asks a task for all of its values.
func ask(socket string) (map[string]string, error) {
	one := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	values := map[string]string{}
	for _, key := range stackKeys {
		response, err := one.Get("http://task/" + key)
		if err != nil {
			return nil, err
		}
		value, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return nil, err
		}
		values[key] = string(value)
	}
	return values, nil
}

// references returns which secret the service has under which file name.
func (s *stack) references() map[string]string {
	s.t.Helper()
	result, err := s.Client.ServiceInspect(s.t.Context(), s.service, client.ServiceInspectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	names := map[string]string{}
	for _, reference := range result.Service.Spec.TaskTemplate.ContainerSpec.Secrets {
		names[reference.File.Name] = reference.SecretName
	}
	if diff := cmp.Diff(stackKeys, slices.Sorted(maps.Keys(names))); diff != "" {
		s.t.Errorf("files of the service (-want +got):\n%s", diff)
	}
	return names
}

// tasks says how the tasks are, for a failing test.
func (s *stack) tasks() string {
	list, err := s.Client.TaskList(context.Background(), client.TaskListOptions{Filters: client.Filters{}.Add("service", s.service)})
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	for _, task := range list.Items {
		fmt.Fprintf(&text, "task %s: %s, should be %s: %s %s\n", task.ID, task.Status.State, task.DesiredState, task.Status.Message, task.Status.Err)
	}
	return text.String()
}
