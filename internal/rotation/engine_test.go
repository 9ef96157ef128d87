// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

var start = time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)

// testClock is a clock that a test moves.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// watched counts the calls of a store and makes one fail: before it reaches the
// store, as a lost request does, or after, as a lost response.
type watched struct {
	secretstore.Store
	mu    sync.Mutex
	calls []string
	at    int // 0: never
	after bool
	hook  func(call string)
}

func (w *watched) setHook(hook func(string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

var errBroken = errors.New("broken connection")

func (w *watched) call(op string, do func() error) error {
	w.mu.Lock()
	w.calls = append(w.calls, op)
	broken, hook := len(w.calls) == w.at, w.hook
	w.mu.Unlock()
	if hook != nil {
		hook(op)
	}
	if broken && !w.after {
		return errBroken
	}
	err := do()
	if broken {
		return errBroken
	}
	return err
}

func (w *watched) Describe(ctx context.Context, id string) (secret secretstore.Secret, err error) {
	err = w.call("Describe", func() (err error) { secret, err = w.Store.Describe(ctx, id); return err })
	return secret, err
}

func (w *watched) Versions(ctx context.Context, id string) (versions []secretstore.Version, err error) {
	err = w.call("Versions", func() (err error) { versions, err = w.Store.Versions(ctx, id); return err })
	return versions, err
}

func (w *watched) Value(ctx context.Context, id string, at secretstore.VersionRef) (value secretstore.Value, err error) {
	err = w.call("Value", func() (err error) { value, err = w.Store.Value(ctx, id, at); return err })
	return value, err
}

func (w *watched) Put(ctx context.Context, input secretstore.PutInput) error {
	return w.call("Put", func() error { return w.Store.Put(ctx, input) })
}

func (w *watched) MoveLabel(ctx context.Context, id, label, from, to string) error {
	return w.call("MoveLabel "+label, func() error { return w.Store.MoveLabel(ctx, id, label, from, to) })
}

func (w *watched) Tag(ctx context.Context, id string, tags map[string]string) error {
	return w.call("Tag", func() error { return w.Store.Tag(ctx, id, tags) })
}

func (w *watched) Untag(ctx context.Context, id string, keys []string) error {
	return w.call("Untag", func() error { return w.Store.Untag(ctx, id, keys) })
}

// world is one secret and the rotations of it.
type world struct {
	t     *testing.T
	clock *testClock
	store *watched
	arn   string
	keys  map[string]string // policies by key
	check func(context.Context) error
}

// newWorld makes a secret of categories by key; "" is one string.
func newWorld(t *testing.T, categories map[string]string) *world {
	t.Helper()
	clock := &testClock{now: start}
	w := &world{t: t, clock: clock, keys: categories}
	w.store = &watched{Store: localstore.New(localstore.Config{Path: t.TempDir() + "/store"}, clock)}
	records := map[string]policy.Record{}
	object := &secretstore.Object{}
	value := secretstore.NewPlaintext(strings.Repeat("a0", 32))
	for _, key := range slices.Sorted(maps.Keys(categories)) {
		p, _ := policy.Builtin(categories[key])
		records[key] = policy.Record{Policy: p, MadeAt: start}
		if key != "" {
			object.Set(key, "first "+key)
		}
	}
	if _, whole := categories[""]; !whole {
		object.Set("UNKNOWN", "kept as it is: <&>")
		value = object.Plaintext()
	}
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		t.Fatal(err)
	}
	created, err := w.store.Create(t.Context(), secretstore.CreateInput{
		Name: "app", Token: secretstore.DeriveVersionID("first"), Value: value, Tags: tags,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.arn = created.ARN
	return w
}

func (w *world) rotator() rotation.Rotator {
	return rotation.Rotator{
		Store: w.store, Clock: w.clock, Check: w.check,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// options of one rotation.
type options struct {
	keys     []string
	want     rotation.Want
	suffix   string
	policies map[string]policy.Policy
}

func ninetyDays() rotation.Want {
	return rotation.Want{
		Schedule: rotation.Schedule{Interval: 90 * rotation.Day}, Grace: rotation.Grace{Period: time.Hour}, Overdue: rotation.OverdueReplace,
	}
}

func (o options) resolve(v rotation.View) (rotation.Plan, error) {
	plan := rotation.Plan{Want: o.want, Values: rotation.Values{Policies: o.policies, Suffix: o.suffix}}
	if plan.Policies == nil {
		plan.Policies = map[string]policy.Policy{}
		keys := v.Concerned()
		if !v.JSON {
			keys = []string{""}
		}
		for _, key := range keys {
			plan.Policies[key] = v.Policies[key].Policy
		}
	}
	return plan, nil
}

func (w *world) create(o options) (rotation.Outcome, error) {
	return w.rotator().Run(w.t.Context(), w.arn, o.keys, o.resolve, nil)
}

// replace is what Terraform makes of a replacement: delete, then create. Both know
// only the state of before.
func (w *world) replace(o options, state rotation.State) (rotation.Outcome, error) {
	if _, err := w.rotator().Ask(w.t.Context(), w.arn, o.keys, state.Version, state.Changed, o.want.Triggers); err != nil {
		return rotation.Outcome{Before: state}, err
	}
	return w.create(o)
}

func (w *world) mustCreate(o options) rotation.Outcome {
	w.t.Helper()
	out, err := w.create(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) mustReplace(o options, state rotation.State) rotation.Outcome {
	w.t.Helper()
	out, err := w.replace(o, state)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) secret() secretstore.Secret {
	w.t.Helper()
	secret, err := w.store.Store.Describe(w.t.Context(), w.arn)
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

func (w *world) view(keys ...string) rotation.View {
	w.t.Helper()
	view, err := rotation.Look(w.secret(), keys)
	if err != nil {
		w.t.Fatal(err)
	}
	return view
}

func (w *world) value(version string) string {
	w.t.Helper()
	value, err := w.store.Store.Value(w.t.Context(), w.arn, secretstore.VersionRef{ID: version})
	if err != nil {
		w.t.Fatal(err)
	}
	return value.Plaintext.Reveal()
}

func (w *world) object(version string) *secretstore.Object {
	w.t.Helper()
	object, err := secretstore.ParseObject(w.value(version))
	if err != nil {
		w.t.Fatal(err)
	}
	return object
}

func (w *world) versions() int {
	w.t.Helper()
	versions, err := w.store.Store.Versions(w.t.Context(), w.arn)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(versions)
}

// calls returns the calls since the last time.
func (w *world) calls() []string {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	calls := w.store.calls
	w.store.calls = nil
	return calls
}

// labels asserts which version has which label; "" is none.
func (w *world) labels(current, previous string) {
	w.t.Helper()
	view := w.view()
	if got, want := [3]string{view.Current(), view.Previous(), view.Pending()}, [3]string{current, previous, ""}; got != want {
		w.t.Errorf("AWSCURRENT, AWSPREVIOUS and AWSPENDING are on %q, want %q", got, want)
	}
}

func TestAdoptingRotatesNothing(t *testing.T) {
	t.Parallel()

	for name, categories := range map[string]map[string]string{
		"one string": {"": "jwt"}, "json": {"A": "jwt", "B": "session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, categories)
			first := w.view().Current()
			w.calls()
			out := w.mustCreate(options{want: ninetyDays()})
			if out.Action != rotation.Adopt || out.Version != first || !out.Made.Equal(start) || out.Reason != "" {
				t.Errorf("got %s of version %s made %v because %q", out.Action, out.Version, out.Made, out.Reason)
			}
			calls := w.calls()
			if slices.Contains(calls, "Value") || len(slices.DeleteFunc(calls, func(c string) bool { return c == "Describe" || c == "Versions" })) != 1 {
				t.Errorf("adopting made the calls %q, want no read of the value and one write", calls)
			}
			w.mustCreate(options{want: ninetyDays()})
			if calls := w.calls(); !slices.Equal(calls, []string{"Describe"}) {
				t.Errorf("adopting again made the calls %q, want one Describe", calls)
			}
			w.labels(first, "")
		})
	}
}

func TestReplacementBudget(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		categories map[string]string
		keys       []string
		want       int
	}{
		"one string": {map[string]string{"": "jwt"}, nil, 8},
		"json":       {map[string]string{"A": "jwt", "B": "session"}, []string{"A"}, 9},
		"json, all":  {map[string]string{"A": "jwt", "B": "session"}, nil, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.categories)
			w.check = func(context.Context) error { return nil }
			o := options{keys: test.keys, want: ninetyDays()}
			before := w.mustCreate(o)
			w.calls()
			w.clock.advance(time.Minute)
			out := w.mustReplace(o, before.State)
			if calls := w.calls(); len(calls) > test.want {
				t.Errorf("%d calls, want at most %d: %q", len(calls), test.want, calls)
			}
			if out.Action != rotation.Rotate || out.Version == before.Version || out.Previous != before.Version || !out.Made.Equal(start.Add(time.Minute)) {
				t.Errorf("got %s: %+v", out.Action, out.State)
			}
			w.labels(out.Version, before.Version)
			if diff := cmp.Diff(w.view(test.keys...).State(), out.State); diff != "" {
				t.Errorf("what the secret says differs from the outcome:\n%s", diff)
			}
		})
	}
}

// A rotation is repaired by the next apply wherever it breaks off.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()

	failing := func(n int) func() func(context.Context) error {
		return func() func(context.Context) error {
			left := n
			return func(context.Context) error {
				if left--; left >= 0 {
					return errors.New("status 500, expected 200")
				}
				return nil
			}
		}
	}
	both := map[string]string{"A": "jwt", "B": "session"}
	for _, scenario := range []struct {
		name   string
		keys   map[string]string
		rotate []string
		other  []string // rotated before, with its grace period running
		check  func() func(context.Context) error
		setup  func(*options)
	}{
		{name: "one string", keys: map[string]string{"": "jwt"}},
		{name: "one string, healthy", keys: map[string]string{"": "jwt"}, check: failing(0)},
		{name: "one string, rolled back", keys: map[string]string{"": "jwt"}, check: failing(1)},
		{name: "one string, no grace", keys: map[string]string{"": "jwt"}, setup: func(o *options) { o.want.Grace.Period = 0 }},
		{name: "json", keys: both, rotate: []string{"A"}},
		{name: "json, all keys", keys: both},
		{name: "json, suffix", keys: both, rotate: []string{"A"}, setup: func(o *options) { o.suffix = "_OLD" }},
		{name: "json, beside a grace period", keys: both, rotate: []string{"A"}, other: []string{"B"}, check: failing(0)},
		{name: "json, rolled back beside a grace period", keys: both, rotate: []string{"A"}, other: []string{"B"}, check: failing(1)},
		{name: "encryption key", keys: map[string]string{"A": "jwt", "K": "encryption"}, rotate: []string{"K"}, setup: func(o *options) { o.want.Grace = rotation.Grace{Never: true} }},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			cases, calls := 0, 0
			for index, hit := 1, true; hit; index++ {
				hit = false
				for _, after := range []bool{false, true} {
					w := newWorld(t, scenario.keys)
					o := options{keys: scenario.rotate, want: ninetyDays()}
					if scenario.setup != nil {
						scenario.setup(&o)
					}
					if scenario.other != nil {
						b := options{keys: scenario.other, want: ninetyDays()}
						w.clock.advance(time.Minute)
						w.mustReplace(b, w.mustCreate(b).State)
					}
					before := w.mustCreate(o)
					current, previous, versions := w.view().Current(), w.view().Previous(), w.versions()
					earlier := w.value(current)
					w.calls()
					if scenario.check != nil {
						w.check = scenario.check()
					}
					w.clock.advance(time.Minute)
					w.store.at, w.store.after = index, after
					out, err := w.replace(o, before.State)
					made := len(w.calls())
					w.store.at = 0
					cases++
					calls = max(calls, made)
					hit = hit || made >= index
					where := fmt.Sprintf("fault at call %d of %d, after it: %t", index, made, after)
					for tries := 1; err != nil; tries++ {
						if tries > 3 {
							t.Fatalf("%s: still failing: %v", where, err)
						}
						state := out.Before
						if state.Version == "" {
							state = before.State // Terraform kept what it had
						}
						out, err = w.replace(o, state)
					}
					w.settled(where, o, scenario.other, current, previous, versions, earlier, out)
				}
			}
			t.Logf("%d cases over %d calls", cases, calls)
			if calls < 8 {
				t.Errorf("only %d calls were made to fail", calls)
			}
		})
	}
}

