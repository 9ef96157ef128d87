// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"strings"
	"time"
)

// nothing is the output of operations that have none.
type nothing struct{}

type nameOutput struct {
	ARN  string
	Name string
}

type createSecretInput struct {
	Name                        string
	ClientRequestToken          string
	Description                 string
	KmsKeyID                    string `json:"KmsKeyId"`
	SecretString                *string
	SecretBinary                []byte
	Tags                        []tag
	AddReplicaRegions           []replicaRegion
	ForceOverwriteReplicaSecret bool
}

type createSecretOutput struct {
	ARN               string
	Name              string
	VersionID         string              `json:"VersionId,omitempty"`
	ReplicationStatus []replicationStatus `json:",omitempty"`
}

func (r *request) createSecret(in createSecretInput) (any, error) {
	// Service model: "ASCII letters, numbers, and the following characters:
	// /_+=.@-", 1 to 512 characters. A name that ends in a hyphen and six
	// characters is allowed, but see find.
	if err := checkName("name", in.Name, 512); err != nil {
		return nil, err
	}
	if err := checkDescription(in.Description); err != nil {
		return nil, err
	}
	value, given, err := content(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return nil, err
	}
	// Service model: "If you include tags in the secret, you also need
	// secretsmanager:TagResource. To add replica Regions, you must also have
	// secretsmanager:ReplicateSecretToRegions."
	if len(in.Tags) > 0 {
		if err := r.authorize("secretsmanager:TagResource", in.Name); err != nil {
			return nil, err
		}
	}
	if len(in.AddReplicaRegions) > 0 {
		if err := r.authorize("secretsmanager:ReplicateSecretToRegions", in.Name); err != nil {
			return nil, err
		}
	}
	if old := r.here.secrets[in.Name]; old != nil {
		return r.createAgain(old, in, given, value)
	}
	key, err := r.encryptionKey(in.KmsKeyID)
	if err != nil {
		return nil, err
	}
	rec := &record{
		name:        in.Name,
		arn:         r.here.arn(secretsManager, "secret:"+in.Name+"-"+suffix()),
		description: in.Description,
		keyID:       in.KmsKeyID,
		versions:    map[string]*version{},
		labels:      map[string]string{},
		created:     r.at,
	}
	if err := rec.setTags(in.Tags); err != nil {
		return nil, err
	}
	out := createSecretOutput{ARN: rec.arn, Name: rec.name}
	if given {
		// Service model: "creates an initial secret version and automatically
		// attaches the staging label AWSCURRENT to it".
		rec.addVersion(in.ClientRequestToken, value, key, in.KmsKeyID, r.at)
		rec.labels[labelCurrent] = in.ClientRequestToken
		out.VersionID = in.ClientRequestToken
	}
	if err := r.addReplicas(rec, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret); err != nil {
		return nil, err
	}
	r.commit(rec)
	out.ReplicationStatus = rec.replicationStatus()
	return out, nil
}

