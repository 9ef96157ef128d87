// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history is what one file has been through, and what must be true of it.
type history struct {
	f       File
	now     time.Time
	text    string // of the file, "" when there is none
	mode    os.FileMode
	written string   // by the last write that ended well
	foreign []string // what others wrote and what was replaced or removed
	unsure  bool     // a write failed: the record may be that of either content
}

func (h *history) write(t *rapid.T, fail int) {
	text := fmt.Sprintf("ours %d\n", rapid.IntRange(0, 3).Draw(t, "content"))
	mode := rapid.SampledFrom([]os.FileMode{0o600, 0o400}).Draw(t, "mode")
	inPlace := false
	h.f.step = func(step string) error {
		inPlace = inPlace || step == "sync the folder of "+filepath.Base(h.f.Path())
		if fail--; fail == 0 {
			return errInjected
		}
		return nil
	}
	w := writeOf(text)
	w.Mode, w.Now = mode, h.now
	if _, err := h.f.Write(w); err == nil || inPlace {
		h.replaced()
		h.text, h.mode, h.written, h.unsure = text, mode, text, false
		return
	}
	h.unsure = true
}

// replaced notes that the present text is gone from the path.
func (h *history) replaced() {
	if strings.HasPrefix(h.text, "theirs") {
		h.foreign = append(h.foreign, h.text)
	}
}

func (h *history) edit(t *rapid.T) {
	h.text = fmt.Sprintf("theirs %d\n", rapid.IntRange(0, 5).Draw(t, "edit"))
	if err := os.Remove(h.f.Path()); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	h.mode = rapid.SampledFrom([]os.FileMode{0o600, 0o644, 0o400}).Draw(t, "mode")
	if err := os.WriteFile(h.f.Path(), []byte(h.text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.f.Path(), h.mode); err != nil {
		t.Fatal(err)
	}
}

func (h *history) remove(t *rapid.T) {
	h.f.step = nil
	s, err := h.f.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	h.replaced()
	if _, err := h.f.Remove(Remove{Revision: s.Revision, Backup: true, Now: h.now}); err != nil {
		t.Fatal(err)
	}
	h.text, h.written, h.unsure = "", "", false
}

func (h *history) check(t *rapid.T) {
	s, err := h.f.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(h.f.Path())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if s.Exists != (h.text != "") || string(text) != h.text || s.Exists && s.Mode != h.mode {
		t.Fatalf("the file holds %q with mode %o, want %q with %o", text, s.Mode, h.text, h.mode)
	}
	if !h.unsure && s.Current != (h.text != "" && h.text == h.written) {
		t.Fatalf("Current is %t for %q, where %q was written", s.Current, h.text, h.written)
	}
	if s.Ours && strings.HasPrefix(h.text, "theirs") {
		t.Fatalf("%q is taken for ours", h.text)
	}
	files, err := filepath.Glob(filepath.Join(h.f.Folder(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s has mode %o, %v", filepath.Base(file), info.Mode(), err)
		}
		if strings.HasSuffix(file, temporarySuffix) {
			t.Fatalf("%s was left behind", filepath.Base(file))
		}
		if strings.Contains(filepath.Base(file), replacedPrefix) {
			kept = append(kept, string(text))
		}
	}
	for _, text := range h.foreign {
		if text != h.text && !slices.Contains(kept, text) {
			t.Fatalf("%q is lost", text)
		}
	}
	slices.Sort(kept)
	if len(slices.Compact(slices.Clone(kept))) != len(kept) {
		t.Fatalf("copies were made twice: %q", kept)
	}
}

func TestAnyHistory(t *testing.T) {
	t.Parallel()
	root, histories := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		histories++
		folder := filepath.Join(root, fmt.Sprint(histories))
		if err := os.Mkdir(folder, 0o700); err != nil {
			r.Fatal(err)
		}
		f, err := Resolve(filepath.Join(folder, ".env"), Allow{OutsideModule: true})
		if err != nil {
			r.Fatal(err)
		}
		h := &history{f: f, now: noon}
		r.Repeat(map[string]func(*rapid.T){
			"write":         func(r *rapid.T) { h.write(r, 0) },
			"write, failed": func(r *rapid.T) { h.write(r, rapid.IntRange(1, 16).Draw(r, "step")) },
			"edit":          h.edit,
			"remove":        h.remove,
			"wait":          func(*rapid.T) { h.now = h.now.Add(time.Second) },
			"":              h.check,
		})
	})
}

// Two resources that were given one path do not mix their files.
func TestWritesAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if _, err := f.Write(writeOf(strings.Repeat(fmt.Sprintf("%d\n", i), 10_000))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s := status(t, f); !s.Current {
		t.Errorf("the record is not that of the file: %+v", s)
	}
	expect(t, f, ".gitignore 600", "previous 600", "record.json 600")
}
