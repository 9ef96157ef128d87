// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// checkKeys checks the KMS keys of the secret and of its replicas at plan time.
// What depends on something unknown is left to the apply, where AWS refuses it.
func (r *secretResource) checkKeys(ctx context.Context, config secretModel, state *secretModel, diags *diag.Diagnostics) {
	kind, err := r.data.StoreKind()
	if err != nil || kind != storeAWS {
		return // the embedded store records keys and uses none
	}
	rules, err := r.data.KMSRules()
	if err != nil {
		return
	}
	before := types.StringNull()
	if state != nil {
		before = state.KMSKeyID
	}
	r.checkKey(ctx, path.Root("kms_key_id"), config.KMSKeyID, "", rules, state != nil && before.Equal(config.KMSKeyID), diags)
	var replicas []replicaModel
	if config.Replicas.IsUnknown() || config.Replicas.ElementsAs(ctx, &replicas, false).HasError() {
		return
	}
	unchanged := state != nil && state.Replicas.Equal(config.Replicas)
	for _, replica := range replicas {
		if !replica.Region.IsUnknown() {
			r.checkKey(ctx, path.Root("replicas"), replica.KMSKeyID, replica.Region.ValueString(), rules, unchanged, diags)
		}
	}
}

// checkKey reports a key that cannot or should not encrypt the secret. A key that
// is in use already and went bad is a warning, so that everything else can still
// be applied.
func (r *secretResource) checkKey(ctx context.Context, at path.Path, id types.String, region string, rules kmsRules, unchanged bool, diags *diag.Diagnostics) {
	if id.IsUnknown() {
		return
	}
	report := diags.AddAttributeError
	if unchanged {
		report = diags.AddAttributeWarning
	}
	where := ""
	if region != "" {
		where = " in " + region
	}
	const own = "Use a customer-managed key (kms_key_id = \"alias/…\"), or set in the provider: kms = { require_customer_managed_key = false }"
	name := id.ValueString()
	if name == "" || name == secretstore.DefaultKey {
		if rules.RequireCustomerManaged {
			report(at, "KMS key is not customer-managed", fmt.Sprintf(
				"Without a key of its own the secret%s would be encrypted with the account's default key %s, which is managed by AWS. %s", where, secretstore.DefaultKey, own))
		}
		return
	}
	key, err := r.describeKey(ctx, name, region)
	switch {
	case errors.As(err, new(*unknownArgumentError)):
		return // the plan that Terraform makes again in apply checks it
	case errors.Is(err, secretstore.ErrAccessDenied):
		diags.AddAttributeWarning(at, "KMS key could not be checked", fmt.Sprintf(
			"The credentials may not describe the key %q%s. The plan goes on; the apply fails if the key cannot be used. To have it checked, allow kms:DescribeKey.\n\n%s", name, where, err))
		return
	case errors.Is(err, secretstore.ErrNotFound):
		report(at, "KMS key does not exist", fmt.Sprintf(
			"There is no key %q%s. Nothing was changed. Check the id, the region and the account:\n\n  aws kms describe-key --key-id %s\n\n%s", name, where, name, err))
		return
	case err != nil:
		diags.Append(diag.WithPath(at, explain(fmt.Sprintf("Cannot check the KMS key %q%s", name, where), name, err)))
		return
	}
	for _, problem := range keyProblems(key, rules) {
		report(at, problem.summary, fmt.Sprintf("The key %s%s %s", key.ARN, where, problem.detail))
	}
	if key.Rotation != nil && !*key.Rotation && !rules.RequireRotation {
		diags.AddAttributeWarning(at, "KMS key is not rotated", fmt.Sprintf(
			"Automatic rotation of the key %s is off. Turn it on:\n\n  aws kms enable-key-rotation --key-id %s", key.ARN, key.ID))
	}
}

func (r *secretResource) describeKey(ctx context.Context, id, region string) (secretstore.Key, error) {
	store, err := r.data.Store(ctx)
	if err != nil {
		return secretstore.Key{}, err
	}
	keys, ok := store.(secretstore.KeyDescriber)
	if !ok {
		return secretstore.Key{}, fmt.Errorf("%T cannot describe keys", store)
	}
	return keys.DescribeKey(ctx, id, region)
}

