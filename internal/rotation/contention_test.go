// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// once runs do before the first call of a kind.
func (w *world) once(call string, do func()) {
	done := false
	w.store.hook = func(op string) {
		if op == call && !done {
			done = true
			do()
		}
	}
}

// put is a change that another process makes.
func (w *world) put(version, value string, labels ...string) {
	w.t.Helper()
	if err := w.store.Store.Put(w.t.Context(), secretstore.PutInput{ID: w.arn, Token: version, Value: secretstore.NewPlaintext(value), Labels: labels}); err != nil {
		w.t.Fatal(err)
	}
}

const another = "c2VjcmV0-An0ther_Process-Qm7_Wv2Zx9-Kd4_Rf6tYp3-Lc8_Gn5jUa0-Ei7_"

// Two processes that rotate the same value meet in one version, wherever the other
// one was faster.
func TestAnotherProcessIsFaster(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"Describe", "Tag", "Put", "MoveLabel AWSCURRENT", "MoveLabel AWSPENDING"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o)
			w.clock.advance(91 * rotation.Day)
			other := w.rotator()
			other.Store = w.store.Store
			var theirs rotation.Outcome
			w.once(at, func() {
				var err error
				if theirs, err = other.Run(t.Context(), w.arn, nil, o.resolve, nil); err != nil {
					t.Error(err)
				}
			})
			out := w.mustCreate(o)
			if theirs.Version == "" || out.Version != theirs.Version || w.versions() != 2 {
				t.Errorf("the one has version %s, the other %s, and there are %d", out.Version, theirs.Version, w.versions())
			}
			if at != "Describe" && out.Reason == "" {
				t.Error("it does not say why it rotated")
			}
			w.labels(out.Version, first.Version)
			if view := w.view(); view.Record.Phase != rotation.Settled || view.Record.Current != out.Version || view.Record.Previous != first.Version {
				t.Errorf("the record is %+v", view.Record)
			}
		})
	}
}

// A version that has the id of this attempt and another value is finished if it is
// pending, and is never promoted if it was given up.
func TestVersionThatExists(t *testing.T) {
	t.Parallel()
	for name, pending := range map[string]bool{"pending": true, "given up": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o).Version
			w.clock.advance(91 * rotation.Day)
			theirs := secretstore.DeriveVersionID(w.arn, first, rotation.RecordTag, "0")
			w.once("Put", func() {
				w.put(theirs, another, secretstore.Pending)
				if !pending {
					if err := w.store.Store.MoveLabel(t.Context(), w.arn, secretstore.Pending, theirs, ""); err != nil {
						t.Fatal(err)
					}
				}
			})
			out := w.mustCreate(o)
			if (out.Version == theirs) != pending {
				t.Errorf("the version that existed became current: %t", out.Version == theirs)
			}
			want := 2
			if !pending {
				want = 3
			}
			if got := w.versions(); got != want {
				t.Errorf("%d versions, want %d", got, want)
			}
			w.labels(out.Version, first)
		})
	}
}

// A change from elsewhere in the middle of a rotation is the new base, and is not
// lost.
func TestChangeInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	o := options{keys: []string{"A"}, want: ninetyDays()}
	first := w.mustCreate(o)
	outside := secretstore.DeriveVersionID("outside")
	w.once("MoveLabel AWSCURRENT", func() {
		object := w.object(first.Version)
		object.Set("UNKNOWN", "changed meanwhile")
		w.put(outside, object.Plaintext().Reveal(), secretstore.Current)
	})
	out := w.mustReplace(o, first.State)
	if got, _ := w.object(out.Version).String("UNKNOWN"); got != "changed meanwhile" {
		t.Error("a change that was made meanwhile is lost")
	}
	w.labels(out.Version, outside)
	w.changedOnly("change in the middle", outside, out.Version, []string{"A"}, "")
}

