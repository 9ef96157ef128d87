// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// defaultKeyAlias is the key of a secret that names none.
const defaultKeyAlias = "alias/aws/secretsmanager"

// Create implements secretstore.Store in one request. With the token in it the
// SDK's retry of a request whose response got lost is a replay.
func (s *Store) Create(ctx context.Context, input secretstore.CreateInput) (secretstore.Created, error) {
	if err := checkWrite(opCreate, input.Name, input.Token, input.Value); err != nil {
		return secretstore.Created{}, err
	}
	var out *secretsmanager.CreateSecretOutput
	err := s.run(ctx, opCreate, input.Name, func(ctx context.Context, conn *session) (err error) {
		request := &secretsmanager.CreateSecretInput{
			Name:                        &input.Name,
			ClientRequestToken:          &input.Token,
			Description:                 optional(input.Description),
			KmsKeyId:                    optional(input.KMSKeyID),
			Tags:                        tagList(input.Tags),
			AddReplicaRegions:           replicaList(input.Replicas),
			ForceOverwriteReplicaSecret: input.ForceOverwriteReplica,
		}
		request.SecretString, request.SecretBinary = encode(input.Value)
		out, err = conn.secrets.CreateSecret(ctx, request)
		if err == nil && (out.ARN == nil || out.VersionId == nil) {
			return errNotAWS
		}
		return err
	}, input.Value.Reveal())
	if err != nil {
		return secretstore.Created{}, err
	}
	s.markWritten(out.ARN, out.Name)
	created, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		created = clock.System{}.Now()
	}
	return secretstore.Created{
		ARN:       aws.ToString(out.ARN),
		VersionID: aws.ToString(out.VersionId),
		CreatedAt: created.UTC().Truncate(time.Second),
	}, nil
}

// Put implements secretstore.Store.
func (s *Store) Put(ctx context.Context, input secretstore.PutInput) error {
	if err := checkWrite(opPut, input.ID, input.Token, input.Value); err != nil {
		return err
	}
	if len(input.Labels) == 0 {
		// Secrets Manager would move AWSCURRENT.
		return invalid(opPut, input.ID, "no labels for the new version")
	}
	var out *secretsmanager.PutSecretValueOutput
	err := s.run(ctx, opPut, input.ID, func(ctx context.Context, conn *session) (err error) {
		request := &secretsmanager.PutSecretValueInput{
			SecretId:           &input.ID,
			ClientRequestToken: &input.Token,
			VersionStages:      input.Labels,
		}
		request.SecretString, request.SecretBinary = encode(input.Value)
		out, err = conn.secrets.PutSecretValue(ctx, request)
		return err
	}, input.Value.Reveal())
	if err != nil {
		return err
	}
	s.markWritten(&input.ID, out.ARN, out.Name)
	return nil
}

// MoveLabel implements secretstore.Store.
func (s *Store) MoveLabel(ctx context.Context, id, label, from, to string) error {
	switch {
	case label == "":
		return invalid(opMoveLabel, id, "no label")
	case from == "" && to == "":
		return invalid(opMoveLabel, id, "neither a version to take the label from nor one to put it on")
	}
	return s.run(ctx, opMoveLabel, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
			SecretId:            &id,
			VersionStage:        &label,
			RemoveFromVersionId: optional(from),
			MoveToVersionId:     optional(to),
		})
		if err == nil || isNotFound(err) && !namesVersion(err, from) {
			return err
		}
		f := understand(opMoveLabel, id, attemptsOf(ctx), err)
		switch {
		case namesVersion(err, from) && (isNotFound(err) || strings.Contains(f.text, invalidVersion)):
			f.kind = secretstore.ErrConflict
		case strings.Contains(f.text, invalidVersion):
			f.kind = secretstore.ErrNotFound
		}
		if f.kind == secretstore.ErrConflict && alreadyDone(ctx, conn, id, func(now *secretsmanager.DescribeSecretOutput) bool {
			return labelIsAt(now.VersionIdsToStages, label, to)
		}) {
			return nil
		}
		return errors.Join(f, err)
	})
}

// invalidVersion begins the message about a version that does not exist; Secrets
// Manager has no exception of its own for it.
const invalidVersion = "Not a valid version"

func namesVersion(err error, version string) bool {
	return version != "" && strings.Contains(err.Error(), version)
}

// labelIsAt tells whether a label is on a version, or with version "" on none.
func labelIsAt(stages map[string][]string, label, version string) bool {
	for id, labels := range stages {
		if slices.Contains(labels, label) {
			return id == version
		}
	}
	return version == ""
}

// alreadyDone tells whether a request that was refused had been carried out
// before: the response of an earlier attempt got lost, and the SDK repeated what
// has no token to tell a replay by. It costs a request only in that case.
func alreadyDone(ctx context.Context, conn *session, id string, done func(*secretsmanager.DescribeSecretOutput) bool) bool {
	if attemptsOf(ctx) < 2 {
		return false
	}
	ctx = countAttempts(ctx)
	now, err := conn.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	return err == nil && done(now)
}

// Update implements secretstore.Store.
func (s *Store) Update(ctx context.Context, id string, input secretstore.UpdateInput) error {
	return s.run(ctx, opUpdate, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{
			SecretId:    &id,
			Description: input.Description,
			KmsKeyId:    input.KMSKeyID,
		})
		return err
	})
}

