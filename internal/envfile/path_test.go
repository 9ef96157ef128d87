// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestResolve(t *testing.T) {
	t.Chdir(t.TempDir())
	working, err := os.Getwd()
	if err == nil {
		working, err = filepath.EvalSymlinks(working)
	}
	if err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	for _, err := range []error{
		os.Mkdir("below", 0o700),
		os.WriteFile("plain", nil, 0o600),
		os.WriteFile(filepath.Join(outside, "plain"), nil, 0o600),
		os.Symlink("below", "inner"),
		os.Symlink(outside, "outer"),
		os.Symlink("plain", "link"),
		os.Symlink(filepath.Join(outside, "plain"), "link-outside"),
		os.Symlink("nothing", "dangling"),
		os.Symlink("loop", "loop"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		path  string
		allow Allow
		want  string // below the working folder, or absolute
		kind  error
	}{
		{path: ".env", want: ".env"},
		{path: "./below/../.env", want: ".env"},
		{path: "below/.env", want: "below/.env"},
		{path: "..env", want: "..env"},
		{path: filepath.Join(working, ".env"), want: ".env"},
		{path: "inner/.env", want: "below/.env"},
		{path: "plain", want: "plain"},
		{path: "../.env", kind: ErrOutside},
		{path: filepath.Join(outside, ".env"), kind: ErrOutside},
		{path: filepath.Join(outside, ".env"), allow: Allow{OutsideModule: true}, want: filepath.Join(outside, ".env")},
		{path: "outer/.env", kind: ErrOutside},
		{path: "outer/.env", allow: Allow{OutsideModule: true}, want: filepath.Join(outside, ".env")},
		{path: "link", kind: ErrSymlink},
		{path: "link", allow: Allow{OutsideModule: true}, kind: ErrSymlink},
		{path: "link", allow: Allow{Symlink: true}, want: "plain"},
		{path: "link-outside", allow: Allow{Symlink: true}, kind: ErrOutside},
		{path: "link-outside", allow: Allow{Symlink: true, OutsideModule: true}, want: filepath.Join(outside, "plain")},
		{path: "dangling", kind: ErrSymlink},
		{path: "dangling", allow: Allow{Symlink: true}, kind: ErrDangling},
		{path: "loop", allow: Allow{Symlink: true}, kind: ErrDangling},
		{path: "missing/.env", kind: ErrNoFolder},
		{path: "plain/.env", kind: ErrNoFolder},
		{path: "below", kind: ErrNotFile},
		{path: ".", kind: ErrNotFile},
		{path: os.DevNull, allow: Allow{OutsideModule: true}, kind: ErrNotFile},
	} {
		f, err := Resolve(test.path, test.allow)
		var problem *PathError
		switch {
		case test.kind == nil:
			want := test.want
			if !filepath.IsAbs(want) {
				want = filepath.Join(working, want)
			}
			if err != nil || f.Path() != want || f.Folder() != want+".roi" {
				t.Errorf("%s %+v: got %s, %v; want %s", test.path, test.allow, f.Path(), err, want)
			}
		case !errors.Is(err, test.kind) || !errors.As(err, &problem):
			t.Errorf("%s %+v: got %v, want %v", test.path, test.allow, err, test.kind)
		}
	}
}

// What is at the path may change between the look at it and the write.
func TestFileBecomesALink(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, f.Path()); err != nil {
		t.Fatal(err)
	}
	_, inspect := f.Inspect()
	_, write := f.Write(writeOf("A=1\n"))
	_, remove := f.Remove(Remove{Now: noon})
	for name, err := range map[string]error{"inspect": inspect, "write": write, "mode": f.SetMode(0o644), "remove": remove} {
		if !errors.Is(err, ErrNotFile) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 || content(t, target) != "theirs" {
		t.Errorf("what the link leads to was changed: %v", err)
	}
}

// Terraform may run in a folder that is reached through a link.
func TestResolveInLinkedFolder(t *testing.T) {
	folder, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(link)
	for path, kind := range map[string]error{".env": nil, filepath.Join(link, ".env"): nil, filepath.Join(folder, ".env"): nil, "../.env": ErrOutside} {
		if _, err := Resolve(path, Allow{}); !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", path, err, kind)
		}
	}
}