func TestAsking(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(w *world, first string)
		state   string // "" is the present version
		unknown bool   // whether the state does not tell when that was made
		want    bool
		foreign bool
	}{
		"as in state":                {want: true},
		"another process was faster": {state: "older", want: false},
		"no record":                  {prepare: func(w *world, _ string) { w.untag(rotation.RecordTag) }, want: true},
		"no record and no time":      {prepare: func(w *world, _ string) { w.untag(rotation.RecordTag) }, unknown: true},
		"made elsewhere":             {prepare: func(w *world, _ string) { w.put(secretstore.DeriveVersionID("outside"), another, secretstore.Current) }, want: true},
		"an attempt is unfinished": {prepare: func(w *world, first string) {
			w.record(rotation.Record{Current: first, At: start, Phase: rotation.Begun, Base: first})
		}},
		"asked already": {prepare: func(w *world, first string) {
			w.record(rotation.Record{Current: first, At: start, Phase: rotation.Asked, Base: first})
		}},
		"somebody else is changing it": {prepare: func(w *world, _ string) { w.put("11111111-2222-4333-8444-555555555555", another, secretstore.Pending) }, foreign: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustReplace(o, w.mustCreate(o).State)
			if test.prepare != nil {
				test.prepare(w, first.Version)
			}
			state := test.state
			if state == "" {
				state = w.view().Current()
			}
			tags := w.secret().Tags
			changed := first.Changed
			if test.unknown {
				changed = time.Time{}
			}
			asked, err := w.rotator().Ask(t.Context(), w.arn, nil, state, changed, "")
			var foreign *secretstore.ForeignRotationError
			if errors.As(err, &foreign) != test.foreign || err != nil && !test.foreign {
				t.Fatalf("got %v, want that somebody else changes it: %t", err, test.foreign)
			}
			view := w.view()
			if (asked != nil) != test.want {
				t.Errorf("asked %+v, want one: %t", asked, test.want)
			}
			if test.want && (view.Record == nil || view.Record.Phase != rotation.Asked || view.Record.Base != view.Current() || view.Record.Current != state) {
				t.Errorf("the record is %+v", view.Record)
			}
			if test.want && (view.Record.Previous == "") != (view.Current() != first.Version || name == "no record") {
				t.Errorf("the record of what is asked has the version before %q", view.Record.Previous)
			}
			if !test.want && !maps.Equal(tags, w.secret().Tags) {
				t.Error("the tags were changed")
			}
		})
	}
}

func (w *world) untag(tag string) {
	w.t.Helper()
	if err := w.store.Store.Untag(w.t.Context(), w.arn, []string{tag}); err != nil {
		w.t.Fatal(err)
	}
}

// record writes the record of the rotation of the whole secret.
func (w *world) record(r rotation.Record) {
	w.t.Helper()
	text, err := r.Encode()
	if err == nil {
		err = w.store.Store.Tag(w.t.Context(), w.arn, map[string]string{rotation.RecordTag: text})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// lagging answers descriptions from before the last write, for some readings after
// each of them.
type lagging struct {
	secretstore.Store
	reads int
	left  int
	old   secretstore.Secret
}

func (l *lagging) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	if l.left > 0 {
		l.left--
		return l.old, nil
	}
	return l.Store.Describe(ctx, id)
}

func (l *lagging) before(ctx context.Context, id string) {
	if secret, err := l.Store.Describe(ctx, id); err == nil {
		l.old, l.left = secret, l.reads
	}
}

func (l *lagging) Tag(ctx context.Context, id string, tags map[string]string) error {
	l.before(ctx, id)
	return l.Store.Tag(ctx, id, tags)
}

func (l *lagging) Put(ctx context.Context, input secretstore.PutInput) error {
	l.before(ctx, input.ID)
	return l.Store.Put(ctx, input)
}

func (l *lagging) MoveLabel(ctx context.Context, id, label, from, to string) error {
	l.before(ctx, id)
	return l.Store.MoveLabel(ctx, id, label, from, to)
}

// A description from before the last write is read again for up to five seconds,
// and a replacement rotates once.
func TestStaleDescriptions(t *testing.T) {
	t.Parallel()
	for _, reads := range []int{0, 1, 2, 10} {
		t.Run(fmt.Sprint(reads), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o)
			w.clock.advance(time.Minute)
			store := &lagging{Store: w.store.Store, reads: reads}
			waited := time.Duration(0)
			r := w.rotator()
			r.Store = store
			r.Sleep = func(_ context.Context, d time.Duration) error {
				waited += d
				return nil
			}
			asked, err := r.Ask(t.Context(), w.arn, nil, first.Version, first.Changed, "")
			if err != nil || asked == nil {
				t.Fatalf("asked %v, %v", asked, err)
			}
			current := func(v rotation.View) bool { return v.Record != nil && v.Record.Phase != rotation.Settled }
			out, err := r.Run(t.Context(), w.arn, nil, o.resolve, current)
			if err != nil || out.Action != rotation.Rotate || out.Previous != first.Version || w.versions() != 2 {
				t.Errorf("%s of %s, %v; there are %d versions", out.Action, out.Version, err, w.versions())
			}
			w.labels(out.Version, first.Version)
			if waited != time.Duration(reads)*500*time.Millisecond {
				t.Errorf("it waited %s for %d stale answers", waited, reads)
			}
		})
	}
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, map[string]string{"": "jwt"})
		o := options{want: ninetyDays()}
		first := w.mustCreate(o)
		w.calls()
		waited := time.Duration(0)
		r := w.rotator()
		r.Sleep = func(_ context.Context, d time.Duration) error {
			waited += d
			return nil
		}
		out, err := r.Run(t.Context(), w.arn, nil, o.resolve, func(rotation.View) bool { return false })
		if err != nil || out.Action != rotation.Adopt || out.Version != first.Version || waited != 5*time.Second {
			t.Errorf("%s of %s after %s, %v; want that it is believed after 5s", out.Action, out.Version, waited, err)
		}
	})
}

