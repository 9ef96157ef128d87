// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

type plaintext = secretstore.Plaintext

const (
	labelCurrent  = secretstore.Current
	labelPrevious = secretstore.Previous
	labelPending  = secretstore.Pending
)

func (rec *record) addVersion(id string, value plaintext, key *Key, keyGiven string, at time.Time) {
	v := &version{id: id, value: value, hasValue: true, created: at, key: key, keyGiven: keyGiven}
	if old := rec.versions[id]; old != nil {
		v.created = old.created // an AWSPENDING id that had no value yet
	}
	rec.versions[id] = v
}

// setCurrent moves AWSCURRENT. Service model, PutSecretValue: "Secrets Manager
// also automatically moves the staging label AWSPREVIOUS to the version that
// AWSCURRENT was removed from." Other labels, AWSPENDING too, stay where they
// are (recorded).
func (rec *record) setCurrent(id string) {
	old := rec.labels[labelCurrent]
	if old == id {
		return
	}
	rec.labels[labelCurrent] = id
	if old != "" {
		rec.labels[labelPrevious] = old
	}
}

// checkLabelCount: a secret has at most 20 labels.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
func (rec *record) checkLabelCount() error {
	if len(rec.labels) > secretstore.MaxLabels {
		return fail("LimitExceededException", "A secret can have at most %d staging labels.", secretstore.MaxLabels)
	}
	return nil
}

type getSecretValueInput struct {
	SecretID     string `json:"SecretId"`
	VersionID    string `json:"VersionId"`
	VersionStage string
}

type getSecretValueOutput struct {
	ARN           string
	Name          string
	VersionID     string   `json:"VersionId"`
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   epoch    // of the version, not of the secret (service model)
}

func (r *request) getSecretValue(in getSecretValueInput) (any, error) {
	rec, err := r.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := rec.live(); err != nil {
		return nil, err
	}
	v, err := rec.version(in.VersionID, in.VersionStage)
	if err != nil {
		return nil, err
	}
	if err := r.decryptable(v); err != nil {
		return nil, err
	}
	// Service model: LastAccessedDate has the resolution of a day.
	day := r.at.Truncate(24 * time.Hour)
	rec.accessed, v.accessed = day, day

	out := getSecretValueOutput{
		ARN: rec.arn, Name: rec.name, VersionID: v.id,
		VersionStages: rec.labelsOf(v.id), CreatedDate: epoch(v.created),
	}
	if text := v.value.Reveal(); v.value.Binary() {
		out.SecretBinary = []byte(text)
	} else {
		out.SecretString = &text
	}
	return out, nil
}

