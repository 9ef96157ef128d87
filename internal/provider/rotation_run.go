// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"slices"
	"sync"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// rotationRun is what this run of the provider has to remember of rotations. The
// zero value is ready.
type rotationRun struct {
	mu       sync.Mutex
	busy     map[string]chan struct{}       // by name of the secret
	replaced map[rotationID]deletedRotation // by what takes its place
	claims   map[string]map[string][]string // keys that are planned, by name of the secret and resource
}

// deletedRotation is what a delete left behind for the other half of a replacement.
type deletedRotation struct {
	asked *rotation.Record // what it asked for; nil for nothing
	tag   string           // of the record: another one if the keys change
}

type rotationID struct {
	secret string // name
	tag    string // of the record
}

func identify(secretID string, keys []string) rotationID {
	return rotationID{secretName(secretID), rotation.TagKey(keys)}
}

// lock waits until nobody else in this process changes a secret. The function that
// it returns must be called.
func (r *rotationRun) lock(ctx context.Context, secretID string) (func(), error) {
	r.mu.Lock()
	name := secretName(secretID)
	if r.busy == nil {
		r.busy = map[string]chan struct{}{}
	}
	if r.busy[name] == nil {
		r.busy[name] = make(chan struct{}, 1)
	}
	busy := r.busy[name]
	r.mu.Unlock()
	select {
	case busy <- struct{}{}:
		return func() { <-busy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claim notes that a resource is planned to rotate keys of a secret, none meaning
// those that no other resource names. It reports whether another one is planned for
// the same, and for which key; "" is for all of them.
func (r *rotationRun) claim(secretID, resource string, keys []string) (key string, taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := secretName(secretID)
	if r.claims[name] == nil {
		put(&r.claims, name, map[string][]string{})
	}
	r.claims[name][resource] = keys
	for other, theirs := range r.claims[name] {
		if other == resource {
			continue
		}
		taken = taken || len(keys) == 0 && len(theirs) == 0
		for _, key := range keys {
			if slices.Contains(theirs, key) {
				return key, true
			}
		}
	}
	return "", taken
}

// tags returns the tags of the rotations of a secret that are planned.
func (r *rotationRun) tags(secretID string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var tags []string
	for _, keys := range r.claims[secretName(secretID)] {
		tags = append(tags, rotation.TagKey(keys))
	}
	return tags
}

// deleted notes that this run deleted a rotation as one half of a replacement, and
// what it left behind for the other half.
func (r *rotationRun) deleted(id rotationID, left deletedRotation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	put(&r.replaced, id, left)
}

// wasDeleted returns what a delete of this run left behind for a create.
func (r *rotationRun) wasDeleted(id rotationID) (left deletedRotation, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left, yes = r.replaced[id]
	return left, yes
}
