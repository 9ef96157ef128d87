// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

// recorder stands in for a test and keeps how it was ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (*recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

// record runs what may end a test.
func record(t *testing.T, f func(r *recorder)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

// Without an engine a test is skipped, and fails in CI; either says what it takes.
func TestMissingEngine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, ci := range []string{"true", ""} {
		t.Setenv("CI", ci)
		r := record(t, func(r *recorder) { New(r) })
		message, other := r.skipped, r.failed
		if ci == "true" {
			message, other = r.failed, r.skipped
		}
		if other != "" || !strings.Contains(message, "nothing of this test was checked against Docker") || !strings.Contains(message, hostVariable) {
			t.Errorf("CI=%q: skipped %q, failed %q", ci, r.skipped, r.failed)
		}
	}
}

// A daemon that does not start says why, and leaves no folder behind.
func TestDaemonThatDoesNotStart(t *testing.T) {
	require(t)
	before := ownFolders(t)
	r := record(t, func(r *recorder) { New(r, "--no-such-flag") })
	if !strings.Contains(r.failed, "failed to start dockerd: it ended at once") || !strings.Contains(r.failed, "unknown flag: --no-such-flag") {
		t.Errorf("failed with %q", r.failed)
	}
	if after := ownFolders(t); !slices.Equal(before, after) {
		t.Errorf("folders are left: %q, before %q", after, before)
	}
}

func ownFolders(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), fmt.Sprintf("%s-%d-*", folderKind, os.Getpid())))
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// An engine that is named is used if it manages a swarm, and is left running.
func TestNamedEngine(t *testing.T) {
	d := New(t)
	if _, err := use("unix://" + filepath.Join(t.TempDir(), "no.sock")); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v of an engine that is not there", err)
	}
	if _, err := use(d.Host); err == nil || !strings.Contains(err.Error(), "docker -H "+d.Host+" swarm init") {
		t.Errorf("error %v of an engine without a swarm", err)
	}
	d.InitSwarm(t)
	named, err := use(d.Host)
	if err != nil {
		t.Fatal(err)
	}
	named.CreateSecret(t, "a", "value")
	named.stop()
	if err := d.answers(); err != nil {
		t.Errorf("the engine was stopped: %v", err)
	}
	if names := d.SecretNames(t, "a"); !slices.Equal(names, []string{"a"}) {
		t.Errorf("the engine has the secrets %q", names)
	}
	r := record(t, func(r *recorder) { d.InitSwarm(r) })
	if !strings.Contains(r.failed, "already part of a swarm") {
		t.Errorf("failed with %q", r.failed)
	}
}

// Every test that wants an engine which does not answer fails, and says which.
func TestNamedEngineThatIsNotThere(t *testing.T) {
	Stop()
	host = "unix://" + filepath.Join(t.TempDir(), "no.sock")
	defer func() {
		Stop()
		host = os.Getenv(hostVariable)
	}()
	for range 2 {
		r := record(t, func(r *recorder) { Engine(r) })
		if want := "the engine in " + hostVariable + " does not answer"; !strings.Contains(r.failed, want) {
			t.Errorf("failed with %q, want %q", r.failed, want)
		}
	}
}

func TestServiceRefersToItsSecretsInOrder(t *testing.T) {
	t.Parallel()
	d := Engine(t)
	name := d.Name(t)
	for _, secret := range []string{name + "-a", name + "-b"} {
		d.CreateSecret(t, secret, "value")
	}
	service := d.Service(t, name, name+"-a")
	service.Update(t, func(spec *swarm.ServiceSpec) {
		secrets := &spec.TaskTemplate.ContainerSpec.Secrets
		*secrets = slices.Insert(*secrets, 0, d.Reference(t, name+"-b", "other"))
	})
	if got, want := service.SecretNames(t), []string{name + "-b", name + "-a"}; !slices.Equal(got, want) {
		t.Errorf("the service refers to %q, want %q", got, want)
	}
}
