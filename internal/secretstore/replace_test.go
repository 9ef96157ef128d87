// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// breaking fails one call: before it reaches the store, or after, as a lost
// request and a lost response do.
type breaking struct {
	secretstore.Store
	at    int // 0: never
	after bool
	calls int
}

var errBroken = errors.New("broken connection")

func (b *breaking) call(do func() error) error {
	b.calls++
	if b.calls != b.at {
		return do()
	}
	if b.after {
		_ = do()
	}
	return errBroken
}

func (b *breaking) Value(ctx context.Context, id string, at secretstore.VersionRef) (value secretstore.Value, err error) {
	err = b.call(func() (err error) { value, err = b.Store.Value(ctx, id, at); return err })
	return value, err
}

func (b *breaking) Put(ctx context.Context, input secretstore.PutInput) error {
	return b.call(func() error { return b.Store.Put(ctx, input) })
}

func (b *breaking) MoveLabel(ctx context.Context, id, label, from, to string) error {
	return b.call(func() error { return b.Store.MoveLabel(ctx, id, label, from, to) })
}

func newSecret(t *testing.T) (secretstore.Store, string) {
	t.Helper()
	store := localstore.New(localstore.Config{Path: t.TempDir() + "/store"}, clock.System{})
	created, err := store.Create(t.Context(), secretstore.CreateInput{
		Name: "app", Token: secretstore.DeriveVersionID("first"), Value: secretstore.NewPlaintext("value 0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return store, created.ARN
}

func describe(t *testing.T, store secretstore.Store, id string) secretstore.Secret {
	t.Helper()
	secret, err := store.Describe(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// next is a replacement with another value at every try, as generated ones are.
func next(change string, keep bool) secretstore.Replacement {
	tries := 0
	return secretstore.Replacement{Change: change, KeepEarlier: keep, Value: func(current *secretstore.Value) (secretstore.Plaintext, error) {
		tries++
		before := ""
		if current != nil {
			before = current.Plaintext.Reveal()
		}
		return secretstore.NewPlaintext(fmt.Sprintf("%s, then %s (%d)", before, change, tries)), nil
	}}
}

// Whatever call breaks, before or after it took effect, one repetition finishes:
// one new version, the one before it previous, nothing pending.
func TestReplaceCurrentIsFinishedByRepetition(t *testing.T) {
	for _, keep := range []bool{false, true} {
		calls := 4 // value, put, current, pending
		if keep {
			calls++
		}
		for at := range calls + 1 {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("keep=%t call=%d after=%t", keep, at, after), func(t *testing.T) {
					store, id := newSecret(t)
					base := describe(t, store, id).VersionWith(secretstore.Current)
					change := next("a change", keep)
					broken := &breaking{Store: store, at: at, after: after}
					err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), change)
					if (err != nil) != (at > 0) || at == 0 && broken.calls != calls {
						t.Fatalf("first try: %d calls, error %v", broken.calls, err)
					}
					if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), change); err != nil {
						t.Fatalf("repetition: %v", err)
					}
					secret := describe(t, store, id)
					current := secret.VersionWith(secretstore.Current)
					if current == base || secret.VersionWith(secretstore.Previous) != base || secret.VersionWith(secretstore.Pending) != "" {
						t.Errorf("labels: %v, base %s", secret.Labels, base)
					}
					if kept := secret.VersionWith("roi-keep-1"); keep && kept != base || !keep && kept != "" {
						t.Errorf("roi-keep-1 is on %q", kept)
					}
					versions, err := store.Versions(t.Context(), id)
					if err != nil || len(versions) != 2 {
						t.Errorf("%d versions, %v", len(versions), err)
					}
				})
			}
		}
	}
}

func TestReplaceCurrentTwice(t *testing.T) {
	store, id := newSecret(t)
	for i, change := range []string{"one", "two", "one"} {
		before := describe(t, store, id).VersionWith(secretstore.Current)
		if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), next(change, true)); err != nil {
			t.Fatal(err)
		}
		secret := describe(t, store, id)
		if secret.VersionWith(secretstore.Previous) != before {
			t.Errorf("change %d did not make a new version: %v", i, secret.Labels)
		}
		if secret.VersionWith(fmt.Sprintf("roi-keep-%d", i+1)) != before {
			t.Errorf("change %d: the version before is not kept: %v", i, secret.Labels)
		}
	}
}

func TestReplaceCurrentRefusesForeignChanges(t *testing.T) {
	store, id := newSecret(t)
	if err := store.Put(t.Context(), secretstore.PutInput{
		ID: id, Token: uuid.NewString(), Value: secretstore.NewPlaintext("x"), Labels: []string{secretstore.Pending},
	}); err != nil {
		t.Fatal(err)
	}
	pending := describe(t, store, id)
	rotated, owned := pending, pending
	rotated.Labels, rotated.RotationEnabled, rotated.RotationLambda = nil, true, "arn:aws:lambda:eu-central-1:123456789012:function:rotate"
	owned.Labels, owned.OwningService = nil, "rds"
	for _, secret := range []secretstore.Secret{pending, rotated, owned} {
		var foreign *secretstore.ForeignRotationError
		err := secretstore.ReplaceCurrent(t.Context(), store, secret, next("ours", false))
		if !errors.As(err, &foreign) || foreign.By == "" {
			t.Errorf("error %v, want a ForeignRotationError", err)
		}
	}
	if versions, err := store.Versions(t.Context(), id); err != nil || len(versions) != 2 {
		t.Errorf("a refused change made a version: %d, %v", len(versions), err)
	}
}

