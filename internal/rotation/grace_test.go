// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// A value that is rotated again and again leaves each time the version before with
// AWSPREVIOUS, whatever grace period another key of the secret has.
func TestPreviousFollowsRepeatedRotations(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		other    string
		grace    rotation.Grace
		holdsOne bool // the first rotation of the one leaves AWSPREVIOUS to the other
	}{
		"beside key material":      {"encryption", rotation.Grace{Never: true}, false},
		"beside a long grace time": {"session", rotation.Grace{Period: 10 * rotation.Day}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"A": "jwt", "B": test.other})
			a, b := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"B"}, want: ninetyDays()}
			b.want.Grace = test.grace
			w.mustCreate(a)
			first := w.mustCreate(b).Version
			w.mustReplace(b, w.view("B").State())
			for n := range 4 {
				w.clock.advance(2 * time.Hour)
				left := w.view().Current()
				if n == 0 && test.holdsOne {
					left = first
				}
				out := w.mustReplace(a, w.view("A").State())
				w.labels(out.Version, left)
				if out.Previous != left {
					t.Errorf("rotation %d says that the version before is %s, want %s", n, out.Previous, left)
				}
				w.clock.advance(2 * time.Hour)
				if n == 2 {
					w.mustUpdate(a)
				}
				if retired := w.view("A").State().Retired; retired != (n == 2) {
					t.Errorf("rotation %d is retired: %t", n, retired)
				}
			}
		})
	}
}

// The end of a grace period while health is checked leaves record and label with
// one and the same version.
func TestGraceEndsDuringCheck(t *testing.T) {
	t.Parallel()
	for _, interrupted := range []bool{false, true} {
		w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
		a, b := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"B"}, want: ninetyDays()}
		first := w.mustCreate(b).Version
		w.mustCreate(a)
		w.mustReplace(b, w.view("B").State())
		w.clock.advance(59 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		w.check = func(context.Context) error {
			w.clock.advance(2 * time.Minute)
			if interrupted {
				cancel()
			}
			return nil
		}
		before := w.view("A").State()
		if _, err := w.rotator().Ask(ctx, w.arn, a.keys, before.Version, before.Changed, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := w.rotator().Run(ctx, w.arn, a.keys, a.resolve, nil); (err != nil) != interrupted {
			t.Fatal(err)
		}
		w.check = nil
		w.mustCreate(a)
		cancel()
		state := w.view("A").State()
		w.labels(state.Version, first)
		if state.Previous != first || state.Retired {
			t.Errorf("interrupted %t: the version before is %s, retired %t, want %s", interrupted, state.Previous, state.Retired, first)
		}
	}
}

// Previous values leave the object under the suffix that they were stored with,
// whatever the configuration says by then.
func TestSuffixThatChanged(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"another": "_WAS", "none": ""} {
		for _, rotated := range []bool{false, true} {
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			o := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}
			w.mustCreate(o)
			w.mustReplace(o, w.view("A").State())
			o.suffix = suffix
			w.clock.advance(time.Minute)
			if w.mustUpdate(o); !w.object(w.view().Current()).Has("A_OLD") {
				t.Errorf("%s: the previous value has left the object while its grace period runs", name)
			}
			if rotated {
				w.mustReplace(o, w.view("A").State())
			}
			w.clock.advance(2 * time.Hour)
			if !rotated {
				w.mustUpdate(o)
			}
			object := w.object(w.view().Current())
			if object.Has("A_OLD") || object.Has("A_WAS") != (rotated && suffix != "") {
				t.Errorf("%s, rotated again %t: the keys are %v", name, rotated, object.Keys())
			}
			w.mustUpdate(o)
			if object := w.object(w.view().Current()); object.Has("A_WAS") || !w.view("A").State().Retired {
				t.Errorf("%s, rotated again %t: at the end the keys are %v", name, rotated, object.Keys())
			}
		}
	}
}

