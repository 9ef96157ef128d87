// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// breakAt makes a replacement break off before a call.
func (w *world) breakAt(call string, o options) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	r := w.rotator()
	r.Store = &stopping{Store: w.store, at: call}
	state := w.view(o.keys...).State()
	if _, err := r.Ask(ctx, w.arn, o.keys, state.Version, state.Changed, ""); err != nil {
		w.t.Fatal(err)
	}
	if _, err := r.Run(ctx, w.arn, o.keys, o.resolve, nil); !errors.Is(err, errBroken) {
		w.t.Fatalf("it broke off with %v", err)
	}
}

// stopping fails the moves of a label.
type stopping struct {
	secretstore.Store
	at string
}

func (s *stopping) MoveLabel(ctx context.Context, id, label, from, to string) error {
	if "MoveLabel "+label == s.at {
		return errBroken
	}
	return s.Store.MoveLabel(ctx, id, label, from, to)
}

// A rotation that broke off before its check is checked when it is finished.
func TestFinishingChecks(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"MoveLabel AWSCURRENT", "MoveLabel AWSPENDING"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o).Version
			w.breakAt(at, o)
			if at == "MoveLabel AWSPENDING" { // its record is written by then: as if it were not
				next := w.view().Current()
				w.record(rotation.Record{Current: first, At: start, Phase: rotation.Begun, Base: first})
				if next != w.view().Current() || next == first {
					t.Fatal("the new version is not current")
				}
			}
			w.check = sick
			_, err := w.create(o)
			var rolledBack *rotation.RolledBackError
			if !errors.As(err, &rolledBack) {
				t.Errorf("got %v, want that it was rolled back", err)
			}
			w.labels(first, "")
		})
	}
}

// An interrupted rotation was for the triggers of that time: others rotate again.
func TestFinishingForOtherTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	w.mustCreate(o)
	w.breakAt("MoveLabel AWSCURRENT", o)
	o.want.Triggers = "9f86d081"
	out := w.mustCreate(o)
	if w.versions() != 3 || w.view().Record.Triggers != o.want.Triggers || out.Version != w.view().Current() {
		t.Errorf("there are %d versions, want 3; the triggers in the record are %q", w.versions(), w.view().Record.Triggers)
	}
}

// An update in place leaves to a create what is unfinished.
func TestUpdateLeavesUnfinishedAlone(t *testing.T) {
	t.Parallel()
	for _, phase := range []rotation.Phase{rotation.Begun, rotation.Failed} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			o := options{want: ninetyDays()}
			first := w.mustCreate(o).Version
			second := w.mustReplace(o, w.view().State()).Version
			w.record(rotation.Record{
				Current: second, At: w.clock.Now(), Previous: first, Grace: &rotation.Grace{Period: time.Hour}, Phase: phase, Base: second, Attempt: 1,
			})
			w.clock.advance(2 * time.Hour)
			record := w.view().Record
			if w.view().Retirable(w.clock.Now()) {
				t.Error("it can be retired")
			}
			w.mustUpdate(o)
			if diff := cmp.Diff(record, w.view().Record); diff != "" {
				t.Errorf("the record was changed:\n%s", diff)
			}
			w.labels(second, first)
		})
	}
}

// Nothing is done after the run was interrupted.
func TestInterruptedBetweenSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	w.mustCreate(o)
	w.clock.advance(91 * rotation.Day)
	ctx, cancel := context.WithCancel(t.Context())
	r := w.rotator()
	r.Store = &deaf{w.store}
	var steps []string
	r.Step = func(_ context.Context, step, version string) {
		if version == "" {
			t.Errorf("%q concerns no version", step)
		}
		if steps = append(steps, step); step == "put AWSPENDING" {
			cancel()
		}
	}
	if _, err := r.Run(ctx, w.arn, nil, o.resolve, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if want := []string{"record begun", "put AWSPENDING"}; !slices.Equal(steps, want) {
		t.Errorf("the steps were %q, want %q", steps, want)
	}
	w.mustCreate(o)
	if w.versions() != 2 {
		t.Errorf("%d versions, want 2", w.versions())
	}
}

// deaf is a store that finishes what was begun.
type deaf struct{ *watched }

