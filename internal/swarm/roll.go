// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// checkServices checks the services once no other Apply of this process is at work on
// them: it may have left one paused.
func (w *work) checkServices(ctx context.Context) error {
	for _, id := range w.services {
		service, err := w.inspectService(ctx, id)
		if err != nil {
			return err
		}
		if err := w.check(ctx, service); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a service that cannot be updated, before anything changes.
func (w *work) check(ctx context.Context, service swarm.Service) error {
	refuse := func(kind, err error) error {
		return &Error{Op: "update the service", Object: service.Spec.Name, Kind: kind, Err: err}
	}
	switch {
	case isJob(service):
		return refuse(ErrJob, nil)
	case service.Spec.TaskTemplate.ContainerSpec == nil:
		return refuse(ErrInvalid, errors.New("its tasks are no containers, and can have no secrets"))
	}
	if _, _, err := w.swap().apply(service.Spec); err != nil {
		return refuse(ErrInvalid, err)
	}
	return w.checkPaused(ctx, service, refuse)
}

func isJob(service swarm.Service) bool {
	return service.Spec.Mode.ReplicatedJob != nil || service.Spec.Mode.GlobalJob != nil
}

// swap is what services get, as far as it is known before the version is made.
func (w *work) swap() swap {
	to := w.current
	if w.want.Value != nil {
		to = w.version
	}
	return swap{&w.series, to, w.want.Target}
}

// checkPaused refuses a service whose last update is paused with tasks left behind:
// one more update would bring what Docker has stopped to all of them; and if there is
// nothing to update, it is no success. An update of ours to a version that state does
// not know is no reason: this one takes its place.
func (w *work) checkPaused(ctx context.Context, service swarm.Service, refuse func(kind, err error) error) error {
	if service.UpdateStatus == nil || service.UpdateStatus.State != swarm.UpdateStatePaused {
		return nil
	}
	for _, v := range w.present {
		if refersTo(&service.Spec, v.ID) && (v.pending || v.Number > w.want.Last) {
			return nil
		}
	}
	tasks, err := w.listTasks(ctx, service)
	if err != nil {
		return err
	}
	if _, missing := count(service, tasks); missing != "" {
		return refuse(ErrPaused, errors.New(service.UpdateStatus.Message))
	}
	return nil
}

// roll moves the services to the version, one after the other.
func (w *work) roll(ctx context.Context) error {
	deadline, cancel := context.WithTimeout(ctx, w.want.Timeout)
	defer cancel()
	for _, id := range w.services {
		name, err := w.move(deadline, id)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted while services are moved to %s: %w", w.version.Name, ctx.Err())
		}
		return w.undo(ctx, id, name, err)
	}
	return nil
}

// move moves one service and waits for it. Where an interrupted Apply has done the
// first, it waits all the same. It returns the service's name.
func (w *work) move(ctx context.Context, id string) (name string, err error) {
	var stack *StackService
	name = id
	swap := w.swap()
	index, err := w.updateService(ctx, id, "move the service to "+w.version.Name, func(service swarm.Service) (client.ServiceUpdateOptions, bool, error) {
		name = service.Spec.Name
		spec, changed, err := swap.apply(service.Spec)
		if err != nil {
			err = &Error{Op: "update the service", Object: name, Kind: ErrInvalid, Err: err}
		}
		if namespace := service.Spec.Labels[stackLabel]; namespace != "" {
			stack = &StackService{Service: name, Stack: namespace, Compose: "name: " + w.version.Name, File: fileOf(spec, w.version.ID)}
		}
		if changed { // noted before it is done: the answer may be lost
			w.moved[id] = putBack(secretsOf(service.Spec.TaskTemplate), secretsOf(spec.TaskTemplate))
		}
		return client.ServiceUpdateOptions{Spec: spec}, changed, err
	})
	if err != nil {
		return name, err
	}
	if index > 0 {
		w.out.Rolled = append(w.out.Rolled, name)
		if stack != nil {
			w.out.Stacks = append(w.out.Stacks, *stack)
		}
	} else if !w.made {
		return name, w.stand(ctx, id)
	}
	return name, w.converge(ctx, id, index)
}
