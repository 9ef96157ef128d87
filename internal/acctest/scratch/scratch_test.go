// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package scratch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFoldersOfDeadProcessesAreRemoved: a test that was killed cannot remove its
// own, and each provider has some 50 MB.
func TestFoldersOfDeadProcessesAreRemoved(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not tested: whether a process has ended is told on Linux only")
	}
	t.Setenv("TMPDIR", t.TempDir())
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(os.TempDir(), fmt.Sprintf("x-%d-1", dead.Process.Pid))
	foreign := filepath.Join(os.TempDir(), "x-y-1")
	for _, folder := range []string{left, foreign} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for range 2 {
		folder, err := Folder("x")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, folder)
	}
	want = append(want, foreign)
	slices.Sort(want)
	got, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("folders (%v) (-want +got):\n%s", err, diff)
	}
}
