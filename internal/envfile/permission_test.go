// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	permissionPath   = "check permissions" // a value of faultPath
	permissionFolder = "ROI_TEST_ENVFILE_FOLDER"
)

// checkUnprivileged runs as a user who may do nothing in the folder "closed", and
// everything in "open".
func checkUnprivileged() {
	folder := os.Getenv(permissionFolder)
	if f, err := Resolve(filepath.Join(folder, "closed", ".env"), Allow{OutsideModule: true}); err != nil {
		fmt.Println("resolve:", err)
	} else if err := f.CheckPermission(); !errors.Is(err, ErrNoPermission) {
		fmt.Println("a folder that is closed:", err)
	}

	f, err := Resolve(filepath.Join(folder, "open", ".env"), Allow{OutsideModule: true})
	if err == nil {
		err = f.CheckPermission()
	}
	if err != nil {
		fmt.Println("a folder that is open:", err)
		return
	}
	if _, err := f.Write(writeOf("A=1\n")); err != nil {
		fmt.Println("first write:", err)
	}
	// The owner has lost the right to read the file.
	if err := os.Chmod(f.Path(), 0); err != nil {
		fmt.Println(err)
	}
	if s, err := f.Inspect(); err != nil || s.Mode != 0 || s.Current || !s.Exists {
		fmt.Printf("a file that cannot be read: %+v, %v\n", s, err)
	}
	if written, err := f.Write(writeOf("A=2\n")); err != nil || written.Kept != "" {
		fmt.Printf("write over a file that cannot be read: %+v, %v\n", written, err)
	}
	if s, err := f.Inspect(); err != nil || s.Mode != 0o600 || !s.Current {
		fmt.Printf("after that: %+v, %v\n", s, err)
	}
	if err := os.Chmod(f.Folder(), 0o500); err != nil {
		fmt.Println(err)
	}
	if err := f.CheckPermission(); !errors.Is(err, ErrNoPermission) {
		fmt.Println("a folder beside the file that is closed:", err)
	}
	if err := os.Chmod(f.Folder(), 0o000); err != nil {
		fmt.Println(err)
	}
	if _, err := f.Inspect(); !errors.Is(err, os.ErrPermission) {
		fmt.Println("a record that cannot be read is an error, not an absence:", err)
	}
	fmt.Println("done")
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, mode := range map[string]os.FileMode{"": 0o755, "closed": 0o500, "open": 0o777} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	if os.Getuid() == 0 {
		if err := errors.Join(os.Chmod(filepath.Dir(folder), 0o755), asNobody(cmd)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(folder, "closed"), 0o755); err != nil { // not theirs
			t.Fatal(err)
		}
	}
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), faultPath+"="+permissionPath, permissionFolder+"="+folder)
	// Not stderr: under -cover it has complaints of the runtime, which is not allowed
	// to write into the folder of go test.
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if got := strings.TrimSpace(string(output)); err != nil || got != "done" {
		t.Errorf("%v:\n%s\n%s", err, got, &stderr)
	}
}
