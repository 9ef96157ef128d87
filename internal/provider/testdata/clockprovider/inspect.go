// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"iter"
	"log"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// newMortal returns a mortal store that describes keys if the store does.
func newMortal(store secretstore.Store) secretstore.Store {
	m := &mortal{Store: store, calls: map[string]int{}}
	if keys, ok := store.(secretstore.KeyDescriber); ok {
		return &mortalWithKeys{m, keys}
	}
	return m
}

type mortalWithKeys struct {
	*mortal
	secretstore.KeyDescriber
}

// List implements secretstore.Lister. No process is killed in it.
func (m *mortal) List(ctx context.Context, filter secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	lister, ok := m.Store.(secretstore.Lister)
	if !ok {
		log.Fatal("the store cannot list its secrets")
	}
	return lister.List(ctx, filter)
}