// Whoever changes the secret all the time is not fought for ever.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	first := w.mustCreate(o)
	n := 0
	w.store.hook = func(op string) {
		if op == "MoveLabel AWSCURRENT" {
			n++
			w.put(secretstore.DeriveVersionID("outside", fmt.Sprint(n)), another+fmt.Sprint(n), secretstore.Current)
		}
	}
	out, err := w.replace(o, first.State)
	if !errors.Is(err, secretstore.ErrConflict) || n != 8 {
		t.Errorf("after %d collisions: %s, %v", n, out.Action, err)
	}
	w.store.hook = nil
	if view := w.view(); view.Current() != secretstore.DeriveVersionID("outside", fmt.Sprint(n)) {
		t.Error("the last change of the other is not current")
	}
	calls := w.calls()
	if slices.Contains(calls, "MoveLabel AWSPREVIOUS") {
		t.Errorf("AWSPREVIOUS was moved in the calls %q", calls)
	}
	if out := w.mustReplace(o, w.view().State()); out.Action == rotation.Adopt {
		t.Error("the next replacement adopts")
	}
	if pending := w.view().Pending(); pending != "" {
		t.Errorf("AWSPENDING is left on %s", pending)
	}
}

// stale answers as it was before, for a while.
type stale struct {
	secretstore.Store
	secret *secretstore.Secret
	reads  int
}

func (s *stale) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	if s.secret != nil && s.reads > 0 {
		s.reads--
		return *s.secret, nil
	}
	return s.Store.Describe(ctx, id)
}

// Another process has made the version and finished, and the store does not show it
// yet: nothing is taken for failed.
func TestVersionOfAnotherIsNotSeenYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	first := w.mustCreate(o)
	w.clock.advance(91 * rotation.Day)
	lagging := &stale{Store: w.store, reads: 5}
	theirs := ""
	w.store.hook = func(op string) {
		if op != "Put" || theirs != "" {
			return
		}
		theirs = "under way"
		before := w.secret()
		out, err := w.rotator().Run(t.Context(), w.arn, nil, o.resolve, nil)
		if err != nil {
			t.Error(err)
		}
		theirs, lagging.secret = out.Version, &before
	}
	r := w.rotator()
	r.Store = lagging
	out, err := r.Run(t.Context(), w.arn, nil, o.resolve, nil)
	if err != nil || out.Version != theirs || w.versions() != 2 {
		t.Errorf("%s of %s, %v; the other process made %s, and there are %d versions", out.Action, out.Version, err, theirs, w.versions())
	}
	w.labels(theirs, first.Version)
}

// omitting is a store whose list does not have a version yet.
type omitting struct {
	secretstore.Store
	version string
	lists   int // so many times
}

func (s *omitting) Versions(ctx context.Context, id string) ([]secretstore.Version, error) {
	versions, err := s.Store.Versions(ctx, id)
	if s.lists--; s.lists >= 0 {
		versions = slices.DeleteFunc(versions, func(v secretstore.Version) bool { return v.ID == s.version })
	}
	return versions, err
}

// A version that is described and not listed yet is young, not as old as its secret.
func TestVersionThatIsNotListedYet(t *testing.T) {
	t.Parallel()
	for _, lists := range []int{1, 1000} {
		t.Run(fmt.Sprint(lists), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			run := func(version string) (out rotation.Outcome, made time.Time) {
				t.Helper()
				made = w.clock.Now()
				w.clock.advance(time.Minute)
				if lists > 1 {
					made = w.clock.Now() // as far as can be told
				}
				r := w.rotator()
				r.Store = &omitting{w.store, version, lists}
				out, err := r.Run(t.Context(), w.arn, o.keys, o.resolve, nil)
				if err != nil {
					t.Fatal(err)
				}
				return out, made
			}
			w.mustCreate(o)
			w.clock.advance(91 * rotation.Day)

			outside := secretstore.DeriveVersionID("outside")
			w.put(outside, another, secretstore.Current)
			if out, made := run(outside); out.Action != rotation.Adopt || out.Version != outside || !out.Changed.Equal(made) {
				t.Errorf("a version that someone else has just made was rotated (%v), or counts as made at %s", out.Action, out.Changed)
			}

			w.clock.advance(91 * rotation.Day)
			w.breakAt("MoveLabel AWSPENDING", o)
			next := w.view().Current()
			out, made := run(next)
			if out.Version != next || !out.Changed.Equal(made) {
				t.Errorf("version %s of an attempt that another run finishes counts as made at %s", out.Version, out.Changed)
			}
			if record := w.view().Record; !record.At.Equal(made) {
				t.Errorf("the record says %s", record.At)
			}
		})
	}
}
