// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// A whole replacement beside a grace period that is running costs one call more,
// which gives AWSPREVIOUS back.
func TestReplacementBudgetBesideGrace(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"named keys": {"A"}, "all that are left": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
			b, o := options{keys: []string{"B"}, want: ninetyDays()}, options{keys: keys, want: ninetyDays()}
			first := w.mustCreate(b).Version
			before := w.mustCreate(o)
			w.mustReplace(b, w.view("B").State())
			w.clock.advance(time.Minute)
			w.calls()
			out := w.mustReplace(o, before.State)
			if calls := w.calls(); len(calls) != 10 {
				t.Errorf("%d calls, want 10: %q", len(calls), calls)
			}
			w.labels(out.Version, first)

			w.clock.advance(2 * time.Hour) // past both grace periods, which nobody has retired yet
			second := w.view().Current()
			w.calls()
			out = w.mustReplace(o, w.view(keys...).State())
			if calls := w.calls(); len(calls) != 9 {
				t.Errorf("after the grace periods: %d calls, want 9: %q", len(calls), calls)
			}
			w.labels(out.Version, second)
		})
	}
}

func TestPreviousToKeep(t *testing.T) {
	t.Parallel()
	const v1, v2, v3 = "version-1", "version-2", "version-3"
	hour, never := &rotation.Grace{Period: time.Hour}, &rotation.Grace{Never: true}
	record := func(previous string, age time.Duration, grace *rotation.Grace, keys ...string) rotation.Record {
		return rotation.Record{Keys: keys, Current: "current", At: start.Add(-age), Previous: previous, Grace: grace}
	}
	tag := rotation.TagKey
	type records = map[string]rotation.Record
	for _, test := range []struct {
		name    string
		records records
		changed []string
		want    string
	}{
		{"nothing recorded", nil, []string{"A"}, ""},
		{"all of the value", records{tag([]string{"A"}): record(v1, time.Minute, hour, "A")}, nil, ""},
		{"another key", records{tag([]string{"A"}): record(v1, time.Minute, hour, "A")}, []string{"B"}, v1},
		{"no key", records{tag([]string{"A"}): record(v1, time.Minute, hour, "A")}, []string{}, v1},
		{"the same key", records{tag([]string{"A"}): record(v1, time.Minute, hour, "A")}, []string{"A"}, ""},
		{"the same key among others", records{tag([]string{"A", "B"}): record(v1, time.Minute, hour, "A", "B")}, []string{"B", "C"}, ""},
		{"a second before the end", records{tag([]string{"A"}): record(v1, time.Hour-time.Second, hour, "A")}, []string{"B"}, v1},
		{"at the end", records{tag([]string{"A"}): record(v1, time.Hour, hour, "A")}, []string{"B"}, ""},
		{"never ends", records{tag([]string{"A"}): record(v1, 1000*time.Hour, never, "A")}, []string{"B"}, ""},
		{"not made here", records{tag([]string{"A"}): record(v1, time.Minute, nil, "A")}, []string{"B"}, ""},
		{"the later one", records{
			tag([]string{"A"}): record(v1, 20*time.Minute, hour, "A"), tag([]string{"B"}): record(v2, 10*time.Minute, hour, "B"), tag([]string{"C"}): record(v3, 30*time.Minute, hour, "C"),
		}, []string{"D"}, v2},
		{"one of two that share it ends", records{
			tag([]string{"A"}): record(v1, 20*time.Minute, hour, "A"), tag([]string{"B"}): record(v1, 10*time.Minute, hour, "B"),
		}, []string{"B"}, ""},
		{"the whole secret, an unnamed key", records{rotation.RecordTag: record(v1, time.Minute, hour)}, []string{"B"}, ""},
		{"the whole secret, a key that another names", records{
			rotation.RecordTag: record(v1, time.Minute, hour), tag([]string{"B"}): record("", 0, nil, "B"),
		}, []string{"B"}, v1},
	} {
		if got := rotation.PreviousToKeep(test.records, test.changed, start); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// The previous value is never stored under the name of a key that is somebody
// else's, whether a policy names that key or not.
func TestSuffixLeavesForeignKeysAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"A": "jwt", "B": "session"})
	object := w.object(w.view().Current())
	object.Set("A_OLD", "somebody else's")
	version := secretstore.DeriveVersionID("outside")
	if err := w.store.Store.Put(t.Context(), secretstore.PutInput{ID: w.arn, Token: version, Value: object.Plaintext(), Labels: []string{secretstore.Current}}); err != nil {
		t.Fatal(err)
	}
	o := options{keys: []string{"A"}, want: ninetyDays(), suffix: "_OLD"}
	before := w.mustCreate(o)
	_, err := w.replace(o, before.State)
	if got, _ := w.object(w.view().Current()).String("A_OLD"); got != "somebody else's" {
		t.Errorf("the rotation has overwritten a key of somebody else, with the error %v", err)
	}
}

