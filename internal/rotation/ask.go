// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"slices"
	"time"
)

// Ask notes with the secret that its next create is to rotate, for the delete of a
// replacement. version and at are what the state that is replaced says: if another
// version has taken that one's place another process was faster, and nothing is
// asked for. Nor is it when an attempt is unfinished, since that rotates in any
// case. The record that was written is returned, or nil.
func (r Rotator) Ask(ctx context.Context, id string, keys []string, version string, at time.Time, triggers string) (*Record, error) {
	secret, err := r.Store.Describe(ctx, id)
	if err != nil {
		return nil, err
	}
	view, err := Look(secret, keys)
	if err != nil {
		return nil, err
	}
	if err := view.CheckFree(); err != nil {
		return nil, err
	}
	record, needed := asking(view, version, at, triggers)
	if !needed {
		return nil, nil
	}
	if len(keys) > 0 {
		record.Keys, record.Hashes = slices.Sorted(slices.Values(keys)), nil
	}
	return &record, r.record(ctx, view, record)
}

// asking returns the record that makes the next create rotate, and whether it has to
// be written.
func asking(v View, version string, at time.Time, triggers string) (Record, bool) {
	known := v.State().Version
	switch {
	case v.Record == nil && (version == "" || at.IsZero()), known != version, v.Current() == "":
		return Record{}, false
	case v.Record == nil:
		return Record{Current: version, At: at, Phase: Asked, Base: v.Current(), Triggers: triggers}, true
	case v.Record.Phase != Settled:
		return Record{}, false // it rotates in any case
	}
	r := *v.Record
	if r.Current != version {
		// Made elsewhere: what the record says of the value before is history.
		r.Current, r.At, r.Previous, r.Grace = version, at, "", nil
	}
	r.Phase, r.Base, r.Oldest = Asked, v.Current(), time.Time{}
	return r, true
}

// AskedBefore returns the tag of a record of other keys that this rotation has to
// take over, or "": half of a replacement was done that changes the keys, so that the
// record there asks for a rotation of one of them, or was taken over already.
func (v View) AskedBefore() string {
	if v.Record != nil {
		return v.Leftover()
	}
	for _, key := range v.Keys {
		tag := v.NamedBy(key)
		if other := v.Others[tag]; other.Phase == Asked && len(v.Secret.Labels[v.next(tag, other)]) == 0 {
			return tag
		}
	}
	return ""
}
