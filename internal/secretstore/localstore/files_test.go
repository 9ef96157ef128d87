// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// newStore returns a store in a folder of its own that holds one secret.
func newStore(t *testing.T) (store *Store, name, token string) {
	t.Helper()
	store = New(Config{Path: filepath.Join(t.TempDir(), "store")}, newClock())
	name, token = "app/jwt", create(t, store, "app/jwt")
	return store, name, token
}

// valueOf is the value that the tests give to a version.
func valueOf(token string) secretstore.Plaintext {
	return secretstore.NewPlaintext("the-value-of-" + token)
}

func create(t *testing.T, store *Store, name string) (token string) {
	t.Helper()
	token = uuid.NewString()
	if _, err := store.Create(t.Context(), secretstore.CreateInput{Name: name, Token: token, Value: valueOf(token)}); err != nil {
		t.Fatal(err)
	}
	return token
}

func read(t *testing.T, store *Store, name string) error {
	t.Helper()
	_, err := store.Value(t.Context(), name, secretstore.VersionRef{})
	return err
}

func put(t *testing.T, store *Store, name string) error {
	t.Helper()
	token := uuid.NewString()
	return store.Put(t.Context(), secretstore.PutInput{
		ID: name, Token: token, Value: valueOf(token), Labels: []string{secretstore.Pending},
	})
}

// wantError demands an error of a kind with a text, in which PATH stands for the
// store's folder.
func wantError(t *testing.T, store *Store, err, kind error, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", text)
	}
	if !errors.Is(err, kind) {
		t.Errorf("the error's kind is not %q: %v", kind, err)
	}
	if want := strings.ReplaceAll(text, "PATH", store.path); err.Error() != want {
		t.Errorf("the error is\n%s\nwant\n%s", err, want)
	}
}

// files lists a folder: relative path to mode.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		found[relative] = info.Mode().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFilesAreMadeForTheirOwnerOnly(t *testing.T) {
	store, _, _ := newStore(t)
	want := map[string]string{
		".":            "drwx------",
		".gitignore":   "-rw-------",
		"store.db":     "-rw-------",
		"identity.txt": "-rw-------",
	}
	if diff := cmp.Diff(want, files(t, store.path)); diff != "" {
		t.Errorf("files of a new store (-want +got):\n%s", diff)
	}
	ignored, err := os.ReadFile(filepath.Join(store.path, ".gitignore"))
	if err != nil || string(ignored) != "*\n" {
		t.Errorf(".gitignore is %q (%v), want everything ignored", ignored, err)
	}
}

