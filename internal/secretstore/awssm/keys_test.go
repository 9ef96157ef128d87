// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestDescribeKey(t *testing.T) {
	fake := awsfake.Start(t)
	deletion := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	arn := func(region, id string) string { return "arn:aws:kms:" + region + ":123456789012:key/" + id }
	add := func(key awsfake.Key) string { return fake.AddKey(key) }
	plain := add(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	rsa := add(awsfake.Key{Spec: "RSA_2048", Usage: "SIGN_VERIFY"})
	external := add(awsfake.Key{Origin: "EXTERNAL"})
	leaving := add(awsfake.Key{State: "PendingDeletion", DeletionDate: deletion})
	remote := add(awsfake.Key{Region: "us-east-1", Aliases: []string{"alias/app"}})
	yes, no := aws.Bool(true), aws.Bool(false)
	key := func(id, region string, rotation *bool) secretstore.Key {
		return secretstore.Key{
			ID: id, ARN: arn(region, id), State: "Enabled", Usage: "ENCRYPT_DECRYPT", Spec: "SYMMETRIC_DEFAULT",
			Manager: "CUSTOMER", Origin: "AWS_KMS", Rotation: rotation,
		}
	}
	wantRSA, wantExternal, wantLeaving := key(rsa, testRegion, nil), key(external, testRegion, nil), key(leaving, testRegion, no)
	wantRSA.Spec, wantRSA.Usage = "RSA_2048", "SIGN_VERIFY"
	wantExternal.Origin = "EXTERNAL"
	wantLeaving.State, wantLeaving.DeletionDate = "PendingDeletion", deletion

	store := New(testConfig(t, fake.URL()))
	for name, test := range map[string]struct {
		id, region string
		want       secretstore.Key
	}{
		"id":              {plain, "", key(plain, testRegion, yes)},
		"ARN":             {arn(testRegion, plain), "", key(plain, testRegion, yes)},
		"alias":           {"alias/app", "", key(plain, testRegion, yes)},
		"alias ARN":       {"arn:aws:kms:eu-central-1:123456789012:alias/app", testRegion, key(plain, testRegion, yes)},
		"another region":  {"alias/app", "us-east-1", key(remote, "us-east-1", no)},
		"its ARN":         {arn("us-east-1", remote), "us-east-1", key(remote, "us-east-1", no)},
		"asymmetric":      {rsa, "", wantRSA},
		"imported":        {external, "", wantExternal},
		"being deleted":   {leaving, "", wantLeaving},
		"not by its name": {plain, testRegion, key(plain, testRegion, yes)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := store.DescribeKey(t.Context(), test.id, test.region)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	// For three of the keys, in one region or the other; two of them under
	// several names. The others cannot be rotated, and are not asked about.
	if got := fake.Count("GetKeyRotationStatus"); got != 7 {
		t.Errorf("GetKeyRotationStatus was requested %d times, want 7", got)
	}
	managed, err := store.DescribeKey(t.Context(), defaultKeyAlias, "")
	if err != nil {
		t.Fatal(err)
	}
	if managed.Manager != "AWS" || managed.Rotation != nil {
		t.Errorf("the key that AWS manages is %+v", managed)
	}
}

// TestKeyIsDescribedOnce: one request per key and process, however many ask.
func TestKeyIsDescribedOnce(t *testing.T) {
	fake := awsfake.Start(t)
	fake.AddKey(awsfake.Key{Aliases: []string{"alias/app"}})
	store := New(testConfig(t, fake.URL()))
	var group sync.WaitGroup
	for range 20 {
		for _, region := range []string{"", testRegion} { // the same, with and without its name
			group.Go(func() {
				if _, err := store.DescribeKey(t.Context(), "alias/app", region); err != nil {
					t.Error(err)
				}
			})
		}
		group.Go(func() {
			if _, err := store.DescribeKey(t.Context(), "alias/missing", ""); !errors.Is(err, secretstore.ErrNotFound) {
				t.Errorf("DescribeKey: %v, want %v", err, secretstore.ErrNotFound)
			}
		})
	}
	group.Wait()
	want := map[string]int{"GetCallerIdentity": 1, "DescribeKey": 2, "GetKeyRotationStatus": 1}
	if diff := cmp.Diff(want, fake.Counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestKeyGivenUp: an answer that nobody waited for is asked for again.
func TestKeyGivenUp(t *testing.T) {
	fake := awsfake.Start(t)
	id := fake.AddKey(awsfake.Key{})
	store := New(testConfig(t, fake.URL()))
	if _, err := store.Scope(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.Inject(awsfake.Fault{Kind: awsfake.Latency, Op: "DescribeKey", Delay: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := store.DescribeKey(ctx, id, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("DescribeKey: %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := store.DescribeKey(t.Context(), id, ""); err != nil {
		t.Errorf("DescribeKey after that: %v", err)
	}
}

func TestKeyWithoutPermission(t *testing.T) {
	fake := awsfake.Start(t)
	id := fake.AddKey(awsfake.Key{Rotation: true})
	fake.Deny("kms:GetKeyRotationStatus")
	config := testConfig(t, fake.URL())
	key, err := New(config).DescribeKey(t.Context(), id, "")
	if err != nil || key.State != "Enabled" || key.Rotation != nil {
		t.Errorf("without the right to see its rotation the key is %+v, %v", key, err)
	}
	fake.Deny("kms:DescribeKey")
	_, err = New(config).DescribeKey(t.Context(), id, "")
	if !errors.Is(err, secretstore.ErrAccessDenied) {
		t.Errorf("DescribeKey: %v, want %v", err, secretstore.ErrAccessDenied)
	}
}

func TestKeyOfElsewhere(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	const arn = "arn:aws:kms:us-east-1:123456789012:key/x"
	_, err := store.DescribeKey(t.Context(), arn, "")
	wantError(t, err, secretstore.ErrInvalid,
		`describe key "`+arn+`": invalid request: the key is in region us-east-1, but one in eu-central-1 is needed`)
	_, err = store.DescribeKey(t.Context(), arn, "eu-west-1")
	wantError(t, err, secretstore.ErrInvalid,
		`describe key "`+arn+`": invalid request: the key is in region us-east-1, but one in eu-west-1 is needed`)
	_, err = store.DescribeKey(t.Context(), "arn:aws:secretsmanager:us-east-1:123456789012:secret:x", "")
	wantError(t, err, secretstore.ErrInvalid,
		`describe key "arn:aws:secretsmanager:us-east-1:123456789012:secret:x": invalid request: not the ARN of a KMS key or alias`)
	if calls := fake.Calls(); len(calls) > 0 {
		t.Errorf("%d requests, want none", len(calls))
	}

	config := testConfig(t, fake.URL())
	config.Region = ""
	t.Setenv("AWS_REGION", testRegion)
	_, err = New(config).DescribeKey(t.Context(), arn, "")
	wantError(t, err, secretstore.ErrInvalid,
		`describe key "`+arn+`": invalid request: the key is in region us-east-1, but one in eu-central-1 is needed`)
	if n := fake.Count("DescribeKey"); n > 0 {
		t.Errorf("%d requests to KMS, want none", n)
	}
}
