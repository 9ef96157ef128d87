// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

const (
	firstLook = 200 * time.Millisecond
	lastLook  = time.Second
	// maxStrikes is how often the task of one replica, or of one node, may fail in
	// one update. Docker itself may go on for ever, depending on the service.
	maxStrikes = 3
	// maxSilence is how many looks in a row may fail: a manager is elected, or a
	// daemon restarted.
	maxSilence = 15

	// Source: https://github.com/moby/swarmkit/blob/v2.0.0/api/defaults/service.go
	defaultMonitor = 5 * time.Second
	defaultGrace   = 10 * time.Second

	rollback = "rollback_" // begins the states of one
)

// verdict is what a look at a service says of its update.
type verdict struct {
	failed error
	done   bool
	calm   time.Duration // how long it must stay done to be believed
	still  string        // what is still missing
}

// converge waits until all tasks of a service run what its spec says, which refers
// to the version. after is the index that the service had before it was updated.
func (w *work) converge(ctx context.Context, id string, after uint64) error {
	return w.watch(ctx, id, w.want.Timeout, func(service swarm.Service, tasks []swarm.Task) verdict {
		if service.Version.Index <= after {
			return verdict{still: "the update is not visible yet"}
		}
		if back := w.moved[id]; back != nil && !back.concerns(&service.Spec) {
			return undone(service, tasks, w.version)
		}
		return judge(service, tasks, w.version)
	})
}

// stand waits until all tasks of a service run what its spec says, which this Apply
// found as it is to be: one that was interrupted may have made it so. As it may be
// long ago, only what fails now counts.
func (w *work) stand(ctx context.Context, id string) error {
	return w.watch(ctx, id, w.want.Timeout, func(service swarm.Service, tasks []swarm.Task) verdict {
		if _, missing := count(service, tasks); missing == "" {
			service, tasks = recovered(service, tasks)
		}
		return judge(service, tasks, w.version)
	})
}

// recovered leaves out of what is known of a service, all of whose tasks run, that
// some have failed before.
func recovered(service swarm.Service, tasks []swarm.Task) (swarm.Service, []swarm.Task) {
	if status := service.UpdateStatus; status != nil {
		switch status.State {
		case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
			service.UpdateStatus = nil
		}
	}
	return service, slices.DeleteFunc(slices.Clone(tasks), func(t swarm.Task) bool { return !shouldRun(t) && !stopping(t) })
}

// watch looks at a service until the verdict is final.
func (s *Swarm) watch(ctx context.Context, id string, timeout time.Duration, judge func(swarm.Service, []swarm.Task) verdict) error {
	var calm time.Duration
	var tasks []string // that were calm
	name, still, silent := id, "", 0
	for wait := firstLook; ; wait = min(wait*5/4, lastLook) {
		service, running, err := s.observe(ctx, id)
		var v verdict
		switch {
		case ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("service %q has not converged within %s: %s", name, timeout, cmp.Or(still, "Docker has not answered"))
			}
			return ctx.Err()
		case errors.Is(err, ErrNotFound):
			return err
		case err != nil:
			if silent++; silent > maxSilence {
				return err
			}
			v.still = err.Error()
		default:
			silent, name = 0, service.Spec.Name
			v = judge(service, running)
		}
		if v.failed != nil {
			return v.failed
		}
		still = v.still
		if now := idsOf(running); !v.done || !slices.Equal(now, tasks) {
			calm, tasks = 0, now
		}
		if v.done && calm >= v.calm {
			return nil
		}
		if err := s.sleep(ctx, wait); err != nil {
			continue // to say what is missing
		}
		if v.done {
			calm += wait
		}
	}
}

func (s *Swarm) observe(ctx context.Context, id string) (swarm.Service, []swarm.Task, error) {
	service, err := s.inspectService(ctx, id)
	if err != nil {
		return service, nil, err
	}
	tasks, err := s.listTasks(ctx, service)
	return service, tasks, err
}

// judge tells how far the update of a service is that moves it to a version.
//
// UpdateStatus is of the last update: Docker sets it to nil with every update, and to
// something else when it begins to replace tasks. Without tasks to replace it stays
// nil. That it is completed does not mean that tasks run, so those are looked at in
// any case.
func judge(service swarm.Service, tasks []swarm.Task, version Version) verdict {
	var status swarm.UpdateStatus
	if service.UpdateStatus != nil {
		status = *service.UpdateStatus
	}
	if !refersTo(&service.Spec, version.ID) {
		return undone(service, tasks, version)
	}
	switch status.State {
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		return verdict{failed: cause(service, tasks, version, status)}
	}
	failures := failed(service, tasks, version)
	if strikes(failures) >= maxStrikes {
		return verdict{failed: taskError(service, failures[0])}
	}
	running, missing := count(service, tasks)
	v := verdict{still: missing}
	switch status.State {
	case "", swarm.UpdateStateCompleted, swarm.UpdateStateRollbackCompleted:
		v.done = missing == ""
	default:
		v.still = cmp.Or(missing, "Docker still watches the tasks")
	}
	if running > 0 && (len(failures) > 0 || !watched(service, tasks)) {
		v.calm = monitor(service.Spec.UpdateConfig)
	}
	if slices.ContainsFunc(tasks, stopping) {
		v.calm = max(v.calm, grace(service.Spec.TaskTemplate))
	}
	return v
}

// undone is the verdict on a service whose spec is not what it was made: Docker has
// rolled it back, or someone has changed it.
func undone(service swarm.Service, tasks []swarm.Task, version Version) verdict {
	if status := service.UpdateStatus; status != nil && strings.HasPrefix(string(status.State), rollback) {
		return verdict{failed: cause(service, tasks, version, *status)}
	}
	return verdict{failed: &Error{Op: "update the service", Object: service.Spec.Name, Kind: ErrConflict,
		Err: fmt.Errorf("it no longer refers to %s as it was made to", version.Name)}}
}

