// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

var (
	begun      = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	oldVersion = Version{ID: "id1", Name: "key-v1"}
	newVersion = Version{ID: "id2", Name: "key-v2"}
)

func specWith(v Version) swarm.TaskSpec {
	return swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Secrets: []*swarm.SecretReference{
		{SecretID: v.ID, SecretName: v.Name, File: &swarm.SecretReferenceFileTarget{Name: "key"}},
	}}}
}

func task(slot int, v Version, state, desired swarm.TaskState, seconds int) swarm.Task {
	at := begun.Add(time.Duration(seconds) * time.Second)
	t := swarm.Task{ID: string(state) + v.Name, Slot: slot, Spec: specWith(v), DesiredState: desired, Status: swarm.TaskStatus{State: state, Timestamp: at}}
	t.CreatedAt, t.UpdatedAt = at, at
	return t
}

const (
	running = swarm.TaskStateRunning
	failing = swarm.TaskStateFailed
	stopped = swarm.TaskStateShutdown
)

// A look at a service with two replicas, a Monitor of five seconds, and an update
// that began at second 0.
func TestJudge(t *testing.T) {
	up := func(seconds int) []swarm.Task {
		return []swarm.Task{task(1, newVersion, running, running, seconds), task(2, newVersion, running, running, seconds)}
	}
	for name, tc := range map[string]struct {
		state   swarm.UpdateState // completed is at second 20
		version Version           // that the spec refers to; the new one if zero
		tasks   []swarm.Task
		want    string // waits, done, done after 5s, or part of the error
	}{
		"not begun":                    {tasks: []swarm.Task{task(1, oldVersion, running, running, -9), task(2, oldVersion, running, running, -9)}, want: "waits"},
		"nothing to replace":           {tasks: up(-9), want: "done after 5s"},
		"in progress":                  {state: swarm.UpdateStateUpdating, tasks: up(1), want: "waits"},
		"completed":                    {state: swarm.UpdateStateCompleted, tasks: up(1), want: "done"},
		"completed, not watched":       {state: swarm.UpdateStateCompleted, tasks: up(16), want: "done after 5s"},
		"completed, old still running": {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, oldVersion, running, running, -9)), want: "waits"},
		"completed, one missing":       {state: swarm.UpdateStateCompleted, tasks: up(1)[:1], want: "waits"},
		"completed, one starting":      {state: swarm.UpdateStateCompleted, tasks: []swarm.Task{up(1)[0], task(2, newVersion, swarm.TaskStateStarting, running, 1)}, want: "waits"},
		"completed, one waits for its start": {state: swarm.UpdateStateCompleted,
			tasks: []swarm.Task{up(1)[0], task(2, newVersion, swarm.TaskStateReady, swarm.TaskStateReady, 1)}, want: "waits"},
		"completed, one has failed":  {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, newVersion, failing, stopped, 1)), want: "done after 5s"},
		"completed, old ones stop":   {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, oldVersion, running, stopped, -9)), want: "done after 10s"},
		"completed, old ones ended":  {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, oldVersion, stopped, stopped, -9)), want: "done"},
		"failed before this update":  {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, newVersion, failing, stopped, -1)), want: "done"},
		"failed in the old version":  {state: swarm.UpdateStateCompleted, tasks: append(up(1), task(2, oldVersion, failing, stopped, 1)), want: "done"},
		"failed again and again":     {state: swarm.UpdateStateUpdating, tasks: []swarm.Task{task(1, newVersion, failing, stopped, 1), task(1, newVersion, failing, stopped, 2), task(1, newVersion, failing, stopped, 3)}, want: "task failedkey-v2"},
		"ended again and again":      {state: "", tasks: []swarm.Task{task(1, newVersion, swarm.TaskStateComplete, stopped, 1), task(1, newVersion, swarm.TaskStateRejected, stopped, 2), task(1, newVersion, failing, stopped, 3)}, want: "task failedkey-v2"},
		"several failed once":        {state: swarm.UpdateStateUpdating, tasks: []swarm.Task{task(1, newVersion, failing, stopped, 1), task(2, newVersion, failing, stopped, 2), task(3, newVersion, failing, stopped, 3)}, want: "waits"},
		"paused":                     {state: swarm.UpdateStatePaused, tasks: append(up(1), task(2, newVersion, failing, stopped, 1)), want: "task failedkey-v2"},
		"paused, the task is gone":   {state: swarm.UpdateStatePaused, tasks: up(1), want: "is paused: because"},
		"rolled back by Docker":      {state: swarm.UpdateStateRollbackStarted, version: oldVersion, tasks: []swarm.Task{task(2, newVersion, failing, stopped, 1)}, want: "task failedkey-v2"},
		"rolled back, and completed": {state: swarm.UpdateStateRollbackCompleted, version: oldVersion, want: "is rollback_completed: because"},
		"changed by someone else":    {state: swarm.UpdateStateUpdating, version: oldVersion, want: "changed by someone else"},
		"rolled back to this":        {state: swarm.UpdateStateRollbackCompleted, tasks: up(1), want: "done"},
		"the rollback to this fails": {state: swarm.UpdateStateRollbackPaused, tasks: up(1), want: "is rollback_paused"},
	} {
		t.Run(name, func(t *testing.T) {
			version := tc.version
			if version.ID == "" {
				version = newVersion
			}
			service := swarm.Service{Spec: swarm.ServiceSpec{
				Annotations: swarm.Annotations{Name: "api"}, TaskTemplate: specWith(version),
				Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(2))}},
			}}
			service.UpdatedAt = begun
			if tc.state != "" {
				service.UpdateStatus = &swarm.UpdateStatus{State: tc.state, StartedAt: &begun, Message: "because"}
			}
			if strings.HasSuffix(string(tc.state), "completed") {
				service.UpdateStatus.CompletedAt = new(begun.Add(20 * time.Second))
			}
			v := judge(service, tc.tasks, newVersion)
			got := "waits"
			switch {
			case v.failed != nil:
				got = v.failed.Error()
			case v.done && v.calm > 0:
				got = "done after " + v.calm.String()
			case v.done:
				got = "done"
			}
			if !strings.Contains(got, tc.want) || tc.want == "done" && got != "done" {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got == "waits" && v.still == "" {
				t.Error("it does not say what is missing")
			}
		})
	}
}

