// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command clockprovider is the provider as a process of its own, at a time that a
// test sets: ROI_TEST_NOW is when it starts. The file that ROI_TEST_KILL names, if
// it is there, says at which call to the store the process kills itself, by the
// name of the secret: {"app/jwt": {"call": 3, "after": true}}. ROI_TEST_KILL_DOCKER
// does the same for calls to Docker.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	roi "github.com/roi-systems/terraform-provider-roi/internal/provider"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

type shifted struct {
	by time.Duration
}

func (c shifted) Now() time.Time { return time.Now().UTC().Add(c.by) }

func main() {
	now, err := time.Parse(time.RFC3339, os.Getenv("ROI_TEST_NOW"))
	if err != nil {
		log.Fatal(err)
	}
	clock := shifted{time.Until(now)}
	serve := func() tfprotov6.ProviderServer {
		return roi.NewServer(roi.NewForTest("test", clock, roi.WithStore(newMortal), roi.WithDocker(newMortalDocker)))
	}
	if err := tf6server.Serve("registry.terraform.io/roi-systems/roi", serve); err != nil {
		log.Fatal(err)
	}
}

// mortal is a store in the use of which the process dies.
type mortal struct {
	secretstore.Store
	mu    sync.Mutex
	calls map[string]int
}

func (m *mortal) call(id string, do func() error) error {
	var deaths map[string]struct {
		Call  int
		After bool
	}
	text, err := os.ReadFile(os.Getenv("ROI_TEST_KILL"))
	if err != nil {
		return do()
	}
	if err := json.Unmarshal(text, &deaths); err != nil {
		log.Fatal(err)
	}
	for name, death := range deaths {
		if id != name && !strings.Contains(id, ":secret:"+name+"-") {
			continue
		}
		m.mu.Lock()
		m.calls[name]++
		dies := m.calls[name] == death.Call
		m.mu.Unlock()
		if dies && death.After {
			_ = do()
		}
		if dies {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return do()
}

func (m *mortal) Describe(ctx context.Context, id string) (secret secretstore.Secret, err error) {
	err = m.call(id, func() (err error) { secret, err = m.Store.Describe(ctx, id); return err })
	return secret, err
}

func (m *mortal) Versions(ctx context.Context, id string) (versions []secretstore.Version, err error) {
	err = m.call(id, func() (err error) { versions, err = m.Store.Versions(ctx, id); return err })
	return versions, err
}

func (m *mortal) Value(ctx context.Context, id string, at secretstore.VersionRef) (value secretstore.Value, err error) {
	err = m.call(id, func() (err error) { value, err = m.Store.Value(ctx, id, at); return err })
	return value, err
}

func (m *mortal) Put(ctx context.Context, input secretstore.PutInput) error {
	return m.call(input.ID, func() error { return m.Store.Put(ctx, input) })
}

func (m *mortal) MoveLabel(ctx context.Context, id, label, from, to string) error {
	return m.call(id, func() error { return m.Store.MoveLabel(ctx, id, label, from, to) })
}

func (m *mortal) Tag(ctx context.Context, id string, tags map[string]string) error {
	return m.call(id, func() error { return m.Store.Tag(ctx, id, tags) })
}

func (m *mortal) Untag(ctx context.Context, id string, keys []string) error {
	return m.call(id, func() error { return m.Store.Untag(ctx, id, keys) })
}
