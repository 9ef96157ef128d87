// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

const (
	settleTime  = 5 * time.Second // how long an absence right after a create is not believed
	settleStep  = 500 * time.Millisecond
	freshFor    = 2 * time.Minute // how old a secret may be for that
	replicaTime = 5 * time.Minute // how long replication may take
	replicaStep = 2 * time.Second
)

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
		diags.Append(r.data.diagnose("create", name, err))
		return secretstore.Secret{}, false
	}
	secret := secretstore.Secret{ARN: created.ARN, Name: name, CreatedAt: created.CreatedAt}
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
	for key, tag := range want.tags {
		tags[key] = tag
	}
	return secretstore.CreateInput{
		Name:                  name,
		Token:                 secretstore.DeriveVersionID("create", scope.Account, scope.Region, name),
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
	live, adopt := secret.DeletedAt.IsZero(), plan.AdoptExisting.ValueBool()
	change := valueChange{adopting: true}
	switch {
	case live && r.data.secrets.replaced(name, secret.ARN):
		diags.AddError("Secret cannot be replaced with create_before_destroy",
			"The secret "+secret.ARN+" is to be replaced under the same name, and create_before_destroy, its own or inherited from a resource that depends on it, "+
				"asks for the new one first. Two secrets cannot have one name. Nothing was changed.\n\n"+
				"Change the name as well, or take create_before_destroy away. To change only the value, use a rotation instead of -replace.")
		return secret, false
	case live && secret.Tags[recreateTag] == token, !live && r.data.secrets.wasDeleted(name, secret.ARN):
		change = recreate(want)
	case live && finishedCreate(secret, token, want):
		change = valueChange{write: want.suppliedKeys(), what: "finish create"}
		diags.AddWarning("Secret was created by an earlier run", "The secret "+secret.ARN+" exists and bears the marks of a create by this configuration that was never saved in state. "+
			"It was taken over with its value.\n\nIf another configuration manages a secret of this name, remove it from one of them.")
	case !adopt:
		addExists(secret, diags)
		return secret, false
	}
	if secret.OwningService != "" {
		err := &secretstore.ForeignRotationError{ARN: secret.ARN, By: "managed by the AWS service " + secret.OwningService}
		diags.Append(r.data.diagnose("adopt", secret.ARN, err))
		return secret, false
	}
	if !live {
		if err := r.restore(ctx, store, secret.ARN, token, change); err != nil {
			diags.Append(r.data.diagnose("restore", secret.ARN, err))
			return secret, false
		}
	}
	if err := r.converge(ctx, store, secret.ARN, plan, want, change, diags); err != nil {
		diags.Append(r.data.diagnose("adopt", secret.ARN, err))
	}
	r.data.secrets.take(secret.ARN)
	return secret, !diags.HasError()
}

// finishedCreate recognises a secret that a create of this very configuration
// made: the first version has the token derived from its name, is still current,
// and the tags record the same policies.
func finishedCreate(secret secretstore.Secret, token string, want wanted) bool {
	records, err := policy.DecodeRecords(secret.Tags)
	if err != nil || secret.VersionWith(secretstore.Current) != token || len(records) != len(want.policies) {
		return false
	}
	for key, p := range want.policies {
		if records[key].Policy != p {
			return false
		}
	}
	return true
}

func (w wanted) suppliedKeys() []string { return sortedKeys(w.supplied) }

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

func (r *secretResource) restore(ctx context.Context, store secretstore.Store, arn, token string, change valueChange) error {
	if err := store.Restore(ctx, arn); err != nil {
		return err
	}
	if change.fresh {
		return store.Tag(ctx, arn, map[string]string{recreateTag: token})
	}
	return nil
}

// converge makes a live secret what the plan says. It only does what is missing,
// so that it can be repeated after a failure at any point: the value comes before
// the tags that record its policy, since the record decides what is still to do.
func (r *secretResource) converge(ctx context.Context, store secretstore.Store, id string, plan secretModel, want wanted, change valueChange, diags *diag.Diagnostics) error {
	secret, err := store.Describe(ctx, id)
	if err != nil {
		return err
	}
	var update secretstore.UpdateInput
	if description := plan.Description.ValueString(); description != secret.Description {
		update.Description = &description
	}
	if key := plan.KMSKeyID.ValueString(); !sameKey(ctx, store, key, secret.KMSKeyID) {
		if key == "" {
			key = secretstore.DefaultKey
		}
		update.KMSKeyID = &key
	}
	if update != (secretstore.UpdateInput{}) {
		if err := store.Update(ctx, secret.ARN, update); err != nil {
			return err
		}
	}
	if err := syncReplicas(ctx, store, secret, plan, diags); err != nil {
		return err
	}
	written, err := r.changeValue(ctx, store, secret, want, change, diags)
	if err != nil {
		return err
	}
	return r.syncTags(ctx, store, secret, want, written)
}

// changeValue gives the secret a new version if one is needed, and returns the
// keys that it made.
func (r *secretResource) changeValue(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, change valueChange, diags *diag.Diagnostics) ([]string, error) {
	if change.adopting {
		var err error
		if change, err = missing(ctx, store, secret, want, diags); err != nil {
			return nil, err
		}
	}
	if change.empty() {
		return nil, nil
	}
	recorded, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		recorded = nil // foreign or damaged: as if there were none
	}
	err = secretstore.ReplaceCurrent(ctx, store, secret, secretstore.Replacement{
		Change:      change.what,
		KeepEarlier: change.losesKey(recorded),
		Value: func(current *secretstore.Value) (secretstore.Plaintext, error) {
			if change.fresh {
				current = nil
			}
			return want.value(secret.ARN, current, change.write, change.remove)
		},
	})
	return change.write, err
}

