// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestIDsOfOtherStores(t *testing.T) {
	store, _, _ := newStore(t)
	const inAWS = `the secret is in AWS, but the provider's store is the embedded one (store = "local")`
	for id, want := range map[string]string{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/jwt-AbCdEf":     inAWS,
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app/jwt-AbCdEf": inAWS,
		"arn:roi:secretsmanager:elsewhere:000000000000:secret:app/jwt-AbCdEf":     "not the ARN of a secret in the embedded store",
		"arn:roi:secretsmanager:local:000000000000:secret:-AbCdEf":                "not the ARN of a secret in the embedded store",
	} {
		text := `"` + id + `": invalid request: ` + want
		wantError(t, store, read(t, store, id), secretstore.ErrInvalid, "read secret "+text)
		wantError(t, store, put(t, store, id), secretstore.ErrInvalid, "put a version into secret "+text)
	}
}

func TestScope(t *testing.T) {
	store, name, _ := newStore(t)
	scope, err := store.Scope(t.Context())
	if want := (secretstore.Scope{Partition: "roi", Account: "000000000000", Region: "local"}); err != nil || scope != want {
		t.Errorf("Scope is %+v (%v), want %+v", scope, err, want)
	}
	secret, err := store.Describe(t.Context(), name)
	if err != nil || !strings.HasPrefix(secret.ARN, "arn:roi:secretsmanager:local:000000000000:secret:app/jwt-") {
		t.Errorf("the ARN is %s (%v)", secret.ARN, err)
	}
}

func TestReplicasHaveNoEffectButAreDescribed(t *testing.T) {
	store, name, _ := newStore(t)
	if err := store.Replicate(t.Context(), name, []secretstore.ReplicaSpec{{Region: "eu-west-1"}}, false); err != nil {
		t.Fatal(err)
	}
	secret, err := store.Describe(t.Context(), name)
	if err != nil || len(secret.Replicas) != 1 || secret.Replicas[0].Status != secretstore.ReplicaInSync || secret.PrimaryRegion != "local" {
		t.Errorf("Describe is %+v (%v)", secret, err)
	}
}

func TestInvalidContent(t *testing.T) {
	store, name, _ := newStore(t)
	for what, value := range map[string]secretstore.Plaintext{
		"no bytes":     secretstore.NewPlaintext(""),
		"not UTF-8":    secretstore.NewPlaintext("secret\xff"),
		"empty binary": secretstore.NewBinaryPlaintext(nil),
	} {
		err := store.Put(t.Context(), secretstore.PutInput{ID: name, Token: uuid.NewString(), Value: value, Labels: []string{"x"}})
		if !errors.Is(err, secretstore.ErrInvalid) || strings.Contains(err.Error(), "secret\xff") {
			t.Errorf("Put of a value with %s: %v, want %v", what, err, secretstore.ErrInvalid)
		}
	}
	if err := store.Tag(t.Context(), name, map[string]string{"k": "a*b"}); !errors.Is(err, secretstore.ErrInvalid) {
		t.Errorf("Tag with a character that is not allowed: %v, want %v", err, secretstore.ErrInvalid)
	}
}

// TestTextAndBinaryDiffer: the same bytes as text and as binary are another
// content.
func TestTextAndBinaryDiffer(t *testing.T) {
	store, name, token := newStore(t)
	err := store.Put(t.Context(), secretstore.PutInput{
		ID: name, Token: token, Value: secretstore.NewBinaryPlaintext([]byte(valueOf(token).Reveal())), Labels: []string{"x"},
	})
	if !errors.Is(err, secretstore.ErrExists) {
		t.Errorf("Put of the same bytes as binary: %v, want %v", err, secretstore.ErrExists)
	}
}

func TestDeletingWhatIsNotThere(t *testing.T) {
	store, name, _ := newStore(t)
	if _, err := store.Delete(t.Context(), "missing", 0); err != nil {
		t.Errorf("Delete at once of a missing secret: %v", err)
	}
	if _, err := store.Delete(t.Context(), name, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Delete(t.Context(), name, 30); !errors.Is(err, secretstore.ErrScheduledForDeletion) {
		t.Errorf("Delete of a scheduled secret: %v, want %v", err, secretstore.ErrScheduledForDeletion)
	}
}

func TestUnlabelledVersionsAreDropped(t *testing.T) {
	store, name, first := newStore(t)
	clock, ok := store.clock.(*manualClock)
	if !ok {
		t.Fatalf("the clock is a %T", store.clock)
	}
	if err := store.MoveLabel(t.Context(), name, "roi-keep-1", "", first); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		t.Helper()
		versions, err := store.Versions(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range versions {
			if _, err := store.Value(t.Context(), name, secretstore.VersionRef{ID: version.ID}); err != nil {
				t.Errorf("a listed version cannot be read: %v", err)
			}
		}
		return len(versions)
	}
	for range 104 {
		if err := put(t, store, name); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(); got != 105 {
		t.Errorf("there are %d versions, want all 105: none is a day old", got)
	}
	clock.Advance(24 * time.Hour)
	if err := put(t, store, name); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != 100 {
		t.Errorf("there are %d versions after a day, want 100", got)
	}
	if _, err := store.Value(t.Context(), name, secretstore.VersionRef{ID: first}); err != nil {
		t.Errorf("the oldest version has labels and must stay: %v", err)
	}
	if got := stored(t, store); got != 100 {
		t.Errorf("the database holds %d values, want 100", got)
	}
}

// stored counts the values in the database.
func stored(t *testing.T, store *Store) int {
	t.Helper()
	n := 0
	change(t, store, func(tx *bbolt.Tx) error {
		return tx.Bucket(valueBucket).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}

func TestDeletedValuesAreRemoved(t *testing.T) {
	store, name, _ := newStore(t)
	clock, ok := store.clock.(*manualClock)
	if !ok {
		t.Fatalf("the clock is a %T", store.clock)
	}
	create(t, store, "kept")
	if err := put(t, store, name); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Delete(t.Context(), name, 7); err != nil {
		t.Fatal(err)
	}
	clock.Advance(8 * 24 * time.Hour)
	if err := read(t, store, name); !errors.Is(err, secretstore.ErrNotFound) {
		t.Errorf("Value after the window: %v, want %v", err, secretstore.ErrNotFound)
	}
	if err := store.Tag(t.Context(), "kept", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, store); got != 1 {
		t.Errorf("the database holds %d values after the next write, want 1", got)
	}
	if _, err := store.Delete(t.Context(), "kept", 0); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, store); got != 0 {
		t.Errorf("the database holds %d values after all secrets were deleted", got)
	}
}

func TestNoValueInTheFiles(t *testing.T) {
	store, name, token := newStore(t)
	scanner := leak.New(t, valueOf(token).Reveal())
	if err := store.Tag(t.Context(), name, map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	for _, finding := range scanner.Files(store.path) {
		t.Errorf("the value is in %s", finding)
	}
}
