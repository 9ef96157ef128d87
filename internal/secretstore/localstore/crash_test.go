// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// The test binary becomes a writer when these are set: the store's folder and
// the beginning of the names it writes.
const (
	writerPath   = "ROI_TEST_LOCALSTORE_PATH"
	writerPrefix = "ROI_TEST_LOCALSTORE_PREFIX"
)

// writes is how many writes a writer makes.
const writes = 200

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		if err := write(path, os.Getenv(writerPrefix)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// write waits for a line on stdin, makes its writes, and says of each on stdout
// that it is done, after the store said so. Every fifth write makes a secret, the
// others rotate and tag it.
func write(path, prefix string) error {
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	store, ctx := New(Config{Path: path}, clock.System{}), context.Background()
	var name, current, pending string
	for i := range writes {
		var done string
		var err error
		switch i % 5 {
		case 0:
			name, current = fmt.Sprintf("%s/%d", prefix, i), uuid.NewString()
			_, err = store.Create(ctx, secretstore.CreateInput{Name: name, Token: current, Value: valueOf(current)})
			done = "created " + current
		case 1, 3:
			pending = uuid.NewString()
			err = store.Put(ctx, secretstore.PutInput{ID: name, Token: pending, Value: valueOf(pending), Labels: []string{secretstore.Pending}})
			done = "put " + pending
		case 2:
			err = store.MoveLabel(ctx, name, secretstore.Current, current, pending)
			done = "promoted " + pending
		case 4:
			err = store.Tag(ctx, name, map[string]string{"write": fmt.Sprint(i)})
			done = fmt.Sprintf("tagged %d", i)
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Println(name, done); err != nil {
			return err
		}
	}
	return nil
}

// writer is a process that writes to a store.
type writer struct {
	cmd    *exec.Cmd
	start  io.WriteCloser
	output *bufio.Scanner
	errors strings.Builder
}

func startWriter(t *testing.T, path, prefix string) *writer {
	t.Helper()
	w := &writer{cmd: exec.Command(os.Args[0])}
	w.cmd.Env = append(os.Environ(), writerPath+"="+path, writerPrefix+"="+prefix)
	w.cmd.Stderr = &w.errors
	var err error
	if w.start, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.output = bufio.NewScanner(output)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	return w
}

func (w *writer) begin(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(w.start, "begin\n"); err != nil {
		t.Fatal(err)
	}
}

// acknowledged returns what the writer said it did, until it ends.
func (w *writer) acknowledged(kill func(n int)) []string {
	var lines []string
	for w.output.Scan() {
		lines = append(lines, w.output.Text())
		if kill != nil {
			kill(len(lines))
		}
	}
	_ = w.cmd.Wait()
	return lines
}

// TestKilledWriter kills a writer at random moments, again and again on the same
// store.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := New(Config{Path: path}, clock.System{})
	var all [][]string
	for round := range 6 {
		w := startWriter(t, path, fmt.Sprint("round", round))
		w.begin(t)
		after := 1 + rand.IntN(writes-1)
		lines := w.acknowledged(func(n int) {
			if n == after {
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				_ = w.cmd.Process.Kill()
			}
		})
		if len(lines) < after {
			t.Fatalf("the writer ended after %d writes: %s", len(lines), w.errors.String())
		}
		all = append(all, lines)
		verify(t, store, all...)
	}
}

// TestKilledAtTheBeginning kills writers while they make the store's files.
func TestKilledAtTheBeginning(t *testing.T) {
	var with, without int
	for range 25 {
		path := filepath.Join(t.TempDir(), "store")
		w := startWriter(t, path, "first")
		w.begin(t)
		for begun := time.Now(); time.Since(begun) < time.Minute; {
			if _, err := os.Lstat(path); err == nil {
				break
			}
		}
		time.Sleep(time.Duration(rand.IntN(10000)) * time.Microsecond)
		_ = w.cmd.Process.Kill()
		lines := w.acknowledged(nil)
		if w.errors.Len() > 0 {
			t.Fatalf("the writer failed: %s", w.errors.String())
		}
		store := New(Config{Path: path}, clock.System{})
		if _, err := os.Lstat(filepath.Join(path, databaseName)); err == nil {
			with++
		} else {
			without++
		}
		verify(t, store, lines)
		create(t, store, "one-more")
		for name := range files(t, path) {
			if strings.HasSuffix(name, temporarySuffix) {
				t.Errorf("%s is left", name)
			}
		}
	}
	t.Logf("killed %d times before and %d times after the database was there", without, with)
}

// TestWritersAtOnce lets processes write to one store together, from its
// beginning. One of them is killed.
func TestWritersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	writers := []*writer{startWriter(t, path, "a"), startWriter(t, path, "b"), startWriter(t, path, "killed")}
	for _, w := range writers {
		w.begin(t)
	}
	results := make([][]string, len(writers))
	done := make(chan bool)
	for i, w := range writers {
		go func() {
			results[i] = w.acknowledged(func(n int) {
				if i == 2 && n == 20 {
					_ = w.cmd.Process.Kill()
				}
			})
			done <- true
		}()
	}
	for range writers {
		<-done
	}
	for i, w := range writers[:2] {
		if len(results[i]) != writes {
			t.Errorf("writer %d made %d of %d writes: %s", i, len(results[i]), writes, w.errors.String())
		}
	}
	verify(t, New(Config{Path: path}, clock.System{}), results...)
}

