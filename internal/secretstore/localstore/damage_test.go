// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// manyPages returns a store with 40 secrets, what its file holds, and how many pages of
// what size that has.
func manyPages(t *testing.T) (store *Store, content []byte, pages, size int) {
	t.Helper()
	store, _, _ = newStore(t)
	store.lockTimeout = 5 * time.Second
	for i := range 39 {
		create(t, store, fmt.Sprintf("app/%d", i))
	}
	change(t, store, func(tx *bbolt.Tx) error {
		size = tx.DB().Info().PageSize
		pages = int(tx.Size()) / size
		return nil
	})
	if pages <= 8 {
		t.Fatalf("the database has %d pages only", pages)
	}
	content, err := os.ReadFile(store.database())
	if err != nil {
		t.Fatal(err)
	}
	return store, content, pages, size
}

// operations are what is done with a store in a folder that may be damaged.
var operations = map[string]func(*testing.T, *Store) error{
	"read": func(t *testing.T, store *Store) error { return read(t, store, "app/jwt") },
	"put":  func(t *testing.T, store *Store) error { return put(t, store, "app/jwt") },
	"create": func(t *testing.T, store *Store) error {
		token := strings.Repeat("t", 36)
		_, err := store.Create(t.Context(), secretstore.CreateInput{Name: "new", Token: token, Value: valueOf(token)})
		return err
	},
	"list": func(t *testing.T, store *Store) error {
		for _, err := range store.List(t.Context(), secretstore.ListFilter{}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

// saysDamaged reports whether an error is the one for a damaged file, with what to do.
func saysDamaged(store *Store, err error) bool {
	return errors.Is(err, secretstore.ErrInternal) &&
		strings.Contains(err.Error(), fmt.Sprintf("%q is damaged or not a store of this provider; restore it from a backup", store.database()))
}

// A file that was cut off, by a disk that was full or a copy that was interrupted, is an
// error of every operation, which leaves it as it is. Nothing of it is read as zeros, and
// an empty file does not become an empty store.
func TestTruncatedDatabase(t *testing.T) {
	store, content, pages, size := manyPages(t)
	for _, length := range []int{0, 1, size, size + 1, 2 * size, 3 * size, (pages - 1) * size, pages*size - 1} {
		for name, operation := range operations {
			if err := os.WriteFile(store.database(), content[:length], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := operation(t, store); !saysDamaged(store, err) {
				t.Errorf("%s with %d of %d bytes: %v", name, length, pages*size, err)
			}
			if now, err := os.ReadFile(store.database()); err != nil || !bytes.Equal(now, content[:length]) {
				t.Errorf("%s with %d of %d bytes has changed the file (%v)", name, length, pages*size, err)
			}
		}
	}
	works(t, store, content)
}

// works asserts that a store can be used when its file is whole again: nothing of the
// failed operations holds it.
func works(t *testing.T, store *Store, content []byte) {
	t.Helper()
	if err := os.WriteFile(store.database(), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, operation := range operations {
		if err := operation(t, store); err != nil {
			t.Errorf("%s with the whole file: %v", name, err)
		}
	}
}

// A page that was lost inside of the file is an error of the operations that need it.
func TestDamagedPages(t *testing.T) {
	store, content, pages, size := manyPages(t)
	found := map[string]int{}
	for page := 2; page < pages; page++ {
		damaged := bytes.Clone(content)
		clear(damaged[page*size : (page+1)*size])
		for name, operation := range operations {
			if err := os.WriteFile(store.database(), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			err := operation(t, store)
			if err != nil && !saysDamaged(store, err) {
				t.Errorf("%s without page %d: %v", name, page, err)
			}
			if err != nil {
				found[name]++
			}
		}
	}
	t.Logf("%d pages, damage found: %v", pages, found)
	for name := range operations {
		if found[name] == 0 {
			t.Errorf("%s has never found that a page was lost", name)
		}
	}
	works(t, store, content)
}

// What is cut off while it is open is found as well, and nothing is held.
func TestTruncatedWhileOpen(t *testing.T) {
	store, content, _, size := manyPages(t)
	use := func(tx *bbolt.Tx) error {
		return tx.Bucket(recordBucket).ForEach(func(_, _ []byte) error { return nil })
	}
	for name, transaction := range map[string]func(*bbolt.DB) error{
		"read":  func(db *bbolt.DB) error { return db.View(use) },
		"write": func(db *bbolt.DB) error { return db.Update(use) },
	} {
		if err := os.WriteFile(store.database(), content, 0o600); err != nil {
			t.Fatal(err)
		}
		err := store.withDatabase(t.Context(), name == "read", func(db *bbolt.DB) error {
			if err := os.Truncate(store.database(), int64(2*size)); err != nil {
				return err
			}
			return transaction(db)
		})
		if !errors.As(err, new(damagedError)) {
			t.Errorf("%s: %v", name, err)
		}
		works(t, store, content)
	}
}

// A panic that is none of bbolt's is not lost.
func TestPanicsAreTold(t *testing.T) {
	store, name, _ := newStore(t)
	err := store.withDatabase(t.Context(), false, func(db *bbolt.DB) error {
		return db.Update(func(*bbolt.Tx) error { panic("what went wrong") })
	})
	if err == nil || !strings.Contains(store.complete("read secret", name, err).Error(), "what went wrong") {
		t.Errorf("got %v", err)
	}
	if err := put(t, store, name); err != nil {
		t.Error(err)
	}
}

// What a killed process has left beside the files is removed by the next write, the copy
// of the key above all. What only looks like it stays.
func TestTemporaryFilesAreSwept(t *testing.T) {
	keys := t.TempDir()
	store := New(Config{Path: filepath.Join(t.TempDir(), "store"), IdentityFile: filepath.Join(keys, "key.txt")}, newClock())
	create(t, store, "app/jwt")
	left := []string{
		filepath.Join(store.path, "store.db.123.tmp"), filepath.Join(store.path, ".gitignore.4.tmp"), filepath.Join(keys, "key.txt.56.tmp"),
	}
	stays := []string{
		filepath.Join(store.path, "store.db.tmp"), filepath.Join(store.path, "store.db.old.tmp"), filepath.Join(store.path, "key.txt.1.tmp"),
		filepath.Join(keys, "other.txt.1.tmp"), filepath.Join(keys, "key.txt.1.tmp.old"),
	}
	for _, path := range append(left, stays...) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder, link := filepath.Join(store.path, "store.db.7.tmp"), filepath.Join(keys, "key.txt.8.tmp")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Symlink("key.txt", link)); err != nil {
		t.Fatal(err)
	}
	stays = append(stays, folder, link)
	there := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	if err := read(t, store, "app/jwt"); err != nil || !there(left[0]) {
		t.Errorf("a read has changed the folder, or %v", err)
	}
	if err := put(t, store, "app/jwt"); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if there(path) {
			t.Errorf("%s is left", filepath.Base(path))
		}
	}
	for _, path := range stays {
		if !there(path) {
			t.Errorf("%s was removed", filepath.Base(path))
		}
	}
}

// A writer may sweep what another process is just making, when the file itself is there.
func TestSweptWhileMaking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	gone := func(temporary string) error { return os.Remove(temporary) }
	if err := makeFileWith(path, gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with no file there: %v", err)
	}
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeFileWith(path, gone); err != nil {
		t.Errorf("with the file of another process there: %v", err)
	}
}
