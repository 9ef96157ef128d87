// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// update is what Terraform makes of a change in place. before are the keys of the
// configuration that is changed.
func (w *world) update(o options, before []string) (rotation.State, error) {
	return w.rotator().Update(w.t.Context(), w.arn, o.keys, before, o.resolve, w.clock.Now())
}

func (w *world) mustUpdate(o options) rotation.State {
	w.t.Helper()
	state, err := w.update(o, o.keys)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

func writes(calls []string) []string {
	return slices.DeleteFunc(calls, func(call string) bool { return call == "Describe" || call == "Versions" || call == "Value" })
}

func TestRetiringAfterGrace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys   map[string]string
		rotate []string
	}{
		"one string": {keys: map[string]string{"": "jwt"}},
		"json":       {keys: map[string]string{"A": "jwt", "B": "session"}, rotate: []string{"A"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.keys)
			o := options{keys: test.rotate, want: ninetyDays()}
			first := w.mustCreate(o).Version
			w.clock.advance(time.Minute)
			second := w.mustReplace(o, w.view(o.keys...).State()).Version

			w.clock.advance(time.Hour - time.Second)
			w.calls()
			if state := w.mustUpdate(o); state.Retired || state.Previous != first || state.Version != second {
				t.Errorf("a second before the end of the grace period: %+v", state)
			}
			if calls := w.calls(); !slices.Equal(calls, []string{"Describe"}) {
				t.Errorf("a second before the end of the grace period the calls were %q", calls)
			}
			w.labels(second, first)

			w.clock.advance(time.Second)
			if state := w.mustUpdate(o); !state.Retired || state.Previous != first || state.Version != second {
				t.Errorf("at the end of the grace period: %+v", state)
			}
			if calls := w.calls(); !slices.Equal(calls, []string{"Describe", "MoveLabel AWSPREVIOUS"}) {
				t.Errorf("at the end of the grace period the calls were %q", calls)
			}
			w.labels(second, "")
			if state := w.view(o.keys...).State(); !state.Retired || state.Version != second {
				t.Errorf("the secret then says %+v", state)
			}
			if w.mustUpdate(o); len(writes(w.calls())) > 0 {
				t.Error("a second update wrote")
			}
		})
	}
}

// Retiring is repaired by the next apply wherever it breaks off. A plan retires
// only what the secret does not call retired, so that must not come too early.
func TestRetiringFaultMatrix(t *testing.T) {
	t.Parallel()
	for _, scenario := range []struct {
		name   string
		rotate []string
		keys   []string // that have a previous value in the object
		setup  func(*options)
	}{
		{name: "one key", rotate: []string{"A"}, keys: []string{"A"}},
		{name: "all keys", keys: []string{"A", "B"}},
		{name: "grace period set to 0", rotate: []string{"A"}, keys: []string{"A"}, setup: func(o *options) { o.want.Grace = rotation.Grace{} }},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			cases, most := 0, 0
			for index, hit := 1, true; hit; index++ {
				hit = false
				for _, after := range []bool{false, true} {
					w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
					o := options{keys: scenario.rotate, want: ninetyDays(), suffix: "_OLD"}
					first := w.mustCreate(o).Version
					w.clock.advance(time.Minute)
					second := w.mustReplace(o, w.view(o.keys...).State()).Version
					for _, key := range scenario.keys {
						if !w.object(second).Has(key + "_OLD") {
							t.Fatalf("the rotation did not keep the previous value of %s", key)
						}
					}
					w.clock.advance(time.Hour)
					if scenario.setup != nil {
						scenario.setup(&o)
					}
					w.calls()
					w.store.at, w.store.after = index, after
					_, err := w.update(o, o.keys)
					made := len(w.calls())
					w.store.at = 0
					cases, most, hit = cases+1, max(most, made), hit || made >= index
					where := fmt.Sprintf("fault at call %d of %d, after it: %t", index, made, after)
					for tries := 1; err != nil && !w.view(o.keys...).State().Retired; tries++ {
						if tries > 3 {
							t.Fatalf("%s: still failing: %v", where, err)
						}
						_, err = w.update(o, o.keys)
					}
					w.retired(where, o, scenario.keys, first, second)
				}
			}
			t.Logf("%d cases over %d calls", cases, most)
			if most < 7 {
				t.Errorf("only %d calls were made to fail", most)
			}
		})
	}
}