func TestOnlyCreateMakesFiles(t *testing.T) {
	folder := t.TempDir()
	store := New(Config{Path: filepath.Join(folder, ".roi")}, newClock())
	ctx := t.Context()
	description := "x"
	_, describe := store.Describe(ctx, "name")
	_, versions := store.Versions(ctx, "name")
	_, remove := store.Delete(ctx, "name", 7)
	_, invalid := store.Create(ctx, secretstore.CreateInput{Name: "name", Token: "short"})
	for op, err := range map[string]error{
		"Describe":       describe,
		"Versions":       versions,
		"Delete":         remove,
		"Value":          read(t, store, "name"),
		"Put":            put(t, store, "name"),
		"MoveLabel":      store.MoveLabel(ctx, "name", "x", "", "y"),
		"Update":         store.Update(ctx, "name", secretstore.UpdateInput{Description: &description}),
		"Tag":            store.Tag(ctx, "name", nil),
		"Untag":          store.Untag(ctx, "name", nil),
		"Replicate":      store.Replicate(ctx, "name", nil, false),
		"RemoveReplicas": store.RemoveReplicas(ctx, "name", nil),
		"Restore":        store.Restore(ctx, "name"),
	} {
		if !errors.Is(err, secretstore.ErrNotFound) {
			t.Errorf("%s on a missing store: %v, want %v", op, err, secretstore.ErrNotFound)
		}
	}
	wantError(t, store, describe, secretstore.ErrNotFound,
		`describe secret "name": not found: there is no embedded store in "PATH" yet`)
	if !errors.Is(invalid, secretstore.ErrInvalid) {
		t.Errorf("Create of an invalid secret: %v, want %v", invalid, secretstore.ErrInvalid)
	}
	if _, err := store.Scope(ctx); err != nil {
		t.Errorf("Scope: %v", err)
	}
	if diff := cmp.Diff(map[string]string{".": files(t, folder)["."]}, files(t, folder)); diff != "" {
		t.Errorf("files were made:\n%s", diff)
	}

	// The same with a folder that has no database in it.
	if err := os.Mkdir(store.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := read(t, store, "name"); !errors.Is(err, secretstore.ErrNotFound) {
		t.Errorf("Value in an empty folder: %v, want %v", err, secretstore.ErrNotFound)
	}
	if got := len(files(t, store.path)); got != 1 {
		t.Errorf("an empty folder has %d entries after a read, want only itself", got)
	}
}

// TestWiderPermissionsAreRefused runs the command that the error shows, and then
// the store must work.
func TestWiderPermissionsAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not tested: on Windows the mode says nothing about who may read")
	}
	for _, test := range []struct {
		file string
		mode os.FileMode
		want string
	}{
		{".", 0o750, `access denied: "PATH" has mode 0750, so that other users of this machine can use it; run: chmod 700 'PATH'`},
		{".", 0o701, `access denied: "PATH" has mode 0701, so that other users of this machine can use it; run: chmod 700 'PATH'`},
		{"store.db", 0o640, `access denied: "PATH/store.db" has mode 0640, so that other users of this machine can use it; run: chmod 600 'PATH/store.db'`},
		{"store.db", 0o602, `access denied: "PATH/store.db" has mode 0602, so that other users of this machine can use it; run: chmod 600 'PATH/store.db'`},
		{"identity.txt", 0o604, `access denied: "PATH/identity.txt" has mode 0604, so that other users of this machine can use it; run: chmod 600 'PATH/identity.txt'`},
	} {
		t.Run(test.file+" "+test.mode.String(), func(t *testing.T) {
			store := New(Config{Path: filepath.Join(t.TempDir(), "the store")}, newClock())
			create(t, store, "app/jwt")
			if err := os.Chmod(filepath.Join(store.path, test.file), test.mode); err != nil {
				t.Fatal(err)
			}
			err := read(t, store, "app/jwt")
			wantError(t, store, err, secretstore.ErrAccessDenied, `read secret "app/jwt": `+test.want)
			wantError(t, store, put(t, store, "app/jwt"), secretstore.ErrAccessDenied, `put a version into secret "app/jwt": `+test.want)
			token := uuid.NewString()
			_, createErr := store.Create(t.Context(), secretstore.CreateInput{Name: "other", Token: token, Value: valueOf(token)})
			wantError(t, store, createErr, secretstore.ErrAccessDenied, `create secret "other": `+test.want)

			_, command, _ := strings.Cut(err.Error(), "run: ")
			if output, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, output)
			}
			if err := read(t, store, "app/jwt"); err != nil {
				t.Errorf("after %s: %v", command, err)
			}
		})
	}
}

func TestShellWord(t *testing.T) {
	for path, want := range map[string]string{
		".roi":         ".roi",
		"/a/b-c_d.e":   "/a/b-c_d.e",
		"-r":           "./-r",
		"a b":          "'a b'",
		"it's; $HOME`": `'it'\''s; $HOME` + "`'",
	} {
		if got := shellWord(path); got != want {
			t.Errorf("shellWord(%q) is %s, want %s", path, got, want)
		}
	}
}

func TestSymbolicLinksAreRefused(t *testing.T) {
	for file, want := range map[string]string{
		".":            `"PATH" is a symbolic link, and the embedded store follows none: configure the path of the folder itself`,
		"store.db":     `"PATH/store.db" is a symbolic link, and the embedded store follows none: configure the path of the file itself`,
		"identity.txt": `"PATH/identity.txt" is a symbolic link, and the embedded store follows none: configure the path of the file itself`,
	} {
		store, name, _ := newStore(t)
		path := filepath.Join(store.path, file)
		if err := os.Rename(path, path+".moved"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path+".moved", path); err != nil {
			t.Fatal(err)
		}
		wantError(t, store, read(t, store, name), secretstore.ErrAccessDenied, `read secret "app/jwt": access denied: `+want)
	}

	// A dangling link is no missing file: nothing may be made at its target.
	folder := t.TempDir()
	store := New(Config{Path: filepath.Join(folder, ".roi")}, newClock())
	if err := os.Symlink(filepath.Join(folder, "target"), store.path); err != nil {
		t.Fatal(err)
	}
	token := uuid.NewString()
	_, err := store.Create(t.Context(), secretstore.CreateInput{Name: "name", Token: token, Value: valueOf(token)})
	if !errors.Is(err, secretstore.ErrAccessDenied) {
		t.Errorf("Create through a dangling link: %v, want %v", err, secretstore.ErrAccessDenied)
	}
	if _, err := os.Lstat(filepath.Join(folder, "target")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target of the link was made (%v)", err)
	}
}

