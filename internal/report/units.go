// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// unit is the values of a secret that fall due together: those of one rotation, or
// one that no rotation has recorded.
type unit struct {
	tag      string // with the record of the rotation
	leftover string // the tag that the record was in before its rotation had these keys
	keys     []Key
	interval time.Duration // 0: never due
	days     int           // interval that the rotation has recorded, 0: by the policies
	version  string
	made     time.Time // zero: not listed
	reason   string    // why it cannot be judged
	note     string    // what else to know
}

// unitsOf finds the units of a secret in its tags. Without any, reason says why
// the secret cannot be judged.
func unitsOf(secret secretstore.Secret) (units []unit, reason string) {
	policies, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		return nil, "its policy cannot be read: " + err.Error()
	}
	records, unreadable := rotation.DecodeAll(secret.Tags)
	if len(policies) == 0 && len(records) == 0 {
		if unreadable != nil {
			return nil, "the record of its rotation cannot be read: " + unreadable.Error()
		}
		return nil, "it carries neither a policy nor the record of a rotation"
	}
	leftovers := map[string]bool{}
	for _, tag := range slices.Sorted(maps.Keys(records)) {
		u := recordedUnit(secret, tag, records[tag], policies)
		units = append(units, u)
		leftovers[u.leftover] = true
	}
	units = slices.DeleteFunc(units, func(u unit) bool { return leftovers[u.tag] })
	rest := maps.Clone(policies)
	for _, u := range units {
		for _, k := range u.keys {
			delete(rest, k.Name)
		}
	}
	for name, record := range rest {
		u := unit{keys: []Key{keyOf(name, policies, false)}, made: record.MadeAt}
		if name == "" {
			// It is as old as the current version, whoever made that.
			u.version, u.made = secret.VersionWith(secretstore.Current), time.Time{}
		}
		if unreadable != nil {
			u.reason = "the record of a rotation cannot be read: " + unreadable.Error()
		}
		units = append(units, u)
	}
	return units, ""
}

// recordedUnit is the unit of a rotation. It has no keys when none of its values is
// left.
func recordedUnit(secret secretstore.Secret, tag string, record rotation.Record, policies map[string]policy.Record) unit {
	u := unit{tag: tag, days: record.Days, note: phaseNote(record.Phase)}
	names := record.Keys
	if len(record.Hashes) > 0 {
		for name := range policies {
			if record.Names(name) {
				names = append(names, name)
			}
		}
	}
	view, err := rotation.Look(secret, names)
	if err == nil && view.Tag != tag {
		err = fmt.Errorf("which keys the record in the tag %q is about cannot be told", tag)
	}
	if err != nil {
		u.reason = err.Error()
	} else {
		state := view.State()
		u.version, u.made, u.leftover = state.Version, state.Made, view.Leftover()
		if tag == rotation.RecordTag && view.JSON {
			names = view.Concerned()
		}
	}
	if len(names) == 0 && !(tag == rotation.RecordTag && view.JSON) {
		names = []string{""}
	}
	for _, name := range names {
		u.keys = append(u.keys, keyOf(name, policies, true))
	}
	return u
}

func keyOf(name string, policies map[string]policy.Record, recorded bool) Key {
	p := policies[name].Policy
	return Key{Name: name, Category: p.Category, Classification: p.Classification, Supplied: p.Supplied, HasRotation: recorded, RotationDays: int(p.Rotation / rotation.Day)}
}

func phaseNote(phase rotation.Phase) string {
	switch phase {
	case rotation.Asked:
		return "its rotation was asked for: the next apply does it"
	case rotation.Begun:
		return "a rotation was interrupted: the next apply finishes it"
	case rotation.Failed:
		return "a rotation failed and was rolled back, or was given up: the next apply makes another value"
	}
	return ""
}

// setInterval works out after how many days the values of a unit are due: as the
// rotation has recorded it, or else the shortest of their policies.
func (u *unit) setInterval() {
	days, known := u.days, u.days > 0
	for _, k := range u.keys {
		known = known || k.Category != ""
		if u.days == 0 && k.RotationDays > 0 && (days == 0 || k.RotationDays < days) {
			days = k.RotationDays
		}
	}
	if !known && u.reason == "" {
		u.reason = "its interval is in no tag: set rotation_days in its roi_secret_rotation"
	}
	u.interval = time.Duration(days) * rotation.Day
	for i := range u.keys {
		u.keys[i].RotationDays = days
	}
}

func (u *unit) setStatus(status Status, reason string) {
	for i := range u.keys {
		u.keys[i].Status, u.keys[i].Reason = status, reason
	}
}
