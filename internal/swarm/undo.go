// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// undo puts the services back that were moved, in reverse order, and removes the
// version if it is a new one; failed is the id of the service that has failed, and
// why. It has a time of its own, and does not end with the context: what failed must
// not stay because somebody lost patience.
func (w *work) undo(ctx context.Context, failed, name string, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.want.Timeout)
	defer cancel()
	result := &RolledBackError{Service: name, Version: w.version.Name, Cause: why}
	var left []error
	for _, id := range slices.Backward(w.services) {
		back := w.moved[id]
		if w.made {
			// Those that an interrupted Apply has moved go back as well: the version goes.
			gone := leave(w.unwanted(), w.current)
			if w.current.ID == "" && back != nil {
				gone = back.unless(gone)
			}
			back = gone
		}
		if back == nil {
			if id == failed {
				result.Steps = append(result.Steps, "service "+name+" is left as it is: it was not updated")
			}
			continue
		}
		step, err := w.revert(ctx, id, back)
		if step != "" {
			result.Steps = append(result.Steps, step)
		}
		if err != nil {
			left = append(left, err)
		}
	}
	if w.made {
		result.New = true
		steps, err := w.discard(ctx, len(left) == 0)
		result.Steps = append(result.Steps, steps...)
		if err != nil {
			left = append(left, err)
		}
	}
	result.Left = errors.Join(left...)
	return result
}

// unwanted are the versions that no service is to keep: the one that failed, and
// what interrupted Applies have left.
func (w *work) unwanted() []Version {
	versions := []Version{w.version}
	for _, v := range w.present {
		if v.pending && v.ID != w.version.ID {
			versions = append(versions, v)
		}
	}
	return versions
}

// discard removes what is unwanted. The number of the version that failed is noted
// with the current one before, so that no other value gets it.
func (w *work) discard(ctx context.Context, unused bool) (steps []string, err error) {
	if !unused {
		return nil, fmt.Errorf("%s stays until no service refers to it; the next apply removes it", w.version.Name)
	}
	if w.current.ID != "" {
		if _, err := w.relabel(ctx, w.current.ID, func(v *Version) { v.last = w.version.Number }); err != nil {
			return nil, err
		}
	}
	var left []error
	unwanted := w.unwanted()
	for _, l := range w.removeUnused(ctx, unwanted) {
		left = append(left, errors.New(l.String()))
		unwanted = slices.DeleteFunc(unwanted, func(v Version) bool { return v.Name == l.Name })
	}
	for _, v := range unwanted {
		steps = append(steps, v.Name+" is removed")
	}
	return steps, errors.Join(left...)
}

// revert puts a service back on what it had before it was moved to the version, and
// waits for that.
func (w *work) revert(ctx context.Context, id string, back retreat) (step string, err error) {
	var name, to string
	index, err := w.updateService(ctx, id, "roll the service back from "+w.version.Name, func(service swarm.Service) (client.ServiceUpdateOptions, bool, error) {
		name = service.Spec.Name
		switch {
		case !back.concerns(&service.Spec):
			if status := service.UpdateStatus; status != nil && strings.HasPrefix(string(status.State), rollback) {
				to = w.held(service.Spec) // Docker's own doing
			}
			return client.ServiceUpdateOptions{}, false, nil
		case service.PreviousSpec != nil && !back.concerns(service.PreviousSpec):
			to = w.held(*service.PreviousSpec)
			return client.ServiceUpdateOptions{Spec: service.Spec, Rollback: "previous"}, true, nil
		}
		// Someone has changed it since. Their change stays.
		spec := back.apply(service.Spec)
		to = w.held(spec)
		return client.ServiceUpdateOptions{Spec: spec}, true, nil
	})
	if err != nil {
		return "", err
	}
	tidy := false
	if to != "" {
		if err := w.awaitRevert(ctx, id, index, back); err != nil {
			return "", err
		}
		_, tasks, err := w.observe(ctx, id)
		if err != nil {
			return "", err
		}
		tidy = crowded(tasks)
	}
	if err := w.pushOut(ctx, id, back, tidy); err != nil || to == "" {
		return "", err
	}
	return fmt.Sprintf("service %s is back on %s", name, to), nil
}

// held is what a spec refers to of the secret.
func (w *work) held(spec swarm.ServiceSpec) string {
	var names []string
	for _, r := range secretsOf(spec.TaskTemplate) {
		if w.series.named(r) {
			names = append(names, r.SecretName)
		}
	}
	if len(names) == 0 {
		return "no version"
	}
	return strings.Join(names, ", ")
}

// awaitRevert waits until no task of a service is to run with what is not to stay.
// Whether all tasks run is not asked: they may not have run before.
func (w *work) awaitRevert(ctx context.Context, id string, after uint64, back retreat) error {
	return w.watch(ctx, id, w.want.Timeout, func(service swarm.Service, tasks []swarm.Task) verdict {
		switch {
		case service.Version.Index <= after:
			return verdict{still: "the rollback is not visible yet"}
		case back.concerns(&service.Spec):
			return verdict{failed: &Error{Op: "roll back the service", Object: service.Spec.Name, Kind: ErrConflict,
				Err: fmt.Errorf("it refers to %s again", w.version.Name)}}
		}
		if status := service.UpdateStatus; status != nil {
			switch status.State {
			case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
				return verdict{failed: fmt.Errorf("the rollback of service %q is %s: %s", service.Spec.Name, status.State, status.Message)}
			case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
				return verdict{still: "the rollback is in progress"}
			}
		}
		for _, t := range tasks {
			if shouldRun(t) && back.concerns(&swarm.ServiceSpec{TaskTemplate: t.Spec}) {
				return verdict{still: "task " + t.ID + " still has " + w.version.Name}
			}
		}
		return verdict{done: true}
	})
}

// pushOut updates a service with the spec that it has if the one before it has
// references that are not to stay, which are then in neither; tidy does in any case.
// No task is replaced for that, but those are stopped that are too many.
func (w *work) pushOut(ctx context.Context, id string, back retreat, tidy bool) error {
	_, err := w.updateService(ctx, id, "update the service without a change, for its previous spec to be this one",
		func(service swarm.Service) (client.ServiceUpdateOptions, bool, error) {
			stale := (tidy || back.concerns(service.PreviousSpec)) && !back.concerns(&service.Spec)
			return client.ServiceUpdateOptions{Spec: service.Spec}, stale, nil
		})
	return err
}

// release makes the services that were moved forget versions that nobody was told
// of. One that cannot be is left for the next Apply.
func (w *work) release(ctx context.Context, versions []Version) {
	for _, id := range w.services {
		if err := w.pushOut(ctx, id, leave(versions, Version{}), false); err != nil {
			return
		}
	}
}