// verify demands that every write that some writers acknowledged is there, that
// nothing is half-written, and that the store can be used.
func verify(t *testing.T, store *Store, writers ...[]string) {
	t.Helper()
	ctx := t.Context()
	type expectation struct{ current, tag string }
	want := map[string]expectation{}
	last := map[string]bool{} // The write that was under way may be there or not.
	for _, acknowledged := range writers {
		for i, line := range acknowledged {
			var name, what, of string
			if _, err := fmt.Sscan(line, &name, &what, &of); err != nil {
				t.Fatalf("the writer said %q", line)
			}
			e := want[name]
			switch what {
			case "created", "promoted":
				e.current = of
			case "tagged":
				e.tag = of
			}
			want[name] = e
			last[name] = i == len(acknowledged)-1
			if what == "created" || what == "put" {
				value, err := store.Value(ctx, name, secretstore.VersionRef{ID: of})
				if err != nil {
					t.Errorf("%s was lost: %v", line, err)
				} else if value.Plaintext.Reveal() != valueOf(of).Reveal() {
					t.Errorf("%s has another value", line)
				}
			}
		}
	}
	for name, e := range want {
		secret, err := store.Describe(ctx, name)
		if err != nil {
			t.Errorf("%s was lost: %v", name, err)
			continue
		}
		if got := secret.VersionWith(secretstore.Current); got != e.current && !last[name] {
			t.Errorf("the current version of %s is %s, want %s", name, got, e.current)
		}
		if got := secret.Tags["write"]; got != e.tag && !last[name] {
			t.Errorf("the tag of %s is %q, want %q", name, got, e.tag)
		}
	}
	verifyWhole(t, store)

	name, token := "after/"+uuid.NewString(), uuid.NewString()
	if _, err := store.Create(ctx, secretstore.CreateInput{Name: name, Token: token, Value: valueOf(token)}); err != nil {
		t.Fatalf("the store cannot be used any more: %v", err)
	}
	if value, err := store.Value(ctx, name, secretstore.VersionRef{}); err != nil || value.Plaintext.Reveal() != valueOf(token).Reveal() {
		t.Fatalf("a new secret cannot be read back: %v", err)
	}
}

// verifyWhole reads everything that is in the database, acknowledged or not.
func verifyWhole(t *testing.T, store *Store) {
	t.Helper()
	if _, err := os.Lstat(store.database()); errors.Is(err, os.ErrNotExist) {
		return // killed before there was one
	}
	var names []string
	values := 0
	change(t, store, func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("the database is damaged: %v", err)
		}
		if tx.Bucket(recordBucket) == nil {
			return nil
		}
		_ = tx.Bucket(valueBucket).ForEach(func(_, _ []byte) error { values++; return nil })
		return tx.Bucket(recordBucket).ForEach(func(name, _ []byte) error {
			names = append(names, string(name))
			return nil
		})
	})
	for _, name := range names {
		versions, err := store.Versions(t.Context(), name)
		if err != nil {
			t.Errorf("%s is half-written: %v", name, err)
		}
		labels := map[string]int{}
		for _, version := range versions {
			values--
			value, err := store.Value(t.Context(), name, secretstore.VersionRef{ID: version.ID})
			if err != nil {
				t.Errorf("a version of %s is half-written: %v", name, err)
			} else if value.Plaintext.Reveal() != valueOf(version.ID).Reveal() {
				t.Errorf("version %s of %s has another value", version.ID, name)
			}
			for _, label := range version.Labels {
				labels[label]++
			}
		}
		if labels[secretstore.Current] != 1 || labels[secretstore.Previous] > 1 || labels[secretstore.Pending] > 1 {
			t.Errorf("the labels of %s are half-moved: %v", name, labels)
		}
	}
	if values != 0 {
		t.Errorf("%d values belong to no version", values)
	}
}
