// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func goodKey() secretstore.Key {
	return secretstore.Key{
		ID: "k", ARN: "arn:aws:kms:eu-central-1:123456789012:key/k", State: "Enabled", Usage: "ENCRYPT_DECRYPT", Spec: "SYMMETRIC_DEFAULT",
		Manager: "CUSTOMER", Origin: "AWS_KMS", Rotation: new(true),
	}
}

func TestKeyChecks(t *testing.T) {
	t.Parallel()
	const key = "the key arn:aws:kms:eu-central-1:123456789012:key/k "
	good := map[string]string{
		"key_customer_managed": "pass: " + key + "is customer-managed",
		"key_enabled":          "pass: " + key + "is enabled",
		"key_rotation":         "pass: automatic rotation of " + key + "is on",
		"key_hsm":              "fail: " + key + "has the origin AWS_KMS",
	}
	with := func(changes ...string) map[string]string {
		want := map[string]string{}
		for check, text := range good {
			want[check] = text
		}
		for i := 0; i < len(changes); i += 2 {
			if want[changes[i]] = changes[i+1]; changes[i+1] == "" {
				delete(want, changes[i])
			}
		}
		return want
	}
	everything := func(text string) map[string]string {
		return with("key_customer_managed", text, "key_enabled", text, "key_rotation", text, "key_hsm", text)
	}
	for name, test := range map[string]struct {
		change func(*secretstore.Key)
		set    func(*fakeStore)
		want   map[string]string
	}{
		"good": {want: good},
		"default key": {set: func(s *fakeStore) { s.secret.KMSKeyID = "" }, want: with(
			"key_customer_managed", "fail: encrypted with the account's default key alias/aws/secretsmanager, which AWS manages",
			"key_enabled", "",
			"key_rotation", "pass: AWS rotates the keys that it manages every year",
			"key_hsm", "fail: encrypted with the account's default key alias/aws/secretsmanager")},
		"managed by AWS": {change: func(k *secretstore.Key) { k.Manager, k.Rotation = "AWS", nil }, want: with(
			"key_customer_managed", "fail: "+key+"is managed by AWS",
			"key_rotation", "pass: AWS rotates the keys that it manages every year")},
		"disabled": {change: func(k *secretstore.Key) { k.State = "Disabled" }, want: with("key_enabled", "fail: "+key+"has the state Disabled")},
		"being deleted": {change: func(k *secretstore.Key) {
			k.State, k.DeletionDate = "PendingDeletion", time.Date(2031, 6, 2, 3, 4, 5, 0, time.UTC)
		},
			want: with("key_enabled", "fail: "+key+"is scheduled for deletion on 2031-06-02")},
		"not rotated": {change: func(k *secretstore.Key) { k.Rotation = new(false) }, want: with("key_rotation", "fail: automatic rotation of "+key+"is off")},
		"rotation may not be asked": {change: func(k *secretstore.Key) { k.Rotation = nil },
			want: with("key_rotation", "not_evaluated: not permitted: kms:GetKeyRotationStatus on arn:aws:kms:eu-central-1:123456789012:key/k")},
		"imported material": {change: func(k *secretstore.Key) { k.Rotation, k.Origin = nil, "EXTERNAL" }, want: with(
			"key_rotation", "not_evaluated: "+key+"has the origin EXTERNAL, and KMS does not rotate such keys by itself",
			"key_hsm", "fail: "+key+"has the origin EXTERNAL")},
		"CloudHSM": {change: func(k *secretstore.Key) { k.Origin = "AWS_CLOUDHSM" }, want: with("key_hsm", "pass: "+key+"has the origin AWS_CLOUDHSM")},
		"external key store": {change: func(k *secretstore.Key) { k.Origin = "EXTERNAL_KEY_STORE" },
			want: with("key_hsm", "pass: "+key+"has the origin EXTERNAL_KEY_STORE")},
		"missing": {set: func(s *fakeStore) { s.secret.KMSKeyID = "gone" },
			want: with("key_customer_managed", "", "key_rotation", "", "key_hsm", "", "key_enabled", "fail: there is no key gone")},
		"denied": {set: func(s *fakeStore) { s.errors["DescribeKey"] = failure(secretstore.ErrAccessDenied, "k") },
			want: everything("not_evaluated: not permitted: kms:DescribeKey on k")},
		"of another region": {set: func(s *fakeStore) { s.errors["DescribeKey"] = failure(secretstore.ErrInvalid, "k") },
			want: everything("not_evaluated: the key k cannot be looked at from here")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, nil, "value")
			k := goodKey()
			if test.change != nil {
				test.change(&k)
			}
			store.secret.KMSKeyID, store.keys["k"] = "k", k
			if test.set != nil {
				test.set(store)
			}
			checker := store.checker()
			checker.RequireHSM = true
			if diff := cmp.Diff(test.want, keyResults(check(t, checker, store.secret), arn)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// keyResults are status and reason of what concerns keys, by check.
func keyResults(report compliance.Report, subject string) map[string]string {
	found := map[string]string{}
	for _, r := range report.Results {
		if len(r.Check) > 4 && r.Check[:4] == "key_" && r.Subject == subject {
			found[r.Check] = string(r.Status) + ": " + r.Reason
		}
	}
	return found
}

func TestHSMOnlyWhereRequired(t *testing.T) {
	t.Parallel()
	store := newStore(t, nil, "value")
	store.secret.KMSKeyID, store.keys["k"] = "k", goodKey()
	if got := result(t, check(t, store.checker(), store.secret), "key_hsm", ""); got.Check != "" {
		t.Errorf("key_hsm is %s without require_hsm", got.Status)
	}
}

// Replicas are asked for only where there can be some, and have keys of their own.
func TestReplicas(t *testing.T) {
	t.Parallel()
	store := newStore(t, nil, "value")
	if check(t, store.checker(), store.secret); len(store.calls) != 1 {
		t.Errorf("a secret without replicas takes the calls %v", store.calls)
	}

	listed := store.secret
	listed.PrimaryRegion = "eu-central-1"
	store.secret.PrimaryRegion = "eu-central-1"
	store.secret.Replicas = []secretstore.Replica{
		{Region: "us-east-1", Status: secretstore.ReplicaInSync, KMSKeyID: "k"},
		{Region: "us-east-2", Status: secretstore.ReplicaInProgress},
		{Region: "us-west-1", Status: secretstore.ReplicaFailed, Message: "a secret of that name is there"},
	}
	store.keys["us-east-1k"] = goodKey()
	report := check(t, store.checker(), listed)
	got := map[string]string{}
	for _, r := range report.Results {
		if r.Check == "replica_in_sync" {
			got[r.Subject] = string(r.Status) + ": " + r.Reason
		}
	}
	const prefix, suffix = "arn:aws:secretsmanager:", ":123456789012:secret:shop/app-AbCdEf"
	want := map[string]string{
		prefix + "us-east-1" + suffix: "pass: the replica in us-east-1 is in sync",
		prefix + "us-east-2" + suffix: "not_evaluated: the replica in us-east-2 is being made up to date",
		prefix + "us-west-1" + suffix: "fail: the replica in us-west-1 has the status Failed: a secret of that name is there",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := keyResults(report, prefix+"us-east-1"+suffix)["key_customer_managed"]; got == "" || got[:4] != "pass" {
		t.Errorf("the key of the replica in us-east-1: %q", got)
	}
	if got := keyResults(report, prefix+"us-east-2"+suffix)["key_customer_managed"]; got == "" || got[:4] != "fail" {
		t.Errorf("the default key of the replica in us-east-2: %q", got)
	}

	store.errors["Describe"] = failure(secretstore.ErrAccessDenied, arn)
	if got := result(t, check(t, store.checker(), listed), "replica_in_sync", ""); got.Status != compliance.NotEvaluated || got.Reason != "not permitted: secretsmanager:DescribeSecret on "+arn {
		t.Errorf("without the right to describe: %s, %s", got.Status, got.Reason)
	}
}