// stopping reports whether a task runs that is to stop, and may still answer. It is
// waited for, but no longer than its node gives it to stop: the node may be gone.
func stopping(t swarm.Task) bool { return !shouldRun(t) && t.Status.State == swarm.TaskStateRunning }

func grace(spec swarm.TaskSpec) time.Duration {
	if spec.ContainerSpec == nil || spec.ContainerSpec.StopGracePeriod == nil {
		return defaultGrace
	}
	return *spec.ContainerSpec.StopGracePeriod
}

// watched reports whether Docker has watched all tasks for as long as the service
// wants it before it said that the update is completed. It has not if a task was
// restarted, or taken over from an update that a further one has interrupted; it
// watches none if there was none to replace. Such a task may be seen running when it
// is about to fail.
func watched(service swarm.Service, tasks []swarm.Task) bool {
	if service.UpdateStatus == nil || service.UpdateStatus.CompletedAt == nil {
		return false
	}
	begun := service.UpdateStatus.CompletedAt.Add(-monitor(service.Spec.UpdateConfig))
	return !slices.ContainsFunc(tasks, func(t swarm.Task) bool { return shouldRun(t) && t.UpdatedAt.After(begun) })
}

// count returns how many tasks run what the spec says, and what is missing to all.
func count(service swarm.Service, tasks []swarm.Task) (running int, missing string) {
	old, all := 0, 0
	for _, t := range tasks {
		if !shouldRun(t) {
			continue
		}
		all++
		switch {
		case !slices.EqualFunc(secretsOf(t.Spec), secretsOf(service.Spec.TaskTemplate), sameReference):
			old++
		case t.Status.State == swarm.TaskStateRunning:
			running++
		default:
			missing = fmt.Sprintf("; task %s is %s", t.ID, t.Status.State)
			if why := cmp.Or(t.Status.Err, t.Status.Message); why != "" {
				missing += ": " + why
			}
		}
	}
	want := all
	if replicated := service.Spec.Mode.Replicated; replicated != nil {
		want = 1
		if replicated.Replicas != nil {
			want = int(min(*replicated.Replicas, 1<<31-1))
		}
	}
	// There may be more: see crowded.
	if running >= want && running == all && old == 0 {
		return running, ""
	}
	if service.Spec.Mode.Global != nil && old > 0 {
		missing += "; of a global service Docker updates no task on a node whose availability is pause"
	}
	return running, fmt.Sprintf("%d of %d tasks run the new version, %d the old one%s", running, want, old, missing)
}

func shouldRun(t swarm.Task) bool {
	switch t.DesiredState {
	case swarm.TaskStateShutdown, swarm.TaskStateRemove, swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return false
	}
	return true
}

// failed returns the tasks with a version that failed in the present update, the last
// one first. A task that ends counts as well: services are to run.
func failed(service swarm.Service, tasks []swarm.Task, version Version) []swarm.Task {
	since := service.UpdatedAt
	if service.UpdateStatus != nil && service.UpdateStatus.StartedAt != nil {
		since = *service.UpdateStatus.StartedAt
	}
	var failures []swarm.Task
	for _, t := range tasks {
		uses := slices.ContainsFunc(secretsOf(t.Spec), func(r *swarm.SecretReference) bool { return r.SecretID == version.ID })
		switch t.Status.State {
		case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateComplete:
			if uses && !t.CreatedAt.Before(since) {
				failures = append(failures, t)
			}
		}
	}
	slices.SortFunc(failures, func(a, b swarm.Task) int { return b.Status.Timestamp.Compare(a.Status.Timestamp) })
	return failures
}

// strikes is the largest number of failures of one replica, or on one node.
func strikes(failures []swarm.Task) int {
	most := 0
	count := map[string]int{}
	for _, t := range failures {
		count[place(t)]++
		most = max(most, count[place(t)])
	}
	return most
}

// place is the replica that a task is, or for a global service its node.
func place(t swarm.Task) string {
	if t.Slot == 0 {
		return t.NodeID
	}
	return fmt.Sprint(t.Slot)
}

// crowded reports whether two tasks are to run in one place. Where new tasks are
// started first, a rollback can leave that: Docker restarts the one that failed beside
// the old one that still runs. It lasts until the next update.
func crowded(tasks []swarm.Task) bool {
	taken := map[string]bool{}
	for _, t := range tasks {
		if shouldRun(t) && taken[place(t)] {
			return true
		}
		taken[place(t)] = taken[place(t)] || shouldRun(t)
	}
	return false
}

// cause is why Docker stopped an update.
func cause(service swarm.Service, tasks []swarm.Task, version Version, status swarm.UpdateStatus) error {
	if failures := failed(service, tasks, version); len(failures) > 0 {
		return taskError(service, failures[0])
	}
	return fmt.Errorf("the update of service %q is %s: %s", service.Spec.Name, status.State, status.Message)
}

func taskError(service swarm.Service, t swarm.Task) *TaskError {
	e := &TaskError{Service: service.Spec.Name, Task: t.ID, Node: t.NodeID, State: string(t.Status.State), Message: t.Status.Err}
	if t.Status.ContainerStatus != nil {
		e.ExitCode = t.Status.ContainerStatus.ExitCode
	}
	return e
}

func monitor(config *swarm.UpdateConfig) time.Duration {
	if config == nil {
		return defaultMonitor
	}
	return cmp.Or(config.Monitor, defaultMonitor)
}

func idsOf(tasks []swarm.Task) []string {
	var ids []string
	for _, t := range tasks {
		if shouldRun(t) {
			ids = append(ids, t.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
