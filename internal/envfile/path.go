// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// What can be wrong with a path.
var (
	ErrOutside      = errors.New("the path is outside the folder that Terraform runs in")
	ErrSymlink      = errors.New("the path is a symbolic link")
	ErrDangling     = errors.New("the path is a symbolic link that leads to no file")
	ErrNotFile      = errors.New("the path is not a regular file")
	ErrNoFolder     = errors.New("the folder does not exist")
	ErrNoPermission = errors.New("the folder cannot be written")
	ErrNoModes      = errors.New("the file system does not keep permissions")
)

// A PathError says what is wrong with a path. Other is the folder that is missing
// or in which Terraform runs, or what a link leads to.
type PathError struct {
	Kind  error
	Path  string
	Other string
}

func (e *PathError) Error() string {
	if e.Other == "" {
		return fmt.Sprintf("%v: %q", e.Kind, e.Path)
	}
	return fmt.Sprintf("%v: %q, %q", e.Kind, e.Path, e.Other)
}

// Unwrap returns the kind.
func (e *PathError) Unwrap() error { return e.Kind }

// Allow says what a path may be beyond a file in the folder that Terraform runs
// in, which is that of the root module, and the folders below it.
type Allow struct {
	OutsideModule bool
	Symlink       bool
}

// File is a .env file and the folder beside it. The zero value is not usable.
type File struct {
	path string
	// step is called before each step of a change, so that a test can interrupt it.
	step func(name string) error
}

// Path is the absolute path of the file, with every symbolic link resolved.
func (f File) Path() string { return f.path }

// Folder is the path of the folder beside the file.
func (f File) Folder() string { return f.path + ".roi" }

// Resolve returns the file at a path, which may be relative to the folder that
// Terraform runs in. It need not exist, but its folder must. The error is a
// *PathError, or that of the operating system.
func Resolve(path string, allow Allow) (File, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return File{}, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	if absent(err) {
		return File{}, &PathError{ErrNoFolder, absolute, filepath.Dir(absolute)}
	}
	if err != nil {
		return File{}, err
	}
	resolved := filepath.Join(folder, filepath.Base(absolute))
	info, err := os.Lstat(resolved)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if resolved, err = follow(resolved, allow.Symlink); err != nil {
			return File{}, err
		}
		info, err = os.Lstat(resolved)
	}
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return File{}, &PathError{ErrNoFolder, absolute, folder}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return File{}, err
	case err == nil && !info.Mode().IsRegular():
		return File{}, &PathError{Kind: ErrNotFile, Path: resolved}
	}
	if !allow.OutsideModule {
		if err := checkInside(resolved); err != nil {
			return File{}, err
		}
	}
	return File{path: resolved}, nil
}

// absent reports whether an error says that there is nothing at a path, or that
// what should be a folder on the way to it is a file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func follow(link string, allowed bool) (string, error) {
	text, err := os.Readlink(link)
	if err != nil {
		return "", err
	}
	if !allowed {
		return "", &PathError{ErrSymlink, link, text}
	}
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", &PathError{ErrDangling, link, text} // or a loop
	}
	return target, nil
}

func checkInside(resolved string) error {
	working, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(working)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(root, resolved)
	if err != nil || !filepath.IsLocal(relative) {
		return &PathError{ErrOutside, resolved, root}
	}
	return nil
}

// CheckPermission returns a *PathError unless files can be made in the folder of
// the file, and in the folder beside it where there is one.
func (f File) CheckPermission() error {
	for _, folder := range []string{filepath.Dir(f.path), f.Folder()} {
		if err := checkWritable(folder); err != nil && !absent(err) {
			return &PathError{ErrNoPermission, f.path, folder}
		}
	}
	return nil
}