// missing finds out what an adopted secret lacks. Keys that are there are kept.
func missing(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, diags *diag.Diagnostics) (valueChange, error) {
	change := valueChange{what: "adopt"}
	version := secret.VersionWith(secretstore.Current)
	if version == "" {
		change.fresh, change.write = true, want.valueKeys()
		return change, nil
	}
	if !want.json {
		return change, nil
	}
	current, err := store.Value(ctx, secret.ARN, secretstore.VersionRef{ID: version})
	if err != nil {
		return change, err
	}
	object, err := parseObject(secret.ARN, current)
	if err != nil {
		return change, err
	}
	var differ []string
	for _, key := range want.names() {
		if !object.Has(key) {
			change.write = append(change.write, key)
			continue
		}
		if value, isStatic := want.static[key]; isStatic {
			if present, isString := object.String(key); !isString || present != value {
				differ = append(differ, key)
			}
		}
	}
	if len(differ) > 0 {
		diags.AddAttributeWarning(path.Root("static"), "Static values differ from the stored ones", fmt.Sprintf(
			"The secret %s was taken over as it is, and holds other values than the configuration under: %s. They were kept. "+
				"To store the configured ones, change them once more, or remove the keys in one apply and add them in the next.", secret.ARN, strings.Join(differ, ", ")))
	}
	change.what = "adopt " + strings.Join(change.write, " ")
	return change, nil
}

// syncTags writes the tags that differ and removes those that should not be
// there. Tags under "roi:" that others own stay.
func (r *secretResource) syncTags(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, written []string) error {
	records, err := r.recordsAfter(ctx, store, secret, want, written)
	if err != nil {
		return err
	}
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		return err
	}
	for key, value := range want.tags {
		tags[key] = value
	}
	var surplus []string
	for key := range secret.Tags {
		_, wanted := tags[key]
		own := !isReservedTag(key) || policy.IsRecordTag(key) || key == recreateTag
		if !wanted && own {
			surplus = append(surplus, key)
		}
	}
	for key, value := range tags {
		if present, there := secret.Tags[key]; there && present == value {
			delete(tags, key)
		}
	}
	if len(surplus) > 0 {
		slices.Sort(surplus)
		if err := store.Untag(ctx, secret.ARN, surplus); err != nil {
			return err
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return store.Tag(ctx, secret.ARN, tags)
}

// recordsAfter says when each value was made: now if it was just written, as
// recorded before, or else when the version that is current was made.
func (r *secretResource) recordsAfter(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, written []string) (map[string]policy.Record, error) {
	before, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		before = nil // foreign or damaged: as if there were none
	}
	records := want.records(r.data.Clock().Now())
	var versionMade time.Time
	for key, record := range records {
		if slices.Contains(written, key) {
			continue
		}
		if old, there := before[key]; there {
			record.MadeAt = old.MadeAt
		} else {
			if versionMade.IsZero() {
				if versionMade, err = currentMade(ctx, store, secret); err != nil {
					return nil, err
				}
			}
			record.MadeAt = versionMade
		}
		records[key] = record
	}
	return records, nil
}

func currentMade(ctx context.Context, store secretstore.Store, secret secretstore.Secret) (time.Time, error) {
	current := secret.VersionWith(secretstore.Current)
	versions, err := store.Versions(ctx, secret.ARN)
	if err != nil {
		return time.Time{}, err
	}
	for _, version := range versions {
		if version.ID == current {
			return version.CreatedAt, nil
		}
	}
	return secret.CreatedAt, nil
}

// describe reads a secret and tells an absence from an error. A secret that was
// made a moment ago may not be seen everywhere yet.
func (r *secretResource) describe(ctx context.Context, store secretstore.Store, id string, createdAt types.String) (secret secretstore.Secret, found bool, err error) {
	made, _ := time.Parse(time.RFC3339, createdAt.ValueString())
	patience := time.Duration(0)
	if r.data.Clock().Now().Sub(made) < freshFor {
		patience = settleTime
	}
	for {
		secret, err = store.Describe(ctx, id)
		if !errors.Is(err, secretstore.ErrNotFound) {
			return secret, err == nil, err
		}
		if patience <= 0 {
			return secret, false, nil
		}
		if err := sleep(ctx, settleStep); err != nil {
			return secret, false, err
		}
		patience -= settleStep
	}
}

// delete schedules the deletion, or deletes at once. A primary with replicas
// cannot be deleted, so those go first.
func (r *secretResource) delete(ctx context.Context, store secretstore.Store, id string, state secretModel) error {
	if regions := replicaRegions(replicaSpecs(ctx, state.Replicas)); len(regions) > 0 {
		err := store.RemoveReplicas(ctx, id, regions)
		if err == nil {
			err = awaitNoReplicas(ctx, store, id, regions)
		}
		if err != nil && !errors.Is(err, secretstore.ErrNotFound) {
			return err
		}
	}
	_, err := store.Delete(ctx, id, int(state.RecoveryWindowInDays.ValueInt64()))
	if errors.Is(err, secretstore.ErrNotFound) || errors.Is(err, secretstore.ErrScheduledForDeletion) {
		return nil
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
