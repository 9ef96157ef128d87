// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"sync"

	"github.com/moby/moby/client"
)

// wrapped puts something around every call of an engine. Name is the method's,
// object what it is about.
type wrapped struct {
	API
	around func(name, object string, call func() error) error
}

func (w wrapped) SecretCreate(ctx context.Context, o client.SecretCreateOptions) (r client.SecretCreateResult, err error) {
	err = w.around("SecretCreate", o.Spec.Name, func() error { r, err = w.API.SecretCreate(ctx, o); return err })
	return r, err
}

func (w wrapped) SecretInspect(ctx context.Context, id string, o client.SecretInspectOptions) (r client.SecretInspectResult, err error) {
	err = w.around("SecretInspect", id, func() error { r, err = w.API.SecretInspect(ctx, id, o); return err })
	return r, err
}

func (w wrapped) SecretList(ctx context.Context, o client.SecretListOptions) (r client.SecretListResult, err error) {
	err = w.around("SecretList", "", func() error { r, err = w.API.SecretList(ctx, o); return err })
	return r, err
}

func (w wrapped) SecretRemove(ctx context.Context, id string, o client.SecretRemoveOptions) (r client.SecretRemoveResult, err error) {
	err = w.around("SecretRemove", id, func() error { r, err = w.API.SecretRemove(ctx, id, o); return err })
	return r, err
}

func (w wrapped) SecretUpdate(ctx context.Context, id string, o client.SecretUpdateOptions) (r client.SecretUpdateResult, err error) {
	err = w.around("SecretUpdate", id, func() error { r, err = w.API.SecretUpdate(ctx, id, o); return err })
	return r, err
}

func (w wrapped) ServiceInspect(ctx context.Context, id string, o client.ServiceInspectOptions) (r client.ServiceInspectResult, err error) {
	err = w.around("ServiceInspect", id, func() error { r, err = w.API.ServiceInspect(ctx, id, o); return err })
	return r, err
}

func (w wrapped) ServiceList(ctx context.Context, o client.ServiceListOptions) (r client.ServiceListResult, err error) {
	err = w.around("ServiceList", "", func() error { r, err = w.API.ServiceList(ctx, o); return err })
	return r, err
}

func (w wrapped) ServiceUpdate(ctx context.Context, id string, o client.ServiceUpdateOptions) (r client.ServiceUpdateResult, err error) {
	name := "ServiceUpdate"
	if o.Rollback != "" {
		name = "ServiceRollback"
	}
	err = w.around(name, id, func() error { r, err = w.API.ServiceUpdate(ctx, id, o); return err })
	return r, err
}

func (w wrapped) TaskList(ctx context.Context, o client.TaskListOptions) (r client.TaskListResult, err error) {
	err = w.around("TaskList", "", func() error { r, err = w.API.TaskList(ctx, o); return err })
	return r, err
}

// calls counts calls by the name of the method.
type calls struct {
	mu sync.Mutex
	by map[string]int
}

func (c *calls) on(api API) API {
	return wrapped{api, func(name, _ string, call func() error) error {
		c.mu.Lock()
		if c.by == nil {
			c.by = map[string]int{}
		}
		c.by[name]++
		c.mu.Unlock()
		return call()
	}}
}