// What cannot be made is said, without a value, and makes no version.
func TestValuesThatCannotBeMade(t *testing.T) {
	t.Parallel()
	jwt, _ := policy.Builtin("jwt")
	long := strings.Repeat("x", secretstore.MaxValueBytes-20)
	for name, test := range map[string]struct {
		value    string
		policies []string // keys
		suffix   string
		want     string
	}{
		"missing key":          {value: `{"B":"b"}`, policies: []string{"A"}, want: `the JSON object has no key "A"`},
		"not JSON":             {value: "plain text", policies: []string{"A"}, want: "JSON object"},
		"not a string":         {value: `{"A":{"b":1}}`, policies: []string{"A"}, suffix: "_OLD", want: `the key "A" does not hold a string`},
		"too long":             {value: `{"A":"a","B":"` + long + `"}`, policies: []string{"A"}, suffix: "_OLD", want: "at most 65536 are possible"},
		"would lose an object": {value: `{"A":"a"}`, policies: []string{""}, want: "the value is a JSON object, and no keys are named"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"": "jwt"})
			version := secretstore.DeriveVersionID("outside")
			put := secretstore.PutInput{ID: w.arn, Token: version, Value: secretstore.NewPlaintext(test.value), Labels: []string{secretstore.Current}}
			if err := w.store.Store.Put(t.Context(), put); err != nil {
				t.Fatal(err)
			}
			policies := map[string]policy.Policy{}
			for _, key := range test.policies {
				policies[key] = jwt
			}
			keys := slices.DeleteFunc(slices.Clone(test.policies), func(key string) bool { return key == "" })
			want := ninetyDays()
			want.RotateOnCreate = true
			_, err := w.rotator().Run(t.Context(), w.arn, keys, func(rotation.View) (rotation.Plan, error) {
				return rotation.Plan{Want: want, Values: rotation.Values{Policies: policies, Suffix: test.suffix, Unknown: true}}, nil
			}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "xxxx") {
				t.Error("the error shows a value")
			}
			if w.versions() != 2 || w.view().Current() != version {
				t.Error("a version was made")
			}
		})
	}
}

// Keys of category encryption have a place for 17 earlier versions.
func TestEarlierKeysHaveALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"K": "encryption"})
	o := options{keys: []string{"K"}, want: ninetyDays()}
	o.want.Grace = rotation.Grace{Never: true}
	w.mustCreate(o)
	for range secretstore.MaxKept {
		w.clock.advance(time.Minute)
		w.mustReplace(o, w.view("K").State())
	}
	versions, current := w.versions(), w.view().Current()
	_, err := w.replace(o, w.view("K").State())
	if !errors.Is(err, secretstore.ErrLimit) || !strings.Contains(err.Error(), "17 earlier versions are kept") {
		t.Errorf("got %v", err)
	}
	if w.versions() != versions || w.view().Current() != current {
		t.Error("a version was made all the same")
	}
}

// A check that was interrupted is no failure.
func TestInterruptedCheckIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	before := w.mustCreate(o)
	ctx, cancel := context.WithCancel(t.Context())
	w.check = func(context.Context) error {
		cancel()
		return errors.New("status 500, expected 200")
	}
	if _, err := w.rotator().Ask(ctx, w.arn, nil, before.Version, before.Changed, ""); err != nil {
		t.Fatal(err)
	}
	_, err := w.rotator().Run(ctx, w.arn, nil, o.resolve, nil)
	var rolledBack *rotation.RolledBackError
	if !errors.Is(err, context.Canceled) || errors.As(err, &rolledBack) {
		t.Errorf("got %v, want that it was canceled", err)
	}
	if view := w.view(); view.Current() == before.Version || view.Record.Phase != rotation.Begun {
		t.Errorf("the phase is %q; an interrupted check has rolled back: %t", view.Record.Phase, view.Current() == before.Version)
	}
	w.check = nil
	if out := w.mustCreate(o); out.Action != rotation.Finish || w.versions() != 2 {
		t.Errorf("the next create did %q, and there are %d versions", out.Action, w.versions())
	}
}
