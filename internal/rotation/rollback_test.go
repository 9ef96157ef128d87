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

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func sick(context.Context) error { return errors.New("status 500, expected 200") }

// labelled is which version has which labels, without versions that have none.
func (w *world) labelled() map[string][]string {
	labels := w.secret().Labels
	maps.DeleteFunc(labels, func(_ string, of []string) bool { return len(of) == 0 })
	for _, of := range labels {
		slices.Sort(of)
	}
	return labels
}

// A rotation that fails its check leaves every label where it was.
func TestRollBackRestoresLabels(t *testing.T) {
	t.Parallel()
	rotateOnce := func(keys ...string) func(*world) {
		return func(w *world) {
			o := options{keys: keys, want: ninetyDays()}
			w.mustCreate(o)
			w.mustReplace(o, w.view(keys...).State())
			w.clock.advance(time.Minute)
		}
	}
	for name, test := range map[string]struct {
		keys   map[string]string
		rotate []string
		before func(*world)
	}{
		"no version before":       {keys: map[string]string{"": "jwt"}},
		"a version before":        {keys: map[string]string{"": "jwt"}, before: rotateOnce()},
		"beside a grace period":   {keys: map[string]string{"A": "jwt", "B": "session"}, rotate: []string{"A"}, before: rotateOnce("B")},
		"in its own grace period": {keys: map[string]string{"A": "jwt", "B": "session"}, rotate: []string{"A"}, before: rotateOnce("A")},
		"AWSPENDING on AWSCURRENT": {keys: map[string]string{"": "jwt"}, before: func(w *world) {
			w.put(secretstore.DeriveVersionID("x"), another, secretstore.Current, secretstore.Pending)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.keys)
			if test.before != nil {
				test.before(w)
			}
			o := options{keys: test.rotate, want: ninetyDays()}
			o.want.Triggers = "9f86d081"
			view := w.view(o.keys...)
			if view.Record == nil {
				w.mustCreate(options{keys: o.keys, want: ninetyDays()})
			}
			labels, state := w.labelled(), w.view(o.keys...).State()
			w.check = sick
			_, err := w.create(o)
			var rolledBack *rotation.RolledBackError
			if !errors.As(err, &rolledBack) || rolledBack.Left != nil {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(labels, w.labelled()); diff != "" {
				t.Errorf("the labels are not where they were:\n%s", diff)
			}
			view = w.view(o.keys...)
			if view.Record.Phase != rotation.Failed || !view.Unfinished() || view.State().Version != state.Version {
				t.Errorf("the phase is %q, the version %s, want %s", view.Record.Phase, view.State().Version, state.Version)
			}
			if after := view.State(); after.Previous != state.Previous || after.Retired != state.Retired {
				t.Errorf("the secret says %+v, before it said %+v", after, state)
			}
		})
	}
}

// A version that failed its check never becomes current again, wherever the
// rollback breaks off.
func TestFailedVersionsStayFailed(t *testing.T) {
	t.Parallel()
	calls := 0
	for index, hit := 1, true; hit; index++ {
		hit = false
		for _, after := range []bool{false, true} {
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o)
			w.clock.advance(91 * rotation.Day)
			failed, at := "", 0
			w.check = func(context.Context) error {
				if failed == "" {
					failed = w.view().Current()
					w.calls()
					w.store.at, w.store.after = index, after
				}
				return sick(t.Context())
			}
			_, err := w.create(o)
			if err == nil {
				t.Fatal("a rotation that is not healthy succeeded")
			}
			at = len(w.calls())
			calls, hit = max(calls, at), hit || at >= index
			w.store.at = 0
			where := fmt.Sprintf("fault at call %d of %d of the rollback, after it: %t", index, at, after)
			marked := w.view().Record.Phase == rotation.Failed
			w.check = func(context.Context) error {
				if marked && w.view().Current() == failed {
					t.Errorf("%s: the failed version is current again", where)
				}
				return nil
			}
			out := w.mustCreate(o)
			if marked && (out.Version == failed || out.Version == first.Version) {
				t.Errorf("%s: the next rotation ended with the version that had failed: %t", where, out.Version == failed)
			}
			// The version that was not healthy stays current if AWSPENDING cannot be taken from
			// it, or it cannot be marked: the first two calls.
			if !marked && index != 1 && (index != 2 || after) {
				t.Errorf("%s: the attempt was not marked as failed first", where)
			}
			w.labels(out.Version, first.Version)
		}
	}
	if calls < 4 {
		t.Errorf("only %d calls were made to fail", calls)
	}
}

// Where the version that had AWSPREVIOUS is gone, or somebody was faster in putting
// a label back, the rollback goes on.
func TestRollBackMeetsOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		label string
		fail  error
	}{
		"AWSPREVIOUS was moved by another":      {"MoveLabel AWSPREVIOUS", secretstore.ErrConflict},
		"the version before is dropped by then": {"MoveLabel AWSPREVIOUS", secretstore.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			w.mustReplace(o, w.mustCreate(o).State)
			current := w.view().Current()
			w.clock.advance(91 * rotation.Day)
			r := w.rotator()
			refusing := &refusing{Store: w.store, label: test.label}
			r.Store = refusing
			r.Check = func(context.Context) error {
				refusing.fail = test.fail
				return sick(t.Context())
			}
			_, err := r.Run(t.Context(), w.arn, nil, o.resolve, nil)
			var rolledBack *rotation.RolledBackError
			if !errors.As(err, &rolledBack) || rolledBack.Left != nil {
				t.Errorf("got %v, want that it was rolled back", err)
			}
			if w.view().Current() != current {
				t.Error("AWSCURRENT is not where it was")
			}
		})
	}
}

// refusing fails the next move of a label.
type refusing struct {
	secretstore.Store
	label string
	fail  error
}

func (r *refusing) MoveLabel(ctx context.Context, id, label, from, to string) error {
	if err := r.fail; err != nil && "MoveLabel "+label == r.label {
		r.fail = nil
		return err
	}
	return r.Store.MoveLabel(ctx, id, label, from, to)
}
