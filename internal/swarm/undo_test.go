// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// A rollback that does not come to its end leaves the version where it is: a service
// may still refer to it.
func TestIncompleteRollbackLeavesTheVersion(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
	f.addService("first", 1, swarm.UpdateFailureActionPause, out.Version)
	f.addService("second", 1, swarm.UpdateFailureActionPause, out.Version)
	want := wantFor("bad", scenario{})
	want.Current, want.Last = out.Version.ID, 1
	s := &Swarm{Sleep: noSleep, API: wrapped{f, func(name, _ string, call func() error) error {
		if name == "ServiceRollback" {
			return errLost
		}
		return call()
	}}}
	_, err := s.Apply(t.Context(), want)
	var rolledBack *RolledBackError
	if !errors.As(err, &rolledBack) || !errors.Is(rolledBack.Left, errLost) || !strings.Contains(err.Error(), "key-v2 stays") {
		t.Fatalf("got error %v", err)
	}
	if len(f.secrets) != 2 {
		t.Errorf("%d objects, want 2", len(f.secrets))
	}
	good := wantFor("good", scenario{})
	want.Value, want.Source = good.Value, good.Source
	f.apply(want)
	f.expect("", map[string]string{"first": "good", "second": "good"}, []string{"good", "old"})
}

// A rollback is waited for, whichever way it takes and however Docker is behind, and
// one that Docker gives up is told from one that is done.
func TestRollbackIsWaitedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		previous bool // the previous spec is what the service goes back to
		end      swarm.UpdateState
		want     string // part of the error
	}{
		"to the previous spec": {true, "", ""},
		"to the reference":     {false, "", ""},
		"given up by Docker":   {true, swarm.UpdateStateRollbackPaused, "is rollback_paused: because"},
		"paused":               {false, swarm.UpdateStatePaused, "is paused: because"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			first := f.apply(Want{Name: "key", Value: wantFor("one", scenario{}).Value})
			second := f.apply(Want{Name: "key", Last: 1, Current: first.Version.ID, Keep: 1, Value: wantFor("two", scenario{}).Value})
			service := f.addService("api", 5, swarm.UpdateFailureActionPause, second.Version)
			if tc.previous {
				service.PreviousSpec = new(clone(service.Spec))
				reference := service.PreviousSpec.TaskTemplate.ContainerSpec.Secrets[0]
				reference.SecretID, reference.SecretName = first.Version.ID, first.Version.Name
			}
			api := wrapped{f, func(name, _ string, call func() error) error {
				if status := service.UpdateStatus; name == "ServiceUpdate" && status != nil && status.State != swarm.UpdateStateCompleted && status.State != swarm.UpdateStateRollbackCompleted {
					t.Errorf("the service is updated again while it is %s", status.State)
				}
				err := call()
				if strings.HasPrefix(name, "ServiceR") || name == "ServiceUpdate" && service.UpdateStatus == nil {
					f.frozen = 5
					if tc.end != "" {
						service.UpdateStatus = &swarm.UpdateStatus{State: tc.end, Message: "because"}
					}
				}
				return err
			}}
			w := work{Swarm: &Swarm{API: api, Sleep: noSleep}, version: second.Version, series: series{base: "key"}}
			step, err := w.revert(t.Context(), service.ID, leave([]Version{second.Version}, first.Version))
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got error %v, want %q", err, tc.want)
				}
				return
			}
			if err != nil || !strings.HasSuffix(step, "is back on key-v1") {
				t.Fatalf("step %q, error %v", step, err)
			}
			for _, task := range f.tasks {
				if shouldRun(*task) && secretsOf(task.Spec)[0].SecretID != first.Version.ID {
					t.Errorf("task %s still has the version that failed", task.ID)
				}
			}
			if refersTo(service.PreviousSpec, second.Version.ID) {
				t.Error("the previous spec still refers to the version that failed")
			}
		})
	}
}