// Whatever the mode, what is to run is counted right.
func TestCount(t *testing.T) {
	one := task(0, newVersion, running, running, 1)
	for name, tc := range map[string]struct {
		mode  swarm.ServiceMode
		tasks []swarm.Task
		want  bool
	}{
		"no replicas":             {swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(0))}}, nil, true},
		"one too many":            {swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}}, []swarm.Task{one, one}, true},
		"one too many, starting":  {swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}}, []swarm.Task{one, task(0, newVersion, swarm.TaskStateStarting, running, 1)}, false},
		"one replica by default":  {swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}}, nil, false},
		"global, no node":         {swarm.ServiceMode{Global: &swarm.GlobalService{}}, nil, true},
		"global":                  {swarm.ServiceMode{Global: &swarm.GlobalService{}}, []swarm.Task{one, one}, true},
		"global, one on the old":  {swarm.ServiceMode{Global: &swarm.GlobalService{}}, []swarm.Task{one, task(0, oldVersion, running, running, 1)}, false},
		"global, one not running": {swarm.ServiceMode{Global: &swarm.GlobalService{}}, []swarm.Task{one, task(0, newVersion, swarm.TaskStatePending, running, 1)}, false},
	} {
		service := swarm.Service{Spec: swarm.ServiceSpec{TaskTemplate: specWith(newVersion), Mode: tc.mode}}
		if _, missing := count(service, tc.tasks); (missing == "") != tc.want {
			t.Errorf("%s: missing %q", name, missing)
		}
	}
}