func (d *deaf) Put(_ context.Context, input secretstore.PutInput) error {
	return d.watched.Put(context.Background(), input)
}

func (d *deaf) MoveLabel(_ context.Context, id, label, from, to string) error {
	return d.watched.MoveLabel(context.Background(), id, label, from, to)
}

// What a run reports is what the secret says, to the second, and what was
// configured is recorded.
func TestOutcomeIsWhatIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	o := options{keys: []string{"A"}, want: ninetyDays()}
	o.want.Days, o.want.Triggers = 30, "9f86d081"
	w.mustCreate(o)
	w.clock.advance(time.Minute + 123456789)
	out := w.mustReplace(o, w.view("A").State())
	if diff := cmp.Diff(w.view("A").State(), out.State); diff != "" {
		t.Errorf("the secret says something else:\n%s", diff)
	}
	record := w.view("A").Record
	if record.Days != 30 || record.Triggers != "9f86d081" || !slices.Equal(record.Keys, []string{"A"}) {
		t.Errorf("the record is %+v", record)
	}

	o.want.Grace.Period, o.want.Days = 3*time.Hour, 0
	w.clock.advance(2 * time.Hour)
	if state := w.mustUpdate(o); state.Retired || state.Grace.Period != 3*time.Hour {
		t.Errorf("a longer grace period: %+v", state)
	}
	if record := w.view("A").Record; record.Grace.Period != 3*time.Hour || record.Days != 0 {
		t.Errorf("the record of a longer grace period is %+v", record)
	}
	o.want.Grace.Period = time.Hour
	if state := w.mustUpdate(o); !state.Retired {
		t.Errorf("a shorter grace period: %+v", state)
	}
}

// A value without a grace period leaves no previous value behind, but what others
// need.
func TestNoGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	a, b := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}, options{keys: []string{"B"}, want: ninetyDays()}
	a.want.Grace = rotation.Grace{}
	w.mustCreate(a)
	first := w.mustCreate(b).Version
	w.mustReplace(b, w.view("B").State())
	out := w.mustReplace(a, w.view("A").State())
	if w.object(out.Version).Has("A_OLD") {
		t.Error("the previous value is kept")
	}
	w.labels(out.Version, first)
	w.clock.advance(2 * time.Hour)
	w.mustUpdate(b)
	w.labels(out.Version, "")
}

// A version from elsewhere has no version before it here.
func TestVersionFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	w.mustReplace(o, w.mustCreate(o).State)
	second := w.view().Current()
	outside := secretstore.DeriveVersionID("outside")
	w.put(outside, another, secretstore.Current)
	for range 2 {
		if state := w.mustUpdate(o); state.Version != outside || state.Previous != "" {
			t.Errorf("the secret says %+v", state)
		}
	}
	if record := w.view().Record; record.Current != outside || record.Previous != "" || record.Grace != nil {
		t.Errorf("the record is %+v", record)
	}
	w.labels(outside, second)
}

// Somebody else's AWSPENDING stays, also on the current version, where AWS's own
// rotation leaves it.
func TestAdoptingLeavesPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	w.put(secretstore.DeriveVersionID("outside"), another, secretstore.Current, secretstore.Pending)
	w.mustCreate(options{want: ninetyDays()})
	if view := w.view(); view.Pending() != view.Current() {
		t.Errorf("AWSPENDING is on %q", view.Pending())
	}
}

// seen changes what a description tells.
type seen struct {
	secretstore.Store
	change func(*secretstore.Secret)
}

func (s *seen) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	secret, err := s.Store.Describe(ctx, id)
	s.change(&secret)
	return secret, err
}

func TestSecretsOfOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*secretstore.Secret)
		update bool // whether what rotates nothing is refused as well
		want   func(error) bool
	}{
		"rotated by AWS": {func(s *secretstore.Secret) { s.RotationEnabled = true }, true, isForeign},
		"of a service":   {func(s *secretstore.Secret) { s.OwningService = "rds" }, true, isForeign},
		"pending": {func(s *secretstore.Secret) {
			s.Labels["11111111-2222-4333-8444-555555555555"] = []string{secretstore.Pending}
		}, false, isForeign},
		"to be deleted":   {func(s *secretstore.Secret) { s.DeletedAt = start.Add(rotation.Day) }, true, func(err error) bool { return errors.Is(err, secretstore.ErrScheduledForDeletion) }},
		"without a value": {func(s *secretstore.Secret) { s.Labels = nil }, false, func(err error) bool { return errors.Is(err, secretstore.ErrNotFound) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			o := options{want: ninetyDays()}
			w.mustCreate(o)
			w.calls()
			r := w.rotator()
			r.Store = &seen{w.store, test.change}
			if _, err := r.Run(t.Context(), w.arn, nil, o.resolve, nil); test.update && !test.want(err) {
				t.Errorf("a create that adopts: %v", err)
			}
			w.clock.advance(91 * rotation.Day)
			if _, err := r.Run(t.Context(), w.arn, nil, o.resolve, nil); !test.want(err) {
				t.Errorf("a create that rotates: %v", err)
			}
			if _, err := r.Update(t.Context(), w.arn, nil, nil, o.resolve, w.clock.Now()); test.update && !test.want(err) {
				t.Errorf("an update: %v", err)
			}
			if calls := writes(w.calls()); len(calls) > 0 {
				t.Errorf("the calls were %q", calls)
			}
		})
	}
}

func isForeign(err error) bool {
	var foreign *secretstore.ForeignRotationError
	return errors.As(err, &foreign)
}

// What a rotation without keys is about, and how old it is.
func TestConcerned(t *testing.T) {
	t.Parallel()
	jwt, _ := policy.Builtin("jwt")
	supplied, _ := policy.Builtin("external")
	encryption, _ := policy.Builtin("encryption")
	at := func(days int) time.Time { return start.Add(time.Duration(days) * rotation.Day) }
	tags, err := policy.EncodeRecords(map[string]policy.Record{
		"A": {Policy: jwt, MadeAt: at(2)}, "B": {Policy: jwt, MadeAt: at(1)}, "C": {Policy: jwt, MadeAt: at(3)}, "NAMED": {Policy: jwt, MadeAt: at(9)},
		"ENC": {Policy: encryption, MadeAt: at(9)}, "GIVEN": {Policy: supplied, MadeAt: at(9)},
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := rotation.Record{Keys: []string{"NAMED"}, Current: "v1", At: start}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tags[rotation.TagKey([]string{"NAMED"})] = other
	secret := secretstore.Secret{ARN: secretARN, Tags: tags, Labels: map[string][]string{"v2": {secretstore.Current}}}
	see := func(record *rotation.Record) rotation.View {
		t.Helper()
		delete(tags, rotation.RecordTag)
		if record != nil {
			if tags[rotation.RecordTag], err = record.Encode(); err != nil {
				t.Fatal(err)
			}
		}
		view, err := rotation.Look(secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		return view
	}
	if got := see(nil).Concerned(); !slices.Equal(got, []string{"A", "B", "C"}) {
		t.Errorf("it is about %v", got)
	}
	for name, test := range map[string]struct {
		record        *rotation.Record
		made, changed time.Time
		version       string
	}{
		"no record":                     {nil, at(1), at(3), "v2"},
		"adopted":                       {&rotation.Record{Current: "v1", At: at(5)}, at(1), at(5), "v1"},
		"rotated after all were made":   {&rotation.Record{Current: "v1", At: at(5), Previous: "v0", Grace: &rotation.Grace{}}, at(5), at(5), "v1"},
		"one was made anew after that":  {&rotation.Record{Current: "v1", At: at(2), Previous: "v0", Grace: &rotation.Grace{}}, at(2), at(3), "v2"},
		"all were made anew after that": {&rotation.Record{Current: "v1", At: at(0), Previous: "v0", Grace: &rotation.Grace{}}, at(1), at(3), "v2"},
	} {
		if s := see(test.record).State(); !s.Made.Equal(test.made) || !s.Changed.Equal(test.changed) || s.Version != test.version {
			t.Errorf("%s: version %s, made %v, changed %v; want %s, %v, %v", name, s.Version, s.Made, s.Changed, test.version, test.made, test.changed)
		}
	}
}
