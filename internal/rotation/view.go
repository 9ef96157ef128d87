// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// View is how one rotation sees its secret: what a description tells, and the
// records in it.
type View struct {
	Secret secretstore.Secret
	Tag    string            // key of the tag with this rotation's record
	Keys   []string          // those that the rotation names, sorted; nil for the whole secret
	Record *Record           // nil when there is none
	Others map[string]Record // those of the other rotations, by the key of their tag
	// Unreadable is what is wrong with a record that could not be read. One of
	// this rotation counts as missing; one of another as a grace period that runs.
	Unreadable error

	// JSON says that the secret is a JSON object of which this rotation changes
	// keys. Policies are what the secret records of its values, by key, nil for
	// none; PolicyError says why that cannot be read.
	JSON        bool
	Policies    map[string]policy.Record
	PolicyError error
}

// Look makes a View of a description for a rotation of keys, none meaning the
// whole secret. The error is for records that a newer version wrote.
func Look(secret secretstore.Secret, keys []string) (View, error) {
	v := View{Secret: secret, Tag: TagKey(keys), Keys: slices.Sorted(slices.Values(keys))}
	v.Policies, v.PolicyError = policy.DecodeRecords(secret.Tags)
	v.JSON = v.isJSON()
	v.Others, v.Unreadable = DecodeAll(secret.Tags)
	if record, ok := v.Others[v.Tag]; ok {
		v.Record = &record
		delete(v.Others, v.Tag)
	} else if errors.Is(v.Unreadable, ErrNewer) {
		return v, fmt.Errorf("the record of a rotation of the secret %q cannot be read: %w", secret.ARN, v.Unreadable)
	}
	return v, nil
}

func (v View) isJSON() bool {
	_, whole := v.Policies[""]
	return len(v.Keys) > 0 || !whole && len(v.Policies) > 0
}

// WithPolicies returns the View as it is when the secret records these policies, by
// key. Values that are yet to be made are made now.
func (v View) WithPolicies(policies map[string]policy.Policy, now time.Time) View {
	records := map[string]policy.Record{}
	for key, p := range policies {
		records[key] = policy.Record{Policy: p, MadeAt: now}
		if there, ok := v.Policies[key]; ok {
			records[key] = policy.Record{Policy: p, MadeAt: there.MadeAt}
		}
	}
	v.Policies, v.PolicyError = records, nil
	v.JSON = v.isJSON()
	return v
}

// Current, Previous and Pending are the ids of the versions that have those
// labels, or "".
func (v View) Current() string { return v.Secret.VersionWith(secretstore.Current) }

// Previous is the id of the version that has AWSPREVIOUS, or "".
func (v View) Previous() string { return v.Secret.VersionWith(secretstore.Previous) }

// Pending is the id of the version that has AWSPENDING, or "".
func (v View) Pending() string { return v.Secret.VersionWith(secretstore.Pending) }

// next is the id of the version that the attempt in a record makes from its base.
func (v View) next(tag string, r Record) string {
	if r.Phase == Settled {
		return ""
	}
	return r.NextVersion(v.Secret.ARN, tag, r.Base)
}

// Unfinished reports whether a rotation was asked for, or begun and not finished, or
// failed and not yet repeated, so that an apply has something to do.
func (v View) Unfinished() bool { return v.Record != nil && v.Record.Phase != Settled }

// Version returns the version in which the value last changed, and when that was.
// A version made elsewhere counts, except in a JSON secret, where nobody can tell
// which key it changed. The time is zero where the description does not tell it:
// it is then the creation time of that version.
func (v View) Version() (id string, at time.Time) {
	current := v.Current()
	switch {
	case v.Record == nil:
		return current, time.Time{}
	case v.JSON || current == v.Record.Current || current == v.next(v.Tag, *v.Record):
		return v.Record.Current, v.Record.At
	default:
		return current, time.Time{}
	}
}