// retired asserts that the previous values are gone, and nothing else is.
func (w *world) retired(where string, o options, keys []string, first, second string) {
	w.t.Helper()
	view := w.view(o.keys...)
	current := w.object(view.Current())
	for _, key := range keys {
		if current.Has(key + "_OLD") {
			w.t.Errorf("%s: the previous value of %s is still in the object, and the secret says it is retired: %t", where, key, view.Retired())
		}
	}
	for _, key := range w.object(second).Keys() {
		if strings.HasSuffix(key, "_OLD") {
			continue
		}
		is, _ := current.String(key)
		if was, _ := w.object(second).String(key); !current.Has(key) || is != was {
			w.t.Errorf("%s: the key %s is lost or was changed", where, key)
		}
	}
	if view.Previous() != "" || view.Pending() != "" {
		w.t.Errorf("%s: AWSPREVIOUS is on %q, AWSPENDING on %q", where, view.Previous(), view.Pending())
	}
	if state := view.State(); !state.Retired || state.Version != second || state.Previous != first {
		w.t.Errorf("%s: the secret says %+v", where, state)
	}
	if got := w.versions(); got != 3 {
		w.t.Errorf("%s: there are %d versions, want 3", where, got)
	}
	w.calls()
	if _, err := w.update(o, o.keys); err != nil || len(writes(w.calls())) > 0 {
		w.t.Errorf("%s: another update writes: %v", where, err)
	}
}

// AWSPREVIOUS is retired when no record that names it needs it any more.
func TestRetiringWaitsForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	a, b := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"B"}, want: ninetyDays()}
	b.want.Grace.Period = 3 * time.Hour
	w.mustCreate(b)
	first := w.mustCreate(a).Version
	w.mustReplace(a, w.view("A").State())
	w.clock.advance(time.Minute)
	third := w.mustReplace(b, w.view("B").State()).Version
	w.labels(third, first)

	w.clock.advance(2 * time.Hour)
	if state := w.mustUpdate(a); state.Retired {
		t.Error("A has retired the version that the grace period of B needs")
	}
	w.labels(third, first)
	w.clock.advance(time.Hour)
	if state := w.mustUpdate(a); !state.Retired {
		t.Error("A has not retired the version that nothing needs any more")
	}
	w.labels(third, "")
	if !w.view("B").State().Retired {
		t.Error("B does not know that the version is retired")
	}
}

func TestNeededUntil(t *testing.T) {
	t.Parallel()
	const v1, v2 = "version-1", "version-2"
	settled := rotation.Record{Keys: []string{"B"}, Current: v2, At: start, Previous: v1, Grace: &rotation.Grace{Period: time.Hour}}
	begun, failed, elsewhere := settled, settled, settled
	begun.Phase, begun.Base = rotation.Begun, v2
	failed.Phase, failed.Base = rotation.Failed, v2
	elsewhere.Previous = "version-0"
	for name, test := range map[string]struct {
		other rotation.Record
		until time.Time
		never bool
	}{
		"settled":         {settled, start.Add(time.Hour), false},
		"begun":           {begun, time.Time{}, true},
		"failed":          {failed, time.Time{}, true},
		"another version": {elsewhere, time.Time{}, false},
	} {
		text, err := test.other.Encode()
		if err != nil {
			t.Fatal(err)
		}
		view, err := rotation.Look(secretstore.Secret{ARN: secretARN, Tags: map[string]string{rotation.TagKey(test.other.Keys): text}}, []string{"A"})
		if err != nil {
			t.Fatal(err)
		}
		if until, never := view.NeededUntil(v1); !until.Equal(test.until) || never != test.never {
			t.Errorf("%s: %v, %t, want %v, %t", name, until, never, test.until, test.never)
		}
	}
}

// A version that no record names keeps AWSPREVIOUS.
func TestRetiringLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	first := w.mustCreate(o).Version
	outside := secretstore.DeriveVersionID("outside")
	if err := w.store.Store.Put(t.Context(), secretstore.PutInput{
		ID: w.arn, Token: outside, Value: secretstore.NewPlaintext("outside"), Labels: []string{secretstore.Current},
	}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(1000 * time.Hour)
	if state := w.mustUpdate(o); state.Retired || state.Version != outside {
		t.Errorf("after a rotation elsewhere: %+v", state)
	}
	w.labels(outside, first)
}

