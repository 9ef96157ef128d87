// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// fake is a swarm in memory, for what a real engine cannot be made to show at will.
// It keeps the rules that this package has to do with, as swarmkit has them: what an
// update does to the previous spec and to the status, which secrets are in use, and
// that a version of an object is updated once. At every call its tasks go one step
// on. It fails the test when a service or a task refers to a secret that is gone.
// Source: https://github.com/moby/swarmkit/tree/v2.0.0/manager
type fake struct {
	t        *testing.T
	now      time.Time
	index    uint64
	secrets  map[string]*swarm.Secret
	values   map[string]string
	services map[string]*swarm.Service
	tasks    []*swarm.Task
	frozen   int // calls at which nothing goes on
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		secrets: map[string]*swarm.Secret{}, values: map[string]string{}, services: map[string]*swarm.Service{}}
}

// swarm works on the fake, and waits for nothing.
func (f *fake) swarm() *Swarm { return &Swarm{API: f, Sleep: noSleep} }

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (f *fake) next() uint64 { f.index++; return f.index }

func (f *fake) id(kind string) string { return fmt.Sprintf("%s%022d", kind, f.next()) }

// addService makes a service that uses secrets under the file name "key".
func (f *fake) addService(name string, replicas uint64, action swarm.FailureAction, secret Version) *swarm.Service {
	s := &swarm.Service{ID: f.id("srv"), Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "image"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		UpdateConfig: &swarm.UpdateConfig{FailureAction: action, Monitor: time.Second},
	}}
	if secret.ID != "" {
		s.Spec.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{{
			SecretID: secret.ID, SecretName: secret.Name, File: &swarm.SecretReferenceFileTarget{Name: "key"},
		}}
	}
	s.Version.Index = f.next()
	f.services[s.ID] = s
	for slot := range replicas {
		f.addTask(s, int(slot)+1).Status.State = swarm.TaskStateRunning
	}
	return s
}

func (f *fake) addTask(s *swarm.Service, slot int) *swarm.Task {
	task := &swarm.Task{ID: f.id("tsk"), ServiceID: s.ID, Slot: slot, Spec: clone(s.Spec.TaskTemplate),
		DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{State: swarm.TaskStateStarting}}
	task.CreatedAt, task.UpdatedAt = f.now, f.now
	f.tasks = append(f.tasks, task)
	return task
}

func clone[T any](v T) (c T) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		panic(err)
	}
	return c
}

// tick lets a second pass.
func (f *fake) tick() {
	f.now = f.now.Add(time.Second)
	if f.frozen--; f.frozen >= 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(f.services)) {
		f.advance(f.services[id])
	}
	there := func(spec *swarm.ServiceSpec) bool {
		return spec == nil || !slices.ContainsFunc(secretsOf(spec.TaskTemplate), func(r *swarm.SecretReference) bool { return f.secrets[r.SecretID] == nil })
	}
	for _, s := range f.services {
		if !there(&s.Spec) || !there(s.PreviousSpec) {
			f.t.Errorf("service %s refers to a secret that is gone", s.Spec.Name)
		}
	}
	for _, task := range f.tasks {
		if shouldRun(*task) && !there(&swarm.ServiceSpec{TaskTemplate: task.Spec}) {
			f.t.Errorf("task %s is to run with a secret that is gone", task.ID)
		}
	}
}