// Concerned returns the keys of a JSON secret that the rotation changes: those it
// names, or else all generated ones that no other rotation names, except what
// protects stored data. It is nil for one string, and where nothing is recorded.
func (v View) Concerned() []string {
	if len(v.Keys) > 0 || !v.JSON {
		return v.Keys
	}
	var keys []string
	for key := range v.Policies {
		if v.unnamed(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// unnamed reports whether a key belongs to the rotation of the whole secret: it is
// generated, and no other rotation names it.
func (v View) unnamed(key string) bool {
	record, there := v.Policies[key]
	return there && !record.Policy.Supplied && !record.Policy.GraceNeverEnds && v.NamedBy(key) == ""
}

// NamedBy returns the tag of another rotation that names a key, or "".
func (v View) NamedBy(key string) string {
	for _, tag := range slices.Sorted(maps.Keys(v.Others)) {
		if v.Others[tag].Names(key) {
			return tag
		}
	}
	return ""
}

// State is what is known of the value of a rotation.
type State struct {
	ARN      string
	Version  string
	Changed  time.Time // when Version was made
	Made     time.Time // when the oldest of the values was made
	Previous string    // "" when this provider did not rotate the value
	Grace    Grace
	Retired  bool
}

// State returns what a description tells. Changed and Made are zero when it does
// not tell when the version was made.
func (v View) State() State {
	s := State{ARN: v.Secret.ARN}
	s.Version, s.Changed = v.Version()
	if previous, grace, ok := v.previousVersion(); ok {
		s.Previous, s.Grace, s.Retired = previous, grace, v.Retired()
	}
	s.Made = s.Changed
	first, last := v.times()
	switch {
	case first.IsZero():
	case s.Changed.IsZero():
		s.Made, s.Changed = first, last
	case s.Previous == "" || first.After(s.Made):
		s.Made = first // none of the values came from a rotation, or all are newer
	case !v.Record.Oldest.IsZero() && s.Version == v.Record.Current:
		s.Made = v.Record.Oldest
	}
	if last.After(s.Changed) {
		// roi_secret made a value anew, and recorded that. In which version is not
		// recorded; the present one has it.
		s.Version, s.Changed = v.Current(), last
		s.Previous, s.Grace, _ = v.carried()
		s.Retired = false
	}
	return s
}

// times returns when the first and when the last of the values of a JSON secret
// were made, as far as its policies tell.
func (v View) times() (first, last time.Time) {
	if !v.JSON {
		return first, last
	}
	for i, key := range v.Concerned() {
		made := v.Policies[key].MadeAt
		if i == 0 || made.Before(first) {
			first = made
		}
		if made.After(last) {
			last = made
		}
	}
	return first, last
}

// previousVersion returns the version with the value before the last rotation, or
// "" when this provider did not rotate the present value.
func (v View) previousVersion() (id string, grace Grace, ok bool) {
	if version, _ := v.Version(); v.Record == nil || v.Record.Grace == nil || version != v.Record.Current {
		return "", Grace{}, false
	}
	return v.Record.Previous, *v.Record.Grace, true
}

// carried returns what is left to be retired of a rotation whose value roi_secret
// has made anew since: the version with AWSPREVIOUS, if the rotation made either of
// the two, or else the one that it left, while its suffixed keys are there.
func (v View) carried() (previous string, grace Grace, ok bool) {
	if !v.JSON || v.Record == nil || v.Record.Grace == nil {
		return "", Grace{}, false
	}
	switch p := v.Previous(); {
	case p != "" && (p == v.Record.Current || p == v.Record.Previous):
		return p, *v.Record.Grace, true
	case v.Record.Suffix != "":
		return v.Record.Previous, *v.Record.Grace, true
	}
	return "", Grace{}, false
}

// Retired reports whether the version before has lost AWSPREVIOUS for good, and
// the value the previous values of its keys.
func (v View) Retired() bool {
	previous, _, ok := v.previousVersion()
	return ok && v.Previous() != previous && v.Record.Suffix == ""
}

// dropping reports whether the current version is the one that Retire makes
// without the previous values of keys, and AWSPREVIOUS is on the one it left.
func (v View) dropping() bool {
	return v.Record != nil && v.Previous() != "" && v.Current() == secretstore.DeriveVersionID(v.Secret.ARN, v.Previous(), v.dropChange())
}

// dropChange names that change, see secretstore.Replacement.
func (v View) dropChange() string { return "drop previous keys " + v.Tag + " " + v.Record.Current }

// NeededUntil tells until when other rotations need a version to have AWSPREVIOUS.
// never is for good, as long as such a record is there. A grace period that never
// ends does not count: the version has a label that keeps it, see
// secretstore.KeepVersion.
func (v View) NeededUntil(version string) (until time.Time, never bool) {
	if v.Unreadable != nil {
		return time.Time{}, true
	}
	for _, other := range v.Others {
		if other.Previous != version || other.Grace == nil {
			continue
		}
		if other.Phase == Begun || other.Phase == Failed {
			return time.Time{}, true
		}
		if other.Grace.Never {
			continue
		}
		if end := other.Grace.Ends(other.At); end.After(until) {
			until = end
		}
	}
	return until, false
}

// PreviousToKeep returns the version that must have AWSPREVIOUS after a change of
// the current version at a time, because a grace period is running, or "". One that
// never ends does not count, see NeededUntil. A change of one of its own keys ends a
// grace period early, and so does the second change of another key since it began:
// AWSPREVIOUS would not have the value that this one leaves. changed nil means that
// all of the value changes.
func PreviousToKeep(records map[string]Record, changed []string, now time.Time) string {
	if changed == nil {
		return ""
	}
	var latest Record
	for tag, r := range records {
		running := r.graceRunning(now) && !r.Grace.Never
		if running && !concerns(records, tag, changed) && (latest.Previous == "" || r.At.After(latest.At)) {
			latest = r
		}
	}
	for tag, r := range records {
		left := r.Grace != nil && r.Previous == latest.Previous
		again := r.At.After(latest.At) && r.Current != latest.Current
		if (left || again) && concerns(records, tag, changed) {
			return ""
		}
	}
	return latest.Previous
}

// PreviousKeys returns the names under which a secret with these records holds
// previous values of keys, sorted.
func PreviousKeys(records map[string]Record, keys []string) []string {
	var names []string
	for tag, r := range records {
		for _, key := range keys {
			if r.Suffix != "" && concerns(records, tag, []string{key}) {
				names = append(names, key+r.Suffix)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// concerns reports whether a record is about one of the keys. That of the whole
// secret is about those that no other names.
func concerns(records map[string]Record, tag string, keys []string) bool {
	if tag != RecordTag {
		return slices.ContainsFunc(keys, records[tag].Names)
	}
	return slices.ContainsFunc(keys, func(key string) bool {
		for _, r := range records {
			if r.Names(key) {
				return false
			}
		}
		return true
	})
}

// CheckManaged says who rotates the secret for good, as a
// *secretstore.ForeignRotationError, or returns nil.
func (v View) CheckManaged() error {
	switch {
	case v.Secret.OwningService != "":
		return v.foreign("managed by the AWS service " + v.Secret.OwningService)
	case v.Secret.RotationEnabled:
		return v.foreign("rotated by AWS Secrets Manager with " + v.Secret.RotationLambda)
	}
	return nil
}

// CheckForeign says who is changing the secret, for good or at this moment, as a
// *secretstore.ForeignRotationError, or returns nil. Other rotations of ours are
// not looked at.
func (v View) CheckForeign() error {
	if err := v.CheckManaged(); err != nil {
		return err
	}
	pending := v.Pending()
	if pending != "" && pending != v.Current() && !secretstore.IsDerived(pending) {
		return v.foreign("being changed by someone else: version " + pending + " has " + secretstore.Pending)
	}
	return nil
}

// UnderWay reports whether the record in a tag is of an attempt that has made a
// version, which is yet to be finished.
func (v View) UnderWay(tag string) bool {
	other := v.Others[tag]
	return other.Phase != Settled && len(v.Secret.Labels[v.next(tag, other)]) > 0
}

// UncheckedError says that the current version is one that another rotation has
// made and not yet checked. What is derived from it would outlive its rollback.
type UncheckedError struct {
	Foreign *secretstore.ForeignRotationError
}

func (e *UncheckedError) Error() string { return e.Foreign.Error() }

func (e *UncheckedError) Unwrap() error { return e.Foreign }

// CheckFree says who is changing the secret, like CheckForeign, or, as an
// *UncheckedError, that another rotation of ours has to finish first.
func (v View) CheckFree() error {
	if err := v.CheckForeign(); err != nil {
		return err
	}
	for tag, other := range v.Others {
		if (other.Phase == Begun || other.Phase == Failed) && v.next(tag, other) == v.Current() {
			return &UncheckedError{&secretstore.ForeignRotationError{ARN: v.Secret.ARN, By: fmt.Sprintf(
				"being rotated by another roi_secret_rotation, whose record is the tag %q: its version %s is current and not yet checked", tag, v.Current())}}
		}
	}
	return nil
}

func (v View) foreign(by string) error {
	return &secretstore.ForeignRotationError{ARN: v.Secret.ARN, By: by}
}