func TestCrowded(t *testing.T) {
	node := func(id string) swarm.Task {
		t := task(0, newVersion, running, running, 1)
		t.NodeID = id
		return t
	}
	for name, tc := range map[string]struct {
		tasks []swarm.Task
		want  bool
	}{
		"one each":          {[]swarm.Task{task(1, newVersion, running, running, 1), task(2, newVersion, running, running, 1)}, false},
		"two replicas 1":    {[]swarm.Task{task(1, newVersion, running, running, 1), task(1, newVersion, swarm.TaskStateReady, swarm.TaskStateReady, 1)}, true},
		"one of them stops": {[]swarm.Task{task(1, newVersion, running, stopped, 1), task(1, newVersion, running, running, 1), task(1, newVersion, failing, stopped, 1)}, false},
		"one for each node": {[]swarm.Task{node("a"), node("b")}, false},
		"two on a node":     {[]swarm.Task{node("a"), node("b"), node("a")}, true},
	} {
		if got := crowded(tc.tasks); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// A task that fails after every start is seen running now and then. It has to stay:
// the calm begins anew when it does not run, and when it is another one.
func TestCalm(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		f := newFake(t)
		s := f.addService("api", 1, swarm.UpdateFailureActionPause, Version{})
		looks, waited, begun := 0, time.Duration(0), time.Duration(0)
		w := &Swarm{API: f, Sleep: func(_ context.Context, d time.Duration) error { waited += d; return nil }}
		err := w.watch(t.Context(), s.ID, time.Minute, func(swarm.Service, []swarm.Task) verdict {
			looks++
			if restarted && looks == 3 {
				f.tasks[0].ID = "another" // seen at the next look
			}
			if looks == 4 {
				begun = waited
			}
			if !restarted && looks == 3 {
				return verdict{still: "not running"}
			}
			return verdict{done: true, calm: time.Second}
		})
		if calm := waited - begun; err != nil || calm < time.Second || calm > 2*time.Second {
			t.Errorf("restarted %v: error %v after %d looks and %s of calm, want 1s", restarted, err, looks, calm)
		}
	}
}

// An answer from before the update says nothing about it.
func TestStaleAnswersAreNotBelieved(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
	service := f.addService("api", 1, swarm.UpdateFailureActionPause, out.Version)
	stale := clone(*service)
	left := -1
	s := &Swarm{Sleep: noSleep, API: staleInspect{f, func() *swarm.Service {
		if left--; left >= 0 {
			return &stale
		}
		return nil
	}}}
	want := wantFor("good", scenario{})
	want.Current, want.Last, want.Services = out.Version.ID, 1, []string{"api"}
	s.Step = func(_ context.Context, step, _ string) {
		if strings.HasPrefix(step, "move") {
			left = 3
		}
	}
	if _, err := s.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	f.expect("", map[string]string{"api": "good"}, []string{"good", "old"})
}

type staleInspect struct {
	API
	answer func() *swarm.Service
}

func (s staleInspect) ServiceInspect(ctx context.Context, id string, o client.ServiceInspectOptions) (client.ServiceInspectResult, error) {
	if stale := s.answer(); stale != nil {
		return client.ServiceInspectResult{Service: *stale}, nil
	}
	return s.API.ServiceInspect(ctx, id, o)
}

// A manager that does not answer for a while is no failed update.
func TestSilenceIsEndured(t *testing.T) {
	f := newFake(t)
	s := f.addService("api", 1, swarm.UpdateFailureActionPause, Version{})
	for failures, want := range map[int]bool{maxSilence: true, maxSilence + 1: false} {
		left := failures
		w := &Swarm{Sleep: noSleep, API: wrapped{f, func(_, _ string, call func() error) error {
			if left--; left >= 0 {
				return errors.New("rpc error: code = Unknown desc = The swarm does not have a leader.")
			}
			return call()
		}}}
		err := w.watch(t.Context(), s.ID, time.Minute, func(swarm.Service, []swarm.Task) verdict { return verdict{done: true} })
		if (err == nil) != want || err != nil && !errors.Is(err, ErrNoLeader) {
			t.Errorf("after %d failures: %v", failures, err)
		}
	}
	delete(f.services, s.ID)
	w := f.swarm()
	if err := w.watch(t.Context(), s.ID, time.Minute, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v for a service that is gone, want %v", err, ErrNotFound)
	}
}

func TestTaskErrorTellsTheExitCodeOnce(t *testing.T) {
	for message, want := range map[string]string{
		"task: non-zero exit (3)": `task t of service "api" is failed on node n: task: non-zero exit (3)`,
		"starting failed":         `task t of service "api" is failed on node n: starting failed, exit code 3`,
		"":                        `task t of service "api" is failed on node n, exit code 3`,
	} {
		err := &TaskError{Service: "api", Task: "t", Node: "n", State: "failed", Message: message, ExitCode: 3}
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

var _ API = (*client.Client)(nil)
