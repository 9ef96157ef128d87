// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const (
	settleTime  = 5 * time.Second // how long an absence right after a create is not believed
	settleStep  = 500 * time.Millisecond
	freshFor    = 2 * time.Minute // how old a secret may be for that
	replicaTime = 5 * time.Minute // how long replication may take
	replicaStep = 2 * time.Second
)

// converge makes a live secret what the plan says. It only does what is missing,
// so that it can be repeated after a failure at any point: the value comes before
// the tags that record its policy, since the record decides what is still to do.
func (r *secretResource) converge(ctx context.Context, store secretstore.Store, id string, plan secretModel, want wanted, change valueChange, diags *diag.Diagnostics) error {
	secret, err := store.Describe(ctx, id)
	if err != nil {
		return err
	}
	if change.adopting || !change.empty() {
		if secret, err = rotation.Free(ctx, store, secret); err != nil {
			return err
		}
	}
	var update secretstore.UpdateInput
	if description := plan.Description.ValueString(); description != secret.Description {
		update.Description = &description
	}
	if key := plan.KMSKeyID.ValueString(); !sameKey(ctx, store, secret.ARN, "", key, secret.KMSKeyID) {
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
	if change.adopting {
		if change, err = r.missing(ctx, store, secret, want, change, diags); err != nil {
			return err
		}
	}
	// Whether the record fits into the tags must be known before the value moves.
	if _, err := r.tagsAfter(ctx, store, secret, want, madeNow{change.write, r.data.Clock().Now()}); err != nil {
		return err
	}
	made, err := r.changeValue(ctx, store, secret, want, change, diags)
	if err != nil {
		return err
	}
	return r.syncTags(ctx, store, secret, want, made)
}

// madeNow are the keys that a change gave a value, and when.
type madeNow struct {
	keys []string
	at   time.Time
}

// errNothingToWrite breaks off a change whose keys are all there already.
var errNothingToWrite = errors.New("nothing to write")

// changeValue gives the secret a new version if one is needed.
func (r *secretResource) changeValue(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, change valueChange, diags *diag.Diagnostics) (made madeNow, err error) {
	if change.empty() {
		return made, nil
	}
	recorded, err := policy.DecodeRecords(secret.Tags)
	unreadable := err != nil
	rotations, _ := rotation.DecodeAll(secret.Tags) // one that cannot be read has no grace period to keep
	var kept []string
	replacement := secretstore.Replacement{
		Change:      change.what,
		KeepEarlier: unreadable || change.losesKey(recorded, want),
		Previous:    rotation.PreviousToKeep(rotations, change.renewed(want), r.data.Clock().Now()),
		Fresh:       change.fresh || !want.json,
		Value: func(current *secretstore.Value) (secretstore.Plaintext, error) {
			if current != nil && len(change.ifMissing) > 0 {
				object, err := parseObject(secret.ARN, *current)
				if err != nil {
					return secretstore.Plaintext{}, err
				}
				kept = slices.DeleteFunc(slices.Clone(change.ifMissing), func(key string) bool { return !object.Has(key) })
			}
			write := slices.DeleteFunc(slices.Clone(change.write), func(key string) bool { return slices.Contains(kept, key) })
			made = madeNow{write, r.data.Clock().Now()}
			if len(write) == 0 && len(change.remove) == 0 {
				return secretstore.Plaintext{}, errNothingToWrite
			}
			return want.value(secret.ARN, current, write, change.remove)
		},
	}
	if want.given(change.write) {
		replacement.Same = func(value secretstore.Value) bool { return want.holds(value, change.write) }
	}
	err = secretstore.ReplaceCurrent(ctx, store, secret, replacement)
	switch {
	case errors.Is(err, errNothingToWrite):
		err = nil
	case err == nil && made.at.IsZero(): // an earlier try had made the version
		made.keys = change.write
		made.at, err = currentMade(ctx, store, secret.ARN)
	}
	if len(kept) > 0 {
		diags.AddWarning("Keys were there already", fmt.Sprintf(
			"The secret %s had a value under %s before the configuration named it. It was kept. To make a new one, remove the key in one apply and add it in the next, or rotate it.",
			secret.ARN, strings.Join(kept, ", ")))
	}
	return made, err
}

// missing finds out what an adopted secret lacks. What is there is kept, but for
// values that a recorded policy allows and the configured one forbids, and, to
// overwrite, for what the configuration gives.
func (r *secretResource) missing(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, adopt valueChange, diags *diag.Diagnostics) (valueChange, error) {
	change := valueChange{what: "adopt", write: slices.Clone(adopt.regenerate), regenerate: adopt.regenerate}
	if adopt.overwrite {
		change.what = finishCreate
	}
	version := secret.VersionWith(secretstore.Current)
	if version == "" {
		change.fresh, change.write = true, want.valueKeys()
		return change, nil
	}
	if !want.json && !(adopt.overwrite && want.given([]string{""})) {
		return change, nil
	}
	current, err := store.Value(ctx, secret.ARN, secretstore.VersionRef{ID: version})
	if err != nil {
		return change, err
	}
	if !want.json {
		if !want.holds(current, []string{""}) {
			change.write = []string{""}
		}
		return change, nil
	}
	object, err := parseObject(secret.ARN, current)
	if err != nil {
		return change, err
	}
	var differ []string
	for _, key := range want.names() {
		_, isStatic := want.static[key]
		switch {
		case slices.Contains(change.write, key):
		case !object.Has(key), adopt.overwrite && !want.holds(current, []string{key}):
			change.write = append(change.write, key)
		case isStatic && !want.holds(current, []string{key}):
			differ = append(differ, key)
		}
	}
	if len(differ) > 0 {
		diags.AddAttributeWarning(path.Root("static"), "Static values differ from the stored ones", fmt.Sprintf(
			"The secret %s was taken over as it is, and holds other values than the configuration under: %s. They were kept. "+
				"To store the configured ones, change them once more, or remove the keys in one apply and add them in the next.", secret.ARN, strings.Join(differ, ", ")))
	}
	slices.Sort(change.write)
	if !adopt.overwrite {
		change.what = "adopt " + strings.Join(change.write, " ")
	}
	return change, nil
}

// syncTags writes the tags that differ and removes those that should not be
// there. Tags under "roi:" that others own stay. Records are written before old
// ones go, so that none is lost in between.
func (r *secretResource) syncTags(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) error {
	tags, err := r.tagsAfter(ctx, store, secret, want, made)
	if err != nil {
		return err
	}
	surplus := surplusTags(secret, tags)
	count := len(secret.Tags)
	for key, value := range tags {
		present, there := secret.Tags[key]
		if there && present == value {
			delete(tags, key)
		} else if !there {
			count++
		}
	}
	untag := func() error {
		if len(surplus) == 0 {
			return nil
		}
		return store.Untag(ctx, secret.ARN, surplus)
	}
	if count > secretstore.MaxTags {
		if err := untag(); err != nil {
			return err
		}
		surplus = nil
	}
	if len(tags) > 0 {
		if err := store.Tag(ctx, secret.ARN, tags); err != nil {
			return err
		}
	}
	return untag()
}

// surplusTags are the tags of a secret that this resource owns and that are not
// wanted.
func surplusTags(secret secretstore.Secret, wanted map[string]string) []string {
	var surplus []string
	for _, key := range sortedKeys(secret.Tags) {
		_, isWanted := wanted[key]
		own := !isReservedTag(key) || policy.IsRecordTag(key) || key == recreateTag
		if !isWanted && own && !strings.HasPrefix(key, awsTagPrefix) {
			surplus = append(surplus, key)
		}
	}
	return surplus
}

// tagsAfter are the tags that the secret is to have, when these keys have been
// written.
func (r *secretResource) tagsAfter(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) (map[string]string, error) {
	records, err := r.recordsAfter(ctx, store, secret, want, made)
	if err != nil {
		return nil, err
	}
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		return nil, err
	}
	maps.Copy(tags, want.tags)
	foreign := 0
	for key := range secret.Tags {
		if _, wanted := tags[key]; !wanted && !slices.Contains(surplusTags(secret, tags), key) {
			foreign++
		}
	}
	if total := len(tags) + foreign; total > secretstore.MaxTags {
		return nil, &secretstore.Error{Op: "tag", ID: secret.ARN, Kind: secretstore.ErrLimit, Err: fmt.Errorf(
			"it would have %d tags, at most %d are possible: %d with policies, %d of its own, %d that others keep there",
			total, secretstore.MaxTags, len(tags)-len(want.tags), len(want.tags), foreign)}
	}
	return tags, nil
}

