// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

// refused is a value with which the server of the test services ends, exit code 3.
const refused = docker.Refused + " by the server"

func onFailure(action swarm.FailureAction) func(*swarm.ServiceSpec) {
	return func(spec *swarm.ServiceSpec) { spec.UpdateConfig.FailureAction = action }
}

// patient makes Docker watch a task for as long as it may take to fail on a machine
// that is busy: what fails later is a success to Docker, and to Apply.
func patient(spec *swarm.ServiceSpec) { spec.UpdateConfig.Monitor = 5 * time.Second }

// tasks are the ids of the tasks of a service that are to run.
func (f *fixture) tasks(s *docker.Service) []string {
	f.Helper()
	list, err := f.engine.Client.TaskList(context.Background(), client.TaskListOptions{Filters: client.Filters{}.Add("service", s.ID)})
	if err != nil {
		f.Fatal(err)
	}
	return idsOf(list.Items)
}

// A value that makes the task exit, whatever Docker itself does about it.
func TestFailedUpdateIsRolledBack(t *testing.T) {
	t.Parallel()
	for _, action := range []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionRollback, swarm.UpdateFailureActionContinue} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.rotate("one")
			s := f.service("api", patient, onFailure(action))
			s.WaitFor(t, 2, "one")
			state := f.out

			f.value(refused)
			err := f.rolledBack()
			var task *TaskError
			if !errors.As(err, &task) || task.ExitCode != 3 || task.Service != s.Name {
				t.Errorf("got error %v, want a *TaskError with exit code 3", err)
			}
			if text := err.Error(); strings.Contains(text, docker.Refused) || strings.Contains(text, "SECRET_FILE") {
				t.Error("the error shows the value, or the environment of the task")
			}
			if diff := cmp.Diff([]string{"service " + s.Name + " is back on " + f.want.Name + "-v1", f.want.Name + "-v2 is removed"}, err.Steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			s.WaitFor(t, 2, "one")
			f.versions("v1")
			f.refersTo(s, "v1")
			if previous := s.Inspect(t).PreviousSpec; refersToName(previous, f.want.Name+"-v2") {
				t.Error("the previous spec refers to the version that failed")
			}

			// The next Apply tries again, under a number of its own.
			f.out = state
			f.rotate("two")
			s.WaitFor(t, 2, "two")
			f.versions("v1", "v3")
			f.refersTo(s, "v3")
		})
	}
}

// Another file, which the server does not find, and the same version as before.
func TestFailedTargetIsPutBackByDocker(t *testing.T) {
	t.Parallel()
	for _, action := range []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionRollback} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.rotate("one")
			s := f.service("api", patient, onFailure(action))
			s.WaitFor(t, 2, "one")
			f.want.Target.Name = "another"
			err := f.rolledBack()
			var task *TaskError
			if !errors.As(err, &task) || task.Service != s.Name {
				t.Errorf("got error %v, want a *TaskError", err)
			}
			s.WaitFor(t, 2, "one")
			f.versions("v1")
			if file := secretsOf(s.Inspect(t).Spec.TaskTemplate)[0].File.Name; file != docker.SecretTarget {
				t.Errorf("the service has the file %q, want %q", file, docker.SecretTarget)
			}

			f.want.Target.Name = ""
			f.apply()
			f.rotate("two")
			s.WaitFor(t, 2, "two")
		})
	}
}

func refersToName(spec *swarm.ServiceSpec, name string) bool {
	return spec != nil && slices.ContainsFunc(secretsOf(spec.TaskTemplate), func(r *swarm.SecretReference) bool { return r.SecretName == name })
}

// The update that takes the failed version out of the previous spec is of no
// consequence for the tasks.
func TestPushingOutReplacesNoTask(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(1))
	f.rotate("two")
	s.WaitFor(t, 1, "two")
	before := f.tasks(s)

	w := work{Swarm: f.swarm}
	if err := w.pushOut(t.Context(), s.ID, leave([]Version{{ID: f.engine.Reference(t, f.want.Name+"-v1", "x").SecretID}}, Version{}), false); err != nil {
		t.Fatal(err)
	}
	if refersToName(s.Inspect(t).PreviousSpec, f.want.Name+"-v1") {
		t.Fatal("the previous spec still refers to v1")
	}
	s.WaitFor(t, 1, "two")
	if diff := cmp.Diff(before, f.tasks(s)); diff != "" {
		t.Errorf("tasks (-before +after):\n%s", diff)
	}
}

func TestSecondServiceFailing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	first := f.service("first", replicas(1), func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Env = []string{"SECRET_FILE=/run/secrets/" + docker.SecretTarget} // takes any value
	})
	second := f.service("second", replicas(1), patient)
	third := f.service("third", replicas(1))

	f.value(refused)
	err := f.rolledBack()
	if err.Service != second.Name {
		t.Errorf("service %q has failed, want %q", err.Service, second.Name)
	}
	want := []string{"service " + second.Name + " is back on " + f.want.Name + "-v1", "service " + first.Name + " is back on " + f.want.Name + "-v1", f.want.Name + "-v2 is removed"}
	if diff := cmp.Diff(want, err.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	f.versions("v1")
	for _, s := range []*docker.Service{first, second, third} {
		s.WaitFor(t, 1, "one")
		f.refersTo(s, "v1")
	}
	if third.Inspect(t).PreviousSpec != nil {
		t.Error("the third service was updated")
	}
}

// Where somebody changed the service after it was moved, its previous spec is not
// what it is to go back to.
func TestRollbackKeepsChangesOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(1), patient)
	changed := false
	f.swarm.API = wrapped{f.swarm.API, func(name, _ string, call func() error) error {
		if name == "TaskList" && !changed && slices.Contains(s.SecretNames(t), f.want.Name+"-v2") {
			changed = true
			f.somebodyUpdates(s, func(spec *swarm.ServiceSpec) { spec.Labels = map[string]string{"someone": "else"} })
		}
		return call()
	}}
	f.value(refused)
	_ = f.rolledBack()
	s.WaitFor(t, 1, "one")
	f.refersTo(s, "v1")
	f.versions("v1")
	if s.Inspect(t).Spec.Labels["someone"] != "else" {
		t.Error("the change of somebody else is gone")
	}
}

func TestTimeoutRollsBackAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", func(spec *swarm.ServiceSpec) { spec.UpdateConfig.Delay = time.Hour })
	f.want.Timeout = 15 * time.Second
	f.value("two")
	err := f.rolledBack()
	if text := err.Error(); !strings.Contains(text, "1 of 2 tasks run the new version, 1 the old one") || !strings.Contains(text, "within 15s") {
		t.Errorf("got error %v, want what is missing after 15s", err)
	}
	s.WaitFor(t, 2, "one")
	f.versions("v1")
}

// An end of the context is no failure: things stay as they are, for the next Apply.
func TestInterruptionIsFinishedByTheNextApply(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(1))
	ctx, cancel := context.WithCancel(t.Context())
	f.swarm.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	f.value("two")
	_, err := f.swarm.Apply(ctx, f.want)
	var rolledBack *RolledBackError
	if !errors.Is(err, context.Canceled) || errors.As(err, &rolledBack) {
		t.Fatalf("got error %v, want %v alone", err, context.Canceled)
	}
	f.refersTo(s, "v2")

	f.swarm.Sleep = nil
	if out := f.apply(); !out.Reused || len(out.Rolled) > 0 {
		t.Errorf("reused %v, rolled %v, want the version and the update of the interrupted Apply", out.Reused, out.Rolled)
	}
	s.WaitFor(t, 1, "two")
	f.versions("v1", "v2")
}
