// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// A plan on a machine without a store lists nothing, and makes none.
func TestListWithoutAStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	for secret, err := range New(Config{Path: folder}, newClock()).List(t.Context(), secretstore.ListFilter{Scheduled: true}) {
		t.Errorf("it lists %q, %v", secret.Name, err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the store was made: %v", err)
	}
}

func TestListOfADamagedStore(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	store := New(Config{Path: folder}, newClock())
	if _, err := store.Create(t.Context(), secretstore.CreateInput{
		Name: "s", Token: secretstore.DeriveVersionID("s"), Value: secretstore.NewPlaintext("x"),
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, databaseName), []byte("not a database"), fileMode); err != nil {
		t.Fatal(err)
	}
	rounds := 0
	for _, err := range store.List(t.Context(), secretstore.ListFilter{}) {
		rounds++
		if !errors.Is(err, secretstore.ErrInternal) {
			t.Errorf("got %v", err)
		}
	}
	if rounds != 1 {
		t.Errorf("%d rounds, want one with the error", rounds)
	}
}
