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

// checkBytes are the last bytes of a derived version id, which are a digest of
// the others.
const checkBytes = 6

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
	id := uuid.NewSHA1(namespace, []byte(text.String()))
	return checked(id).String()
}

// IsDerived reports whether DeriveVersionID made a version id, from whatever
// parts: a version that is pending and not derived is somebody else's. An id of
// somebody else passes with a probability of 2⁻⁴⁸.
func IsDerived(version string) bool {
	id, err := uuid.Parse(version)
	return err == nil && id.Version() == 5 && checked(id) == id
}

func checked(id uuid.UUID) uuid.UUID {
	digest := uuid.NewSHA1(namespace, id[:len(id)-checkBytes])
	copy(id[len(id)-checkBytes:], digest[:checkBytes])
	return id
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
	// Fresh says that the new value owes nothing to the current one, which is then
	// not read.
	Fresh bool
	// Value makes the new value from the current one; current is nil when Fresh,
	// and when the secret has no current version.
	Value func(current *Value) (Plaintext, error)
	// Same reports whether a version that an earlier try of this change made still
	// is what the change wants. nil is always: one random value is as good as
	// another. For what comes from outside it must compare.
	Same func(Value) bool
}

// maxTries is how often a change can begin again because an earlier try of it
// made a version that is no longer what the change wants.
const maxTries = 10

// name tells the tries apart.
func (r Replacement) name(try int) string {
	if try == 0 {
		return r.Change
	}
	return r.Change + ", try " + strconv.Itoa(try+1)
}

// Made reports whether a try of this change made a version from another.
func (r Replacement) Made(arn, version, from string) bool {
	for try := range maxTries {
		if version == DeriveVersionID(arn, from, r.name(try)) {
			return true
		}
	}
	return false
}

func (r Replacement) same(ctx context.Context, store Store, id, version string) (bool, error) {
	if r.Same == nil {
		return true, nil
	}
	value, err := store.Value(ctx, id, VersionRef{ID: version})
	return err == nil && r.Same(value), err
}

// ReplaceCurrent gives a secret a new current version without a gap: the value
// is put as Pending, Current is moved with compare and swap, and Pending is
// removed. secret is a fresh description. It may be repeated after a failure at
// any point, and then finishes what was begun. A version that this provider left
// pending and that nobody finishes is given up. The error is ErrConflict when
// another process moved Current meanwhile, a *ForeignRotationError when somebody
// else's change is under way; neither changes anything.
func ReplaceCurrent(ctx context.Context, store Store, secret Secret, change Replacement) error {
	base, previous, pending := secret.VersionWith(Current), secret.VersionWith(Previous), secret.VersionWith(Pending)
	if base != "" && change.Made(secret.ARN, base, previous) {
		same, err := change.same(ctx, store, secret.ARN, base)
		if err != nil {
			return err
		}
		if same {
			return finish(ctx, store, secret.ARN, previous, base, pending == base, change)
		}
	}
	if base != "" && change.Previous != "" && change.Previous == previous {
		// AWSPREVIOUS may have been given back by an earlier try, so that it no
		// longer tells what this version was made from.
		done, err := madeBefore(ctx, store, secret.ARN, base, change)
		if err != nil || done {
			return err
		}
	}
	if err := refuseForeign(secret, pending); err != nil {
		return err
	}
	version, err := propose(ctx, store, secret, change)
	if err != nil || base == "" {
		return err
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

// propose makes the new version, or finds the one that an earlier try made, and
// has it pending; the first version of a secret becomes current at once.
func propose(ctx context.Context, store Store, secret Secret, change Replacement) (version string, err error) {
	base, pending := secret.VersionWith(Current), secret.VersionWith(Pending)
	label := Pending
	if base == "" {
		label = Current
	}
	var value *Plaintext // made once, whatever the number of tries
	for try := range maxTries {
		version = DeriveVersionID(secret.ARN, base, change.name(try))
		exists := version == pending
		if !exists {
			if value == nil {
				if value, err = change.makeValue(ctx, store, secret.ARN, base); err != nil {
					return "", err
				}
			}
			err = store.Put(ctx, PutInput{ID: secret.ARN, Token: version, Value: *value, Labels: []string{label}})
			if err == nil {
				return version, nil
			}
			if !errors.Is(err, ErrExists) {
				return "", err
			}
		}
		same, err := change.same(ctx, store, secret.ARN, version)
		if err != nil {
			return "", err
		}
		if same && !exists {
			err = store.MoveLabel(ctx, secret.ARN, label, "", version)
		}
		if same {
			return version, err
		}
	}
	return "", fmt.Errorf("secret %q: gave up after %d versions of one change", secret.ARN, maxTries)
}

func (r Replacement) makeValue(ctx context.Context, store Store, id, base string) (*Plaintext, error) {
	var current *Value
	if base != "" && !r.Fresh {
		read, err := store.Value(ctx, id, VersionRef{ID: base})
		if err != nil {
			return nil, err
		}
		current = &read
	}
	value, err := r.Value(current)
	return &value, err
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
func madeBefore(ctx context.Context, store Store, id, version string, change Replacement) (bool, error) {
	versions, err := store.Versions(ctx, id)
	return slices.ContainsFunc(versions, func(v Version) bool { return change.Made(id, version, v.ID) }), err
}

func refuseForeign(secret Secret, pending string) error {
	switch {
	case secret.OwningService != "":
		return &ForeignRotationError{ARN: secret.ARN, By: "managed by the AWS service " + secret.OwningService}
	case secret.RotationEnabled:
		return &ForeignRotationError{ARN: secret.ARN, By: "rotated by AWS Secrets Manager with " + secret.RotationLambda}
	case pending != "" && pending != secret.VersionWith(Current) && !IsDerived(pending):
		return &ForeignRotationError{ARN: secret.ARN, By: "being changed by someone else: version " + pending + " has " + Pending}
	}
	return nil
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
