// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Describe implements secretstore.Store.
func (s *Store) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	var out *secretsmanager.DescribeSecretOutput
	err := s.run(ctx, opDescribe, id, func(ctx context.Context, conn *session) (err error) {
		out, err = conn.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
		if err == nil && out.ARN == nil {
			return errNotAWS
		}
		return err
	})
	if err != nil {
		return secretstore.Secret{}, err
	}
	secret := secretstore.Secret{
		ARN:             aws.ToString(out.ARN),
		Name:            aws.ToString(out.Name),
		Description:     aws.ToString(out.Description),
		KMSKeyID:        keyID(out.KmsKeyId),
		Tags:            make(map[string]string, len(out.Tags)),
		Labels:          make(map[string][]string, len(out.VersionIdsToStages)),
		CreatedAt:       at(out.CreatedDate),
		DeletedAt:       at(out.DeletedDate),
		RotationEnabled: aws.ToBool(out.RotationEnabled),
		RotationLambda:  aws.ToString(out.RotationLambdaARN),
		OwningService:   aws.ToString(out.OwningService),
		PrimaryRegion:   aws.ToString(out.PrimaryRegion),
	}
	for _, tag := range out.Tags {
		secret.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for version, labels := range out.VersionIdsToStages {
		if len(labels) > 0 {
			secret.Labels[version] = sorted(labels)
		}
	}
	for _, r := range out.ReplicationStatus {
		secret.Replicas = append(secret.Replicas, secretstore.Replica{
			Region:   aws.ToString(r.Region),
			KMSKeyID: keyID(r.KmsKeyId),
			Status:   string(r.Status),
			Message:  aws.ToString(r.StatusMessage),
		})
	}
	return secret, nil
}

// Versions implements secretstore.Store.
func (s *Store) Versions(ctx context.Context, id string) ([]secretstore.Version, error) {
	var versions []secretstore.Version
	err := s.run(ctx, opVersions, id, func(ctx context.Context, conn *session) error {
		pages := secretsmanager.NewListSecretVersionIdsPaginator(conn.secrets, &secretsmanager.ListSecretVersionIdsInput{
			SecretId:          &id,
			IncludeDeprecated: aws.Bool(true),
			MaxResults:        aws.Int32(100),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, v := range page.Versions {
				versions = append(versions, secretstore.Version{
					ID:        aws.ToString(v.VersionId),
					Labels:    sorted(v.VersionStages),
					CreatedAt: at(v.CreatedDate),
				})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// Value implements secretstore.Store.
func (s *Store) Value(ctx context.Context, id string, ref secretstore.VersionRef) (secretstore.Value, error) {
	if ref == (secretstore.VersionRef{}) {
		ref.Label = secretstore.Current
	}
	var out *secretsmanager.GetSecretValueOutput
	err := s.run(ctx, opValue, id, func(ctx context.Context, conn *session) (err error) {
		out, err = conn.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId:     &id,
			VersionId:    optional(ref.ID),
			VersionStage: optional(ref.Label),
		})
		if err == nil && out.SecretString == nil && out.SecretBinary == nil {
			return errNotAWS
		}
		return err
	})
	if err != nil {
		return secretstore.Value{}, err
	}
	value := secretstore.Value{
		VersionID: aws.ToString(out.VersionId),
		Labels:    sorted(out.VersionStages),
		CreatedAt: at(out.CreatedDate),
	}
	if out.SecretString != nil {
		value.Plaintext = secretstore.NewPlaintext(*out.SecretString)
	} else {
		value.Plaintext = secretstore.NewBinaryPlaintext(out.SecretBinary)
	}
	return value, nil
}

// keyID is "" for the default key, which Secrets Manager leaves out, and others
// name.
func keyID(id *string) string {
	key := aws.ToString(id)
	if key == defaultKeyAlias {
		return ""
	}
	if parsed, err := arn.Parse(key); err == nil && parsed.Resource == defaultKeyAlias {
		return ""
	}
	return key
}

func at(t *time.Time) time.Time { return aws.ToTime(t).UTC() }

func sorted(labels []string) []string { return slices.Sorted(slices.Values(labels)) }
