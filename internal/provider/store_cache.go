// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// cachedStore shares descriptions between the resources of one run: a secret and
// its rotations ask once. Describe itself always asks the store, and a write drops
// what is known of the secret.
type cachedStore struct {
	secretstore.Store

	mu    sync.Mutex
	known map[string]*description // by ARN, or by name until the ARN is known
	arns  map[string]string       // name → ARN
}

type description struct {
	mu     sync.Mutex // held while the store is asked
	secret *secretstore.Secret
	isMade bool // secret is what this run made
	writes int
}

// cached puts a cachedStore around a store, which stays a KeyDescriber if it is.
func cached(store secretstore.Store) secretstore.Store {
	c := &cachedStore{Store: store, known: map[string]*description{}, arns: map[string]string{}}
	if keys, ok := store.(secretstore.KeyDescriber); ok {
		return &cachedKeyStore{cachedStore: c, KeyDescriber: keys}
	}
	return c
}

type cachedKeyStore struct {
	*cachedStore
	secretstore.KeyDescriber
}

// inner is the store that the provider's own wrapper is around. What only some
// stores can do is asked of that.
func inner(store secretstore.Store) secretstore.Store {
	switch c := store.(type) {
	case *cachedStore:
		return c.Store
	case *cachedKeyStore:
		return c.Store
	}
	return store
}

// describeKnown returns a description that this run may have already.
func describeKnown(ctx context.Context, store secretstore.Store, id string) (secretstore.Secret, error) {
	if c, ok := store.(interface {
		describeKnown(context.Context, string) (secretstore.Secret, error)
	}); ok {
		return c.describeKnown(ctx, id)
	}
	return store.Describe(ctx, id)
}

func (c *cachedStore) describeKnown(ctx context.Context, id string) (secretstore.Secret, error) {
	d := c.description(id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := c.get(d); known != nil {
		return clone(*known), nil
	}
	return c.ask(ctx, d, id)
}

// noteMade keeps what a create of this run made, so that nobody has to ask for it.
func noteMade(store secretstore.Store, secret secretstore.Secret) {
	if c, ok := store.(interface{ noteMade(secretstore.Secret) }); ok {
		c.noteMade(secret)
	}
}

func (c *cachedStore) noteMade(secret secretstore.Secret) {
	d := c.description(secret.Name)
	c.mu.Lock()
	defer c.mu.Unlock()
	d.secret, d.isMade = new(clone(secret)), true
	d.writes++
	c.arns[secret.Name], c.known[secret.ARN] = secret.ARN, d
}

// justMade is the secret as this run made it and has tagged it since, or nil if it
// did not make it, or changed more than tags.
func justMade(store secretstore.Store, id string) *secretstore.Secret {
	if c, ok := store.(interface {
		justMade(string) *secretstore.Secret
	}); ok {
		return c.justMade(id)
	}
	return nil
}

func (c *cachedStore) justMade(id string) *secretstore.Secret {
	d := c.description(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !d.isMade || d.secret == nil {
		return nil
	}
	return new(clone(*d.secret))
}

// Describe implements secretstore.Store.
func (c *cachedStore) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	return c.ask(ctx, c.description(id), id)
}

// ask keeps the answer unless a write began meanwhile.
func (c *cachedStore) ask(ctx context.Context, d *description, id string) (secretstore.Secret, error) {
	c.mu.Lock()
	writes := d.writes
	c.mu.Unlock()
	secret, err := c.Store.Describe(ctx, id)
	if err != nil {
		return secret, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.writes == writes {
		d.secret, d.isMade = new(clone(secret)), false
	}
	c.arns[secret.Name] = secret.ARN
	if c.known[secret.ARN] == nil {
		c.known[secret.ARN] = d
	}
	return secret, nil
}

func (c *cachedStore) get(d *description) *secretstore.Secret {
	c.mu.Lock()
	defer c.mu.Unlock()
	return d.secret
}

func (c *cachedStore) description(id string) *description {
	c.mu.Lock()
	defer c.mu.Unlock()
	if arn := c.arns[id]; arn != "" {
		id = arn
	}
	if c.known[id] == nil {
		c.known[id] = &description{}
	}
	return c.known[id]
}

// clone protects what is shared from a caller that changes the maps.
func clone(secret secretstore.Secret) secretstore.Secret {
	secret.Tags, secret.Labels = maps.Clone(secret.Tags), maps.Clone(secret.Labels)
	return secret
}

// written forgets a secret. It is called before and after a write, since both a
// description from before and one from during it may be out of date.
func (c *cachedStore) written(id string) func() {
	forget := func() {
		d := c.description(id)
		c.mu.Lock()
		defer c.mu.Unlock()
		d.secret, d.isMade = nil, false
		d.writes++
	}
	forget()
	return forget
}

var arnSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// secretName is the name of a secret that is given by its name or its ARN.
func secretName(id string) string {
	parts := strings.SplitN(id, ":", 7)
	if len(parts) < 7 || parts[0] != "arn" || parts[5] != "secret" {
		return id
	}
	return arnSuffix.ReplaceAllString(parts[6], "")
}

func (c *cachedStore) Create(ctx context.Context, input secretstore.CreateInput) (secretstore.Created, error) {
	defer c.written(input.Name)()
	return c.Store.Create(ctx, input)
}

func (c *cachedStore) Put(ctx context.Context, input secretstore.PutInput) error {
	defer c.written(input.ID)()
	return c.Store.Put(ctx, input)
}

func (c *cachedStore) MoveLabel(ctx context.Context, id, label, from, to string) error {
	defer c.written(id)()
	return c.Store.MoveLabel(ctx, id, label, from, to)
}

func (c *cachedStore) Update(ctx context.Context, id string, input secretstore.UpdateInput) error {
	defer c.written(id)()
	return c.Store.Update(ctx, id, input)
}

// Tag keeps what this run made, also for a plan that looks at it meanwhile: those who
// change a secret do so one after the other.
func (c *cachedStore) Tag(ctx context.Context, id string, tags map[string]string) error {
	made := c.justMade(id)
	if made == nil {
		defer c.written(id)()
		return c.Store.Tag(ctx, id, tags)
	}
	if err := c.Store.Tag(ctx, id, tags); err != nil {
		c.written(id)
		return err
	}
	maps.Copy(made.Tags, tags)
	c.noteMade(*made)
	return nil
}

func (c *cachedStore) Untag(ctx context.Context, id string, keys []string) error {
	defer c.written(id)()
	return c.Store.Untag(ctx, id, keys)
}

func (c *cachedStore) Replicate(ctx context.Context, id string, replicas []secretstore.ReplicaSpec, forceOverwrite bool) error {
	defer c.written(id)()
	return c.Store.Replicate(ctx, id, replicas, forceOverwrite)
}

func (c *cachedStore) RemoveReplicas(ctx context.Context, id string, regions []string) error {
	defer c.written(id)()
	return c.Store.RemoveReplicas(ctx, id, regions)
}

func (c *cachedStore) Delete(ctx context.Context, id string, recoveryWindowDays int) (time.Time, error) {
	defer c.written(id)()
	return c.Store.Delete(ctx, id, recoveryWindowDays)
}

func (c *cachedStore) Restore(ctx context.Context, id string) error {
	defer c.written(id)()
	return c.Store.Restore(ctx, id)
}
