// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"sync"
	"syscall"

	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// dockerDeath is the call to Docker at which the process kills itself. The file
// that ROI_TEST_KILL_DOCKER names has one for each address of a daemon, so that
// providers in one run can die at different calls; File is written before that.
type dockerDeath struct {
	Op    string
	Nth   int
	After bool
	File  string
}

// mortalDocker is a Docker client in the use of which the process dies.
type mortalDocker struct {
	swarm.API
	mu    sync.Mutex
	calls map[string]int
}

func newMortalDocker(api swarm.API) swarm.API {
	return &mortalDocker{API: api, calls: map[string]int{}}
}

func (m *mortalDocker) call(op string, do func() error) error {
	text, err := os.ReadFile(os.Getenv("ROI_TEST_KILL_DOCKER"))
	if err != nil {
		return do()
	}
	var deaths map[string]dockerDeath
	if err := json.Unmarshal(text, &deaths); err != nil {
		log.Fatal(err)
	}
	connected, ok := m.API.(*client.Client)
	if !ok {
		log.Fatalf("no client but %T", m.API)
	}
	death := deaths[connected.DaemonHost()]
	m.mu.Lock()
	m.calls[op]++
	dies := op == death.Op && m.calls[op] == death.Nth
	m.mu.Unlock()
	if !dies {
		return do()
	}
	if death.After {
		_ = do()
	}
	if err := os.WriteFile(death.File, nil, 0o600); err != nil {
		log.Fatal(err)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (m *mortalDocker) SecretCreate(ctx context.Context, options client.SecretCreateOptions) (result client.SecretCreateResult, err error) {
	err = m.call("SecretCreate", func() (err error) { result, err = m.API.SecretCreate(ctx, options); return err })
	return result, err
}

func (m *mortalDocker) SecretInspect(ctx context.Context, id string, options client.SecretInspectOptions) (result client.SecretInspectResult, err error) {
	err = m.call("SecretInspect", func() (err error) { result, err = m.API.SecretInspect(ctx, id, options); return err })
	return result, err
}

func (m *mortalDocker) SecretList(ctx context.Context, options client.SecretListOptions) (result client.SecretListResult, err error) {
	err = m.call("SecretList", func() (err error) { result, err = m.API.SecretList(ctx, options); return err })
	return result, err
}

func (m *mortalDocker) SecretRemove(ctx context.Context, id string, options client.SecretRemoveOptions) (result client.SecretRemoveResult, err error) {
	err = m.call("SecretRemove", func() (err error) { result, err = m.API.SecretRemove(ctx, id, options); return err })
	return result, err
}

func (m *mortalDocker) SecretUpdate(ctx context.Context, id string, options client.SecretUpdateOptions) (result client.SecretUpdateResult, err error) {
	err = m.call("SecretUpdate", func() (err error) { result, err = m.API.SecretUpdate(ctx, id, options); return err })
	return result, err
}

func (m *mortalDocker) ServiceInspect(ctx context.Context, id string, options client.ServiceInspectOptions) (result client.ServiceInspectResult, err error) {
	err = m.call("ServiceInspect", func() (err error) { result, err = m.API.ServiceInspect(ctx, id, options); return err })
	return result, err
}

func (m *mortalDocker) ServiceList(ctx context.Context, options client.ServiceListOptions) (result client.ServiceListResult, err error) {
	err = m.call("ServiceList", func() (err error) { result, err = m.API.ServiceList(ctx, options); return err })
	return result, err
}

func (m *mortalDocker) ServiceUpdate(ctx context.Context, id string, options client.ServiceUpdateOptions) (result client.ServiceUpdateResult, err error) {
	err = m.call("ServiceUpdate", func() (err error) { result, err = m.API.ServiceUpdate(ctx, id, options); return err })
	return result, err
}

func (m *mortalDocker) TaskList(ctx context.Context, options client.TaskListOptions) (result client.TaskListResult, err error) {
	err = m.call("TaskList", func() (err error) { result, err = m.API.TaskList(ctx, options); return err })
	return result, err
}
