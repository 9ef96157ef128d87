// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/fsync"
)

const (
	ignoreName      = ".gitignore"
	previousName    = "previous"
	replacedPrefix  = "replaced-"
	replacedTime    = "20060102T150405Z"
	temporarySuffix = ".tmp"
)

// makeFolder makes the folder beside the file ready for a change.
//
// A symbolic link in its place is refused: it can come with a repository that
// somebody else wrote, and copies with values would go where it leads.
func (f File) makeFolder() error {
	if err := f.at("make the folder"); err != nil {
		return err
	}
	info, err := os.Lstat(f.Folder())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := errors.Join(os.Mkdir(f.Folder(), folderMode), fsync.Folder(filepath.Dir(f.path))); err != nil {
			return err
		}
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%q is not a folder; what is kept beside the .env file would go there: move it away", f.Folder())
	case info.Mode().Perm() != folderMode:
		if err := os.Chmod(f.Folder(), folderMode); err != nil {
			return err
		}
	}
	if err := f.sweep(); err != nil {
		return err
	}
	ignore := filepath.Join(f.Folder(), ignoreName)
	if _, err := os.Lstat(ignore); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.put(ignore, strings.NewReader("*\n"))
}

// sweep removes temporary files that a crash left behind.
func (f File) sweep() error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, temporarySuffix) {
			if err := f.remove(filepath.Join(f.Folder(), name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasFolder reports whether there is a folder beside the file. Something else in
// its place, such as a link, is not looked into.
func (f File) hasFolder() (bool, error) {
	info, err := os.Lstat(f.Folder())
	if absent(err) {
		return false, nil
	}
	return err == nil && info.IsDir(), err
}

// names lists the folder, sorted; a folder that is not there is empty.
func (f File) names() ([]string, error) {
	if there, err := f.hasFolder(); !there {
		return nil, err
	}
	entries, err := os.ReadDir(f.Folder())
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// backUp keeps a copy of what is about to be replaced, unless it is the same. next
// is told what it replaces.
func (f File) backUp(before Status, next *record, wanted bool, now time.Time) (kept string, err error) {
	previous := filepath.Join(f.Folder(), previousName)
	if !wanted {
		if err := f.remove(previous); err != nil {
			return "", err
		}
	}
	if !before.Exists {
		return "", nil
	}
	file, err := openOwn(f.path)
	if err != nil {
		return "", err
	}
	sum, err := next.sum(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if before.Ours {
		next.Replaces = sum
	}
	switch {
	case !wanted || hmac.Equal(sum, next.Fingerprint):
		return "", nil
	case before.Ours:
		return "", f.copyTo(previous)
	}
	return f.keep(now)
}

func (f File) copyTo(path string) error {
	file, err := openOwn(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return f.put(path, file)
}

// keep copies a file that others wrote, and returns the path of the copy. One that
// was made before, by a change that a crash interrupted, will do.
func (f File) keep(now time.Time) (string, error) {
	compare := newRecord()
	sum := func(path string) ([]byte, error) {
		file, err := openOwn(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		return compare.sum(file)
	}
	want, err := sum(f.path)
	if err != nil {
		return "", err
	}
	names, err := f.names()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
		if !strings.HasPrefix(name, replacedPrefix) {
			continue
		}
		path := filepath.Join(f.Folder(), name)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if have, err := sum(path); err == nil && hmac.Equal(have, want) {
			return path, nil
		}
	}
	name := replacedPrefix + now.UTC().Format(replacedTime)
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s%s-%d", replacedPrefix, now.UTC().Format(replacedTime), i)
	}
	path := filepath.Join(f.Folder(), name)
	return path, f.copyTo(path)
}

// tidy removes what this package keeps for itself, and the folder unless there is
// something else in it.
func (f File) tidy() (left bool, err error) {
	if there, err := f.hasFolder(); !there {
		return false, err
	}
	if err := f.sweep(); err != nil {
		return false, err
	}
	for _, path := range []string{f.recordPath(), filepath.Join(f.Folder(), previousName)} {
		if err := f.remove(path); err != nil {
			return false, err
		}
	}
	names, err := f.names()
	if err == nil {
		err = f.at("remove the folder")
	}
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(names, func(name string) bool { return name != ignoreName }) {
		return true, fsync.Folder(f.Folder())
	}
	return false, errors.Join(os.RemoveAll(f.Folder()), fsync.Folder(filepath.Dir(f.path)))
}
