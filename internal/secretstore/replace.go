// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// keepLabel begins the labels that keep earlier versions of key material
// readable: the store drops versions without labels one day.
const keepLabel = "roi-keep-"

// namespace makes the version ids that this provider derives its own.
var namespace = uuid.MustParse("6f5e9d5c-2f0b-4d8e-9a31-7b1c0f6d2e84")

// DeriveVersionID returns the version id (a UUIDv5) that belongs to these parts
// and to no others. A retry after a crash derives the same id and so meets the
// version that the first try made.
func DeriveVersionID(parts ...string) string {
	var text strings.Builder
	for _, part := range parts {
		text.WriteString(strconv.Itoa(len(part)))
		text.WriteByte(':')
		text.WriteString(part)
	}
	return uuid.NewSHA1(namespace, []byte(text.String())).String()
}

// ForeignRotationError says that someone else is changing or rotating the secret.
type ForeignRotationError struct {
	ARN string
	By  string // who, in words that complete "is …"
}

func (e *ForeignRotationError) Error() string { return fmt.Sprintf("secret %q is %s", e.ARN, e.By) }

// Replacement is a change that gives a secret a new current version.
type Replacement struct {
	// Change names the change without any value. The same change from the same
	// version always makes the same new version, so it can be repeated.
	Change string
	// KeepEarlier labels the version that is left, so that it stays readable.
	KeepEarlier bool
	// Previous is the version that has to have AWSPREVIOUS afterwards, because a
	// grace period is running; "" for the version that is left.
	Previous string
	// Unfinished are versions of rotations by this provider that never became
	// current. Pending is taken from them: they can be made again.
	Unfinished []string
	// Value makes the new value from the current one; current is nil when the
	// secret has no current version.
	Value func(current *Value) (Plaintext, error)
}

// ReplaceCurrent gives a secret a new current version without a gap: the value
// is put as Pending, Current is moved with compare and swap, and Pending is
// removed. secret is a fresh description. It may be repeated after a failure at
// any point, and then finishes what was begun. The error is ErrConflict when
// another process moved Current meanwhile, a *ForeignRotationError when somebody
// else's change is under way; neither changes anything.
func ReplaceCurrent(ctx context.Context, store Store, secret Secret, change Replacement) error {
	base := secret.VersionWith(Current)
	pending := secret.VersionWith(Pending)
	previous := secret.VersionWith(Previous)

	if base != "" && base == DeriveVersionID(secret.ARN, previous, change.Change) {
		return finish(ctx, store, secret.ARN, previous, base, pending == base, change)
	}
	if base != "" && change.Previous != "" && change.Previous == previous {
		// AWSPREVIOUS may have been given back by an earlier try, so that it no
		// longer tells what this version was made from.
		done, err := madeBefore(ctx, store, secret.ARN, base, change.Change)
		if err != nil || done {
			return err
		}
	}
	version := DeriveVersionID(secret.ARN, base, change.Change)
	if err := refuseForeign(secret, pending, change); err != nil {
		return err
	}
	if base == "" {
		value, err := change.Value(nil)
		if err != nil {
			return err
		}
		return store.Put(ctx, PutInput{ID: secret.ARN, Token: version, Value: value, Labels: []string{Current}})
	}
	if pending != version {
		if err := putPending(ctx, store, secret.ARN, base, version, change); err != nil {
			return err
		}
	}
	if change.KeepEarlier {
		if err := KeepVersion(ctx, store, secret, base); err != nil {
			return err
		}
	}
	if err := store.MoveLabel(ctx, secret.ARN, Current, base, version); err != nil {
		if errors.Is(err, ErrConflict) {
			return errors.Join(err, removeLabel(ctx, store, secret.ARN, Pending, version, true))
		}
		return err
	}
	return finish(ctx, store, secret.ARN, base, version, true, change)
}

// finish cleans up after Current has been moved from one version to another.
// Previous comes last: until it is given back it tells that this was the change.
func finish(ctx context.Context, store Store, id, left, version string, pending bool, change Replacement) error {
	if err := removeLabel(ctx, store, id, Pending, version, pending); err != nil {
		return err
	}
	if change.Previous == "" || change.Previous == left {
		return nil
	}
	err := store.MoveLabel(ctx, id, Previous, left, change.Previous)
	if errors.Is(err, ErrConflict) {
		return nil // a later change has decided where it belongs
	}
	return err
}

// madeBefore reports whether a change made a version from any other.
func madeBefore(ctx context.Context, store Store, id, version, change string) (bool, error) {
	versions, err := store.Versions(ctx, id)
	return slices.ContainsFunc(versions, func(v Version) bool {
		return version == DeriveVersionID(id, v.ID, change)
	}), err
}

func refuseForeign(secret Secret, pending string, change Replacement) error {
	switch {
	case secret.OwningService != "":
		return &ForeignRotationError{ARN: secret.ARN, By: "managed by the AWS service " + secret.OwningService}
	case secret.RotationEnabled:
		return &ForeignRotationError{ARN: secret.ARN, By: "rotated by AWS Secrets Manager with " + secret.RotationLambda}
	case pending == "" || pending == secret.VersionWith(Current) || slices.Contains(change.Unfinished, pending):
		return nil
	}
	for base := range secret.Labels {
		if pending == DeriveVersionID(secret.ARN, base, change.Change) {
			return nil // our own, perhaps begun on a version that is no longer current
		}
	}
	return &ForeignRotationError{ARN: secret.ARN, By: "being changed by someone else: version " + pending + " has " + Pending}
}

func putPending(ctx context.Context, store Store, id, base, version string, change Replacement) error {
	current, err := store.Value(ctx, id, VersionRef{ID: base})
	if err != nil {
		return err
	}
	value, err := change.Value(&current)
	if err != nil {
		return err
	}
	err = store.Put(ctx, PutInput{ID: id, Token: version, Value: value, Labels: []string{Pending}})
	if errors.Is(err, ErrExists) {
		// An earlier try, or another process, made this very version with
		// another random value. That one is as good, and versions never change.
		return store.MoveLabel(ctx, id, Pending, "", version)
	}
	return err
}

// MaxKept is how many versions KeepVersion can label: a secret has at most 20
// labels, of which three have a meaning of their own.
const MaxKept = MaxLabels - 3

// KeptVersions is how many versions of a secret KeepVersion has labelled.
func KeptVersions(secret Secret) int {
	kept := 0
	for _, labels := range secret.Labels {
		for _, label := range labels {
			if strings.HasPrefix(label, keepLabel) {
				kept++
			}
		}
	}
	return kept
}

// KeepVersion gives a version the next free label roi-keep-N, unless it has one,
// so that the store never drops it. secret is a description.
func KeepVersion(ctx context.Context, store Store, secret Secret, version string) error {
	highest := 0
	for id, labels := range secret.Labels {
		for _, label := range labels {
			number, isKeep := strings.CutPrefix(label, keepLabel)
			if !isKeep {
				continue
			}
			if id == version {
				return nil
			}
			if n, err := strconv.Atoi(number); err == nil {
				highest = max(highest, n)
			}
		}
	}
	return store.MoveLabel(ctx, secret.ARN, keepLabel+strconv.Itoa(highest+1), "", version)
}

func removeLabel(ctx context.Context, store Store, id, label, version string, there bool) error {
	if !there {
		return nil
	}
	err := store.MoveLabel(ctx, id, label, version, "")
	if errors.Is(err, ErrConflict) {
		return nil // someone has taken the label already, which is all we wanted
	}
	return err
}
