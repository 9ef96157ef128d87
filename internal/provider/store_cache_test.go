// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// oneSecret is a store with one secret, which counts how often it is described.
type oneSecret struct {
	secretstore.Store
	name, arn string
	asked     int
}

func (s *oneSecret) Describe(_ context.Context, id string) (secretstore.Secret, error) {
	s.asked++
	if id != s.name && id != s.arn {
		return secretstore.Secret{}, &secretstore.Error{Op: "describe", ID: id, Kind: secretstore.ErrInvalid}
	}
	return secretstore.Secret{ARN: s.arn, Name: s.name, Tags: map[string]string{"a": "b"}}, nil
}

func (s *oneSecret) Tag(context.Context, string, map[string]string) error { return nil }

func TestDescriptionsAreShared(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
	inner := &oneSecret{name: "app", arn: arn}
	store := cached(inner)
	ask := func(id string, want int) {
		t.Helper()
		secret, err := describeKnown(t.Context(), store, id)
		if err != nil || secret.ARN != arn || inner.asked != want {
			t.Errorf("%s: %v, asked %d times, want %d", id, err, inner.asked, want)
		}
		secret.Tags["a"] = "changed by a caller"
		if again, _ := describeKnown(t.Context(), store, id); again.Tags["a"] != "b" {
			t.Error("a caller changed what others are told")
		}
	}
	ask("app", 1)
	ask(arn, 1)
	if err := store.Tag(t.Context(), "app", nil); err != nil {
		t.Fatal(err)
	}
	ask(arn, 2) // a write by name drops what is known by ARN
	ask("app", 2)
	if err := store.Tag(t.Context(), arn, nil); err != nil {
		t.Fatal(err)
	}
	ask("app", 3)
	if _, err := store.Describe(t.Context(), arn); err != nil || inner.asked != 4 {
		t.Error("Describe did not ask the store")
	}
	// A secret of the same name in another account is another secret.
	elsewhere := strings.Replace(arn, "123456789012", "222222222222", 1)
	if _, err := describeKnown(t.Context(), store, elsewhere); !errors.Is(err, secretstore.ErrInvalid) {
		t.Errorf("a secret of another account: %v", err)
	}
}

// It does not matter by which of its names a secret is described first.
func TestDescriptionsAreSharedByARNFirst(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
	inner := &oneSecret{name: "app", arn: arn}
	store := cached(inner)
	ask := func(id string, want int) {
		t.Helper()
		if _, err := describeKnown(t.Context(), store, id); err != nil || inner.asked != want {
			t.Errorf("%s: %v, asked %d times, want %d", id, err, inner.asked, want)
		}
	}
	ask(arn, 1)
	ask("app", 1)
	if err := store.Tag(t.Context(), "app", nil); err != nil {
		t.Fatal(err)
	}
	ask(arn, 2)
}
