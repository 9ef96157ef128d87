// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Other services are called with the credentials of the store, which are looked for
// once.
func TestCall(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	if _, err := store.Scope(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got aws.Config
	if err := store.Call(t.Context(), "publish in", "Shop", "x:Put", func(_ context.Context, config aws.Config) error {
		got = config
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	credentials, err := got.Credentials.Retrieve(t.Context())
	if err != nil || credentials.AccessKeyID != testAccessKey || got.Region != testRegion {
		t.Errorf("the call is made in %s with another access key than that of the store, %v", got.Region, err)
	}
	if n := fake.Count("GetCallerIdentity"); n != 1 {
		t.Errorf("STS was asked %d times who we are, want once", n)
	}
}

func TestCallErrors(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	call := func(ctx context.Context, err error) error {
		return store.Call(ctx, "publish in", "Shop", "x:Put", func(context.Context, aws.Config) error { return err })
	}
	wantError(t, call(t.Context(), &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}), secretstore.ErrAccessDenied,
		`publish in "Shop": access denied: x:Put is missing on "Shop": AccessDenied: no`)
	wantError(t, call(t.Context(), &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}), secretstore.ErrThrottled,
		`publish in "Shop": throttled: Throttling: Rate exceeded`)

	if err := call(t.Context(), &smithy.GenericAPIError{Code: "InvalidSignatureException", Message: "token " + testToken}); err == nil || strings.Contains(err.Error(), testToken) {
		t.Error("the error is missing or shows the session token")
	}

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(canceled, canceled.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}

	none := testConfig(t, fake.URL())
	none.AccessKey, none.SecretKey, none.Token = "", "", ""
	err := New(none).Call(t.Context(), "publish in", "Shop", "x:Put", func(context.Context, aws.Config) error {
		t.Error("the call was made without credentials")
		return nil
	})
	if !errors.Is(err, secretstore.ErrNoCredentials) {
		t.Errorf("got %v, want %v", err, secretstore.ErrNoCredentials)
	}
}