// roi_secret makes a value anew while the grace period of its rotation runs: what
// the rotation kept is retired all the same.
func TestRetiringAfterRegeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	o := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}
	w.mustCreate(o)
	second := w.mustReplace(o, w.view("A").State()).Version
	w.clock.advance(time.Minute)
	regenerated := w.regenerate("A")
	state := w.view("A").State()
	if state.Version != regenerated || state.Previous != second || state.Retired {
		t.Errorf("the secret says %+v, want version %s after %s", state, regenerated, second)
	}
	w.clock.advance(time.Minute)
	w.mustUpdate(o)
	w.labels(regenerated, second)
	w.clock.advance(2 * time.Hour)
	state = w.mustUpdate(o)
	if !state.Retired || state.Version != regenerated || w.view().Previous() != "" || w.object(w.view().Current()).Has("A_OLD") {
		t.Errorf("after the grace period: %+v; AWSPREVIOUS is on %q", state, w.view().Previous())
	}
	if again := w.view("A").State(); again != state {
		t.Errorf("the secret says %+v, the update %+v", again, state)
	}
}

// regenerate is what roi_secret makes of a value that breaks a new policy.
func (w *world) regenerate(key string) string {
	w.t.Helper()
	object := w.object(w.view().Current())
	object.Set(key, another)
	version := secretstore.DeriveVersionID("regenerated")
	w.put(version, object.Plaintext().Reveal(), secretstore.Current)
	policies := w.view().Policies
	record := policies[key]
	record.MadeAt = w.clock.Now()
	policies[key] = record
	tags, err := policy.EncodeRecords(policies)
	if err == nil {
		err = w.store.Store.Tag(w.t.Context(), w.arn, tags)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return version
}

// What other processes do with the same attempt while health is checked decides.
func TestAttemptEndsDuringCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		healthy  bool
		stripped bool // an earlier run of the attempt was killed after it took AWSPENDING away
	}{
		"settled, then found sick":                            {},
		"rolled back, then found healthy":                     {healthy: true},
		"rolled back, then found healthy by one that resumed": {healthy: true, stripped: true},
	} {
		healthy := test.healthy
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o).Version
			w.clock.advance(91 * rotation.Day)
			theirs := ""
			w.check = func(ctx context.Context) error {
				if theirs != "" {
					return nil
				}
				theirs = w.view().Current()
				if test.stripped {
					test.stripped, theirs = false, ""
					w.calls()
					w.store.at, w.store.after = 1, true
					return nil
				}
				w.store.at = 0
				other := w.rotator()
				if other.Check = nil; healthy {
					other.Check = sick
				}
				_, err := other.Run(ctx, w.arn, nil, o.resolve, nil)
				if (err == nil) == healthy {
					t.Errorf("the other process: %v", err)
				}
				if healthy {
					return nil
				}
				return sick(ctx)
			}
			if test.stripped {
				if _, err := w.create(o); err == nil || w.view().Pending() != "" {
					t.Fatalf("AWSPENDING is on %q: %v", w.view().Pending(), err)
				}
			}
			out := w.mustCreate(o)
			if (out.Version == theirs) == healthy || w.view().Record.Current != out.Version {
				t.Errorf("the other process was right: %t; the record has the version", out.Version == theirs)
			}
			w.labels(out.Version, first)
		})
	}
}

