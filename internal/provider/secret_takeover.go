// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// recreateTag marks a secret that was restored to be given a new value, until it
// has it. Without the mark a run that broke off in between could not be told
// from a secret of someone else.
const recreateTag = reservedTagPrefix + "recreate"

// create makes the secret, or takes over what is there under its name where that
// is safe or asked for. After an error nothing is in state: a tainted secret
// would be deleted by the next apply.
func (r *secretResource) create(ctx context.Context, store secretstore.Store, plan secretModel, want wanted, diags *diag.Diagnostics) (secretstore.Secret, bool) {
	name := plan.Name.ValueString()
	input, err := r.createInput(ctx, store, plan, want)
	if err != nil {
		diags.Append(r.data.diagnose("create", name, err))
		return secretstore.Secret{}, false
	}
	created, err := store.Create(ctx, input)
	if errors.Is(err, secretstore.ErrExists) || errors.Is(err, secretstore.ErrScheduledForDeletion) {
		return r.takeOver(ctx, store, input.Token, plan, want, diags)
	}
	if err != nil {
		problem := r.data.diagnose("create", name, err)
		if errors.Is(err, secretstore.ErrKey) {
			problem = diag.WithPath(path.Root("kms_key_id"), problem)
		}
		diags.Append(problem)
		return secretstore.Secret{}, false
	}
	r.data.secrets.take(created.ARN, false)
	secret := secretstore.Secret{ARN: created.ARN, Name: name, CreatedAt: created.CreatedAt}
	// A create that only repeats an earlier one succeeds too, unless it has made a
	// value: then the secret is new.
	if len(input.Replicas) == 0 && want.generates() {
		secret.Description, secret.KMSKeyID, secret.Tags = input.Description, input.KMSKeyID, input.Tags
		secret.Labels = map[string][]string{created.VersionID: {secretstore.Current}}
		noteMade(store, secret)
	}
	if len(input.Replicas) > 0 {
		if err := awaitReplicas(ctx, store, secret.ARN, diags); err != nil {
			diags.AddAttributeWarning(path.Root("replicas"), "Replication could not be watched",
				"The secret "+secret.ARN+" was created, but whether its replicas are in sync is not known. The next plan shows it.\n\n"+err.Error())
		}
	}
	return secret, true
}

func (r *secretResource) createInput(ctx context.Context, store secretstore.Store, plan secretModel, want wanted) (secretstore.CreateInput, error) {
	scope, err := store.Scope(ctx)
	if err != nil {
		return secretstore.CreateInput{}, err
	}
	name := plan.Name.ValueString()
	value, err := want.value(name, nil, want.valueKeys(), nil)
	if err != nil {
		return secretstore.CreateInput{}, err
	}
	tags, err := policy.EncodeRecords(want.records(r.data.Clock().Now()))
	if err != nil {
		return secretstore.CreateInput{}, err
	}
	maps.Copy(tags, want.tags)
	return secretstore.CreateInput{
		Name:                  name,
		Token:                 secretstore.FirstVersion(scope, name),
		Value:                 value,
		Description:           plan.Description.ValueString(),
		KMSKeyID:              plan.KMSKeyID.ValueString(),
		Tags:                  tags,
		Replicas:              replicaSpecs(ctx, plan.Replicas),
		ForceOverwriteReplica: plan.ForceOverwriteReplicaSecret.ValueBool(),
	}, nil
}

// takeOver decides what to do with the secret that already has the name.
func (r *secretResource) takeOver(ctx context.Context, store secretstore.Store, token string, plan secretModel, want wanted, diags *diag.Diagnostics) (secretstore.Secret, bool) {
	name := plan.Name.ValueString()
	secret, err := store.Describe(ctx, name)
	if err != nil {
		diags.Append(r.data.diagnose("create", name, err))
		return secret, false
	}
	live := secret.DeletedAt.IsZero()
	base, restarted := recreateBase(secret, token)
	var change valueChange
	switch {
	case r.data.secrets.taken(secret.ARN):
		diags.AddAttributeError(path.Root("name"), "Two resources have one name", fmt.Sprintf(
			"Another roi_secret of this configuration was created with the name %q in this run. Remove one of them, or give it another name.", name))
		return secret, false
	case live && r.data.secrets.replaced(name, secret.ARN):
		diags.AddError("Secret cannot be replaced with create_before_destroy",
			"The secret "+secret.ARN+" is to be replaced under the same name, and create_before_destroy, its own or inherited from a resource that depends on it, "+
				"asks for the new one first. Two secrets cannot have one name. Nothing was changed.\n\n"+
				"Change the name as well, or take create_before_destroy away. To change only the value, use a rotation instead of -replace.")
		return secret, false
	case live && restarted:
		change = recreate(want, base)
		if current := secret.VersionWith(secretstore.Current); current != base && !change.made(secret.ARN, current, base) {
			base = current // made by a try for other keys or policies
			change = recreate(want, base)
		}
	case !live && r.data.secrets.wasDeleted(name, secret.ARN):
		base = secret.VersionWith(secretstore.Current)
		change = recreate(want, base)
	case live && finishedCreate(secret, token, plan, want):
		change = valueChange{adopting: true, overwrite: true}
		diags.AddWarning("Secret was created by an earlier run", "The secret "+secret.ARN+" exists and bears the marks of a create by this configuration that was never saved in state. "+
			"It was taken over with its generated values.\n\nIf another configuration manages a secret of this name, remove it from one of them.")
	case plan.AdoptExisting.ValueBool():
		change = valueChange{adopting: true}
		if !r.mayAdopt(secret, want, diags) {
			return secret, false
		}
	default:
		addExists(secret, diags)
		return secret, false
	}
	r.data.secrets.take(secret.ARN, true)
	if !live {
		err = store.Restore(ctx, secret.ARN)
	}
	if mark := token + " " + base; err == nil && change.fresh && secret.Tags[recreateTag] != mark {
		err = store.Tag(ctx, secret.ARN, map[string]string{recreateTag: mark})
	}
	if err == nil {
		err = r.converge(ctx, store, secret.ARN, nil, plan, want, change, diags)
	}
	if err != nil {
		diags.Append(r.data.diagnose("take over", secret.ARN, err))
	}
	return secret, !diags.HasError()
}

