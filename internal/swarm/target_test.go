// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
)

// files are the files that services have, and that tasks which are to run have, by
// the names of the services.
func (f *fake) files() (services map[string]string, tasks map[string][]string) {
	services, tasks = map[string]string{}, map[string][]string{}
	for _, s := range f.services {
		for _, r := range secretsOf(s.Spec.TaskTemplate) {
			services[s.Spec.Name] += r.File.Name
		}
		for _, task := range f.tasks {
			if task.ServiceID != s.ID || !shouldRun(*task) {
				continue
			}
			for _, r := range secretsOf(task.Spec) {
				tasks[s.Spec.Name] = append(tasks[s.Spec.Name], r.File.Name)
			}
		}
	}
	return services, tasks
}

func (f *fake) haveFiles(t *testing.T, want map[string]string) {
	t.Helper()
	services, tasks := f.files()
	if diff := cmp.Diff(want, services); diff != "" {
		t.Errorf("files of the services (-want +got):\n%s", diff)
	}
	for name, files := range tasks {
		for _, file := range files {
			if file != want[name] {
				t.Errorf("a task of %s has the file %q, want %q", name, file, want[name])
			}
		}
	}
}

// withTarget is a fake whose services first and second have a secret in the file
// "key", and what asks for another file.
func withTarget(t *testing.T, action swarm.FailureAction, file string) (*fake, Want) {
	t.Helper()
	f := newFake(t)
	want := wantFor("good", scenario{})
	want.Services = nil
	want = reported(want, f.apply(want))
	current := versionOf(*f.secret("key-v1"))
	f.addService("first", 2, action, current)
	f.addService("second", 2, action, current)
	want.Services, want.Target = []string{"first", "second"}, Target{Name: file}
	return f, want
}

// A target with which a service fails is put back like a version, although the
// version stays: whatever Docker does about it, and what others change meanwhile.
func TestFailedTargetIsRolledBack(t *testing.T) {
	for _, action := range []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionRollback, swarm.UpdateFailureActionContinue} {
		for _, meanwhile := range []bool{false, true} {
			if meanwhile && action == swarm.UpdateFailureActionRollback {
				continue // Docker itself takes the change of the other back
			}
			t.Run(fmt.Sprintf("%s/%v", action, meanwhile), func(t *testing.T) {
				f, want := withTarget(t, action, "bad")
				second := f.service("second")
				changed := false
				api := wrapped{f, func(name, _ string, call func() error) error {
					if name == "TaskList" && meanwhile && !changed && second.PreviousSpec != nil {
						changed = true
						second.PreviousSpec = new(clone(second.Spec))
						second.Spec.Labels = map[string]string{"someone": "else"}
						second.Version.Index = f.next()
					}
					return call()
				}}
				_, err := (&Swarm{API: api, Sleep: noSleep}).Apply(t.Context(), want)
				var rolledBack *RolledBackError
				if !errors.As(err, &rolledBack) || rolledBack.Left != nil || rolledBack.Service != "second" {
					t.Fatalf("got error %v, want a complete *RolledBackError of the second service", err)
				}
				f.haveFiles(t, map[string]string{"first": "key", "second": "key"})
				if diff := cmp.Diff([]string{"service second is back on key-v1", "service first is back on key-v1"}, rolledBack.Steps); diff != "" {
					t.Errorf("steps (-want +got):\n%s", diff)
				}
				if meanwhile && second.Spec.Labels["someone"] != "else" {
					t.Error("the change of somebody else is gone")
				}
			})
		}
	}
}

// After a change of target that met a fault, the next Apply ends as if there had been
// none. It is no success while a service fails.
func TestFaultInAChangeOfTarget(t *testing.T) {
	for _, file := range []string{"good", "bad"} {
		for _, what := range []fault{killBefore, killAfter, lostRequest, lostResponse} {
			for n, hit := 1, "first"; hit != ""; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", file, what, n), func(t *testing.T) {
					f, want := withTarget(t, swarm.UpdateFailureActionPause, file)
					hit = ""
					done := make(chan struct{})
					var err error
					go func() {
						defer close(done)
						_, err = (&Swarm{API: faulty(f, n, what, &hit), Sleep: noSleep}).Apply(context.Background(), want)
					}()
					<-done
					var rolledBack *RolledBackError
					if errors.As(err, &rolledBack) && rolledBack.Left == nil {
						f.haveFiles(t, map[string]string{"first": "key", "second": "key"})
					}
					if _, err := f.swarm().Apply(t.Context(), want); (err == nil) != (file == "good") {
						t.Errorf("fault at %s: the next Apply ends with %v", hit, err)
					}
					if file == "good" {
						f.haveFiles(t, map[string]string{"first": "good", "second": "good"})
					}
				})
			}
		}
	}
}

// A service that was given its first reference has none again.
func TestFailedFirstReferenceIsRemoved(t *testing.T) {
	f, want := withTarget(t, swarm.UpdateFailureActionPause, "")
	f.addService("third", 1, swarm.UpdateFailureActionPause, Version{})
	want.Services, want.Target.Name = []string{"third"}, "bad"
	_, err := f.swarm().Apply(t.Context(), want)
	var rolledBack *RolledBackError
	if !errors.As(err, &rolledBack) || rolledBack.Left != nil || !strings.Contains(err.Error(), "service third is back on no version") {
		t.Fatalf("got error %v, want a complete *RolledBackError", err)
	}
	services, _ := f.files()
	if _, ok := services["third"]; ok {
		t.Errorf("the service has files: %v", services)
	}
}

// Every service that uses the secret is a list of services like any other: another
// target reaches them, also those that have the version already. What is only called
// like a version is left alone.
func TestTargetOfAllServices(t *testing.T) {
	f, want := withTarget(t, swarm.UpdateFailureActionPause, "other")
	current := versionOf(*f.secret("key-v1"))
	foreign := f.addService("foreign", 1, swarm.UpdateFailureActionPause, Version{ID: "byhand", Name: "key-v9"})
	f.secrets["byhand"] = &swarm.Secret{ID: "byhand", Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "key-v9"}}}
	both := f.addService("both", 1, swarm.UpdateFailureActionPause, current)
	both.Spec.TaskTemplate.ContainerSpec.Secrets = append(both.Spec.TaskTemplate.ContainerSpec.Secrets, &swarm.SecretReference{
		SecretID: "byhand", SecretName: "key-v9", File: &swarm.SecretReferenceFileTarget{Name: "+foreign"},
	})
	want.Services = []string{AllServices}
	outdated := func(names ...string) {
		t.Helper()
		got, err := f.swarm().Outdated(t.Context(), current, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("outdated (-want +got):\n%s", diff)
		}
	}
	outdated("both", "first", "second")
	out := f.apply(want)
	if diff := cmp.Diff([]string{"both", "first", "second"}, out.Rolled); diff != "" {
		t.Errorf("rolled (-want +got):\n%s", diff)
	}
	services, _ := f.files()
	if diff := cmp.Diff(map[string]string{"first": "other", "second": "other", "both": "other+foreign", "foreign": "key"}, services); diff != "" {
		t.Errorf("files of the services (-want +got):\n%s", diff)
	}
	if secretsOf(foreign.Spec.TaskTemplate)[0].SecretID != "byhand" || secretsOf(both.Spec.TaskTemplate)[1].SecretID != "byhand" {
		t.Error("a reference to what is only called like a version is moved")
	}
	outdated()
	if out := f.apply(want); len(out.Rolled) > 0 {
		t.Errorf("rolled again: %v", out.Rolled)
	}
}
