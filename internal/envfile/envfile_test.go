// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestRender(t *testing.T) {
	t.Parallel()
	due := time.Date(2027, 2, 21, 13, 0, 0, 0, time.FixedZone("", 3600))
	got, err := Render([]Entry{
		{"HOST", secretstore.NewPlaintext("localhost"), time.Time{}},
		{"B", secretstore.NewPlaintext("it's"), due},
		{"A", secretstore.NewPlaintext(""), due.Add(time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# Written by Terraform (roi_env_file). A change made here is replaced by the next apply.
# When this was written, rotation was due at:
#   2027-02-21T12:00:00Z  B
#   2027-02-21T13:00:00Z  A

HOST=localhost
B="it's"
A=
`
	if diff := cmp.Diff(want, got.Reveal()); diff != "" {
		t.Error(diff)
	}
	got, err = Render([]Entry{{"HOST", secretstore.NewPlaintext("localhost"), time.Time{}}})
	if err != nil || strings.Contains(got.Reveal(), "due") {
		t.Errorf("a file without due dates speaks of them, or %v", err)
	}
}

func TestRenderRefusesWithoutShowingValues(t *testing.T) {
	t.Parallel()
	_, err := Render([]Entry{
		{"GOOD", secretstore.NewPlaintext("good-value"), time.Time{}},
		{"NUL", secretstore.NewPlaintext("nul-value\x00"), time.Time{}},
		{"1ST", secretstore.NewPlaintext("first-value"), time.Time{}},
	})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("got %v, want two errors", err)
	}
	var problem *dotenv.EntryError
	if !errors.As(err, &problem) || problem.Name != "NUL" {
		t.Errorf("the first error is about %v", problem)
	}
	if strings.Contains(err.Error(), "value\x00") || strings.Contains(err.Error(), "-value") {
		t.Error("the error shows a value")
	}
}

// listing is the folder beside a file: names with modes.
func listing(t *testing.T, f File) []string {
	t.Helper()
	entries, err := os.ReadDir(f.Folder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %o", entry.Name(), info.Mode().Perm()))
	}
	return list
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func status(t *testing.T, f File) Status {
	t.Helper()
	s, err := f.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func edit(t *testing.T, f File, text string) {
	t.Helper()
	if err := os.WriteFile(f.Path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, f File, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, listing(t, f)); diff != "" {
		t.Errorf("beside the file:\n%s", diff)
	}
}

func TestWriteIsSeenAndDriftToo(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	if got := status(t, f); got != (Status{}) {
		t.Errorf("before anything is written: %+v", got)
	}
	written := write(t, f, "A=1\n")
	want := Status{Exists: true, Mode: 0o600, Recorded: true, Revision: written.Revision, Current: true, Ours: true}
	if diff := cmp.Diff(want, status(t, f)); diff != "" {
		t.Error(diff)
	}
	if content(t, f.Path()) != "A=1\n" {
		t.Error("the file has another content")
	}
	if info, err := os.Stat(f.Folder()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	expect(t, f, ".gitignore 600", "record.json 600")
	if text := content(t, filepath.Join(f.Folder(), "record.json")); strings.Contains(text, "A=1") {
		t.Error("the record holds what was written")
	}

	if err := os.Chmod(f.Path(), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := status(t, f); got.Mode != 0o640 || !got.Current {
		t.Errorf("after a change of the mode: %+v", got)
	}
	if err := f.SetMode(0o400); err != nil {
		t.Fatal(err)
	}
	if got := status(t, f); got.Mode != 0o400 || !got.Current {
		t.Errorf("after the mode was set: %+v", got)
	}
	if err := f.SetMode(0o600); err != nil {
		t.Fatal(err)
	}
	edit(t, f, "A=1\nB=2\n")
	if got := status(t, f); got.Current || got.Ours || !got.Recorded {
		t.Errorf("after an edit: %+v", got)
	}
	edit(t, f, "A=1\n")
	if got := status(t, f); !got.Current {
		t.Errorf("after the edit was taken back: %+v", got)
	}
	if err := os.Remove(f.Path()); err != nil {
		t.Fatal(err)
	}
	if got := status(t, f); got.Exists || !got.Recorded || got.Current {
		t.Errorf("after the file was removed: %+v", got)
	}
}

// The same content has another fingerprint each time, so that two records do not
// tell whether two files are alike.
func TestFingerprintsAreKeyed(t *testing.T) {
	t.Parallel()
	a, b := newFile(t), newFile(t)
	write(t, a, "A=1\n")
	write(t, b, "A=1\n")
	first, err1 := a.load()
	second, err2 := b.load()
	if err1 != nil || err2 != nil || first == nil || second == nil {
		t.Fatalf("no records: %v, %v", err1, err2)
	}
	if slices.Equal(first.Fingerprint, second.Fingerprint) || slices.Equal(first.Key, second.Key) || first.Revision == second.Revision {
		t.Error("two writes share a key, a fingerprint or a revision")
	}
}

func TestBackups(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	previous := filepath.Join(f.Folder(), "previous")
	edit(t, f, "by hand\n")
	written := write(t, f, "first\n")
	kept := filepath.Join(f.Folder(), "replaced-20261123T120000Z")
	if written.Kept != kept || content(t, kept) != "by hand\n" {
		t.Errorf("a file that somebody else wrote was kept in %q", written.Kept)
	}
	expect(t, f, ".gitignore 600", "record.json 600", "replaced-20261123T120000Z 600")

	if written := write(t, f, "second\n"); written.Kept != "" || content(t, previous) != "first\n" {
		t.Errorf("of what was written before: %+v", written)
	}
	write(t, f, "third\n")
	if content(t, previous) != "second\n" {
		t.Error("previous is not what was written before")
	}
	write(t, f, "third\n")
	if content(t, previous) != "second\n" {
		t.Error("a write of the same content has changed previous")
	}

	// Two edits in one second have two names.
	edit(t, f, "another\n")
	if written := write(t, f, "fourth\n"); written.Kept != kept+"-2" || content(t, written.Kept) != "another\n" {
		t.Errorf("a second edit was kept in %q", written.Kept)
	}
	// One that is there already is not kept again.
	edit(t, f, "by hand\n")
	if written := write(t, f, "fifth\n"); written.Kept != kept {
		t.Errorf("what is kept already was kept in %q", written.Kept)
	}
	expect(t, f, ".gitignore 600", "previous 600", "record.json 600", "replaced-20261123T120000Z 600", "replaced-20261123T120000Z-2 600")

	edit(t, f, "unwanted\n")
	without := writeOf("sixth\n")
	without.Backup = false
	if written, err := f.Write(without); err != nil || written.Kept != "" {
		t.Errorf("without backup: %+v, %v", written, err)
	}
	expect(t, f, ".gitignore 600", "record.json 600", "replaced-20261123T120000Z 600", "replaced-20261123T120000Z-2 600")
}

func TestRemove(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, path string) {
		t.Helper()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", filepath.Base(path), err)
		}
	}
	for name, test := range map[string]struct {
		prepare  func(t *testing.T, f File) string // returns the revision to remove
		noBackup bool
		want     Removed
		stays    bool // the file
	}{
		"unchanged": {prepare: func(t *testing.T, f File) string {
			write(t, f, "first\n")
			return write(t, f, "second\n").Revision
		}},
		"removed by hand": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			if err := os.Remove(f.Path()); err != nil {
				t.Fatal(err)
			}
			return revision
		}},
		"never there": {prepare: func(*testing.T, File) string { return "x" }},
		"edited": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			edit(t, f, "by hand\n")
			return revision
		}, want: Removed{Changed: true, Kept: "replaced-20261123T120000Z", Left: true}},
		"edited, without backup": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			edit(t, f, "by hand\n")
			return revision
		}, noBackup: true, want: Removed{Changed: true}},
		"record lost": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			if err := os.RemoveAll(f.Folder()); err != nil {
				t.Fatal(err)
			}
			return revision
		}, want: Removed{Changed: true, Kept: "replaced-20261123T120000Z", Left: true}},
		"adopted": {prepare: func(t *testing.T, f File) string {
			edit(t, f, "by hand\n")
			return write(t, f, "first\n").Revision
		}, want: Removed{Left: true}},
		"written by another": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			write(t, f, "second\n")
			return revision
		}, want: Removed{Foreign: "that of the other"}, stays: true},
		"updated, and not saved": {prepare: func(t *testing.T, f File) string {
			revision := write(t, f, "first\n").Revision
			for _, text := range []string{"second\n", "third\n"} {
				update := writeOf(text)
				update.Was = revision
				if _, err := f.Write(update); err != nil {
					t.Fatal(err)
				}
			}
			return revision
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFile(t)
			revision := test.prepare(t, f)
			got, err := f.Remove(Remove{Revision: revision, Backup: !test.noBackup, Now: noon})
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Kept != "" {
				test.want.Kept = filepath.Join(f.Folder(), test.want.Kept)
				if len(content(t, test.want.Kept)) == 0 {
					t.Error("the copy is empty")
				}
			}
			if test.want.Foreign != "" {
				test.want.Foreign = status(t, f).Revision
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if test.stays {
				if content(t, f.Path()) != "second\n" {
					t.Error("the file of another was changed")
				}
				return
			}
			gone(t, f.Path())
			gone(t, f.recordPath())
			gone(t, filepath.Join(f.Folder(), "previous"))
			if !got.Left {
				gone(t, f.Folder())
			}
		})
	}
}

// What can come with a repository that somebody else wrote leads nowhere.
func TestFolderThatIsALink(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "record.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, f.Folder()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(writeOf("A=1\n")); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("a write into a folder that is a link: %v", err)
	}
	if _, err := f.Remove(Remove{Now: noon}); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(elsewhere)
	if err != nil || len(entries) != 1 {
		t.Errorf("what the link leads to has %d files now, %v", len(entries), err)
	}
	if status(t, f).Exists {
		t.Error("the file was written")
	}
}

func TestFolderWithOtherMode(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	write(t, f, "A=1\n")
	if err := os.Chmod(f.Folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, f, "A=2\n")
	if info, err := os.Stat(f.Folder()); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	write(t, f, "A=1\n")
	for _, text := range []string{"", "{", "{}", `{"version":1,"key":"AA==","fingerprint":"AA=="}`, "null", `[]`} {
		if err := os.WriteFile(f.recordPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := status(t, f); got.Recorded || got.Current || got.Ours || !got.Exists {
			t.Errorf("with the record %q: %+v", text, got)
		}
	}
	if err := os.WriteFile(f.recordPath(), []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inspect(); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a record of a newer version: %v", err)
	}
}

// A file system that ignores modes would leave the values to everybody.
func TestFileSystemWithoutModesIsRefused(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	open := func(step string) error {
		if !strings.HasPrefix(step, "check the mode of ") {
			return nil
		}
		name := strings.TrimPrefix(step, "check the mode of ")
		for _, path := range []string{filepath.Join(filepath.Dir(f.Path()), name), filepath.Join(f.Folder(), name)} {
			if os.Chmod(path, 0o644) == nil {
				info, err := os.Stat(path)
				if err != nil || strings.HasSuffix(name, temporarySuffix) && info.Size() != 0 {
					t.Errorf("something is in the file already: %v", err)
				}
			}
		}
		return nil
	}
	f.step = open
	if _, err := f.Write(Write{Content: secretstore.NewPlaintext("A=1\n"), Mode: 0o600}); !errors.Is(err, ErrNoModes) {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Lstat(f.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	f.step = nil
	if _, err := f.Write(Write{Content: secretstore.NewPlaintext("A=1\n"), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	f.step = open
	if err := f.SetMode(0o400); !errors.Is(err, ErrNoModes) {
		t.Errorf("got error %v", err)
	}
}
