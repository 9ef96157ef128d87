// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/fsync"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// changing lets one change of a file at a time happen in this process. Two resources
// may have been given the same path.
var changing sync.Mutex

// Status is what can be told of a file.
type Status struct {
	Exists   bool
	Mode     fs.FileMode // permissions only
	Recorded bool        // there is a record of a write
	Revision string      // names the last write on record
	Was      string      // Write.Was of that write
	Current  bool        // it holds what the last write put there
	Ours     bool        // it holds that, or what the last write was to replace
}

// Inspect looks at the file and its record, and changes nothing. A file that may
// not be read is one whose content is not known.
func (f File) Inspect() (Status, error) { return f.inspect(os.Open) }

func (f File) inspect(open func(string) (*os.File, error)) (Status, error) {
	var s Status
	record, err := f.load()
	if err != nil {
		return s, err
	}
	if record != nil {
		s.Recorded, s.Revision, s.Was = true, record.Revision, record.Was
	}
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if !info.Mode().IsRegular() {
		return s, &PathError{Kind: ErrNotFile, Path: f.path}
	}
	s.Exists, s.Mode = true, info.Mode().Perm()
	file, err := open(f.path)
	if errors.Is(err, fs.ErrPermission) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer func() { _ = file.Close() }()
	s.Current, s.Ours, err = record.match(file)
	return s, err
}

// openOwn opens a file also where its owner has lost the right to read it.
func openOwn(path string) (*os.File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) && os.Chmod(path, fileMode) == nil {
		return os.Open(path)
	}
	return file, err
}

// Write is what a file is to be.
type Write struct {
	Content secretstore.Plaintext
	Mode    fs.FileMode
	Backup  bool   // keep a copy of what is replaced
	Was     string // revision that the state of the same resource has, "" for a new one
	Now     time.Time
}

// Written is what a write did. Kept is the path of the copy of a file that somebody
// else wrote, or "".
type Written struct {
	Revision string
	Kept     string
}

// Write replaces the file. At every moment the path has the whole file from before
// or the whole new one. An error leaves the one from before, unless all that failed
// is to make the change durable: the new one is in place then, and on record. Whether
// it may be replaced is for the caller to decide.
func (f File) Write(w Write) (done Written, err error) {
	changing.Lock()
	defer changing.Unlock()
	before, err := f.inspect(openOwn)
	if err != nil {
		return Written{}, err
	}
	defer func() {
		if err == nil || before.Recorded {
			return
		}
		// Without its record a file that is in place would be somebody else's.
		if now, err := f.inspect(openOwn); err != nil || !now.Ours {
			_, _ = f.tidy()
		}
	}()
	if err := f.makeFolder(); err != nil {
		return Written{}, err
	}
	next := newRecord()
	next.Was = w.Was
	next.Fingerprint = next.sumText(w.Content.Reveal())
	temporary, err := f.temporary(strings.NewReader(w.Content.Reveal()), w.Mode)
	if err != nil {
		return Written{}, err
	}
	defer func() { _ = os.Remove(temporary) }()
	kept, err := f.backUp(before, &next, w.Backup, w.Now)
	if err != nil {
		return Written{}, err
	}
	if err := f.save(next); err != nil {
		return Written{}, err
	}
	if err := f.rename(temporary, f.path); err != nil {
		return Written{}, err
	}
	return Written{next.Revision, kept}, nil
}

// SetMode changes the permissions of the file.
func (f File) SetMode(mode fs.FileMode) error {
	info, err := os.Lstat(f.path)
	if err == nil && !info.Mode().IsRegular() {
		err = &PathError{Kind: ErrNotFile, Path: f.path}
	}
	if err != nil {
		return err
	}
	file, err := openOwn(f.path)
	if err != nil {
		return err
	}
	return errors.Join(f.chmod(file, mode), file.Close())
}

// chmod gives an open file its permissions, and fails with ErrNoModes where it is
// then open to more than those: some file systems take the call and ignore it. On
// Windows permissions would make a file that cannot be replaced, and protect nothing.
func (f File) chmod(file *os.File, mode fs.FileMode) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if err := f.at("check the mode of " + filepath.Base(file.Name())); err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&^mode != 0 {
		return &PathError{Kind: ErrNoModes, Path: f.path}
	}
	return err
}

// Remove asks for the removal of a file.
type Remove struct {
	Revision string // that the state of the resource has
	Backup   bool   // keep a copy if somebody changed it
	Now      time.Time
}

// Removed is what a removal did.
type Removed struct {
	Foreign string // the write on record if it is not of this resource: nothing was removed
	Changed bool   // the file was not as it had been written
	Kept    string // path of the copy of such a file, or ""
	Left    bool   // the folder beside the file is still there, because of what others wrote
}

// Remove removes the file with its record and the copy of what was written before
// it. Copies of what others wrote stay, since they may be the only ones.
//
// A write whose revision was never saved in state is told by the one that it followed:
// it was an update of the resource that is removed.
func (f File) Remove(r Remove) (Removed, error) {
	changing.Lock()
	defer changing.Unlock()
	before, err := f.inspect(openOwn)
	if err != nil {
		return Removed{}, err
	}
	if before.Recorded && before.Revision != r.Revision && (before.Was == "" || before.Was != r.Revision) {
		return Removed{Foreign: before.Revision}, nil
	}
	done := Removed{Changed: before.Exists && !before.Ours}
	if done.Changed && r.Backup {
		if err := f.makeFolder(); err != nil {
			return Removed{}, err
		}
		if done.Kept, err = f.keep(r.Now); err != nil {
			return Removed{}, err
		}
	}
	if err := f.remove(f.path); err != nil {
		return Removed{}, err
	}
	if err := fsync.Folder(filepath.Dir(f.path)); err != nil {
		return Removed{}, err
	}
	done.Left, err = f.tidy()
	return done, err
}

func (f File) at(step string) error {
	if f.step == nil {
		return nil
	}
	return f.step(step)
}

// temporary makes a complete file of its own under a name that no other has.
func (f File) temporary(content io.Reader, mode fs.FileMode) (path string, err error) {
	if err := f.at("make a temporary file"); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(f.Folder(), "*"+temporarySuffix)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	err = f.chmod(file, fileMode) // before anything is in it
	if err == nil {
		err = f.at("fill it")
	}
	if err == nil {
		_, err = io.Copy(file, content)
	}
	if err == nil {
		err = f.chmod(file, mode)
	}
	return file.Name(), errors.Join(err, file.Sync(), file.Close())
}

// put replaces a file in the folder.
func (f File) put(path string, content io.Reader) error {
	temporary, err := f.temporary(content, fileMode)
	if err != nil {
		return err
	}
	if err := f.rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

func (f File) rename(from, to string) error {
	if err := f.at("rename to " + filepath.Base(to)); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := f.at("sync the folder of " + filepath.Base(to)); err != nil {
		return err
	}
	return fsync.Folder(filepath.Dir(to))
}

// remove removes a file that may be gone already.
func (f File) remove(path string) error {
	if err := f.at("remove " + filepath.Base(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