// createAgain answers a CreateSecret for a name that is taken.
func (r *request) createAgain(old *record, in createSecretInput, given bool, value plaintext) (any, error) {
	if !old.deleted.IsZero() {
		// Recorded.
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	// Service model, ClientRequestToken: "If a version with this value already
	// exists and the version SecretString and SecretBinary values are the same
	// as those in the request, then the request is ignored", and else fails.
	if v := old.versions[in.ClientRequestToken]; given && v != nil && v.hasValue {
		if err := r.decryptable(v); err != nil {
			return nil, err
		}
		if !sameContent(v.value, value) {
			return nil, tokenInUse(in.ClientRequestToken, old)
		}
		return createSecretOutput{ARN: old.arn, Name: old.name, VersionID: v.id, ReplicationStatus: old.replicationStatus()}, nil
	}
	return nil, fail("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name) // recorded
}

func tokenInUse(token string, rec *record) *apiError {
	return fail("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, rec.arn)
}

type describeSecretInput struct {
	SecretID string `json:"SecretId"`
}

type describeSecretOutput struct {
	ARN                string
	Name               string
	Description        string              `json:",omitempty"`
	KmsKeyID           string              `json:"KmsKeyId,omitempty"`
	RotationEnabled    *bool               `json:",omitempty"`
	RotationLambdaARN  string              `json:",omitempty"`
	RotationRules      *rotationRules      `json:",omitempty"`
	LastRotatedDate    *epoch              `json:",omitempty"`
	NextRotationDate   *epoch              `json:",omitempty"`
	LastChangedDate    *epoch              `json:",omitempty"`
	LastAccessedDate   *epoch              `json:",omitempty"`
	DeletedDate        *epoch              `json:",omitempty"`
	Tags               *[]tag              `json:",omitempty"`
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages,omitempty"`
	OwningService      string              `json:",omitempty"`
	CreatedDate        *epoch              `json:",omitempty"`
	PrimaryRegion      string              `json:",omitempty"`
	ReplicationStatus  []replicationStatus `json:",omitempty"`
}

func (r *request) describeSecret(in describeSecretInput) (any, error) {
	rec, err := r.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	return r.description(rec), nil
}

// description is what DescribeSecret tells. VersionIdsToStages lists "the
// versions of the secret that have staging labels attached" and no dates of
// versions (service model). DeletedDate is "the date the secret is scheduled for
// deletion ... Some time after the deleted date, Secrets Manager deletes the
// secret": the end of the recovery window.
func (r *request) description(rec *record) describeSecretOutput {
	out := describeSecretOutput{
		ARN:                rec.arn,
		Name:               rec.name,
		Description:        rec.description,
		KmsKeyID:           r.shownKey(rec.keyID),
		LastChangedDate:    optionalEpoch(rec.changed),
		LastAccessedDate:   optionalEpoch(rec.accessed),
		DeletedDate:        optionalEpoch(rec.purge),
		VersionIDsToStages: rec.stages(),
		OwningService:      rec.owningService,
		CreatedDate:        optionalEpoch(rec.created),
		PrimaryRegion:      rec.primaryRegion,
		ReplicationStatus:  rec.replicationStatus(),
	}
	if rec.tags != nil {
		out.Tags = &rec.tags // recorded: absent until a first tag is set, then [] when none is left
	}
	rec.rotation.describe(&out)
	return out
}

type updateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	Description        *string
	KmsKeyID           *string `json:"KmsKeyId"`
	SecretString       *string
	SecretBinary       []byte
}

type updateSecretOutput struct {
	ARN       string
	Name      string
	VersionID string `json:"VersionId,omitempty"`
}

func (r *request) updateSecret(in updateSecretInput) (any, error) {
	value, given, err := content(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return nil, err
	}
	if old, err := r.find(in.SecretID); err == nil && old.isReplica(r.here.region) && in.KmsKeyID != nil && in.Description == nil && !given {
		return r.updateReplicaKey(old, *in.KmsKeyID)
	}
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		if err := checkDescription(*in.Description); err != nil {
			return nil, err
		}
		rec.description = *in.Description
	}
	if in.KmsKeyID != nil {
		if err := r.changeKey(rec, *in.KmsKeyID); err != nil {
			return nil, err
		}
	}
	out := updateSecretOutput{ARN: rec.arn, Name: rec.name}
	if given {
		// Service model: "If you call this operation with a ClientRequestToken
		// that matches an existing version's VersionId, the operation results in
		// an error."
		if rec.versions[in.ClientRequestToken] != nil {
			return nil, tokenInUse(in.ClientRequestToken, rec)
		}
		key, err := r.encryptionKey(rec.keyID)
		if err != nil {
			return nil, err
		}
		rec.addVersion(in.ClientRequestToken, value, key, rec.keyID, r.at)
		rec.setCurrent(in.ClientRequestToken)
		rec.rotation.done(r.at)
		if err := rec.checkLabelCount(); err != nil {
			return nil, err
		}
		out.VersionID = in.ClientRequestToken
	}
	r.commit(rec)
	return out, nil
}

type deleteSecretInput struct {
	SecretID                   string `json:"SecretId"`
	RecoveryWindowInDays       *int64
	ForceDeleteWithoutRecovery *bool
}

type deleteSecretOutput struct {
	ARN          string
	Name         string
	DeletionDate epoch
}

func (r *request) deleteSecret(in deleteSecretInput) (any, error) {
	force := in.ForceDeleteWithoutRecovery != nil && *in.ForceDeleteWithoutRecovery
	days := int64(30) // service model: "by default Secrets Manager uses a 30 day recovery window"
	if in.RecoveryWindowInDays != nil {
		if force {
			// Service model: "You can't use both this parameter and
			// RecoveryWindowInDays in the same call."
			return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		days = *in.RecoveryWindowInDays
		if days < 7 || days > 30 {
			return nil, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	rec, err := r.find(in.SecretID)
	if err != nil {
		if force && isNotFound(err) {
			// Service model: "If you forcibly delete an already deleted or
			// nonexistent secret, the operation does not return
			// ResourceNotFoundException."
			return deleteSecretOutput{
				ARN:  r.here.arn(secretsManager, "secret:"+in.SecretID+"-"+suffix()),
				Name: in.SecretID, DeletionDate: epoch(r.at),
			}, nil
		}
		return nil, err
	}
	if err := rec.deletable(r.here.region); err != nil {
		return nil, err
	}
	if !force {
		// Assumed: a second deletion does not begin a new window.
		if err := rec.live(); err != nil {
			return nil, err
		}
	}
	rec = rec.clone()
	rec.deleted = r.at
	rec.purge = r.at.AddDate(0, 0, int(days))
	if force {
		rec.purge = r.at.Add(r.forceDelay) // recorded: also from within the recovery window
	}
	r.commit(rec)
	r.purgeAt(rec.purge)
	r.settle()
	return deleteSecretOutput{ARN: rec.arn, Name: rec.name, DeletionDate: epoch(rec.purge)}, nil
}

// RestoreSecret of a secret that is not deleted succeeds (assumed).
func (r *request) restoreSecret(in describeSecretInput) (any, error) {
	rec, err := r.find(in.SecretID)
	if err != nil {
		return nil, err
	}
	rec = rec.clone()
	rec.deleted, rec.purge = time.Time{}, time.Time{}
	r.commit(rec)
	return nameOutput{ARN: rec.arn, Name: rec.name}, nil
}

type tagResourceInput struct {
	SecretID string `json:"SecretId"`
	Tags     []tag
}

func (r *request) tagResource(in tagResourceInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, invalidParameter("Tags must not be empty.") // service model: "This member is required."
	}
	if err := rec.setTags(in.Tags); err != nil {
		return nil, err
	}
	r.commit(rec)
	return nothing{}, nil
}

type untagResourceInput struct {
	SecretID string `json:"SecretId"`
	TagKeys  []string
}

// UntagResource: "If a requested tag is not attached to the secret, no error is
// returned and the secret metadata is unchanged" (service model).
func (r *request) untagResource(in untagResourceInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, invalidParameter("TagKeys must not be empty.") // service model: "This member is required."
	}
	for _, key := range in.TagKeys {
		// "You can't edit or delete tag names or values with this prefix."
		// https://docs.aws.amazon.com/secretsmanager/latest/userguide/managing-secrets_tagging.html
		if strings.HasPrefix(key, "aws:") {
			return nil, invalidParameter("aws: prefixed tag key names are not allowed for external use.")
		}
	}
	if rec.unsetTags(in.TagKeys) {
		r.commit(rec)
	}
	return nothing{}, nil
}
