// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Retirable reports whether the version before can lose AWSPREVIOUS at a time:
// every grace period of a record that names it is over.
func (v View) Retirable(now time.Time) bool {
	previous, grace, ok := v.PreviousVersion()
	if !ok || v.Unfinished() || v.Retired() || !grace.Over(v.Record.At, now) {
		return false
	}
	until, never := v.NeededUntil(previous)
	return !never && !until.After(now)
}

// Update makes the record what the configuration says and, where now is after
// every grace period that concerns it, takes AWSPREVIOUS from the version before,
// and the previous values of keys out of the value. It changes nothing else.
// before are the keys of an earlier configuration, whose record is taken over.
func (r Rotator) Update(ctx context.Context, id string, keys, before []string, suffix string, resolve func(View) (Plan, error), now time.Time) (State, error) {
	view, err := r.look(ctx, id, keys, nil)
	if err != nil {
		return State{}, err
	}
	if view.Record == nil && TagKey(before) != view.Tag {
		if view, err = r.takeOver(ctx, view, keys, before); err != nil {
			return State{}, err
		}
	}
	plan, err := resolve(view)
	if err != nil {
		return State{}, err
	}
	if err := view.CheckManaged(); err != nil {
		return State{}, err
	}
	state, err := r.State(ctx, view)
	if err != nil || state.Version == "" {
		return state, err
	}
	if !view.Unfinished() {
		out := Outcome{State: state}
		if err := r.adopt(ctx, view, plan, &out); err != nil {
			return state, err
		}
		record := adopted(view, plan.Want, out.Version, out.Changed)
		view.Record, state = &record, out.State
	}
	if !view.Retirable(now) {
		return state, nil
	}
	if err := r.retire(ctx, view, plan, suffix); err != nil {
		return state, err
	}
	state.Retired = true
	return state, nil
}

// takeOver makes the record of other keys that of this rotation.
func (r Rotator) takeOver(ctx context.Context, v View, keys, before []string) (View, error) {
	earlier, ok := v.Others[TagKey(before)]
	if !ok || earlier.Phase != Settled {
		return v, nil
	}
	earlier.Keys, earlier.Hashes = slices.Sorted(slices.Values(keys)), nil
	if err := r.record(ctx, v, earlier); err != nil {
		return v, err
	}
	r.step(ctx, "remove the record of other keys", earlier.Current)
	if err := r.Store.Untag(ctx, v.Secret.ARN, []string{TagKey(before)}); err != nil {
		return v, err
	}
	text, err := earlier.Encode()
	if err != nil {
		return v, err
	}
	v.Secret.Tags[v.Tag] = text
	delete(v.Others, TagKey(before))
	v.Record = &earlier
	return v, nil
}

func (r Rotator) retire(ctx context.Context, v View, plan Plan, suffix string) error {
	previous := v.Record.Previous
	if suffix != "" && v.JSON {
		if err := r.dropPrevious(ctx, v, plan.keys(), suffix); err != nil {
			return err
		}
	}
	return r.take(ctx, v.Secret.ARN, secretstore.Previous, previous)
}

// dropPrevious makes a version without the previous values of keys. AWSPREVIOUS is
// given back to the version that had it, so that what breaks off here is seen.
func (r Rotator) dropPrevious(ctx context.Context, v View, keys []string, suffix string) error {
	drop := func(object *secretstore.Object) (found bool) {
		for _, key := range keys {
			found = found || object.Has(key+suffix)
			object.Delete(key + suffix)
		}
		return found
	}
	if !v.dropping() {
		r.step(ctx, "read", v.Current())
		current, err := r.Store.Value(ctx, v.Secret.ARN, secretstore.VersionRef{ID: v.Current()})
		if err != nil {
			return err
		}
		object, err := secretstore.ParseObject(current.Plaintext.Reveal())
		if err != nil {
			return err
		}
		if !drop(object) {
			return nil
		}
	}
	r.step(ctx, "drop previous keys", v.Current())
	return secretstore.ReplaceCurrent(ctx, r.Store, v.Secret, secretstore.Replacement{
		Change: v.dropChange(), Previous: v.Record.Previous,
		Value: func(current *secretstore.Value) (secretstore.Plaintext, error) {
			object, err := secretstore.ParseObject(current.Plaintext.Reveal())
			if err != nil {
				return secretstore.Plaintext{}, err
			}
			drop(object)
			return object.Plaintext(), nil
		},
	})
}