// settled asserts that exactly one rotation happened and nothing was lost.
func (w *world) settled(where string, o options, other []string, current, previous string, versions int, earlier string, out rotation.Outcome) {
	w.t.Helper()
	view := w.view(o.keys...)
	fail := func(format string, arguments ...any) {
		w.t.Helper()
		w.t.Errorf(where+": "+format, arguments...)
	}
	if out.Version == current || view.Current() != out.Version {
		fail("AWSCURRENT is on %s, which was current before: %t; the outcome says %s", view.Current(), view.Current() == current, out.Version)
	}
	wantPrevious := current
	switch {
	case other != nil:
		wantPrevious = previous
	case o.want.Grace == rotation.Grace{}:
		wantPrevious = ""
	}
	if view.Previous() != wantPrevious {
		fail("AWSPREVIOUS is on %q, want %q", view.Previous(), wantPrevious)
	}
	if view.Pending() != "" {
		fail("AWSPENDING is left on %s", view.Pending())
	}
	if view.Record == nil || view.Record.Phase != rotation.Settled || view.Record.Current != out.Version {
		fail("the record is %+v", view.Record)
	}
	failures := 0
	if view.Record != nil {
		failures = view.Record.Attempt
	}
	if got := w.versions(); got != versions+1+failures {
		fail("%d versions after %d failed attempts, there were %d", got, failures, versions)
	}
	if w.value(current) != earlier {
		fail("the value before was changed")
	}
	if diff := cmp.Diff(w.view(o.keys...).State(), out.State); diff != "" {
		fail("what the secret says differs from the outcome:\n%s", diff)
	}
	if !view.JSON {
		p, _ := policy.Builtin(w.keys[""])
		if findings := policy.Check(p, w.value(out.Version)); len(findings) > 0 || w.value(out.Version) == earlier {
			fail("the new value is the earlier one or breaks its policy: %v", len(findings))
		}
		return
	}
	w.changedOnly(where, current, out.Version, view.Concerned(), o.suffix)
	for _, key := range view.Concerned() {
		if w.keys[key] == "encryption" && !slices.ContainsFunc(w.secret().Labels[current], func(l string) bool { return strings.HasPrefix(l, "roi-keep-") }) {
			fail("the version with the earlier encryption key has no label that keeps it")
		}
	}
}

// changedOnly asserts that the new version differs from the earlier one in keys.
func (w *world) changedOnly(where, before, after string, keys []string, suffix string) {
	w.t.Helper()
	was, is := w.object(before), w.object(after)
	for _, key := range is.Keys() {
		name, old := strings.CutSuffix(key, suffix)
		isValue, _ := is.String(key)
		wasValue, _ := was.String(key)
		switch {
		case suffix != "" && old:
			if want, _ := was.String(name); isValue != want {
				w.t.Errorf("%s: %s is not the earlier value", where, key)
			}
		case slices.Contains(keys, key):
			if p, _ := policy.Builtin(w.keys[key]); isValue == wasValue || len(policy.Check(p, isValue)) > 0 {
				w.t.Errorf("%s: key %s was not rotated, or breaks its policy", where, key)
			}
		case isValue != wasValue:
			w.t.Errorf("%s: key %s was changed", where, key)
		}
	}
	if !is.Has("UNKNOWN") {
		w.t.Errorf("%s: a key that nobody manages here is lost", where)
	}
}
