// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"maps"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Retirable reports whether the version before can lose AWSPREVIOUS at a time:
// every grace period of a record that names it is over.
func (v View) Retirable(now time.Time) bool {
	previous, _, ok := v.previousVersion()
	if !ok || v.Previous() != previous || !v.graceOver(now) {
		return false
	}
	until, never := v.NeededUntil(previous)
	return !never && !until.After(now)
}

// graceOver reports whether the grace period of this rotation is over, with no
// other rotation begun.
func (v View) graceOver(now time.Time) bool {
	_, grace, ok := v.previousVersion()
	return ok && !v.Unfinished() && grace.Over(v.Record.At, now)
}

// Update makes the record what the configuration says and, where now is after
// every grace period that concerns it, takes AWSPREVIOUS from the version before,
// and the previous values of keys out of the value. It changes nothing else.
// before are the keys of an earlier configuration, whose record is taken over.
func (r Rotator) Update(ctx context.Context, id string, keys, before []string, resolve func(View) (Plan, error), now time.Time) (State, error) {
	view, err := r.look(ctx, id, keys, nil)
	if err != nil {
		return State{}, err
	}
	if view, err = r.TakeOver(ctx, view, TagKey(before)); err != nil {
		return State{}, err
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
		if view, err = r.adopt(ctx, view, plan, &out); err != nil {
			return state, err
		}
		state = out.State
	}
	state.Retired, err = r.retire(ctx, view, plan, now)
	return state, err
}

// TakeOver makes the record in another tag, of the keys that this rotation had
// before, its record. One of an attempt whose version has a label stays where it
// is, since the id of that version tells the tag. Where this rotation has a record,
// only what an interrupted TakeOver has left of it goes.
func (r Rotator) TakeOver(ctx context.Context, v View, tag string) (View, error) {
	if v.Record != nil {
		tag = v.Leftover()
	}
	earlier, ok := v.Others[tag]
	if !ok || v.UnderWay(tag) {
		return v, nil
	}
	if v.Record == nil {
		v = v.Inherit(tag)
		if err := r.record(ctx, v, *v.Record); err != nil {
			return v, err
		}
		text, err := v.Record.Encode()
		if err != nil {
			return v, err
		}
		v.Secret.Tags[v.Tag] = text
	}
	r.step(ctx, "remove the record of other keys", earlier.Current)
	if err := r.Store.Untag(ctx, v.Secret.ARN, []string{tag}); err != nil {
		return v, err
	}
	v.Others = maps.Clone(v.Others)
	delete(v.Others, tag)
	return v, nil
}

// Leftover returns the tag of other keys from which the record of this rotation was
// taken over and not yet removed, or "".
func (v View) Leftover() string {
	if v.Record == nil || v.Record.From == "" {
		return ""
	}
	for tag := range v.Others {
		if hashOf(tag) == v.Record.From {
			return tag
		}
	}
	return ""
}

// Inherit returns the View as it is when this rotation, which has no record, has
// taken over the one in another tag. Keys that are new to it keep their age. An
// attempt that was made for the earlier keys has failed.
func (v View) Inherit(tag string) View {
	record, ok := v.Others[tag]
	if !ok || v.Record != nil {
		return v
	}
	var added []string
	for _, key := range v.Concerned() {
		if had := record.Names(key) || tag == RecordTag && v.unnamed(key); !had {
			added = append(added, key)
		}
	}
	v.Others = maps.Clone(v.Others)
	delete(v.Others, tag)
	v.Record = &record
	record.Keys, record.Hashes, record.From = v.Keys, nil, hashOf(tag)
	switch record.Phase {
	case Begun, Failed:
		record.Phase, record.Base, record.Pending = Failed, v.Current(), false
	case Settled:
		oldest := record.At
		if !record.Oldest.IsZero() {
			oldest = record.Oldest
		}
		for _, key := range added {
			if made := v.Policies[key].MadeAt; !made.IsZero() && made.Before(oldest) {
				record.Oldest, oldest = made, made
			}
		}
	}
	return v
}

// retire takes the previous values of keys out of the value when the grace period
// of this rotation is over, and AWSPREVIOUS from the version before when every other
// is too. It reports whether both are gone.
func (r Rotator) retire(ctx context.Context, v View, plan Plan, now time.Time) (bool, error) {
	if !v.graceOver(now) {
		return v.Retired(), nil
	}
	if v.Record.Suffix != "" {
		var err error
		if v, err = r.dropPrevious(ctx, v, plan.keys(), now); err != nil {
			return false, err
		}
	}
	if !v.Retirable(now) {
		return v.Retired(), nil
	}
	return true, r.take(ctx, v.Secret.ARN, secretstore.Previous, v.Record.Previous)
}

// dropPrevious makes a version without the previous values of keys. AWSPREVIOUS
// goes back to the version that had it, since the one that is left is nobody's
// previous value.
func (r Rotator) dropPrevious(ctx context.Context, v View, keys []string, now time.Time) (View, error) {
	suffix := v.Record.Suffix
	drop := func(object *secretstore.Object) (found bool) {
		for _, key := range keys {
			found = found || object.Has(key+suffix)
			object.Delete(key + suffix)
		}
		return found
	}
	found := v.dropping()
	if !found {
		r.step(ctx, "read", v.Current())
		current, err := r.Store.Value(ctx, v.Secret.ARN, secretstore.VersionRef{ID: v.Current()})
		if err != nil {
			return v, err
		}
		object, err := secretstore.ParseObject(current.Plaintext.Reveal())
		if err != nil {
			return v, err
		}
		found = drop(object)
	}
	if found {
		keep := v.previousToKeep(now)
		r.step(ctx, "drop previous keys", v.Current())
		err := secretstore.ReplaceCurrent(ctx, r.Store, v.Secret, secretstore.Replacement{
			Change: v.dropChange(), Previous: keep,
			Value: func(current *secretstore.Value) (secretstore.Plaintext, error) {
				object, err := secretstore.ParseObject(current.Plaintext.Reveal())
				if err != nil {
					return secretstore.Plaintext{}, err
				}
				drop(object)
				return object.Plaintext(), nil
			},
		})
		if err != nil {
			return v, err
		}
		v.Secret.Labels = map[string][]string{keep: {secretstore.Previous}}
	}
	record := *v.Record
	record.Suffix = ""
	if err := r.record(ctx, v, record); err != nil {
		return v, err
	}
	v.Record = &record
	return v, nil
}

// previousToKeep is the version that is to have AWSPREVIOUS after the previous
// values are dropped: the one that has it, unless an interrupted drop has moved it.
func (v View) previousToKeep(now time.Time) string {
	if previous := v.Previous(); previous != "" && !v.dropping() {
		return previous
	}
	if keep := PreviousToKeep(v.Others, []string{}, now); keep != "" {
		return keep
	}
	return v.Record.Previous
}
