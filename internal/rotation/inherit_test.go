// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// A key that a rotation is given later is as old as it was: the rotation of the
// others made none of it.
func TestAddedKeysKeepTheirAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "jwt"})
	one := options{keys: []string{"A"}, want: ninetyDays()}
	before := w.mustCreate(one)
	w.clock.advance(80 * rotation.Day)
	rotated := w.mustReplace(one, before.State)

	both := options{keys: []string{"A", "B"}, want: ninetyDays()}
	planned := w.view("A", "B").Inherit(rotation.TagKey(one.keys)).State()
	state, err := w.update(both, one.keys)
	if err != nil {
		t.Fatal(err)
	}
	if planned.Made != state.Made {
		t.Errorf("the plan has the values made at %v, the apply at %v", planned.Made, state.Made)
	}
	if !state.Made.Equal(start) || !state.Changed.Equal(rotated.Changed) || state.Version != rotated.Version || state.Previous != before.Version {
		t.Errorf("made %v and changed %v, want %v and %v", state.Made, state.Changed, start, rotated.Changed)
	}

	// Retiring, and keys that are given away again, change nothing of that.
	w.clock.advance(2 * time.Hour)
	if state := w.mustUpdate(both); !state.Retired || !state.Made.Equal(start) {
		t.Errorf("after retiring: made %v, retired: %t", state.Made, state.Retired)
	}
	w.calls()
	if w.mustUpdate(both); len(writes(w.calls())) > 0 {
		t.Error("another update writes")
	}

	// The value is due with its oldest key, and young in all of them after that.
	w.clock.advance(11 * rotation.Day)
	out := w.mustCreate(both)
	if out.Action != rotation.Rotate || out.Version == rotated.Version || !out.Made.Equal(w.clock.Now()) {
		t.Errorf("%s, made %v", out.Action, out.Made)
	}
	if state := w.view("A", "B").State(); !state.Made.Equal(out.Changed) {
		t.Errorf("rotated at %v, and made %v", out.Changed, state.Made)
	}
}

// All generated keys of a secret, and then some by name, are as old as before.
func TestNamedKeysOfAWholeSecretKeepTheirDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "jwt", "E": "encryption"})
	all := options{want: ninetyDays()}
	before := w.mustCreate(all)
	w.clock.advance(80 * rotation.Day)
	rotated := w.mustReplace(all, before.State)
	state, err := w.update(options{keys: []string{"A"}, want: ninetyDays()}, nil)
	if err != nil || !state.Made.Equal(rotated.Made) {
		t.Errorf("made %v, want %v: %v", state.Made, rotated.Made, err)
	}
	// Key material was never rotated with the others.
	state, err = w.update(options{keys: []string{"A", "E"}, want: ninetyDays()}, []string{"A"})
	if err != nil || !state.Made.Equal(start) {
		t.Errorf("with key material: made %v, want %v: %v", state.Made, start, err)
	}
}

// A rotation that failed, and gets other keys without being repeated, has still
// failed: the next create tries again.
func TestFailedRotationWithOtherKeysIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "jwt"})
	one := options{keys: []string{"A"}, want: ninetyDays()}
	before := w.mustCreate(one)
	one.want.Triggers = "0badcafe"
	w.check = sick
	if _, err := w.create(one); err == nil {
		t.Fatal("a rotation that is not healthy succeeded")
	}
	w.check = nil

	both := options{keys: []string{"A", "B"}, want: one.want}
	if _, err := w.update(both, one.keys); err != nil {
		t.Fatal(err)
	}
	if view := w.view("A", "B"); !view.Unfinished() || len(view.Others) != 0 || view.Current() != before.Version {
		t.Errorf("the record is %+v, beside %d others", view.Record, len(view.Others))
	}
	out := w.mustCreate(both)
	if out.Action != rotation.Rotate || out.Previous != before.Version {
		t.Errorf("%s from %s", out.Action, out.Previous)
	}
	w.labels(out.Version, before.Version)
	for _, key := range []string{"A", "B"} {
		now, _ := w.object(out.Version).String(key)
		if then, _ := w.object(before.Version).String(key); now == then {
			t.Errorf("the key %s was not changed", key)
		}
	}
}

// AWSPENDING of another rotation that was interrupted is where it was after a
// rollback, so that its version is finished and not made twice.
func TestRollBackGivesPendingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "jwt"})
	a, b := options{keys: []string{"A"}, want: ninetyDays()}, options{keys: []string{"B"}, want: ninetyDays()}
	before := w.mustCreate(a)
	w.mustCreate(b)
	w.clock.advance(91 * rotation.Day)
	w.calls()
	w.store.at = 4 // Describe, Tag, Value, Put
	w.store.after = true
	if _, err := w.create(a); err == nil {
		t.Fatal("the interrupted rotation succeeded")
	}
	if calls := w.calls(); !slices.Equal(calls, []string{"Describe", "Tag", "Value", "Put"}) {
		t.Fatalf("the calls were %q", calls)
	}
	w.store.at = 0
	pending := w.view().Pending()
	w.check = sick
	if _, err := w.create(b); err == nil {
		t.Fatal("a rotation that is not healthy succeeded")
	}
	w.check = nil
	if view := w.view(); pending == "" || view.Pending() != pending || view.Current() != before.Version || view.Previous() != "" {
		t.Errorf("AWSPENDING is on %q, want %q", view.Pending(), pending)
	}
	if out := w.mustCreate(a); out.Action != rotation.Resume || out.Version != pending {
		t.Errorf("%s of %s, want that %s is finished", out.Action, out.Version, pending)
	}
}

// The oldest of all keys counts, however often the rotation is given another.
func TestOldestOfAllKeysCounts(t *testing.T) {
	t.Parallel()
	jwt, _ := policy.Builtin("jwt")
	tags, err := policy.EncodeRecords(map[string]policy.Record{
		"A": {Policy: jwt, MadeAt: start.Add(-50 * rotation.Day)}, "B": {Policy: jwt, MadeAt: start.Add(-40 * rotation.Day)}, "C": {Policy: jwt, MadeAt: start.Add(-20 * rotation.Day)},
	})
	if err != nil {
		t.Fatal(err)
	}
	record := rotation.Record{
		Keys: []string{"A", "B"}, Current: "two", At: start, Previous: "one", Grace: &rotation.Grace{Period: time.Hour}, Oldest: start.Add(-40 * rotation.Day),
	}
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	earlier := rotation.TagKey(record.Keys)
	tags[earlier] = text
	view, err := rotation.Look(secretstore.Secret{ARN: "arn", Tags: tags}, []string{"A", "B", "C"})
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Inherit(earlier).Record.Oldest; !got.Equal(record.Oldest) {
		t.Errorf("the oldest value was made at %v, want %v", got, record.Oldest)
	}
}
