// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The test binary makes one change of a file and kills itself at a step when these
// are set.
const (
	faultPath   = "ROI_TEST_ENVFILE"
	faultChange = "ROI_TEST_ENVFILE_CHANGE"
	faultStep   = "ROI_TEST_ENVFILE_STEP"
)

func TestMain(m *testing.M) {
	path := os.Getenv(faultPath)
	if path == "" {
		os.Exit(m.Run())
	}
	if path == permissionPath {
		checkUnprivileged()
		return
	}
	f, err := Resolve(path, Allow{OutsideModule: true})
	if err != nil {
		panic(err)
	}
	steps, _ := strconv.Atoi(os.Getenv(faultStep))
	f.step = func(string) error {
		if steps--; steps == 0 {
			process, _ := os.FindProcess(os.Getpid())
			_ = process.Kill()
			select {}
		}
		return nil
	}
	if err := changes[os.Getenv(faultChange)].do(f); err != nil {
		panic(err)
	}
}

// changes are what an apply does, from a state that prepare makes.
var changes = map[string]struct {
	prepare func(t *testing.T, f File)
	do      func(f File) error
	foreign string // must not be lost
	removes bool
	backups []string // beside the file in the end
}{
	"create": {
		prepare: func(*testing.T, File) {},
		do:      writes("new\n"),
		backups: []string{".gitignore", "record.json"},
	},
	"adopt": {
		prepare: func(t *testing.T, f File) { edit(t, f, "by hand\n") },
		do:      writes("new\n"),
		foreign: "by hand\n",
		backups: []string{".gitignore", "record.json", "replaced-20261123T120000Z"},
	},
	"rewrite": {
		prepare: func(t *testing.T, f File) { write(t, f, "old\n"); write(t, f, "before\n") },
		do:      writes("new\n"),
		backups: []string{".gitignore", "previous", "record.json"},
	},
	"repair": {
		prepare: func(t *testing.T, f File) { write(t, f, "before\n"); edit(t, f, "by hand\n") },
		do:      writes("new\n"),
		foreign: "by hand\n",
		backups: []string{".gitignore", "record.json", "replaced-20261123T120000Z"},
	},
	"remove": {
		prepare: func(t *testing.T, f File) { write(t, f, "old\n"); write(t, f, "before\n") },
		do:      removes,
		removes: true,
	},
	"remove what was edited": {
		prepare: func(t *testing.T, f File) { write(t, f, "before\n"); edit(t, f, "by hand\n") },
		do:      removes,
		foreign: "by hand\n",
		removes: true,
		backups: []string{".gitignore", "replaced-20261123T120000Z"},
	},
}

func writes(content string) func(File) error {
	return func(f File) error {
		_, err := f.Write(writeOf(content))
		return err
	}
}

func removes(f File) error {
	s, err := f.Inspect()
	if err == nil {
		_, err = f.Remove(Remove{Revision: s.Revision, Backup: true, Now: noon})
	}
	return err
}

var errInjected = errors.New("injected")

// Whatever a change does, and at whatever step it fails or is killed: the path has
// one whole content, nothing that others wrote is lost, and the same change done
// again ends as if nothing had happened.
func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, change := range changes {
		total := 0
		f := newFile(t)
		change.prepare(t, f)
		f.step = func(string) error { total++; return nil }
		if err := change.do(f); err != nil {
			t.Fatal(err)
		}
		if least := 3; total < least {
			t.Fatalf("%s has %d steps, so that hardly anything is tested", name, total)
		}
		for step := range total {
			t.Run(fmt.Sprintf("%s fails at step %d", name, step+1), func(t *testing.T) {
				t.Parallel()
				f := newFile(t)
				change.prepare(t, f)
				before := listing(t, f)
				left := step
				f.step = func(string) error {
					if left--; left < 0 {
						return errInjected
					}
					return nil
				}
				if err := change.do(f); !errors.Is(err, errInjected) {
					t.Fatalf("got %v", err)
				}
				// With every step failing from then on nothing could be cleared up.
				// One that fails alone leaves nothing behind.
				f.step = nil
				checkWhole(t, f, change.foreign, change.removes)
				checkRepaired(t, f, name)

				f = newFile(t)
				change.prepare(t, f)
				left = step
				f.step = func(string) error {
					if left--; left == -1 {
						return errInjected
					}
					return nil
				}
				if err := change.do(f); !errors.Is(err, errInjected) {
					t.Fatalf("got %v", err)
				}
				checkWhole(t, f, change.foreign, change.removes)
				if _, err := os.Stat(f.Path()); name == "create" && err != nil && len(listing(t, f)) != len(before) {
					t.Errorf("a failed create leaves %v", listing(t, f))
				}
				for _, file := range listing(t, f) {
					if strings.Contains(file, temporarySuffix) {
						t.Errorf("a failed change leaves %s", file)
					}
				}
			})
			t.Run(fmt.Sprintf("%s is killed at step %d", name, step+1), func(t *testing.T) {
				t.Parallel()
				f := newFile(t)
				change.prepare(t, f)
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), faultPath+"="+f.Path(), faultChange+"="+name, faultStep+"="+strconv.Itoa(step+1))
				output, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Exited() {
					t.Fatalf("the process was not killed: %v\n%s", err, output)
				}
				checkWhole(t, f, change.foreign, change.removes)
				checkRepaired(t, f, name)
			})
		}
	}
}

// checkWhole asserts what holds at every moment.
func checkWhole(t *testing.T, f File, foreign string, removes bool) {
	t.Helper()
	text, err := os.ReadFile(f.Path())
	if err != nil && !removes && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err == nil && !slices.Contains([]string{"by hand\n", "before\n", "new\n"}, string(text)) {
		t.Error("the file is neither as before nor as wanted")
	}
	if foreign != "" && string(text) != foreign {
		matches, err := filepath.Glob(filepath.Join(f.Folder(), "replaced-*"))
		if err != nil || !slices.ContainsFunc(matches, func(path string) bool { return content(t, path) == foreign }) {
			t.Error("what somebody else wrote is lost")
		}
	}
	// A content of ours, of before or after, is never taken for somebody else's.
	if s := status(t, f); s.Exists && string(text) != "by hand\n" && !s.Ours {
		t.Error("what this package wrote is not known any more")
	}
}

// checkRepaired does the change again, without a fault.
func checkRepaired(t *testing.T, f File, name string) {
	t.Helper()
	change := changes[name]
	if err := change.do(f); err != nil {
		t.Fatal(err)
	}
	if change.removes {
		if status(t, f).Exists {
			t.Error("the file is still there")
		}
	} else if s := status(t, f); !s.Current || s.Mode != 0o600 || content(t, f.Path()) != "new\n" {
		t.Errorf("after the change was done again: %+v", s)
	}
	var want []string
	for _, file := range change.backups {
		want = append(want, file+" 600")
	}
	expect(t, f, want...)
	if name == "rewrite" && content(t, filepath.Join(f.Folder(), "previous")) != "before\n" {
		t.Error("previous is not what was there before")
	}
}
