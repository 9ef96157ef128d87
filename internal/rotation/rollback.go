// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// rollBack undoes the rotation. The attempt is marked as failed before anything
// else, so that it is never promoted again, wherever this breaks off.
func (a *attempt) rollBack(ctx context.Context, cause error) error {
	rolledBack := &RolledBackError{ARN: a.arn, Cause: cause}
	if err := a.record(ctx, a.view, a.intent.failed()); err != nil {
		rolledBack.Left = fmt.Errorf("the attempt could not be marked as failed, and its version %s stays current: %w", a.next, err)
		return rolledBack
	}
	rolledBack.Steps = append(rolledBack.Steps, "version "+a.next+" is marked as failed")
	done, err := a.restore(ctx, a.arn, a.intent, a.next, a.next, a.previous(), a.next)
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
		if _, err := r.restore(ctx, v.Secret.ARN, record, next, v.Current(), v.Previous(), v.Pending()); err != nil {
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

// restore puts every label back that was moved since the intent was written.
// current, previous and pending are where they are now.
func (r Rotator) restore(ctx context.Context, arn string, intent Record, next, current, previous, pending string) (done []string, err error) {
	move := func(label, to string) error {
		r.step(ctx, "put "+label+" back", to)
		err := r.Store.MoveLabel(ctx, arn, label, next, to)
		switch {
		case errors.Is(err, secretstore.ErrConflict):
			return nil // another process has put it back, or moved it on
		case err != nil:
			return err
		case to == "":
			done = append(done, label+" is taken from "+next)
		default:
			done = append(done, label+" is on "+to+" again")
		}
		return nil
	}
	if current == next {
		if err := move(secretstore.Current, intent.Base); err != nil {
			return done, err
		}
		previous = next // the store puts it on the version that Current left
	}
	if previous == next {
		err := move(secretstore.Previous, intent.Previous)
		if errors.Is(err, secretstore.ErrNotFound) {
			err = move(secretstore.Previous, "") // the store has dropped that version since
		}
		if err != nil {
			return done, err
		}
	}
	if pending == next {
		to := ""
		if intent.Pending {
			to = intent.Base
		}
		if err := move(secretstore.Pending, to); err != nil {
			return done, err
		}
	}
	return done, nil
}
