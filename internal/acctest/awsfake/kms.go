// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const defaultKeyAlias = "alias/aws/secretsmanager"

// Key is a KMS key. Empty fields mean, in this order: a random id, the Server's
// account and region, Enabled, ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, CUSTOMER,
// AWS_KMS, now.
type Key struct {
	ID           string
	Account      string
	Region       string
	State        string // KeyState: Enabled, Disabled, PendingDeletion, PendingImport, …
	Usage        string // KeyUsage: ENCRYPT_DECRYPT, SIGN_VERIFY, …
	Spec         string // KeySpec: SYMMETRIC_DEFAULT, RSA_2048, …
	Manager      string // KeyManager: CUSTOMER or AWS
	Origin       string // AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE
	Rotation     bool   // automatic rotation is on
	DeletionDate time.Time
	CreatedAt    time.Time
	Description  string
	Aliases      []string // each beginning with alias/
}

// AddKey adds a key and returns its id. Every region has an AWS-managed key with
// the alias alias/aws/secretsmanager from the start.
func (s *Server) AddKey(k Key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(orDefault(k.Account, s.account), orDefault(k.Region, s.region))
	if k.CreatedAt.IsZero() {
		k.CreatedAt = s.now()
	}
	return sp.addKey(k).ID
}

// ChangeKey edits a key, for instance its State.
func (s *Server) ChangeKey(id string, edit func(*Key)) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.spaces {
		if k := sp.keys[id]; k != nil {
			edit(k)
			return
		}
	}
	s.t.Fatalf("awsfake: there is no key %s", id)
}

