// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// RolledBackError is for a rotation that failed its health checks. Its labels
// were put back, unless Left says what could not be.
type RolledBackError struct {
	ARN   string
	Cause error    // what was observed
	Steps []string // what was done to put the labels back
	Left  error
}

func (e *RolledBackError) Error() string {
	text := fmt.Sprintf("secret %q: %v; rolled back: %s", e.ARN, e.Cause, strings.Join(e.Steps, "; "))
	if e.Left != nil {
		text += "; not completed: " + e.Left.Error()
	}
	return text
}

// Unwrap makes errors.Is see both what failed and what failed after it.
func (e *RolledBackError) Unwrap() []error {
	if e.Left == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Left}
}

// rollBack undoes the rotation, unless another process has ended the same attempt.
// It is marked as failed before its version stops being current, so that it never
// becomes that again, wherever this breaks off.
func (a *attempt) rollBack(ctx context.Context, cause error) error {
	rolledBack := &RolledBackError{ARN: a.arn, Cause: cause}
	if err := a.takePending(ctx, a.view.pendingBefore(a.view.Tag, a.intent)...); errors.Is(err, errAgain) {
		return err
	} else if err != nil {
		rolledBack.Left = fmt.Errorf("the version %s stays current: %w", a.next, err)
		return rolledBack
	}
	rolledBack.Steps = append(rolledBack.Steps, secretstore.Pending+" is taken from "+a.next)
	if err := a.record(ctx, a.view, a.intent.failed()); err != nil {
		rolledBack.Left = fmt.Errorf("the attempt could not be marked as failed, and its version %s stays current: %w", a.next, err)
		return rolledBack
	}
	rolledBack.Steps = append(rolledBack.Steps, "version "+a.next+" is marked as failed")
	now := a.view
	now.Secret.Labels = map[string][]string{a.next: {secretstore.Current}, a.previous(): {secretstore.Previous}}
	done, err := a.restore(ctx, now, a.view.Tag, a.intent)
	rolledBack.Steps = append(rolledBack.Steps, done...)
	rolledBack.Left = err
	return rolledBack
}

// finishRollbacks puts the labels back that failed attempts have left, of any
// rotation of the secret: what is derived from their versions would outlive them. It
// reports whether there were any.
func finishRollbacks(ctx context.Context, r Rotator, v View) (done bool, err error) {
	records := maps.Clone(v.Others)
	if v.Record != nil {
		records[v.Tag] = *v.Record
	}
	for tag, record := range records {
		next := v.next(tag, record)
		if record.Phase != Failed || v.Current() != next && v.Previous() != next && v.Pending() != next {
			continue
		}
		if _, err := r.restore(ctx, v, tag, record); err != nil {
			return false, err
		}
		done = true
	}
	return done, nil
}

// Free makes a secret ready for a change of its value that is no rotation: it
// finishes rollbacks that broke off, and returns the secret as it is then. The error
// is a *secretstore.ForeignRotationError when the current version is one that a
// rotation has made and not yet recorded: a value made from it would hide that from
// the rotation.
func Free(ctx context.Context, store secretstore.Store, secret secretstore.Secret) (secretstore.Secret, error) {
	records, _ := DecodeAll(secret.Tags) // one that cannot be read has nothing to put back
	v := View{Secret: secret, Others: records}
	done, err := finishRollbacks(ctx, Rotator{Store: store}, v)
	if err != nil {
		return secret, err
	}
	if done {
		return store.Describe(ctx, secret.ARN)
	}
	for tag, record := range records {
		if record.Phase != Settled && v.Current() != "" && v.next(tag, record) == v.Current() {
			return secret, v.foreign(fmt.Sprintf("being rotated by a roi_secret_rotation, whose record is the tag %q: its version %s is current and not yet recorded. "+
				"If that rotation was interrupted, take back the change of this secret, apply, and make the change again", tag, v.Current()))
		}
	}
	return secret, nil
}

// restore puts every label back that was moved since the intent in a tag was
// written.
func (r Rotator) restore(ctx context.Context, v View, tag string, intent Record) (done []string, err error) {
	next, previous := v.next(tag, intent), v.Previous()
	move := func(label string, to ...string) error {
		for i, version := range to {
			r.step(ctx, "put "+label+" back", version)
			err := r.Store.MoveLabel(ctx, v.Secret.ARN, label, next, version)
			switch {
			case errors.Is(err, secretstore.ErrNotFound) && i < len(to)-1:
				continue // the store has dropped that version since, or never had it
			case errors.Is(err, secretstore.ErrConflict):
				return nil // another process has put it back, or moved it on
			case err != nil:
				return err
			case version == "":
				done = append(done, label+" is taken from "+next)
			default:
				done = append(done, label+" is on "+version+" again")
			}
			return nil
		}
		return nil
	}
	if v.Pending() == next {
		if err := move(secretstore.Pending, v.pendingBefore(tag, intent)...); err != nil {
			return done, err
		}
	}
	if v.Current() == next {
		if err := move(secretstore.Current, intent.Base); err != nil {
			return done, err
		}
		previous = next // the store puts it on the version that Current left
	}
	if previous == next {
		if err := move(secretstore.Previous, intent.Previous, ""); err != nil {
			return done, err
		}
	}
	return done, nil
}

// pendingBefore returns the versions that may have had AWSPENDING when an attempt
// began, the likeliest first, and "" for none: that of another rotation from the same
// base, which was interrupted and still has to be finished.
func (v View) pendingBefore(tag string, intent Record) []string {
	if intent.Pending {
		return []string{intent.Base}
	}
	var versions []string
	for _, other := range slices.Sorted(maps.Keys(v.Others)) {
		if r := v.Others[other]; other != tag && r.Phase == Begun && r.Base == intent.Base {
			versions = append(versions, v.next(other, r))
		}
	}
	return append(versions, "")
}