// recordsAfter says when each value was made: just now, as recorded before, or
// else when the version that is current was made.
func (r *secretResource) recordsAfter(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) (map[string]policy.Record, error) {
	before, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		before = nil // foreign or damaged: as if there were none
	}
	records := want.records(made.at)
	var versionMade time.Time
	for key, record := range records {
		if slices.Contains(made.keys, key) {
			continue
		}
		if old, there := before[key]; there {
			record.MadeAt = old.MadeAt
		} else {
			if versionMade.IsZero() {
				if versionMade, err = currentMade(ctx, store, secret.ARN); err != nil {
					return nil, err
				}
			}
			record.MadeAt = versionMade
		}
		records[key] = record
	}
	return records, nil
}

// currentMade is when the current version was made, or the secret, if the store
// does not list that version.
func currentMade(ctx context.Context, store secretstore.Store, id string) (time.Time, error) {
	versions, err := store.Versions(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	for _, version := range versions {
		if slices.Contains(version.Labels, secretstore.Current) {
			return version.CreatedAt, nil
		}
	}
	secret, err := store.Describe(ctx, id)
	return secret.CreatedAt, err
}

// describe reads a secret for a refresh, where the resources of one run share the
// answer, and tells an absence from an error. A secret that was
// made a moment ago may not be seen everywhere yet.
func (d *providerData) describe(ctx context.Context, store secretstore.Store, id string, createdAt types.String) (secret secretstore.Secret, found bool, err error) {
	made, _ := time.Parse(time.RFC3339, createdAt.ValueString())
	patience := time.Duration(0)
	if d.Clock().Now().Sub(made) < freshFor {
		patience = settleTime
	}
	for {
		secret, err = describeKnown(ctx, store, id)
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
	window := int(state.RecoveryWindowInDays.ValueInt64())
	err := errNotTried
	if len(state.Replicas.Elements()) == 0 {
		_, err = store.Delete(ctx, id, window)
	}
	// The state does not know of replicas that failed or that others made.
	if errors.Is(err, errNotTried) || errors.Is(err, secretstore.ErrInvalid) {
		removed, failure := removeAllReplicas(ctx, store, id)
		switch {
		case failure != nil:
			err = errors.Join(failure, err)
		case removed || errors.Is(err, errNotTried):
			_, err = store.Delete(ctx, id, window)
		}
	}
	if errors.Is(err, secretstore.ErrNotFound) || errors.Is(err, secretstore.ErrScheduledForDeletion) {
		return nil
	}
	return err
}

var errNotTried = errors.New("not tried")

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