// Whoever takes AWSPENDING decides what becomes of an attempt that two processes
// carry out, wherever the other one is at that moment.
func TestOneProcessDecides(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{
		"the healthy one is faster":                "MoveLabel AWSPENDING",
		"the sick one is faster":                   "Tag",
		"the sick one is faster, and putting back": "MoveLabel AWSCURRENT",
		"the sick one is faster, and nearly done":  "MoveLabel AWSPREVIOUS",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			o := options{keys: []string{"A"}, want: ninetyDays()}
			first := w.mustCreate(o).Version
			w.clock.advance(91 * rotation.Day)
			next := ""
			var healthy sync.WaitGroup
			healthyLooks := make(chan struct{})
			var healthyOut rotation.Outcome
			var healthyErr error
			w.check = func(context.Context) error {
				if next != "" {
					return nil
				}
				next = w.view().Current()
				w.store.setHook(func(op string) {
					if op != at {
						return
					}
					w.store.setHook(nil)
					// The process that finds it healthy joins the attempt now. Before it
					// believes that the other one is gone, it gives it time.
					other := w.rotator()
					other.Check = func(context.Context) error { return nil }
					var once sync.Once
					other.Sleep = func(ctx context.Context, _ time.Duration) error {
						once.Do(func() { close(healthyLooks) })
						time.Sleep(20 * time.Millisecond)
						return ctx.Err()
					}
					done := make(chan struct{})
					healthy.Go(func() {
						defer close(done)
						healthyOut, healthyErr = other.Run(t.Context(), w.arn, o.keys, o.resolve, nil)
					})
					select {
					case <-done:
					case <-healthyLooks:
					}
				})
				return sick(t.Context())
			}
			out, err := w.create(o)
			healthy.Wait()
			if healthyErr != nil {
				t.Fatalf("the process that finds it healthy: %v", healthyErr)
			}
			view := w.view("A")
			if view.Record.Phase != rotation.Settled || view.Record.Current != view.Current() || view.Pending() != "" || view.Previous() != first {
				t.Errorf("the record is %s of %s, AWSCURRENT on %s, AWSPENDING on %q, AWSPREVIOUS on %s", view.Record.Phase, view.Record.Current, view.Current(), view.Pending(), view.Previous())
			}
			if healthyOut.Version != view.Current() {
				t.Errorf("one process ended with %s, AWSCURRENT is on %s", healthyOut.Version, view.Current())
			}
			if faster := at == "MoveLabel AWSPENDING"; faster != (view.Current() == next) || faster != (err == nil) || faster && out.Version != next {
				t.Errorf("AWSCURRENT is on the version of the attempt: %t; the process that finds it sick: %v", view.Current() == next, err)
			}
		})
	}
}

// A failed attempt whose labels are not put back is put back by the next change of
// the secret, whoever makes it, so that none is derived from the failed value.
func TestOthersFinishRollbacks(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"another rotation", "roi_secret"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			a, b := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"B"}, want: ninetyDays()}
			w.mustCreate(b)
			first := w.mustCreate(a)
			failed := ""
			w.check = func(ctx context.Context) error {
				failed = w.view().Current()
				w.calls()
				w.store.at = 3 // after a description and the mark
				return sick(ctx)
			}
			if _, err := w.replace(a, first.State); err == nil {
				t.Fatal("it was not rolled back")
			}
			w.store.at, w.check = 0, nil
			if w.view().Current() != failed || w.view("A").Record.Phase != rotation.Failed {
				t.Fatal("the rollback did not break off")
			}
			if who == "roi_secret" {
				secret, err := rotation.Free(t.Context(), w.store, w.secret())
				if err != nil || secret.VersionWith(secretstore.Current) != first.Version {
					t.Errorf("got version %s, %v", secret.VersionWith(secretstore.Current), err)
				}
				w.labels(first.Version, "")
				return
			}
			w.clock.advance(91 * rotation.Day)
			out := w.mustCreate(b)
			w.labels(out.Version, first.Version)
			w.changedOnly(who, first.Version, out.Version, b.keys, "")
		})
	}
}

// roi_secret makes nothing from a version that a rotation has not yet recorded.
func TestFreeRefusesUnrecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	o := options{keys: []string{"A"}, want: ninetyDays()}
	before := w.mustCreate(o)
	if _, err := rotation.Free(t.Context(), w.store, w.secret()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.check = func(context.Context) error {
		cancel()
		return nil
	}
	if _, err := w.rotator().Ask(ctx, w.arn, o.keys, before.Version, before.Changed, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.rotator().Run(ctx, w.arn, o.keys, o.resolve, nil); err == nil {
		t.Fatal("it was not interrupted")
	}
	var foreign *secretstore.ForeignRotationError
	if _, err := rotation.Free(t.Context(), w.store, w.secret()); !errors.As(err, &foreign) || !strings.Contains(err.Error(), rotation.TagKey(o.keys)) {
		t.Errorf("got %v, want that it is being rotated", err)
	}
}

// A resumed version is as old as the store says.
func TestResumedVersionKeepsItsAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	first := w.mustCreate(o)
	w.breakAt("MoveLabel AWSCURRENT", o)
	made := w.clock.Now()
	w.clock.advance(rotation.Day)
	out := w.mustCreate(o)
	if out.Action != rotation.Resume || !out.Changed.Equal(made) || out.Version == first.Version {
		t.Errorf("%s: it was made at %v, want %v", out.Action, out.Changed, made)
	}
}
