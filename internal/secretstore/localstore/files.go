// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/roi-systems/terraform-provider-roi/internal/fsync"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const (
	databaseName = "store.db"
	identityName = "identity.txt"
	ignoreName   = ".gitignore"

	folderMode = 0o700
	fileMode   = 0o600
)

var errLockTimeout = errors.New("timeout waiting for the lock")

// damagedError says what is wrong with the file of the database.
type damagedError string

func (e damagedError) Error() string { return string(e) }

func (s *Store) database() string { return filepath.Join(s.path, databaseName) }

// withDatabase opens and locks the database, shared for reading and alone for writing,
// and closes it when do has returned. The error is ErrNotFound where there is no store.
//
// bbolt trusts its pages: over one that is not what it should be it panics, and to read
// what the file is too short for is a fault, which ends a process. Both are a
// damagedError here.
func (s *Store) withDatabase(ctx context.Context, readOnly bool, do func(*bbolt.DB) error) (err error) {
	var file *os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		problem := recover()
		if problem == nil {
			return
		}
		// The database cannot be closed: that would wait for what bbolt has locked in
		// memory. The file stays mapped, which by itself would keep its lock.
		unlock(file)
		_ = file.Close()
		err = damagedError(fmt.Sprint(problem))
		if _, fault := problem.(interface{ Addr() uintptr }); fault {
			err = damagedError("a part of it is missing or cannot be read")
		}
	}()
	db, err := s.open(ctx, readOnly, &file)
	if err != nil {
		return err
	}
	if err = checkSize(db, file); err == nil {
		err = do(db)
	}
	return errors.Join(err, db.Close())
}

// checkSize refuses a file that was cut off. What is missing may be nothing that this
// operation reads, but a write would make it up with zeros. On Windows bbolt has done
// that already when it opened the file for writing.
func checkSize(db *bbolt.DB, file *os.File) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := file.Stat()
		if err == nil && info.Size() < tx.Size() {
			err = damagedError(fmt.Sprintf("it has %d bytes of at least %d", info.Size(), tx.Size()))
		}
		return err
	})
}

