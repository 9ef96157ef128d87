// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

const (
	stackLabel = "com.docker.stack.namespace"

	maxTries = 20 // of an update that others were faster with
	pause    = 100 * time.Millisecond
)

// cache is a list as this process last saw it. The zero value is empty.
type cache[T any] struct {
	mu     sync.Mutex
	loaded bool
	items  []T
}

// get returns the list, loaded if it is not there or is to be fresh. Callers must not
// change what they get.
func (c *cache[T]) get(fresh bool, load func() ([]T, error)) ([]T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded && !fresh {
		return c.items, nil
	}
	items, err := load()
	c.loaded, c.items = err == nil, items
	return items, err
}

func (c *cache[T]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = false
}

// listServices returns all services by name; fresh asks Docker in any case.
func (s *Swarm) listServices(ctx context.Context, fresh bool) ([]swarm.Service, error) {
	return s.services.get(fresh, func() ([]swarm.Service, error) {
		result, err := s.API.ServiceList(ctx, client.ServiceListOptions{})
		if err != nil {
			return nil, failure("list the services of the swarm", "service", "", err)
		}
		slices.SortFunc(result.Items, func(a, b swarm.Service) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
		return result.Items, nil
	})
}

// busyServices are the services that this process is changing. Two changes of one
// service would each take the other's failure for its own. The zero value is ready.
type busyServices struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // by id
}

// lock waits until nobody else in this process changes any of the services. The
// function that it returns must be called.
func (b *busyServices) lock(ctx context.Context, ids []string) (release func(), err error) {
	var held []chan struct{}
	release = func() {
		for _, c := range held {
			<-c
		}
	}
	// In one order for all, so that no two wait for each other.
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		b.mu.Lock()
		if b.busy == nil {
			b.busy = map[string]chan struct{}{}
		}
		if b.busy[id] == nil {
			b.busy[id] = make(chan struct{}, 1)
		}
		c := b.busy[id]
		b.mu.Unlock()
		select {
		case c <- struct{}{}:
			held = append(held, c)
		case <-ctx.Done():
			release()
			return nil, ctx.Err()
		}
	}
	return release, nil
}

// inspectService returns a service given by its id or name. Docker would take the
// beginning of an id, too, which may be that of another service once this one is
// gone.
func (s *Swarm) inspectService(ctx context.Context, service string) (swarm.Service, error) {
	const op = "inspect the service"
	result, err := s.API.ServiceInspect(ctx, service, client.ServiceInspectOptions{})
	if err != nil {
		return swarm.Service{}, failure(op, "service", service, err)
	}
	if result.Service.ID != service && result.Service.Spec.Name != service {
		return swarm.Service{}, &Error{Op: op, Object: service, Kind: ErrNotFound}
	}
	return result.Service, nil
}

// change returns what becomes of a service, and how. changed is false if it is that
// already.
type change func(swarm.Service) (options client.ServiceUpdateOptions, changed bool, err error)

// updateService changes a service, again on top of what others have done to it
// meanwhile if they were faster: Docker takes a spec only for the version of the
// service that it was made from. It returns that version's index, 0 if there was
// nothing to change.
func (s *Swarm) updateService(ctx context.Context, id, step string, change change) (index uint64, err error) {
	for try := 1; ; try++ {
		service, err := s.inspectService(ctx, id)
		if err != nil {
			return 0, err
		}
		options, changed, err := change(service)
		if err != nil || !changed {
			return 0, err
		}
		options.Version = service.Version
		// The credentials that nodes pull the image with are not part of what Docker
		// shows of a spec, and stay.
		options.RegistryAuthFrom = swarm.RegistryAuthFromSpec
		s.step(ctx, step, service.Spec.Name)
		_, err = s.API.ServiceUpdate(ctx, service.ID, options)
		s.services.forget()
		if err == nil {
			return service.Version.Index, nil
		}
		err = failure("update the service", "service", service.Spec.Name, err)
		if !errors.Is(err, ErrConflict) || try == maxTries {
			return 0, err
		}
		if err := s.sleep(ctx, time.Duration(try)*pause); err != nil {
			return 0, err
		}
	}
}

func (s *Swarm) listTasks(ctx context.Context, service swarm.Service) ([]swarm.Task, error) {
	result, err := s.API.TaskList(ctx, client.TaskListOptions{Filters: make(client.Filters).Add("service", service.ID)})
	if err != nil {
		return nil, failure("list the tasks of the service", "service", service.Spec.Name, err)
	}
	return result.Items, nil
}

func (s *Swarm) step(ctx context.Context, step, object string) {
	if s.Step != nil {
		s.Step(ctx, step, object)
	}
}

func (s *Swarm) sleep(ctx context.Context, d time.Duration) error {
	if s.Sleep != nil {
		return s.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// secretsOf are the references of a spec; none if its tasks are no containers.
func secretsOf(spec swarm.TaskSpec) []*swarm.SecretReference {
	if spec.ContainerSpec == nil {
		return nil
	}
	return spec.ContainerSpec.Secrets
}

// uses are the services that refer to an object: in their spec, and only in the one
// before it, which is what docker service rollback goes back to. Docker itself
// guards only the first.
func uses(services []swarm.Service, id string) (now, before []string) {
	for _, service := range services {
		switch {
		case refersTo(&service.Spec, id):
			now = append(now, service.Spec.Name)
		case refersTo(service.PreviousSpec, id):
			before = append(before, service.Spec.Name)
		}
	}
	return now, before
}

// fileOf returns the name of the file that a spec has an object in, or "".
func fileOf(spec swarm.ServiceSpec, id string) string {
	for _, r := range secretsOf(spec.TaskTemplate) {
		if r.SecretID == id && r.File != nil {
			return r.File.Name
		}
	}
	return ""
}

// mounts are the references of services to an object, by the name of the service, in
// the form in which docker service update --secret-add takes them behind the source.
func mounts(services []swarm.Service, id string) map[string][]string {
	var found map[string][]string
	for _, service := range services {
		for _, r := range secretsOf(service.Spec.TaskTemplate) {
			if r.SecretID == id && r.File != nil {
				if found == nil {
					found = map[string][]string{}
				}
				found[service.Spec.Name] = append(found[service.Spec.Name],
					fmt.Sprintf("target=%s,uid=%s,gid=%s,mode=%#o", r.File.Name, r.File.UID, r.File.GID, uint32(r.File.Mode)))
			}
		}
	}
	return found
}