// version finds the version that a read means. Messages: recorded.
func (rec *record) version(id, label string) (*version, error) {
	if id == "" {
		if label == "" {
			label = labelCurrent // service model: the default
		}
		v := rec.versions[rec.labels[label]]
		// Service model, DescribeSecret: "Secrets Manager creates an AWSPENDING
		// version ID before creating the new secret version."
		if v == nil || !v.hasValue {
			return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", label)
		}
		return v, nil
	}
	v := rec.versions[id]
	if v == nil || !v.hasValue {
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	}
	if label != "" && rec.labels[label] != id {
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

type putSecretValueInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
	VersionStages      []string
}

type putSecretValueOutput struct {
	ARN           string
	Name          string
	VersionID     string `json:"VersionId"`
	VersionStages []string
}

func (r *request) putSecretValue(in putSecretValueInput) (any, error) {
	value, given, err := content(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return nil, err
	}
	if err := checkLabels(in.VersionStages); err != nil {
		return nil, err
	}
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	id := in.ClientRequestToken
	answer := func() putSecretValueOutput {
		return putSecretValueOutput{ARN: rec.arn, Name: rec.name, VersionID: id, VersionStages: rec.labelsOf(id)}
	}
	if v := rec.versions[id]; v != nil && v.hasValue {
		// Service model: "If you call this operation with a ClientRequestToken
		// that matches an existing version's VersionId, and you specify the same
		// secret data, the operation succeeds but does nothing. However, if the
		// secret data is different, then the operation fails."
		if err := r.decryptable(v); err != nil {
			return nil, err
		}
		if !sameContent(v.value, value) {
			return nil, tokenInUse(id, rec)
		}
		return answer(), nil
	}
	key, err := r.encryptionKey(rec.keyID)
	if err != nil {
		return nil, err
	}
	labels := in.VersionStages
	if len(labels) == 0 {
		labels = []string{labelCurrent} // service model: "automatically moves the staging label AWSCURRENT to this version"
	}
	if len(rec.versions) == 0 && !slices.Contains(labels, labelCurrent) {
		// Service model: "If this operation creates the first version for the
		// secret, then Secrets Manager automatically attaches the staging label
		// AWSCURRENT to it."
		labels = append([]string{labelCurrent}, labels...)
	}
	if slices.Contains(labels, labelCurrent) && slices.Contains(labels, labelPrevious) {
		return nil, unmodelled("PutSecretValue with AWSCURRENT and AWSPREVIOUS at once")
	}
	rec.addVersion(id, value, key, rec.keyID, r.at)
	for _, label := range labels {
		// Service model: a label "that's already associated with a different
		// version" is taken from it, without being asked.
		if label == labelCurrent {
			rec.setCurrent(id)
			rec.rotation.done(r.at)
		} else {
			rec.labels[label] = id
		}
	}
	if err := rec.checkLabelCount(); err != nil {
		return nil, err
	}
	r.commit(rec)
	return answer(), nil
}

type updateSecretVersionStageInput struct {
	SecretID            string `json:"SecretId"`
	VersionStage        string
	RemoveFromVersionID string `json:"RemoveFromVersionId"`
	MoveToVersionID     string `json:"MoveToVersionId"`
}

func (r *request) updateSecretVersionStage(in updateSecretVersionStageInput) (any, error) {
	if err := checkLabels([]string{in.VersionStage}); err != nil {
		return nil, err
	}
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := rec.moveLabel(in.VersionStage, in.RemoveFromVersionID, in.MoveToVersionID); err != nil {
		return nil, err
	}
	if in.VersionStage == labelCurrent {
		rec.rotation.done(r.at)
	}
	r.commit(rec)
	return nameOutput{ARN: rec.arn, Name: rec.name}, nil
}

// moveLabel moves a label from one version to another, or removes it.
func (rec *record) moveLabel(label, from, to string) error {
	holder := rec.labels[label]
	for _, id := range []string{from, to} {
		if id != "" && rec.versions[id] == nil {
			return invalidParameter("Not a valid version: %s", id) // code assumed
		}
	}
	switch {
	case from == "" && to == "":
		return invalidParameter("Either RemoveFromVersionId or MoveToVersionId is needed.")
	case to == "" && label == labelCurrent:
		// Source: https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/secretsmanager/secret_version.go
		return invalidParameter("You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.")
	case from == "" && holder != "" && holder != to:
		// Source: https://github.com/hashicorp/terraform-provider-aws/issues/19943
		return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", label, holder)
	case from != "" && from != holder:
		// Service model, RemoveFromVersionId: "If the label is attached and you
		// either do not specify this parameter, or the version ID does not match,
		// then the operation fails." Assumed to hold as well when the label is on
		// no version, and when a repeated request finds it moved already.
		return invalidParameter("Staging label %s is not attached to version %s.", label, from)
	}
	switch {
	case to == "":
		delete(rec.labels, label)
	case label == labelCurrent:
		if !rec.versions[to].hasValue {
			return invalidRequest("Version %s has no value yet.", to) // assumed
		}
		// Service model: "Whenever you move AWSCURRENT, Secrets Manager
		// automatically moves the label AWSPREVIOUS to the version that
		// AWSCURRENT was removed from."
		rec.setCurrent(to)
	default:
		rec.labels[label] = to
	}
	return rec.checkLabelCount()
}

type listSecretVersionIDsInput struct {
	SecretID          string `json:"SecretId"`
	IncludeDeprecated bool
	MaxResults        *int
	NextToken         string
}

type versionEntry struct {
	VersionID        string   `json:"VersionId"`
	VersionStages    []string `json:",omitempty"`
	LastAccessedDate *epoch   `json:",omitempty"`
	CreatedDate      *epoch   `json:",omitempty"`
	KmsKeyIDs        []string `json:"KmsKeyIds,omitempty"`
}

type listSecretVersionIDsOutput struct {
	Versions  []versionEntry
	NextToken string `json:",omitempty"`
	ARN       string
	Name      string
}

func (r *request) listSecretVersionIDs(in listSecretVersionIDsInput) (any, error) {
	rec, err := r.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	var entries []versionEntry
	for _, v := range rec.byAge() {
		labels := rec.labelsOf(v.id)
		if len(labels) == 0 && !in.IncludeDeprecated {
			continue // service model: "By default, versions without staging labels aren't included."
		}
		key := v.keyGiven
		if key == "" {
			key = "DefaultEncryptionKey" // recorded
		}
		entries = append(entries, versionEntry{
			VersionID: v.id, VersionStages: labels, LastAccessedDate: optionalEpoch(v.accessed),
			CreatedDate: optionalEpoch(v.created), KmsKeyIDs: []string{key},
		})
	}
	page, next, err := paginate(r.Server, entries, in.MaxResults, in.NextToken, "versions "+rec.arn)
	if err != nil {
		return nil, err
	}
	return listSecretVersionIDsOutput{Versions: page, NextToken: next, ARN: rec.arn, Name: rec.name}, nil
}

// byAge returns the versions, oldest first.
func (rec *record) byAge() []*version {
	versions := make([]*version, 0, len(rec.versions))
	for _, v := range rec.versions {
		versions = append(versions, v)
	}
	slices.SortFunc(versions, func(a, b *version) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return versions
}
