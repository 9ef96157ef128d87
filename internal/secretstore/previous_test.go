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

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// replaced is a secret with a change that is over.
func replaced(t *testing.T) (store secretstore.Store, id, first, second string) {
	t.Helper()
	store, id = newSecret(t)
	first = describe(t, store, id).VersionWith(secretstore.Current)
	if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), next("a rotation", false)); err != nil {
		t.Fatal(err)
	}
	return store, id, first, describe(t, store, id).VersionWith(secretstore.Current)
}

// Whatever call breaks, one repetition makes one new version, and Previous stays
// where a grace period needs it.
func TestReplaceCurrentGivesPreviousBack(t *testing.T) {
	const calls = 5 // value, put, current, pending, previous
	for at := range calls + 1 {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call=%d after=%t", at, after), func(t *testing.T) {
				store, id, first, second := replaced(t)
				change := next("a change", false)
				change.Previous = first
				broken := &breaking{Store: store, at: at, after: after}
				err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), change)
				if (err != nil) != (at > 0) || at == 0 && broken.calls != calls {
					t.Fatalf("first try: %d calls, error %v", broken.calls, err)
				}
				if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), change); err != nil {
					t.Fatalf("repetition: %v", err)
				}
				secret := describe(t, store, id)
				if current := secret.VersionWith(secretstore.Current); current == first || current == second ||
					secret.VersionWith(secretstore.Previous) != first || secret.VersionWith(secretstore.Pending) != "" {
					t.Errorf("labels: %v, first %s, second %s", secret.Labels, first, second)
				}
				if versions, err := store.Versions(t.Context(), id); err != nil || len(versions) != 3 {
					t.Errorf("%d versions, %v", len(versions), err)
				}
			})
		}
	}
}

// meddling moves Previous between the promotion and the giving back.
type meddling struct {
	secretstore.Store
	to string
}

func (m *meddling) MoveLabel(ctx context.Context, id, label, from, to string) error {
	if label == secretstore.Previous && m.to != "" {
		to := m.to
		m.to = ""
		if err := m.Store.MoveLabel(ctx, id, label, from, to); err != nil {
			return err
		}
	}
	return m.Store.MoveLabel(ctx, id, label, from, to)
}

// A later change of somebody else has decided where Previous belongs.
func TestReplaceCurrentLeavesPreviousToOthers(t *testing.T) {
	store, id, first, _ := replaced(t)
	theirs := uuid.NewString()
	if err := store.Put(t.Context(), secretstore.PutInput{ID: id, Token: theirs, Value: secretstore.NewPlaintext("x"), Labels: []string{"theirs"}}); err != nil {
		t.Fatal(err)
	}
	change := next("a change", false)
	change.Previous = first
	if err := secretstore.ReplaceCurrent(t.Context(), &meddling{store, theirs}, describe(t, store, id), change); err != nil {
		t.Fatal(err)
	}
	if secret := describe(t, store, id); secret.VersionWith(secretstore.Previous) != theirs {
		t.Errorf("labels: %v, want %s on %s", secret.Labels, secretstore.Previous, theirs)
	}
}

// What an earlier try stored has to be read to be compared; when it cannot be,
// nothing changes.
func TestReplaceCurrentThatCannotCompare(t *testing.T) {
	store, id := newSecret(t)
	change := next("supplied", false)
	change.Fresh, change.Same = true, func(secretstore.Value) bool { return true }
	for _, at := range []int{2, 0} { // with the version pending, then with the version current
		broken := &breaking{Store: store, at: at}
		if err := secretstore.ReplaceCurrent(t.Context(), broken, describe(t, store, id), change); (err != nil) != (at > 0) {
			t.Fatal(err)
		}
		before := describe(t, store, id)
		if err := secretstore.ReplaceCurrent(t.Context(), &breaking{Store: store, at: 1}, before, change); !errors.Is(err, errBroken) {
			t.Errorf("error %v, want that of the read", err)
		}
		if after := describe(t, store, id); fmt.Sprint(after.Labels) != fmt.Sprint(before.Labels) {
			t.Errorf("labels: %v, before %v", after.Labels, before.Labels)
		}
	}
}

// A value that never is what the change wants is not made for ever.
func TestReplaceCurrentGivesUp(t *testing.T) {
	store, id := newSecret(t)
	change := next("never right", false)
	change.Same = func(secretstore.Value) bool { return false }
	var err error
	for tries := 0; err == nil; tries++ {
		if tries > 20 {
			t.Fatal("there is no end to it")
		}
		err = secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), change)
		// The version goes back, so that every change begins from the same.
		base := describe(t, store, id)
		if err == nil {
			err = store.MoveLabel(t.Context(), id, secretstore.Current, base.VersionWith(secretstore.Current), base.VersionWith(secretstore.Previous))
		}
		if err == nil {
			err = store.MoveLabel(t.Context(), id, secretstore.Previous, base.VersionWith(secretstore.Current), "")
		}
	}
	if !strings.Contains(err.Error(), "gave up after 10 versions of one change") {
		t.Error(err)
	}
}

func TestForeignRotationErrorSaysWho(t *testing.T) {
	err := &secretstore.ForeignRotationError{ARN: "arn:x", By: "managed by the AWS service rds"}
	if got, want := err.Error(), `secret "arn:x" is managed by the AWS service rds`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeptVersions(t *testing.T) {
	store, id := newSecret(t)
	for i := range 3 {
		if got := secretstore.KeptVersions(describe(t, store, id)); got != i {
			t.Errorf("%d versions are kept, want %d", got, i)
		}
		if err := secretstore.ReplaceCurrent(t.Context(), store, describe(t, store, id), next(fmt.Sprint("change ", i), true)); err != nil {
			t.Fatal(err)
		}
	}
	secret := describe(t, store, id)
	kept := secret.VersionWith("roi-keep-2")
	if err := secretstore.KeepVersion(t.Context(), store, secret, kept); err != nil || secretstore.KeptVersions(describe(t, store, id)) != 3 {
		t.Errorf("a version that is kept was kept once more (%v)", err)
	}
}
