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
// before is the state of an update, nil where there is none.
func (r *secretResource) converge(ctx context.Context, store secretstore.Store, id string, before *secretModel, plan secretModel, want wanted, change valueChange, diags *diag.Diagnostics) error {
	secret, err := store.Describe(ctx, id)
	if err != nil {
		return err
	}
	if change.adopting || !change.empty() {
		if secret, err = rotation.Free(ctx, store, secret); err != nil {
			return err
		}
	}
	if change.checkPrevious(secret, want, diags); diags.HasError() {
		return nil
	}
	var update secretstore.UpdateInput
	if description := plan.Description.ValueString(); description != secret.Description {
		update.Description = &description
	}
	// A change that was asked for is made also where keys may not be asked for.
	unchanged := before != nil && plan.KMSKeyID.Equal(before.KMSKeyID)
	if key := plan.KMSKeyID.ValueString(); !sameKey(ctx, store, secret.ARN, "", key, secret.KMSKeyID, unchanged) {
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
	if err := syncReplicas(ctx, store, secret, before, plan, diags); err != nil {
		return err
	}
	if change.adopting {
		overwrite := change.overwrite
		if change, err = r.missing(ctx, store, secret, want, change, diags); err != nil {
			return err
		}
		change.what = change.name("adopt", want)
		if overwrite {
			change.what = finishCreate
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
	remove := append(slices.Clone(change.remove), rotation.PreviousKeys(rotations, change.remove)...)
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
			return want.value(secret.ARN, current, write, remove)
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
		version, pending := secret.VersionWith(secretstore.Current), secret.VersionWith(secretstore.Pending)
		if replacement.Made(secret.ARN, pending, version) {
			version = pending
		}
		made.at, err = r.versionMade(ctx, store, secret, version)
	}
	if len(kept) > 0 {
		diags.AddWarning("Keys were there already", fmt.Sprintf(
			"The secret %s had a value under %s before the configuration named it. It was kept. To make a new one, remove the key in one apply and add it in the next, or rotate it.",
			secret.ARN, strings.Join(kept, ", ")))
	}
	return made, err
}

// checkPrevious refuses a new key under whose name a rotation keeps a previous value:
// the rotation would remove it when the grace period is over.
func (c valueChange) checkPrevious(secret secretstore.Secret, want wanted, diags *diag.Diagnostics) {
	rotations, _ := rotation.DecodeAll(secret.Tags)
	previous := rotation.PreviousKeys(rotations, want.names())
	for _, key := range c.added {
		if slices.Contains(previous, key) {
			diags.AddError("Key holds a previous value", fmt.Sprintf(
				"A rotation of the secret %s keeps the previous value of another key under %q, by its previous_key_suffix. The value was left as it is.\n\n"+
					"Give the new key another name, or wait until the grace period is over, apply once without it, and add it then, with another previous_key_suffix.", secret.ARN, key))
		}
	}
}

// missing finds out what an adopted secret lacks. What is there is kept, but for
// values that a recorded policy allows and the configured one forbids, and, to
// overwrite, for what the configuration gives.
func (r *secretResource) missing(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, adopt valueChange, diags *diag.Diagnostics) (valueChange, error) {
	change := valueChange{write: slices.Clone(adopt.regenerate), regenerate: adopt.regenerate}
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
	return change, nil
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