// Tag implements secretstore.Store.
func (s *Store) Tag(ctx context.Context, id string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	return s.run(ctx, opTag, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &id, Tags: tagList(tags)})
		return err
	})
}

// Untag implements secretstore.Store.
func (s *Store) Untag(ctx context.Context, id string, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return s.run(ctx, opUntag, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.UntagResource(ctx, &secretsmanager.UntagResourceInput{SecretId: &id, TagKeys: keys})
		return err
	})
}

// Replicate implements secretstore.Store.
func (s *Store) Replicate(ctx context.Context, id string, replicas []secretstore.ReplicaSpec, forceOverwrite bool) error {
	if len(replicas) == 0 {
		return nil
	}
	return s.run(ctx, opReplicate, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.ReplicateSecretToRegions(ctx, &secretsmanager.ReplicateSecretToRegionsInput{
			SecretId:                    &id,
			AddReplicaRegions:           replicaList(replicas),
			ForceOverwriteReplicaSecret: forceOverwrite,
		})
		if refused(err) && alreadyDone(ctx, conn, id, func(now *secretsmanager.DescribeSecretOutput) bool {
			return !slices.ContainsFunc(replicas, func(r secretstore.ReplicaSpec) bool { return !replicatedTo(now, r.Region) })
		}) {
			return nil
		}
		return err
	})
}

// RemoveReplicas implements secretstore.Store.
func (s *Store) RemoveReplicas(ctx context.Context, id string, regions []string) error {
	if len(regions) == 0 {
		return nil
	}
	return s.run(ctx, opRemoveReplicas, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.RemoveRegionsFromReplication(ctx, &secretsmanager.RemoveRegionsFromReplicationInput{
			SecretId:             &id,
			RemoveReplicaRegions: regions,
		})
		if refused(err) && alreadyDone(ctx, conn, id, func(now *secretsmanager.DescribeSecretOutput) bool {
			return !slices.ContainsFunc(regions, func(region string) bool { return replicatedTo(now, region) })
		}) {
			return nil
		}
		return err
	})
}

func replicatedTo(secret *secretsmanager.DescribeSecretOutput, region string) bool {
	return slices.ContainsFunc(secret.ReplicationStatus, func(r types.ReplicationStatusType) bool {
		return aws.ToString(r.Region) == region
	})
}

// Delete implements secretstore.Store. A secret that is not there is ErrNotFound
// with a recovery window; without one Secrets Manager does not tell.
func (s *Store) Delete(ctx context.Context, id string, recoveryWindowDays int) (time.Time, error) {
	request := &secretsmanager.DeleteSecretInput{SecretId: &id}
	if recoveryWindowDays == 0 {
		request.ForceDeleteWithoutRecovery = aws.Bool(true)
	} else {
		request.RecoveryWindowInDays = aws.Int64(int64(recoveryWindowDays))
	}
	var end *time.Time
	err := s.run(ctx, opDelete, id, func(ctx context.Context, conn *session) error {
		out, err := conn.secrets.DeleteSecret(ctx, request)
		if refused(err) && alreadyDone(ctx, conn, id, func(now *secretsmanager.DescribeSecretOutput) bool {
			end = now.DeletedDate
			return end != nil
		}) {
			return nil
		}
		if err != nil {
			return err
		}
		end = out.DeletionDate
		s.forgetWritten(&id, out.ARN, out.Name)
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	return at(end), nil
}

// Restore implements secretstore.Store.
func (s *Store) Restore(ctx context.Context, id string) error {
	return s.run(ctx, opRestore, id, func(ctx context.Context, conn *session) error {
		_, err := conn.secrets.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &id})
		return err
	})
}

// refused tells whether Secrets Manager answered and said no.
func refused(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer)
}

// checkWrite refuses what Secrets Manager would refuse or, worse, would not.
func checkWrite(op operation, id, token string, value secretstore.Plaintext) error {
	switch {
	case id == "":
		return invalid(op, id, "no name")
	case token == "":
		// The SDK would make one up, and a retry after a crash another.
		return invalid(op, id, "no token for the new version")
	case value.Len() > secretstore.MaxValueBytes:
		return &secretstore.Error{Op: op.name, ID: id, Kind: secretstore.ErrLimit, Err: fmt.Errorf(
			"the value has %d bytes, the limit is %d", value.Len(), secretstore.MaxValueBytes)}
	}
	return nil
}

func invalid(op operation, id, text string) error {
	return &secretstore.Error{Op: op.name, ID: id, Kind: secretstore.ErrInvalid, Err: errors.New(text)}
}

func encode(value secretstore.Plaintext) (text *string, binary []byte) {
	if value.Binary() {
		return nil, []byte(value.Reveal())
	}
	return aws.String(value.Reveal()), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func tagList(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

func replicaList(replicas []secretstore.ReplicaSpec) []types.ReplicaRegionType {
	var list []types.ReplicaRegionType
	for _, r := range replicas {
		list = append(list, types.ReplicaRegionType{Region: aws.String(r.Region), KmsKeyId: optional(r.KMSKeyID)})
	}
	return list
}