// advance takes the tasks of a service one step on: one more is replaced, those that
// start run, or fail if their secret or its file begins with "bad". The service
// "first" takes any.
func (f *fake) advance(s *swarm.Service) {
	set := func(state swarm.UpdateState, message string) {
		if s.UpdateStatus == nil {
			s.UpdateStatus = &swarm.UpdateStatus{StartedAt: new(f.now)}
		}
		s.UpdateStatus.State, s.UpdateStatus.Message = state, message
		s.Version.Index = f.next()
	}
	state := func() swarm.UpdateState {
		if s.UpdateStatus == nil {
			return ""
		}
		return s.UpdateStatus.State
	}
	var settled, dirty []*swarm.Task
	for _, task := range slices.Clone(f.tasks) {
		if task.ServiceID != s.ID || !shouldRun(*task) {
			continue
		}
		bad := s.Spec.Name != "first" && slices.ContainsFunc(secretsOf(task.Spec), func(r *swarm.SecretReference) bool {
			return strings.HasPrefix(f.values[r.SecretID], "bad") || strings.HasPrefix(r.File.Name, "bad")
		})
		switch {
		case task.Status.State == swarm.TaskStateStarting && bad:
			task.Status = swarm.TaskStatus{Timestamp: f.now, State: swarm.TaskStateFailed, Err: "task: non-zero exit (3)", ContainerStatus: &swarm.ContainerStatus{ExitCode: 3}}
			task.DesiredState = swarm.TaskStateShutdown
			message := "failure of task " + task.ID
			switch action := s.Spec.UpdateConfig.FailureAction; {
			case state() == swarm.UpdateStateUpdating && action == swarm.UpdateFailureActionPause:
				set(swarm.UpdateStatePaused, message)
			case state() == swarm.UpdateStateUpdating && action == swarm.UpdateFailureActionRollback && s.PreviousSpec != nil:
				s.Spec, s.PreviousSpec = *s.PreviousSpec, nil
				set(swarm.UpdateStateRollbackStarted, message)
			}
			f.addTask(s, task.Slot)
			return
		case task.Status.State == swarm.TaskStateStarting:
			task.Status.State, task.UpdatedAt = swarm.TaskStateRunning, f.now
			return
		case slices.EqualFunc(secretsOf(task.Spec), secretsOf(s.Spec.TaskTemplate), sameReference):
			settled = append(settled, task)
		default:
			dirty = append(dirty, task)
		}
	}
	running := state() == "" || state() == swarm.UpdateStateUpdating || state() == swarm.UpdateStateRollbackStarted
	switch {
	case len(dirty) > 0 && running:
		if state() == "" {
			set(swarm.UpdateStateUpdating, "update in progress")
		}
		dirty[0].DesiredState, dirty[0].Status.State = swarm.TaskStateShutdown, swarm.TaskStateShutdown
		f.addTask(s, dirty[0].Slot)
	case len(dirty) == 0 && running && state() != "":
		for _, task := range settled {
			if f.now.Sub(task.UpdatedAt) <= time.Second {
				return // it is monitored
			}
		}
		s.UpdateStatus.CompletedAt = new(f.now)
		if state() == swarm.UpdateStateUpdating {
			set(swarm.UpdateStateCompleted, "update completed")
		} else {
			set(swarm.UpdateStateRollbackCompleted, "rollback completed")
		}
	}
}

func (f *fake) secret(id string) *swarm.Secret {
	for _, s := range f.secrets {
		if s.ID == id || s.Spec.Name == id {
			return s
		}
	}
	return nil
}

func (f *fake) service(id string) *swarm.Service {
	for _, s := range f.services {
		if s.ID == id || s.Spec.Name == id {
			return s
		}
	}
	return nil
}

func notFound(kind, id string) error {
	return errdefs.ErrNotFound.WithMessage(kind + " " + id + " not found")
}

var errOutOfSequence = errdefs.ErrInternal.WithMessage("rpc error: code = Unknown desc = update out of sequence")

func (f *fake) SecretCreate(_ context.Context, o client.SecretCreateOptions) (r client.SecretCreateResult, err error) {
	f.tick()
	for _, s := range f.secrets {
		if strings.EqualFold(s.Spec.Name, o.Spec.Name) {
			return r, errdefs.ErrConflict.WithMessage("secret " + o.Spec.Name + " already exists")
		}
	}
	s := &swarm.Secret{ID: f.id("sec"), Spec: clone(o.Spec)}
	s.Spec.Data = nil
	s.Version.Index, s.CreatedAt = f.next(), f.now
	f.secrets[s.ID], f.values[s.ID] = s, string(o.Spec.Data)
	return client.SecretCreateResult{ID: s.ID}, nil
}