// The previous values leave the object also where AWSPREVIOUS has gone to another
// version before.
func TestPreviousKeysAreDroppedAfterOtherChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	a, b := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}, options{keys: []string{"B"}, want: ninetyDays()}
	w.mustCreate(a)
	w.mustCreate(b)
	w.mustReplace(a, w.view("A").State())
	w.clock.advance(2 * time.Hour)
	w.mustReplace(b, w.view("B").State()) // before the apply that retires A
	if w.view("A").State().Retired {
		t.Error("the rotation of A is called retired while A_OLD is in the object")
	} else {
		w.mustUpdate(a)
	}
	if w.object(w.view().Current()).Has("A_OLD") {
		t.Error("A_OLD is in the object two hours after a grace period of one")
	}
}

// A change of keys rotates nothing and leaves one record, wherever it breaks off.
func TestTakingOverARecord(t *testing.T) {
	t.Parallel()
	calls := 0
	for index, hit := 1, true; hit; index++ {
		hit = false
		for _, after := range []bool{false, true} {
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			before, o := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"A", "B"}, want: ninetyDays()}
			first := w.mustCreate(before).Version
			w.clock.advance(time.Minute)
			second := w.mustReplace(before, w.view("A").State()).Version
			w.calls()
			w.store.at, w.store.after = index, after
			state, err := w.update(o, before.keys)
			made := len(w.calls())
			calls, hit = max(calls, made), hit || made >= index
			w.store.at = 0
			if err != nil {
				state, err = w.update(o, before.keys)
			}
			where := fmt.Sprintf("fault at call %d of %d, after it: %t", index, made, after)
			if err != nil || state.Version != second || state.Previous != first {
				t.Errorf("%s: %+v, %v", where, state, err)
			}
			w.labels(second, first)
			records, err := rotation.DecodeAll(w.secret().Tags)
			if len(records) != 1 || err != nil || records[rotation.TagKey(o.keys)].Current != second {
				t.Errorf("%s: %d records are left, want that of both keys", where, len(records))
			}
			if got := w.versions(); got != 2 {
				t.Errorf("%s: %d versions, want 2", where, got)
			}
		}
	}
	if calls < 3 {
		t.Errorf("only %d calls were made to fail", calls)
	}
}

// A previous value leaves the object also when more keys were named meanwhile.
func TestRetiringAfterMoreKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	before, o := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}, options{keys: []string{"A", "B"}, want: ninetyDays(), suffix: "_OLD"}
	w.mustReplace(before, w.mustCreate(before).State)
	if _, err := w.update(o, before.keys); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	w.mustUpdate(o)
	if w.object(w.view().Current()).Has("A_OLD") {
		t.Error("A_OLD is still in the object")
	}
}

// A record that somebody has damaged is written anew by the next update, and
// rotates nothing. One of another rotation keeps AWSPREVIOUS where it is.
func TestUnreadableRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	a := options{keys: []string{"A"}, want: ninetyDays()}
	first := w.mustCreate(a).Version
	second := w.mustReplace(a, w.view("A").State()).Version
	damage := func(tag string) {
		t.Helper()
		if err := w.store.Store.Tag(t.Context(), w.arn, map[string]string{tag: "v1 nonsense"}); err != nil {
			t.Fatal(err)
		}
	}
	other := rotation.TagKey([]string{"B"})
	damage(other)
	w.clock.advance(2 * time.Hour)
	if w.view("A").Unreadable == nil {
		t.Error("the record of another rotation is readable")
	}
	if state := w.mustUpdate(a); state.Retired {
		t.Error("AWSPREVIOUS was retired beside a record that cannot be read")
	}
	w.labels(second, first)
	if err := w.store.Store.Untag(t.Context(), w.arn, []string{other}); err != nil {
		t.Fatal(err)
	}
	if state := w.mustUpdate(a); !state.Retired {
		t.Error("AWSPREVIOUS was not retired when that record was removed")
	}

	damage(rotation.TagKey([]string{"A"}))
	if state := w.mustUpdate(a); state.Version != second {
		t.Errorf("the version is %s, want %s", state.Version, second)
	}
	if view := w.view("A"); view.Unreadable != nil || view.Record == nil || view.Record.Current != second {
		t.Errorf("the record was not written anew: %v", view.Unreadable)
	}
	if out := w.mustCreate(a); out.Action != rotation.Adopt || w.versions() != 2 {
		t.Errorf("a create %ss", out.Action)
	}

	if err := w.store.Store.Tag(t.Context(), w.arn, map[string]string{rotation.TagKey([]string{"A"}): "v2 from the future"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.update(a, a.keys); !errors.Is(err, rotation.ErrNewer) {
		t.Errorf("the record of a newer version: %v", err)
	}
}
