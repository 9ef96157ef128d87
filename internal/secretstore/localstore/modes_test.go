// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not tested on Windows: modes say nothing there")
	}
	empty := New(Config{Path: filepath.Join(t.TempDir(), "store")}, newClock())
	if files, err := empty.Files(); len(files) != 0 || err != nil {
		t.Errorf("of a store that does not exist: %v, %v", files, err)
	}
	if _, err := os.Lstat(empty.path); !os.IsNotExist(err) {
		t.Errorf("looking has made the folder: %v", err)
	}

	store, _, _ := newStore(t)
	database := filepath.Join(store.path, databaseName)
	if err := os.Chmod(database, 0o644); err != nil {
		t.Fatal(err)
	}
	want := []secretstore.File{
		{Path: store.path, Mode: fs.ModeDir | 0o700},
		{Path: database, Mode: 0o644},
		{Path: filepath.Join(store.path, identityName), Mode: 0o600},
	}
	got, err := store.Files()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	target := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(store.identityFile, target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, store.identityFile); err != nil {
		t.Fatal(err)
	}
	if got, err = store.Files(); err != nil || got[2].Mode&fs.ModeSymlink == 0 {
		t.Errorf("a link is followed: %v, %v", got, err)
	}
}