// recreateBase returns the version that a secret was restored with to be given a
// new value, and whether that is still to be finished.
func recreateBase(secret secretstore.Secret, token string) (base string, restarted bool) {
	mark, base, _ := strings.Cut(secret.Tags[recreateTag], " ")
	current := secret.VersionWith(secretstore.Current)
	return base, mark == token && (current == base || secret.VersionWith(secretstore.Previous) == base && secretstore.IsDerived(current))
}

// mayAdopt checks that a secret can be adopted with the value that it has.
func (r *secretResource) mayAdopt(secret secretstore.Secret, want wanted, diags *diag.Diagnostics) bool {
	if secret.OwningService != "" {
		err := &secretstore.ForeignRotationError{ARN: secret.ARN, By: "managed by the AWS service " + secret.OwningService}
		diags.Append(r.data.diagnose("adopt", secret.ARN, err))
		return false
	}
	records, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		records = nil // foreign or damaged: as if there were none
	}
	if keys := want.forbidden(recordedPolicies(records)); len(keys) > 0 {
		which := ""
		if want.json {
			which = " of " + strings.Join(keys, ", ")
		}
		diags.AddAttributeError(path.Root("adopt_existing"), "Secret breaks the policy", fmt.Sprintf(
			"The policy that is recorded for the value%s in the secret %s allows values that the configured one forbids, and adopt_existing keeps values as they are. Nothing was changed.\n\n"+
				"Import the secret instead, and the plan makes a new value, or configure the recorded policy first:\n\n  import {\n    to = roi_secret.example\n    id = %q\n  }",
			which, secret.ARN, secret.ARN))
		return false
	}
	if len(want.supplied) > 0 {
		warnKept(diags)
	}
	return true
}

// finishedCreate recognises a secret that a create of this very configuration
// made and could not save: the first version has the token derived from its name
// and is still current, but for a change that finished it, and description, key
// and tags are those of the configuration.
func finishedCreate(secret secretstore.Secret, token string, plan secretModel, want wanted) bool {
	current := secret.VersionWith(secretstore.Current)
	finished := secretstore.DeriveVersionID(secret.ARN, token, finishCreate)
	if current != token && current != finished || secret.Description != plan.Description.ValueString() {
		return false
	}
	records, err := policy.DecodeRecords(secret.Tags)
	if err != nil || !maps.Equal(recordedPolicies(records), want.policies) {
		return false
	}
	_, present := ownTags(types.MapNull(types.StringType), nil, secret.Tags)
	return maps.Equal(stringMap(present), want.tags)
}

// finishCreate names the change that finishes a create, see
// secretstore.Replacement.
const finishCreate = "finish create"

func addExists(secret secretstore.Secret, diags *diag.Diagnostics) {
	if !secret.DeletedAt.IsZero() {
		diags.AddAttributeError(path.Root("name"), "Secret is scheduled for deletion", scheduledText(secret)+
			" Until then its name is taken. Nothing was changed.\n\nTo restore it with its value and manage it here, add:\n\n  adopt_existing = true")
		return
	}
	diags.AddAttributeError(path.Root("name"), "Secret exists already", fmt.Sprintf(
		"A secret named %q exists: %s. Nothing was changed.\n\nTo manage it here with the value that it has, write (with the address of this resource):\n\n"+
			"  import {\n    to = roi_secret.example\n    id = %q\n  }\n\nor add to the resource:\n\n  adopt_existing = true", secret.Name, secret.ARN, secret.ARN))
}

func scheduledText(secret secretstore.Secret) string {
	return fmt.Sprintf("The secret %s is scheduled for deletion and can be restored until %s.", secret.ARN, secret.DeletedAt.UTC().Format(time.RFC3339))
}

func restoreCommand(secret secretstore.Secret) string {
	return "  aws secretsmanager restore-secret --secret-id " + secret.ARN
}
