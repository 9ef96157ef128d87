// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
)

// killedAfterUpdate is an Apply that is killed as soon as Docker has taken the update
// of the named service.
func (f *fake) killedAfterUpdate(service string, want Want) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		api := wrapped{f, func(name, id string, call func() error) error {
			err := call()
			if name == "ServiceUpdate" && f.service(id).Spec.Name == service {
				runtime.Goexit()
			}
			return err
		}}
		_, _ = (&Swarm{API: api, Sleep: noSleep}).Apply(context.Background(), want)
	}()
	<-done
}

// What an interrupted Apply has brought to a service counts as done when the service
// runs with it, also where no version is new: until then the next Apply fails.
func TestApplyFailsWhileAServiceDoes(t *testing.T) {
	for name, service := range map[string]string{"target": "second", "services": "third"} {
		for _, action := range []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue} {
			t.Run(name+"/"+string(action), func(t *testing.T) {
				f, want := withTarget(t, action, "bad")
				f.addService("third", 2, action, Version{})
				want.Services = []string{service}
				f.killedAfterUpdate(service, want)
				for range 10 {
					f.tick()
				}
				failing := clone(f.service(service).Spec)

				_, err := f.swarm().Apply(t.Context(), want)
				var task *TaskError
				var rolledBack *RolledBackError
				if errors.As(err, &rolledBack) {
					if diff := cmp.Diff([]string{"service " + service + " is left as it is: it was not updated"}, rolledBack.Steps); diff != "" {
						t.Errorf("steps (-want +got):\n%s", diff)
					}
				}
				if paused := errors.Is(err, ErrPaused); paused != (action == swarm.UpdateFailureActionPause) || !paused && !errors.As(err, &task) {
					t.Errorf("got error %v, want an ErrPaused if it is paused, else a *TaskError", err)
				}
				if diff := cmp.Diff(failing, f.service(service).Spec); diff != "" {
					t.Errorf("what this Apply only found is changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// An interrupted update that goes well is waited for.
func TestApplyWaitsForWhatWasBegun(t *testing.T) {
	f, want := withTarget(t, swarm.UpdateFailureActionPause, "good")
	want.Services = []string{"second"}
	f.killedAfterUpdate("second", want)
	f.apply(want)
	for _, task := range f.tasks {
		if shouldRun(*task) && task.ServiceID == f.service("second").ID && (secretsOf(task.Spec)[0].File.Name != "good" || task.Status.State != swarm.TaskStateRunning) {
			t.Errorf("task %s is %s and has the file %q", task.ID, task.Status.State, secretsOf(task.Spec)[0].File.Name)
		}
	}
}

// What has failed some time ago, and runs again, does not stand in the way of an Apply
// that has nothing to do with it.
func TestOldFailuresOfAServiceThatRuns(t *testing.T) {
	f, want := withTarget(t, swarm.UpdateFailureActionPause, "")
	s := f.service("second")
	for range maxStrikes {
		failed := f.addTask(s, 1)
		failed.Status.State, failed.DesiredState = swarm.TaskStateFailed, swarm.TaskStateShutdown
	}
	s.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, StartedAt: new(f.now), Message: "failure of a task"}
	want.Labels = map[string]string{"team": "x"}
	if out := f.apply(want); out.Version.Labels["team"] != "x" || len(out.Rolled) > 0 {
		t.Errorf("labels %v, rolled %v", out.Version.Labels, out.Rolled)
	}
}

// An interrupted update is waited for as well where all services are meant.
func TestApplyToAllServicesWaitsForWhatWasBegun(t *testing.T) {
	f, want := withTarget(t, swarm.UpdateFailureActionPause, "bad")
	want.Services = []string{AllServices}
	f.killedAfterUpdate("second", want)
	for range 10 {
		f.tick()
	}
	if _, err := f.swarm().Apply(t.Context(), want); !errors.Is(err, ErrPaused) {
		t.Errorf("got error %v, want %v", err, ErrPaused)
	}
}
