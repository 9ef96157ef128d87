// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"errors"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestResourcePolicy(t *testing.T) {
	fake := awsfake.Start(t)
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"*","Resource":"*"}]}`
	version := []awsfake.SeedVersion{{Value: secretstore.NewPlaintext("value"), Labels: []string{secretstore.Current}}}
	open := fake.Seed(awsfake.Seed{Name: "with", Policy: document, Versions: version})
	fake.Seed(awsfake.Seed{Name: "without", Versions: version})
	store := New(testConfig(t, fake.URL()))

	for id, want := range map[string]string{"with": document, open: document, "without": ""} {
		if got, err := store.ResourcePolicy(t.Context(), id); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", id, got, err, want)
		}
	}
	if _, err := store.ResourcePolicy(t.Context(), "missing"); !errors.Is(err, secretstore.ErrNotFound) {
		t.Errorf("of a secret that is not there: %v", err)
	}
	fake.Deny("GetResourcePolicy")
	_, err := store.ResourcePolicy(t.Context(), "with")
	if !errors.Is(err, secretstore.ErrAccessDenied) || !strings.Contains(err.Error(), "secretsmanager:GetResourcePolicy") {
		t.Errorf("without the right: %v", err)
	}
}

// A secret without a policy has none on moto, either.
func TestResourcePolicyOnMoto(t *testing.T) {
	store := New(testConfig(t, moto.Start(t)))
	name := "policy/" + secretstore.DeriveVersionID(t.TempDir())
	if _, err := store.Create(t.Context(), secretstore.CreateInput{
		Name: name, Token: secretstore.DeriveVersionID(name), Value: secretstore.NewPlaintext("value"),
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := store.ResourcePolicy(t.Context(), name); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