// Docker's own rollback can leave two tasks in one place, until the next update.
func TestTasksThatAreTooManyAreStopped(t *testing.T) {
	for _, tooMany := range []bool{false, true} {
		f := newFake(t)
		first := f.apply(Want{Name: "key", Value: wantFor("one", scenario{}).Value})
		service := f.addService("api", 2, swarm.UpdateFailureActionRollback, first.Version)
		service.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackCompleted}
		if tooMany {
			f.addTask(service, 1)
		}
		before := clone(service.Spec)
		var made calls
		failed := Version{ID: "failed", Name: "key-v2"}
		w := work{Swarm: &Swarm{API: made.on(f), Sleep: noSleep}, version: failed, series: series{base: "key"}}
		step, err := w.revert(t.Context(), service.ID, leave([]Version{failed}, first.Version))
		if err != nil || !strings.HasSuffix(step, "is back on key-v1") {
			t.Fatalf("step %q, error %v", step, err)
		}
		if updated := made.by["ServiceUpdate"] == 1; updated != tooMany {
			t.Errorf("too many tasks %v, updated %v", tooMany, updated)
		}
		if diff := cmp.Diff(before, service.Spec); diff != "" {
			t.Errorf("spec (-before +after):\n%s", diff)
		}
	}
}

// Where state knows of no version, a service goes back to the one that it had, also if
// somebody has updated it meanwhile, so that Docker's own rollback would not.
func TestServiceKeepsWhatStateDoesNotKnow(t *testing.T) {
	f := newFake(t)
	old := wantFor("old", scenario{})
	old.Services = nil
	out := f.apply(old)
	f.addService("first", 1, swarm.UpdateFailureActionPause, out.Version)
	service := f.addService("second", 1, swarm.UpdateFailureActionPause, out.Version) // fails
	others := false
	s := &Swarm{Sleep: noSleep, API: wrapped{f, func(name, id string, call func() error) error {
		if err := call(); err != nil || name != "ServiceUpdate" || id != service.ID || others {
			return err
		}
		others = true
		spec := clone(service.Spec)
		spec.Labels = map[string]string{"somebody": "else"}
		for {
			_, err := f.ServiceUpdate(t.Context(), id, client.ServiceUpdateOptions{Version: service.Version, Spec: spec, RegistryAuthFrom: swarm.RegistryAuthFromSpec})
			if !errors.Is(err, errOutOfSequence) {
				return err
			}
		}
	}}}
	_, err := s.Apply(t.Context(), wantFor("bad", scenario{}))
	var rolledBack *RolledBackError
	if !errors.As(err, &rolledBack) || rolledBack.Left != nil {
		t.Fatalf("got error %v, want a complete *RolledBackError", err)
	}
	f.expect("", map[string]string{"first": "old", "second": "old"}, []string{"old"})
	if service.Spec.Labels["somebody"] != "else" {
		t.Error("what somebody else changed is gone")
	}
}

// What has failed is put back also when somebody ends the run meanwhile.
func TestRollbackOutlivesTheContext(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
	f.addService("first", 1, swarm.UpdateFailureActionPause, out.Version)
	f.addService("second", 1, swarm.UpdateFailureActionPause, out.Version)
	want := wantFor("bad", scenario{})
	want.Current, want.Last = out.Version.ID, 1
	ctx, cancel := context.WithCancel(t.Context())
	s := &Swarm{Sleep: noSleep, API: wrapped{f, func(name, _ string, call func() error) error {
		if name == "ServiceRollback" {
			cancel()
		}
		return call()
	}}}
	_, err := s.Apply(ctx, want)
	var rolledBack *RolledBackError
	if !errors.As(err, &rolledBack) || rolledBack.Left != nil {
		t.Fatalf("got error %v, want a complete *RolledBackError", err)
	}
	f.expect("", map[string]string{"first": "old", "second": "old"}, []string{"old"})
}