// open opens and locks the database, and tells the file that is open and locked then.
func (s *Store) open(ctx context.Context, readOnly bool, opened **os.File) (*bbolt.DB, error) {
	err := checkFolder(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(secretstore.ErrNotFound, "there is no embedded store in %q yet", s.path)
	}
	if err != nil {
		return nil, err
	}
	options := &bbolt.Options{
		ReadOnly: readOnly,
		// bbolt would make a missing file. That is left to makeDatabase, which
		// cannot leave half of one behind.
		OpenFile: func(name string, flag int, _ os.FileMode) (file *os.File, err error) {
			file, err = openChecked(name, flag&^os.O_CREATE)
			if err == nil {
				err = checkNotEmpty(file)
			}
			*opened = file
			return file, err
		},
		// One attempt: the waiting is done here, where it can be interrupted.
		Timeout: time.Nanosecond,
	}
	for {
		db, err := bbolt.Open(s.database(), fileMode, options)
		switch {
		case err == nil:
			return db, nil
		case errors.Is(err, fs.ErrNotExist):
			return nil, fail(secretstore.ErrNotFound, "there is no embedded store in %q yet", s.path)
		case !errors.Is(err, bolterrors.ErrTimeout):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// checkNotEmpty refuses a file that has not even the two pages that bbolt begins with.
// It would take an empty one for a database that is yet to be made.
func checkNotEmpty(file *os.File) error {
	const least = 2 * 4096 // no page is smaller
	info, err := file.Stat()
	if err == nil && info.Size() < least {
		err = damagedError(fmt.Sprintf("it has %d bytes of at least %d", info.Size(), least))
	}
	return err
}

// makeDatabase makes the folder and an empty database where there is none. The
// database appears complete or not at all.
func (s *Store) makeDatabase() error {
	err := checkFolder(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeFolder(s.path); err != nil {
			return err
		}
		err = checkFolder(s.path)
	}
	if err != nil {
		return err
	}
	_, err = os.Lstat(s.database())
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Keeps the store out of a repository that it is made in.
	if err := makeFile(filepath.Join(s.path, ignoreName), []byte("*\n")); err != nil {
		return err
	}
	return makeFileWith(s.database(), func(temporary string) error {
		db, err := bbolt.Open(temporary, fileMode, nil)
		if err != nil {
			return err
		}
		return db.Close()
	})
}

// makeFolder makes a folder with its parents.
func makeFolder(path string) error {
	if err := os.MkdirAll(path, folderMode); err != nil {
		return err
	}
	return fsync.Folder(filepath.Dir(path))
}

// makeFile makes a file that is complete from the moment it can be seen. A file
// that is there already stays as it is.
func makeFile(path string, content []byte) error {
	return makeFileWith(path, func(temporary string) error {
		file, err := os.OpenFile(temporary, os.O_WRONLY, fileMode)
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		return errors.Join(err, file.Sync(), file.Close())
	})
}

const temporarySuffix = ".tmp"

// makeFileWith makes a file under a name of its own, with mode 0600, and gives it
// the right name when fill has written it. Unlike a rename, a link never replaces
// what another process made meanwhile.
func makeFileWith(path string, fill func(temporary string) error) error {
	err := makeAndLink(path, fill)
	if errors.Is(err, fs.ErrNotExist) {
		// The file of another process is there, and that has swept this one.
		if _, there := os.Lstat(path); there == nil {
			return nil
		}
	}
	return err
}

func makeAndLink(path string, fill func(temporary string) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+temporarySuffix)
	if err != nil {
		return err
	}
	temporary := file.Name()
	defer func() { _ = os.Remove(temporary) }()
	if err := file.Close(); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsync.Folder(filepath.Dir(path))
}

// sweep removes the temporary files that a killed process has left, that of the identity
// among them, which is the key. The lock must be held: whoever is making one of these
// files now then makes one that is there.
func (s *Store) sweep() error {
	for _, path := range []string{s.database(), s.identityFile, filepath.Join(s.path, ignoreName)} {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		// In a folder that cannot be listed there is nothing of this package.
		entries, _ := os.ReadDir(filepath.Dir(path))
		for _, entry := range entries {
			if !entry.Type().IsRegular() || !isTemporary(entry.Name(), filepath.Base(path)) {
				continue
			}
			err := os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// isTemporary reports whether a name is one that makeFileWith gives what it makes.
func isTemporary(name, of string) bool {
	middle, ours := strings.CutPrefix(name, of+".")
	number, temporary := strings.CutSuffix(middle, temporarySuffix)
	return ours && temporary && number != "" && strings.Trim(number, "0123456789") == ""
}

// checkFolder refuses a folder that others can look into.
func checkFolder(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return notPlain(path, info, "folder")
	}
	return checkMode(path, info, "700")
}

// openChecked opens a file that only its owner can use.
//
// A symbolic link is refused. Its permissions say nothing about what it points
// to, and a link can come with a repository that somebody else wrote. Whoever
// wants the files elsewhere says so in the configuration.
func openChecked(path string, flag int) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notPlain(path, info, "file")
	}
	if err := checkMode(path, info, "600"); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		_ = file.Close()
		return nil, fail(secretstore.ErrAccessDenied, "%q was replaced while it was being opened", path)
	}
	return file, nil
}

func notPlain(path string, info fs.FileInfo, want string) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return fail(secretstore.ErrAccessDenied,
			"%q is a symbolic link, and the embedded store follows none: configure the path of the %s itself", path, want)
	}
	return fail(secretstore.ErrAccessDenied, "%q is not a %s", path, want)
}

func checkMode(path string, info fs.FileInfo, want string) error {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil // On Windows the mode says nothing about who may read.
	}
	return fail(secretstore.ErrAccessDenied, "%q has mode %04o, so that other users of this machine can use it; run: chmod %s %s",
		path, info.Mode().Perm(), want, shellWord(path))
}

// shellWord writes a path as one word for a shell.
func shellWord(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	for _, r := range path {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@", r)
		if !plain {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
	}
	return path
}