func (sp *space) addKey(k Key) *Key {
	k.ID = orDefault(k.ID, uuid.NewString())
	k.Account, k.Region = sp.account, sp.region
	k.State = orDefault(k.State, "Enabled")
	k.Usage = orDefault(k.Usage, "ENCRYPT_DECRYPT")
	k.Spec = orDefault(k.Spec, "SYMMETRIC_DEFAULT")
	k.Manager = orDefault(k.Manager, "CUSTOMER")
	k.Origin = orDefault(k.Origin, "AWS_KMS")
	sp.keys[k.ID] = &k
	for _, alias := range k.Aliases {
		sp.aliases[alias] = k.ID
	}
	return &k
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (k *Key) arn() string {
	return "arn:aws:kms:" + k.Region + ":" + k.Account + ":key/" + k.ID
}

var uuidPattern = regexp.MustCompile("^(mrk-)?[0-9a-fA-F-]{32,36}$")

// findKey resolves a KeyId: key id, key ARN, alias name or alias ARN (service
// model of KMS, DescribeKey), and reports whether an alias was given. Messages
// as KMS gives them in https://github.com/boto/botocore/issues/2107 and
// https://github.com/cloudposse/docs/issues/152.
func (r *request) findKey(id string) (k *Key, byAlias bool, err error) {
	sp, resource := r.here, id
	if strings.HasPrefix(id, "arn:") {
		parts := strings.SplitN(id, ":", 6)
		if len(parts) != 6 || parts[2] != "kms" {
			return nil, false, fail("InvalidArnException", "Invalid arn %s", id)
		}
		if parts[3] != r.here.region {
			return nil, false, fail("NotFoundException", "Invalid arn %s", parts[3])
		}
		// Service model: "To specify a KMS key in a different Amazon Web Services
		// account, you must use the key ARN or alias ARN."
		sp, resource = r.space(parts[4], parts[3]), strings.TrimPrefix(parts[5], "key/")
	}
	if strings.HasPrefix(resource, "alias/") {
		if k := sp.keys[sp.aliases[resource]]; k != nil {
			return k, true, nil
		}
		return nil, true, fail("NotFoundException", "Alias %s is not found.", sp.arn("kms", resource))
	}
	if k := sp.keys[resource]; k != nil {
		return k, false, nil
	}
	if !uuidPattern.MatchString(resource) {
		return nil, false, fail("NotFoundException", "Invalid keyId '%s'", resource)
	}
	return nil, false, fail("NotFoundException", "Key '%s' does not exist", sp.arn("kms", "key/"+resource))
}

// encryptionKey returns the key that a secret's KmsKeyId means, if Secrets
// Manager can encrypt with it.
func (r *request) encryptionKey(id string) (*Key, error) {
	if id == "" {
		id = defaultKeyAlias // service model: "then Secrets Manager uses the key aws/secretsmanager"
	}
	k, _, err := r.findKey(id)
	if err != nil {
		// Source: https://github.com/hashicorp/terraform-provider-aws/pull/13303
		return nil, invalidParameter("The operation failed because of an invalid KMS key: %s", message(err))
	}
	if k.Manager == "AWS" {
		return k, nil
	}
	// Service model, CreateSecret: "To encrypt the secret with a KMS key other
	// than aws/secretsmanager, you need kms:GenerateDataKey and kms:Decrypt
	// permission to the key." Message: https://github.com/aws/aws-cdk/issues/7677.
	if !r.mayUse("kms:GenerateDataKey", k) || !r.mayUse("kms:Decrypt", k) {
		return nil, fail("AccessDeniedException", "Access to KMS is not allowed")
	}
	// "Secrets Manager supports only symmetric encryption KMS keys":
	// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
	if k.Spec != "SYMMETRIC_DEFAULT" || k.Usage != "ENCRYPT_DECRYPT" {
		return nil, invalidParameter("The operation failed because of an invalid KMS key: %s is not a symmetric encryption key", k.arn()) // wording assumed
	}
	if k.State != "Enabled" {
		// Service model, EncryptionFailure: "Check that the KMS key is
		// available, enabled, and not in an invalid state."
		return nil, fail("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key: %s is in the state %s.", k.arn(), k.State)
	}
	return k, nil
}

// decryptable fails unless Secrets Manager can decrypt a version.
func (r *request) decryptable(v *version) error {
	if v.key.Manager == "AWS" {
		return nil
	}
	// Service model, GetSecretValue: "you also need kms:Decrypt permissions for
	// that key".
	if !r.mayUse("kms:Decrypt", v.key) {
		return fail("AccessDeniedException", "Access to KMS is not allowed")
	}
	if v.key.State != "Enabled" {
		return fail("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key: %s is in the state %s.", v.key.arn(), v.key.State)
	}
	return nil
}

// changeKey sets the key of a secret and re-encrypts what is labelled
// AWSCURRENT, AWSPENDING or AWSPREVIOUS; other versions keep their key. Service
// model, UpdateSecret: "If you don't have kms:Encrypt permission to the new key,
// Secrets Manager does not re-encrypt existing secret versions with the new
// key".
func (r *request) changeKey(rec *record, id string) error {
	k, err := r.encryptionKey(id)
	if err != nil {
		return err
	}
	rec.keyID = id
	if k.Manager != "AWS" && !r.mayUse("kms:Encrypt", k) {
		return nil
	}
	for _, label := range []string{labelCurrent, labelPending, labelPrevious} {
		v := rec.versions[rec.labels[label]]
		if v == nil || !v.hasValue {
			continue
		}
		if err := r.decryptable(v); err != nil {
			return err
		}
		v.key, v.keyGiven = k, id
	}
	return nil
}

// shownKey is a secret's key as DescribeSecret tells it. Service model: "If the
// secret is encrypted with the Amazon Web Services managed key
// aws/secretsmanager, this field is omitted".
func (r *request) shownKey(id string) string {
	if id == "" {
		return ""
	}
	if k, _, err := r.findKey(id); err == nil && k.ID == r.here.aliases[defaultKeyAlias] {
		return ""
	}
	if r.aliasARNs && strings.HasPrefix(id, "alias/") {
		return r.here.arn("kms", id)
	}
	return id
}

type describeKeyInput struct {
	KeyID       string `json:"KeyId"`
	GrantTokens []string
}

type keyMetadata struct {
	AWSAccountID          string `json:"AWSAccountId"`
	KeyID                 string `json:"KeyId"`
	Arn                   string
	CreationDate          epoch
	Enabled               bool
	Description           string
	KeyUsage              string
	KeyState              string
	DeletionDate          *epoch `json:",omitempty"`
	Origin                string
	KeyManager            string
	CustomerMasterKeySpec string
	KeySpec               string
	EncryptionAlgorithms  []string `json:",omitempty"`
	MultiRegion           bool
}

type describeKeyOutput struct{ KeyMetadata keyMetadata }

func (r *request) describeKey(in describeKeyInput) (any, error) {
	k, _, err := r.findKey(in.KeyID)
	if err != nil {
		return nil, err
	}
	m := keyMetadata{
		AWSAccountID: k.Account, KeyID: k.ID, Arn: k.arn(), CreationDate: epoch(k.CreatedAt),
		Enabled:     k.State == "Enabled", // service model: "When KeyState is Enabled this value is true, otherwise it is false."
		Description: k.Description, KeyUsage: k.Usage, KeyState: k.State, DeletionDate: optionalEpoch(k.DeletionDate),
		Origin: k.Origin, KeyManager: k.Manager, CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec,
	}
	if k.Usage == "ENCRYPT_DECRYPT" && k.Spec == "SYMMETRIC_DEFAULT" {
		m.EncryptionAlgorithms = []string{"SYMMETRIC_DEFAULT"}
	}
	return describeKeyOutput{m}, nil
}

type getKeyRotationStatusInput struct {
	KeyID string `json:"KeyId"`
}

type getKeyRotationStatusOutput struct {
	KeyID                string `json:"KeyId"`
	KeyRotationEnabled   bool
	RotationPeriodInDays int `json:",omitempty"`
}

func (r *request) getKeyRotationStatus(in getKeyRotationStatusInput) (any, error) {
	k, byAlias, err := r.findKey(in.KeyID)
	if byAlias {
		// Service model: "Specify the key ID or key ARN of the KMS key."
		return nil, fail("NotFoundException", "Invalid keyId %s", in.KeyID)
	}
	if err != nil {
		return nil, err
	}
	// Service model: "Automatic key rotation is supported only on symmetric
	// encryption KMS keys"; not with imported material or in a custom key store.
	if k.Spec != "SYMMETRIC_DEFAULT" || k.Origin != "AWS_KMS" {
		return nil, fail("UnsupportedOperationException", "%s does not support automatic rotation", k.arn())
	}
	out := getKeyRotationStatusOutput{KeyID: k.ID}
	switch {
	case k.State == "PendingDeletion": // service model: "While a KMS key is pending deletion, its key rotation status is false"
	case k.Manager == "AWS", k.Rotation: // service model: AWS managed keys are "always true"
		out.KeyRotationEnabled, out.RotationPeriodInDays = true, 365
	}
	return out, nil
}

type listAliasesInput struct {
	KeyID  string `json:"KeyId"`
	Limit  *int
	Marker string
}

type aliasEntry struct {
	AliasArn    string
	AliasName   string
	TargetKeyID string `json:"TargetKeyId"`
}

type listAliasesOutput struct {
	Aliases    []aliasEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

func (r *request) listAliases(in listAliasesInput) (any, error) {
	var entries []aliasEntry
	for name, id := range r.here.aliases {
		if in.KeyID == "" || in.KeyID == id || in.KeyID == r.here.keys[id].arn() {
			entries = append(entries, aliasEntry{AliasArn: r.here.arn("kms", name), AliasName: name, TargetKeyID: id})
		}
	}
	slices.SortFunc(entries, func(a, b aliasEntry) int { return strings.Compare(a.AliasName, b.AliasName) })
	page, next, err := paginate(r.Server, entries, in.Limit, in.Marker, "aliases "+in.KeyID)
	if err != nil {
		return nil, err
	}
	return listAliasesOutput{Aliases: page, NextMarker: next, Truncated: next != ""}, nil
}
