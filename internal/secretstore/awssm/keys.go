// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// keyRef is a key as it was asked for.
type keyRef struct{ region, id string }

// DescribeKey implements secretstore.KeyDescriber. Besides kms:DescribeKey it
// likes to have kms:GetKeyRotationStatus, without which Rotation is nil.
func (s *Store) DescribeKey(ctx context.Context, id, region string) (secretstore.Key, error) {
	if err := keyIsIn(id, cmp.Or(region, s.config.Region)); err != nil {
		return secretstore.Key{}, err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return secretstore.Key{}, s.fail(ctx, opDescribeKey, id, 1, err)
	}
	region = cmp.Or(region, conn.scope.Region)
	if err := keyIsIn(id, region); err != nil {
		return secretstore.Key{}, err
	}
	key, err := s.keyOnce(keyRef{region, id}).get(ctx, func(ctx context.Context) (secretstore.Key, error) {
		ctx = countAttempts(ctx)
		key, err := describeKey(ctx, s.kmsClient(conn, region), id)
		return key, s.fail(ctx, opDescribeKey, id, attemptsOf(ctx), err)
	})
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return secretstore.Key{}, s.fail(ctx, opDescribeKey, id, 1, err)
	}
	return key, err
}

// keyIsIn refuses the ARN of a key in another region, if ours is known: KMS would
// say no more than that it does not exist.
func keyIsIn(id, region string) error {
	if !strings.HasPrefix(id, "arn:") {
		return nil
	}
	parsed, err := arn.Parse(id)
	if err != nil || parsed.Service != "kms" {
		return invalid(opDescribeKey, id, "not the ARN of a KMS key or alias")
	}
	if region != "" && parsed.Region != region {
		return invalid(opDescribeKey, id, fmt.Sprintf("the key is in region %s, but one in %s is needed", parsed.Region, region))
	}
	return nil
}

func (s *Store) keyOnce(ref keyRef) *once[secretstore.Key] {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.keys[ref]
	if key == nil {
		key = newOnce[secretstore.Key]()
		s.keys[ref] = key
	}
	return key
}

func (s *Store) kmsClient(conn *session, region string) *kms.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.kms[region]
	if client == nil {
		client = kms.NewFromConfig(conn.config, keysEndpoint(s.config), func(o *kms.Options) { o.Region = region })
		s.kms[region] = client
	}
	return client
}

func describeKey(ctx context.Context, client *kms.Client, id string) (secretstore.Key, error) {
	out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		return secretstore.Key{}, err
	}
	meta := out.KeyMetadata
	if meta == nil {
		return secretstore.Key{}, errNotAWS
	}
	key := secretstore.Key{
		ID:           aws.ToString(meta.KeyId),
		ARN:          aws.ToString(meta.Arn),
		State:        string(meta.KeyState),
		Usage:        string(meta.KeyUsage),
		Spec:         string(meta.KeySpec),
		Manager:      string(meta.KeyManager),
		Origin:       string(meta.Origin),
		DeletionDate: at(meta.DeletionDate),
	}
	// KMS rotates no other kind by itself:
	// https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
	if meta.KeyManager != types.KeyManagerTypeCustomer || meta.KeySpec != types.KeySpecSymmetricDefault || meta.Origin != types.OriginTypeAwsKms {
		return key, nil
	}
	// The ARN, because an alias is not accepted, and a key of another account
	// is not found by its id.
	rotation, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: meta.Arn})
	var refused smithy.APIError
	switch {
	case err == nil:
		key.Rotation = &rotation.KeyRotationEnabled
	case !errors.As(err, &refused) || refused.ErrorFault() == smithy.FaultServer:
		return secretstore.Key{}, err
	}
	return key, nil
}