type keyProblem struct{ summary, detail string }

// keyProblems says why a key cannot encrypt secrets or breaks the rules.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
func keyProblems(key secretstore.Key, rules kmsRules) []keyProblem {
	var problems []keyProblem
	add := func(summary, detail string) { problems = append(problems, keyProblem{summary, detail}) }
	switch {
	case key.State == "PendingDeletion" || key.State == "PendingReplicaDeletion":
		add("KMS key is pending deletion", fmt.Sprintf("is scheduled for deletion on %s. Whatever it encrypts is lost then. Use another key, or cancel:\n\n"+
			"  aws kms cancel-key-deletion --key-id %s\n  aws kms enable-key --key-id %s", key.DeletionDate.Format("2006-01-02"), key.ID, key.ID))
	case key.State == "Disabled":
		add("KMS key is disabled", fmt.Sprintf("is disabled: secrets can neither be written nor read with it. Enable it:\n\n  aws kms enable-key --key-id %s", key.ID))
	case key.State != "Enabled":
		add("KMS key is not enabled", fmt.Sprintf("has the state %s. Only a key in state Enabled can encrypt secrets.", key.State))
	}
	if key.Usage != "ENCRYPT_DECRYPT" || key.Spec != "SYMMETRIC_DEFAULT" {
		add("KMS key is not symmetric", fmt.Sprintf("has usage %s and spec %s. Secrets Manager needs ENCRYPT_DECRYPT and SYMMETRIC_DEFAULT.", key.Usage, key.Spec))
	}
	if rules.RequireCustomerManaged && key.Manager == "AWS" {
		add("KMS key is not customer-managed", "is managed by AWS. Use a customer-managed key, or set in the provider: kms = { require_customer_managed_key = false }")
	}
	if rules.RequireRotation && (key.Rotation == nil || !*key.Rotation) {
		state := "has automatic rotation off"
		if key.Rotation == nil {
			state = "could not be asked whether it is rotated (kms:GetKeyRotationStatus, or a kind of key without rotation)"
		}
		add("KMS key is not rotated", fmt.Sprintf("%s, and the provider sets kms = { require_key_rotation = true }. Turn it on:\n\n  aws kms enable-key-rotation --key-id %s", state, key.ID))
	}
	if rules.RequireHSM && key.Origin != "AWS_CLOUDHSM" && key.Origin != "EXTERNAL_KEY_STORE" {
		add("KMS key is not in an HSM of your own", fmt.Sprintf("has the origin %s, and the provider sets kms = { require_hsm = true }. Use a key from a CloudHSM or external key store.", key.Origin))
	}
	return problems
}

// sameKey reports whether two names of a key mean the same one, for a secret or
// for its replica in another region. A store may answer with an ARN or an id where
// an alias was given; only then is the key asked for, and where that is not
// permitted the answer is what the caller has to go by.
func sameKey(ctx context.Context, store secretstore.Store, secret, region, a, b string, ifNotPermitted bool) bool {
	a, b = keyARN(secret, region, a), keyARN(secret, region, b)
	if a == b {
		return true
	}
	keys, ok := store.(secretstore.KeyDescriber)
	if !ok || a == "" || b == "" || isAlias(a) == isAlias(b) {
		return false
	}
	if isAlias(b) {
		a, b = b, a
	}
	key, err := keys.DescribeKey(ctx, a, region)
	if errors.Is(err, secretstore.ErrAccessDenied) {
		return ifNotPermitted
	}
	return err == nil && key.ARN == b
}

// keyARN completes the name of a key to an ARN, in the account and region of a
// secret unless it names its own. The default key is "".
func keyARN(secret, region, id string) string {
	if id == "" || strings.HasSuffix(id, ":"+secretstore.DefaultKey) || id == secretstore.DefaultKey {
		return ""
	}
	home, err := arn.Parse(secret)
	if err != nil || strings.HasPrefix(id, "arn:") {
		return id
	}
	home.Service, home.Resource = "kms", id
	if region != "" {
		home.Region = region
	}
	if !strings.HasPrefix(id, "alias/") {
		home.Resource = "key/" + id
	}
	return home.String()
}

func isAlias(arn string) bool { return strings.Contains(arn, ":alias/") }