func TestFileInsteadOfFolder(t *testing.T) {
	store := New(Config{Path: filepath.Join(t.TempDir(), "file")}, newClock())
	if err := os.WriteFile(store.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, store, read(t, store, "name"), secretstore.ErrAccessDenied,
		`read secret "name": access denied: "PATH" is not a folder`)
}

func TestDamagedDatabase(t *testing.T) {
	store, name, _ := newStore(t)
	if err := os.WriteFile(store.database(), []byte(strings.Repeat("not a database", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, store, read(t, store, name), secretstore.ErrInternal,
		`read secret "app/jwt": internal error of the store: "PATH/store.db" is damaged or not a store of this provider; `+
			`restore it from a backup, with the identity "PATH/identity.txt" that its values are encrypted to: invalid database`)
}

func TestNewerFormat(t *testing.T) {
	store, name, _ := newStore(t)
	change(t, store, func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte("2")) })
	const want = `internal error of the store: the store "PATH/store.db" has format "2", but this version of the provider only knows 1: use a newer one`
	wantError(t, store, read(t, store, name), secretstore.ErrInternal, `read secret "app/jwt": `+want)
	wantError(t, store, put(t, store, name), secretstore.ErrInternal, `put a version into secret "app/jwt": `+want)
}

// change does something to the database behind the store's back.
func change(t *testing.T, store *Store, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(store.database(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	store, name, _ := newStore(t)
	store.lockTimeout = 150 * time.Millisecond
	holder, err := bbolt.Open(store.database(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `locked by another process: the embedded store "PATH/store.db" is in use by another process ` +
		`and was not released within 150ms: wait for the other run to end, then try again`
	wantError(t, store, read(t, store, name), secretstore.ErrLocked, `read secret "app/jwt": `+want)
	wantError(t, store, put(t, store, name), secretstore.ErrLocked, `put a version into secret "app/jwt": `+want)

	// A caller that gives up does not wait for the timeout.
	store.lockTimeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = store.Describe(ctx, name)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, secretstore.ErrLocked) {
		t.Errorf("Describe with a deadline: %v, want %v", err, context.DeadlineExceeded)
	}

	// Whoever waits gets the lock when it is released.
	done := make(chan error)
	go func() { done <- put(t, store, name) }()
	time.Sleep(50 * time.Millisecond)
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Put after the lock was released: %v", err)
	}
}

func TestReadersShareTheLock(t *testing.T) {
	store, name, _ := newStore(t)
	store.lockTimeout = 150 * time.Millisecond
	reader, err := bbolt.Open(store.database(), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	if err := read(t, store, name); err != nil {
		t.Errorf("Value beside another reader: %v", err)
	}
	if err := put(t, store, name); !errors.Is(err, secretstore.ErrLocked) {
		t.Errorf("Put beside a reader: %v, want %v", err, secretstore.ErrLocked)
	}
}

// TestReadsNeedNoRightToWrite makes every file read-only.
func TestReadsNeedNoRightToWrite(t *testing.T) {
	store, name, _ := newStore(t)
	before := map[string]time.Time{}
	for _, file := range []string{databaseName, identityName} {
		path := filepath.Join(store.path, file)
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = info.ModTime()
	}
	if err := read(t, store, name); err != nil {
		t.Errorf("Value: %v", err)
	}
	if _, err := store.Describe(t.Context(), name); err != nil {
		t.Errorf("Describe: %v", err)
	}
	for path, was := range before {
		if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(was) {
			t.Errorf("%s was written by a read (%v)", path, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	store := New(Config{}, newClock())
	create(t, store, "name")
	want := regexp.MustCompile(`^\.roi$`)
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 1 || !want.MatchString(entries[0].Name()) {
		t.Errorf("the working folder holds %v (%v), want only .roi", entries, err)
	}
	if _, err := os.Stat(".roi/identity.txt"); err != nil {
		t.Error(err)
	}
}