func (f *fake) SecretInspect(_ context.Context, id string, _ client.SecretInspectOptions) (r client.SecretInspectResult, err error) {
	f.tick()
	if s := f.secret(id); s != nil {
		return client.SecretInspectResult{Secret: clone(*s)}, nil
	}
	return r, notFound("secret", id)
}

func (f *fake) SecretList(_ context.Context, o client.SecretListOptions) (r client.SecretListResult, err error) {
	f.tick()
	for _, s := range f.secrets {
		matches := len(o.Filters["name"]) == 0
		for prefix := range o.Filters["name"] {
			matches = matches || strings.HasPrefix(strings.ToLower(s.Spec.Name), strings.ToLower(prefix))
		}
		if matches {
			r.Items = append(r.Items, clone(*s))
		}
	}
	return r, nil
}

func (f *fake) SecretRemove(_ context.Context, id string, _ client.SecretRemoveOptions) (r client.SecretRemoveResult, err error) {
	f.tick()
	s := f.secret(id)
	if s == nil {
		return r, notFound("secret", id)
	}
	for _, service := range f.services {
		if refersTo(&service.Spec, s.ID) {
			return r, errdefs.ErrInvalidArgument.WithMessage("secret '" + s.Spec.Name + "' is in use by the following service: " + service.Spec.Name)
		}
	}
	delete(f.secrets, s.ID)
	f.tick()
	return r, nil
}

func (f *fake) SecretUpdate(_ context.Context, id string, o client.SecretUpdateOptions) (r client.SecretUpdateResult, err error) {
	f.tick()
	s := f.secret(id)
	switch {
	case s == nil:
		return r, notFound("secret", id)
	case s.Version != o.Version:
		return r, errOutOfSequence
	}
	s.Spec.Labels = maps.Clone(o.Spec.Labels)
	s.Version.Index = f.next()
	return r, nil
}

func (f *fake) ServiceInspect(_ context.Context, id string, _ client.ServiceInspectOptions) (r client.ServiceInspectResult, err error) {
	f.tick()
	if s := f.service(id); s != nil {
		return client.ServiceInspectResult{Service: clone(*s)}, nil
	}
	return r, notFound("service", id)
}

func (f *fake) ServiceList(context.Context, client.ServiceListOptions) (r client.ServiceListResult, err error) {
	f.tick()
	for _, s := range f.services {
		r.Items = append(r.Items, clone(*s))
	}
	return r, nil
}

func (f *fake) ServiceUpdate(_ context.Context, id string, o client.ServiceUpdateOptions) (r client.ServiceUpdateResult, err error) {
	f.tick()
	s := f.service(id)
	switch {
	case s == nil:
		return r, notFound("service", id)
	case s.Version != o.Version:
		return r, errOutOfSequence
	case o.RegistryAuthFrom != swarm.RegistryAuthFromSpec:
		f.t.Error("the credentials for the registry would be lost")
	}
	if o.Rollback == "previous" {
		if s.PreviousSpec == nil {
			return r, errdefs.ErrInvalidArgument.WithMessage("service " + id + " does not have a previous spec")
		}
		s.PreviousSpec, s.Spec = new(s.Spec), *s.PreviousSpec
		s.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackStarted, StartedAt: new(f.now), Message: "manually requested rollback"}
	} else {
		for _, reference := range secretsOf(o.Spec.TaskTemplate) {
			if f.secrets[reference.SecretID] == nil {
				return r, errdefs.ErrInvalidArgument.WithMessage("secret not found: " + reference.SecretName)
			}
		}
		s.PreviousSpec, s.Spec, s.UpdateStatus = new(s.Spec), clone(o.Spec), nil
	}
	s.Version.Index, s.UpdatedAt = f.next(), f.now
	return r, nil
}

func (f *fake) TaskList(_ context.Context, o client.TaskListOptions) (r client.TaskListResult, err error) {
	f.tick()
	for _, task := range f.tasks {
		if o.Filters["service"][task.ServiceID] {
			r.Items = append(r.Items, clone(*task))
		}
	}
	return r, nil
}
