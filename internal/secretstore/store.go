// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package secretstore says what a store of versioned secrets is. The meaning of
// every operation is that of AWS Secrets Manager; storetest holds the tests that
// each implementation must pass.
package secretstore

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Staging labels with a meaning of their own in Secrets Manager.
const (
	Current  = "AWSCURRENT"
	Previous = "AWSPREVIOUS"
	Pending  = "AWSPENDING"
)

// DefaultKey is the key of the account that encrypts secrets without one of
// their own. It is for Update only; everywhere else that key is "".
const DefaultKey = "alias/aws/secretsmanager"

// Limits of AWS Secrets Manager, which every store keeps.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const (
	MaxValueBytes     = 65536
	MaxNameLength     = 512
	MaxTags           = 50
	MaxTagKeyLength   = 128
	MaxTagValueLength = 256
	MaxLabels         = 20
)

// A Store keeps named secrets. A secret has versions, a version has staging
// labels, and a label sits on at most one version. The id of a secret, where
// one is asked for, is its name or its ARN.
//
// Implementations are safe for concurrent use. Every error that a caller may act
// on is an *Error. No error holds a secret value.
type Store interface {
	// Scope tells where the store is.
	Scope(ctx context.Context) (Scope, error)

	// Create makes a secret and its first version, labelled Current, whose id
	// is input.Token. The same token with the same content succeeds again
	// without a change; another content, or a live secret of the same name, is
	// ErrExists; a name in its recovery window is ErrScheduledForDeletion.
	Create(ctx context.Context, input CreateInput) (Created, error)

	// Describe returns what is known of a secret without its value. A secret in
	// its recovery window is returned with DeletedAt set.
	Describe(ctx context.Context, id string) (Secret, error)

	// Versions lists all versions of a secret, those without labels too where
	// the store still has them.
	Versions(ctx context.Context, id string) ([]Version, error)

	// Value reads one version. In the recovery window it is
	// ErrScheduledForDeletion.
	Value(ctx context.Context, id string, at VersionRef) (Value, error)

	// Put adds a version with the id input.Token and puts input.Labels on it,
	// taking each from the version that has it. The same token with the same
	// content succeeds again without a change; another content is ErrExists.
	// Labels must be given: a store never moves Current by default.
	Put(ctx context.Context, input PutInput) error

	// MoveLabel takes a label from one version (from, "" when no version has
	// it) and puts it on another (to, "" to remove it). If from is not the
	// version that has the label nothing changes and the error is ErrConflict.
	// Current can be moved but not removed. Moving Current puts Previous on the
	// version it left.
	MoveLabel(ctx context.Context, id, label, from, to string) error

	// Update changes description and encryption key; nil leaves them alone.
	Update(ctx context.Context, id string, input UpdateInput) error

	// Tag sets tags; others stay. Untag removes tags by key.
	Tag(ctx context.Context, id string, tags map[string]string) error
	Untag(ctx context.Context, id string, keys []string) error

	// Replicate adds replicas; RemoveReplicas deletes them by region.
	Replicate(ctx context.Context, id string, replicas []ReplicaSpec, forceOverwrite bool) error
	RemoveReplicas(ctx context.Context, id string, regions []string) error

	// Delete schedules deletion after a recovery window of 7 to 30 days, or
	// with 0 deletes at once. It returns the end of that window. Restore takes a
	// scheduled deletion back.
	Delete(ctx context.Context, id string, recoveryWindowDays int) (time.Time, error)
	Restore(ctx context.Context, id string) error
}

// A KeyDescriber is a Store that can describe the keys it encrypts with.
type KeyDescriber interface {
	// DescribeKey returns what is known of a key, given as id, ARN, alias name
	// or alias ARN. region "" is the store's own. The answer is kept: one
	// request per key and process.
	DescribeKey(ctx context.Context, id, region string) (Key, error)
}

// Scope is where a store is: the first parts of the ARNs of its secrets. Account
// is empty when it could not or should not be asked for.
type Scope struct {
	Partition string
	Account   string
	Region    string
}

// CreateInput is what Create stores. Token is a UUID and becomes the id of the
// first version.
type CreateInput struct {
	Name                  string
	Token                 string
	Value                 Plaintext
	Description           string
	KMSKeyID              string
	Tags                  map[string]string
	Replicas              []ReplicaSpec
	ForceOverwriteReplica bool
}

// Created is the answer to Create. CreatedAt is the store's time, not this
// machine's.
type Created struct {
	ARN       string
	VersionID string
	CreatedAt time.Time
}

// PutInput is what Put stores.
type PutInput struct {
	ID     string
	Token  string
	Value  Plaintext
	Labels []string
}

// UpdateInput is what Update changes; nil leaves a field as it is.
type UpdateInput struct {
	Description *string
	KMSKeyID    *string
}

// VersionRef names a version by id or by label. Both empty means Current.
type VersionRef struct {
	ID    string
	Label string
}

// Value is one version's content.
type Value struct {
	Plaintext Plaintext
	VersionID string
	Labels    []string
	CreatedAt time.Time
}

// Version is what is known of one version without its content.
type Version struct {
	ID        string
	Labels    []string
	CreatedAt time.Time
}

// Secret is what Describe returns. KMSKeyID is empty for the account's default
// key. Labels holds the labelled versions only: version id to its labels, sorted.
type Secret struct {
	ARN             string
	Name            string
	Description     string
	KMSKeyID        string
	Tags            map[string]string
	Labels          map[string][]string
	CreatedAt       time.Time
	DeletedAt       time.Time // end of the recovery window; zero unless deletion is scheduled
	RotationEnabled bool      // AWS-managed rotation
	RotationLambda  string
	OwningService   string // the AWS service that manages the secret, if any
	PrimaryRegion   string // set on replicas and on secrets with replicas
	Replicas        []Replica
}

// VersionWith returns the id of the version that has a label, or "".
func (s Secret) VersionWith(label string) string {
	for id, labels := range s.Labels {
		if slices.Contains(labels, label) {
			return id
		}
	}
	return ""
}

// FirstVersion is the id of the version that roi_secret makes a secret with. It is as
// old as the secret. "" if the ARN is not one.
func (s Secret) FirstVersion() string {
	parts := strings.SplitN(s.ARN, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return FirstVersion(Scope{Account: parts[4], Region: parts[3]}, s.Name)
}

// FirstVersion is the id of the version that roi_secret makes a secret of that name
// with. It is also the token of the create, by which a repeated one is recognised.
func FirstVersion(scope Scope, name string) string {
	return DeriveVersionID("create", scope.Account, scope.Region, name)
}

// ReplicaSpec asks for a copy of a secret in another region. KMSKeyID "" is that
// region's default key.
type ReplicaSpec struct {
	Region   string
	KMSKeyID string
}

// Replica is a copy of a secret in another region. Status is InSync, InProgress
// or Failed.
type Replica struct {
	Region   string
	KMSKeyID string
	Status   string
	Message  string
}

// Replication states.
const (
	ReplicaInSync     = "InSync"
	ReplicaInProgress = "InProgress"
	ReplicaFailed     = "Failed"
)

// Key is what is known of an encryption key, in the words of KMS. Rotation is
// nil when it could not be told (no permission, or the kind of key has none).
type Key struct {
	ID           string
	ARN          string
	State        string // Enabled, Disabled, PendingDeletion, …
	Usage        string // ENCRYPT_DECRYPT, …
	Spec         string // SYMMETRIC_DEFAULT, …
	Manager      string // CUSTOMER or AWS
	Origin       string // AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE
	DeletionDate time.Time
	Rotation     *bool
}
