// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// keys looks at the key of the secret and at those of its replicas.
func (r *run) keys(ctx context.Context, s *subject) error {
	if r.Keys == nil {
		return nil
	}
	if err := r.key(ctx, s, s.secret.ARN, s.secret.KMSKeyID, ""); err != nil {
		return err
	}
	for _, replica := range s.secret.Replicas {
		if err := r.key(ctx, s, replicaARN(s.secret.ARN, replica.Region), replica.KMSKeyID, replica.Region); err != nil {
			return err
		}
	}
	return nil
}

// replicaARN is the ARN of a replica: only the region differs.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
func replicaARN(arn, region string) string {
	parts := strings.SplitN(arn, ":", 5)
	if len(parts) < 5 {
		return arn
	}
	parts[3] = region
	return strings.Join(parts, ":")
}

func (r *run) key(ctx context.Context, s *subject, arn, id, region string) error {
	add := func(check string, status Status, format string, args ...any) {
		if check != keyHSM || r.RequireHSM {
			s.addFor(arn, check, "", status, format, args...)
		}
	}
	if id == "" {
		add(keyCustomer, Fail, "encrypted with the account's default key %s, which AWS manages", secretstore.DefaultKey)
		add(keyRotation, Pass, rotatedByAWS)
		add(keyHSM, Fail, "encrypted with the account's default key %s", secretstore.DefaultKey)
		return nil
	}
	key, err := r.Keys.DescribeKey(ctx, id, region)
	if err != nil {
		return keyMissing(add, id, err)
	}
	if key.Manager == "AWS" {
		add(keyCustomer, Fail, "the key %s is managed by AWS", key.ARN)
	} else {
		add(keyCustomer, Pass, "the key %s is customer-managed", key.ARN)
	}
	switch key.State {
	case "Enabled":
		add(keyEnabled, Pass, "the key %s is enabled", key.ARN)
	case "PendingDeletion", "PendingReplicaDeletion":
		add(keyEnabled, Fail, "the key %s is scheduled for deletion on %s", key.ARN, key.DeletionDate.UTC().Format("2006-01-02"))
	default:
		add(keyEnabled, Fail, "the key %s has the state %s", key.ARN, key.State)
	}
	status, reason := rotates(key)
	add(keyRotation, status, "%s", reason)
	if key.Origin == "AWS_CLOUDHSM" || key.Origin == "EXTERNAL_KEY_STORE" {
		add(keyHSM, Pass, "the key %s has the origin %s", key.ARN, key.Origin)
	} else {
		add(keyHSM, Fail, "the key %s has the origin %s", key.ARN, key.Origin)
	}
	return nil
}

// keyMissing is for a key that cannot be described.
func keyMissing(add func(check string, status Status, format string, args ...any), id string, err error) error {
	if errors.Is(err, secretstore.ErrNotFound) {
		add(keyEnabled, Fail, "there is no key %s", id)
		return nil
	}
	reason, fatal := refused("kms:DescribeKey", id, err)
	if errors.Is(err, secretstore.ErrInvalid) {
		reason, fatal = fmt.Sprintf("the key %s cannot be looked at from here", id), nil
	}
	if fatal != nil {
		return fatal
	}
	for _, check := range []string{keyCustomer, keyEnabled, keyRotation, keyHSM} {
		add(check, NotEvaluated, "%s", reason)
	}
	return nil
}

// rotatedByAWS: "AWS KMS automatically rotates AWS managed keys every year".
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
const rotatedByAWS = "AWS rotates the keys that it manages every year"

// rotates says whether a key is rotated. Automatic rotation is for symmetric keys
// with material of KMS only.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
func rotates(key secretstore.Key) (Status, string) {
	switch {
	case key.Manager == "AWS":
		return Pass, rotatedByAWS
	case key.Rotation != nil && *key.Rotation:
		return Pass, fmt.Sprintf("automatic rotation of the key %s is on", key.ARN)
	case key.Rotation != nil:
		return Fail, fmt.Sprintf("automatic rotation of the key %s is off", key.ARN)
	case key.Origin != "AWS_KMS":
		return NotEvaluated, fmt.Sprintf("the key %s has the origin %s, and KMS does not rotate such keys by itself", key.ARN, key.Origin)
	}
	return NotEvaluated, "not permitted: kms:GetKeyRotationStatus on " + key.ARN
}

// replicas looks at the replicas of the secret, which a list does not tell of.
func (r *run) replicas(ctx context.Context, s *subject) error {
	if s.secret.PrimaryRegion == "" && len(s.secret.Replicas) == 0 {
		return nil
	}
	if len(s.secret.Replicas) == 0 {
		reason, err := r.describe(ctx, s)
		if err != nil {
			return err
		}
		if reason != "" {
			s.add(replicaInSync, "", NotEvaluated, "%s", reason)
		}
	}
	for _, replica := range s.secret.Replicas {
		add := func(status Status, format string, args ...any) {
			s.addFor(replicaARN(s.secret.ARN, replica.Region), replicaInSync, "", status, format, args...)
		}
		switch replica.Status {
		case secretstore.ReplicaInSync:
			add(Pass, "the replica in %s is in sync", replica.Region)
		case secretstore.ReplicaInProgress:
			add(NotEvaluated, "the replica in %s is being made up to date", replica.Region)
		default:
			add(Fail, "the replica in %s has the status %s: %s", replica.Region, replica.Status, replica.Message)
		}
	}
	return nil
}