// AWS leaves AWSPENDING on the current version after its own rotations; that is
// nobody's change under way.
func TestReplaceCurrentTakesPendingFromCurrent(t *testing.T) {
	store, id := newSecret(t)
	base := describe(t, store, id).VersionWith(secretstore.Current)
	if err := store.MoveLabel(t.Context(), id, secretstore.Pending, "", base); err != nil {
		t.Fatal(err)
	}
	if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), next("ours", false)); err != nil {
		t.Fatal(err)
	}
	if secret := describe(t, store, id); secret.VersionWith(secretstore.Pending) != "" || secret.VersionWith(secretstore.Previous) != base {
		t.Errorf("labels: %v", secret.Labels)
	}
}

func TestReplaceCurrentMovedMeanwhile(t *testing.T) {
	store, id := newSecret(t)
	stale := describe(t, store, id)
	if err := secretstore.ReplaceCurrent(t.Context(), store, stale, next("theirs", false)); err != nil {
		t.Fatal(err)
	}
	theirs := describe(t, store, id).VersionWith(secretstore.Current)
	if err := secretstore.ReplaceCurrent(t.Context(), store, stale, next("ours", false)); !errors.Is(err, secretstore.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
	if got := describe(t, store, id).VersionWith(secretstore.Current); got != theirs {
		t.Error("a change from a stale description displaced another one")
	}
	if pending := describe(t, store, id).VersionWith(secretstore.Pending); pending != "" {
		t.Error("the change that lost left its version pending")
	}
}

// A try that broke off with its version pending, and then someone else's change:
// the repetition begins anew from that, and its first version goes.
func TestReplaceCurrentAfterBreakAndForeignChange(t *testing.T) {
	store, id := newSecret(t)
	change := next("ours", false)
	broken := &breaking{Store: store, at: 3}
	if err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), change); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), secretstore.PutInput{
		ID: id, Token: secretstore.DeriveVersionID("theirs"), Value: secretstore.NewPlaintext("theirs"), Labels: []string{secretstore.Current},
	}); err != nil {
		t.Fatal(err)
	}
	if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), change); err != nil {
		t.Fatal(err)
	}
	secret := describe(t, store, id)
	if secret.VersionWith(secretstore.Previous) != secretstore.DeriveVersionID("theirs") || secret.VersionWith(secretstore.Pending) != "" {
		t.Errorf("labels: %v", secret.Labels)
	}
}

func TestDeriveVersionIDSeparatesParts(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"2:ab", "c"}} {
		id := secretstore.DeriveVersionID(parts...)
		if seen[id] || len(id) != 36 {
			t.Errorf("%q derives %q", parts, id)
		}
		seen[id] = true
	}
}

// What comes from outside may have been corrected since an earlier try.
func TestReplaceCurrentWithAnotherValue(t *testing.T) {
	for at := 1; at <= 3; at++ { // put, current, pending
		store, id := newSecret(t)
		supplied := func(value string) secretstore.Replacement {
			return secretstore.Replacement{
				Change: "version 2", Fresh: true,
				Value: func(*secretstore.Value) (secretstore.Plaintext, error) { return secretstore.NewPlaintext(value), nil },
				Same:  func(v secretstore.Value) bool { return v.Plaintext.Reveal() == value },
			}
		}
		broken := &breaking{Store: store, at: at, after: true}
		if err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), supplied("mistyped")); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		for range 2 { // the second finds it done
			if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), supplied("correct")); err != nil {
				t.Fatal(err)
			}
			value, err := store.Value(t.Context(), id, secretstore.VersionRef{})
			if err != nil || value.Plaintext.Reveal() != "correct" {
				t.Errorf("broken at call %d: the corrected value was not stored (%v)", at, err)
			}
		}
		if pending := describe(t, store, id).VersionWith(secretstore.Pending); pending != "" {
			t.Errorf("broken at call %d: a version is left pending", at)
		}
	}
}

// A change that was given up for another one does not stay in its way.
func TestReplaceCurrentGivesUpOwnPending(t *testing.T) {
	store, id := newSecret(t)
	base := describe(t, store, id).VersionWith(secretstore.Current)
	broken := &breaking{Store: store, at: 3}
	if err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), next("first idea", false)); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), next("second idea", false)); err != nil {
		t.Fatal(err)
	}
	if secret := describe(t, store, id); secret.VersionWith(secretstore.Previous) != base || secret.VersionWith(secretstore.Pending) != "" {
		t.Errorf("labels: %v", secret.Labels)
	}
}

func TestIsDerived(t *testing.T) {
	for range 1000 {
		if id := uuid.NewString(); secretstore.IsDerived(id) {
			t.Errorf("%s of somebody else counts as derived", id)
		}
		if id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(uuid.NewString())).String(); secretstore.IsDerived(id) {
			t.Errorf("%s of somebody else counts as derived", id)
		}
		if id := secretstore.DeriveVersionID(uuid.NewString()); !secretstore.IsDerived(id) {
			t.Errorf("%s does not count as derived", id)
		}
	}
	for _, id := range []string{"", "terraform-20240101", strings.Repeat("a", 64)} {
		if secretstore.IsDerived(id) {
			t.Errorf("%q counts as derived", id)
		}
	}
}
