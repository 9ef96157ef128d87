// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// attempt is one rotation under way.
type attempt struct {
	Rotator
	view   View
	plan   Plan
	arn    string
	intent Record
	next   string    // id of the new version
	keep   string    // the version that has to have AWSPREVIOUS, once it is known
	made   time.Time // when it was made
}

// run takes a rotation from wherever it stands to its end. It stops between two
// steps when the context ends; what is then left is finished by the next run.
func (a *attempt) run(ctx context.Context, out *Outcome) error {
	steps := []func(context.Context) error{a.begin, a.put, a.promote, a.keepPrevious, a.check, a.keepEarlier}
	switch out.Action {
	case Finish:
		a.resume()
		steps = []func(context.Context) error{a.keepPrevious, a.check, a.keepEarlier}
	case Resume:
		a.resume()
		steps = []func(context.Context) error{a.promote, a.keepPrevious, a.check, a.keepEarlier}
	}
	steps = append(steps, func(ctx context.Context) error { return a.finish(ctx, out) })
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resume takes up the attempt that the record tells of.
func (a *attempt) resume() {
	a.intent = *a.view.Record
	a.intent.Keys = a.view.Keys
	a.intent.Hashes = nil
	a.next = a.view.next(a.view.Tag, a.intent)
	if a.intent.Phase == Asked {
		// Another process rotated while this one asked: the version is its.
		a.intent.Previous, a.intent.Grace, a.intent.Phase = "", nil, Begun
	}
}

// begin writes the intent, before anything else changes.
func (a *attempt) begin(ctx context.Context) error {
	state, err := a.State(ctx, a.view)
	if err != nil {
		return err
	}
	if a.plan.protectStored() && secretstore.KeptVersions(a.view.Secret) >= secretstore.MaxKept {
		return &secretstore.Error{Op: "rotate", ID: a.arn, Kind: secretstore.ErrLimit, Err: fmt.Errorf(
			"%d earlier versions are kept for what they encrypted, and a secret has at most %d labels; "+
				"take roi-keep labels from versions that nothing is encrypted with any more", secretstore.MaxKept, secretstore.MaxLabels)}
	}
	a.intent = begin(a.view, a.plan.Want, state.Version, state.Changed)
	a.intent.Keys = a.view.Keys
	a.next = a.intent.NextVersion(a.arn, a.view.Tag, a.intent.Base)
	return a.record(ctx, a.view, a.intent)
}

// put makes the new version and gives it AWSPENDING.
func (a *attempt) put(ctx context.Context) error {
	var current secretstore.Value
	if a.plan.readsCurrent() {
		a.step(ctx, "read", a.intent.Base)
		var err error
		if current, err = a.Store.Value(ctx, a.arn, secretstore.VersionRef{ID: a.intent.Base}); err != nil {
			return err
		}
	}
	values := a.plan.Values
	values.Suffix = a.plan.suffix()
	value, err := values.next(current, a.intent.Suffix)
	if err != nil {
		return fmt.Errorf("secret %q: %w", a.arn, err)
	}
	a.made = a.Clock.Now()
	a.step(ctx, "put "+secretstore.Pending, a.next)
	err = a.Store.Put(ctx, secretstore.PutInput{ID: a.arn, Token: a.next, Value: value, Labels: []string{secretstore.Pending}})
	if errors.Is(err, secretstore.ErrExists) {
		return a.exists(ctx)
	}
	return err
}

// exists deals with a version that has the id of this attempt but another value.
// One with a label was made a moment ago, by an earlier try or by another process,
// and is as good. One without was given up: it must never become current. A store
// that lags behind may just not show its label yet.
func (a *attempt) exists(ctx context.Context) error {
	for try := 1; ; try++ {
		secret, err := a.Store.Describe(ctx, a.arn)
		if err != nil {
			return err
		}
		if len(secret.Labels[a.next]) > 0 || secret.VersionWith(secretstore.Current) != a.intent.Base {
			return errAgain
		}
		if try > int(patience/pause) {
			a.view.Secret = secret
			return cmp.Or(a.record(ctx, a.view, a.intent.failed()), errAgain)
		}
		if err := a.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// promote makes the new version current, if the one it was made from still is.
func (a *attempt) promote(ctx context.Context) error {
	a.step(ctx, "move "+secretstore.Current, a.next)
	err := a.Store.MoveLabel(ctx, a.arn, secretstore.Current, a.intent.Base, a.next)
	if errors.Is(err, secretstore.ErrConflict) {
		return errAgain
	}
	return err
}

// previous is the version that has to have AWSPREVIOUS after this rotation. It is
// decided once, since grace periods end while health is checked.
func (a *attempt) previous() string {
	if a.keep == "" {
		a.keep = a.decidePrevious()
	}
	return a.keep
}

func (a *attempt) decidePrevious() string {
	if there := a.view.Previous(); a.view.Current() == a.next && there != "" && there != a.intent.Base && there != a.next {
		return there // an earlier run of this attempt has decided it
	}
	changed := a.plan.keys()
	records := map[string]Record{}
	for tag, r := range a.view.Others {
		records[tag] = r
	}
	records[a.view.Tag] = a.intent
	if keep := PreviousToKeep(records, changed, a.Clock.Now()); keep != "" {
		return keep
	}
	return a.intent.Base
}

// keepPrevious gives AWSPREVIOUS back to a version whose grace period is running:
// the store has moved it to the one that was current.
func (a *attempt) keepPrevious(ctx context.Context) error {
	keep := a.previous()
	if keep == a.intent.Base || a.view.Previous() == keep && a.view.Current() == a.next {
		return nil
	}
	a.step(ctx, "give "+secretstore.Previous+" back", keep)
	err := a.Store.MoveLabel(ctx, a.arn, secretstore.Previous, a.intent.Base, keep)
	if errors.Is(err, secretstore.ErrConflict) {
		return nil
	}
	return err
}

func (a *attempt) check(ctx context.Context) error {
	if a.Check == nil {
		return nil
	}
	a.step(ctx, "check health", a.next)
	unhealthy := a.Check(ctx)
	switch {
	case ctx.Err() == nil:
	case unhealthy == nil || errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	default:
		// The time of the whole rotation was over first. What was not healthy until
		// then must not stay current.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		ctx, unhealthy = late, fmt.Errorf("it was not healthy when the time for the rotation was over: %w", unhealthy)
	}
	if unhealthy == nil {
		return nil
	}
	return a.rollBack(ctx, unhealthy)
}

// takePending takes AWSPENDING from the new version, to the first of some versions
// that is there; "" is for none. Whoever takes it decides what becomes of the attempt:
// if another process has, it has finished or rolled back the same attempt while health
// was checked here.
func (a *attempt) takePending(ctx context.Context, to ...string) error {
	for i, version := range to {
		a.step(ctx, "take "+secretstore.Pending+" away", a.next)
		err := a.Store.MoveLabel(ctx, a.arn, secretstore.Pending, a.next, version)
		switch {
		case errors.Is(err, secretstore.ErrConflict):
			return errAgain
		case errors.Is(err, secretstore.ErrNotFound) && i < len(to)-1:
			continue
		}
		return err
	}
	return nil
}

// keepEarlier labels the version that was left, when it holds what stored data
// was encrypted with.
func (a *attempt) keepEarlier(ctx context.Context) error {
	if !a.plan.protectStored() {
		return nil
	}
	a.step(ctx, "keep", a.intent.Base)
	return secretstore.KeepVersion(ctx, a.Store, a.view.Secret, a.intent.Base)
}

func (a *attempt) finish(ctx context.Context, out *Outcome) error {
	if a.made.IsZero() { // made by an earlier run
		var err error
		if a.made, err = a.Created(ctx, a.view.Secret, a.next); err != nil {
			return err
		}
	}
	if err := a.takePending(ctx, ""); err != nil {
		return err
	}
	previous := a.previous()
	record := a.intent.finished(a.next, previous, a.made, a.plan.Grace, a.plan.suffix())
	record.Keys = a.intent.Keys
	if err := a.record(ctx, a.view, record); err != nil {
		return err
	}
	done := State{ARN: a.arn, Version: a.next, Changed: record.At, Made: record.At, Previous: previous, Grace: a.plan.Grace}
	if a.plan.Grace == (Grace{}) {
		if until, never := a.view.NeededUntil(previous); !never && !until.After(a.Clock.Now()) {
			if err := a.take(ctx, a.arn, secretstore.Previous, previous); err != nil {
				return err
			}
			done.Retired = true
		}
	}
	out.State = done
	if a.intent.Triggers != a.plan.Triggers {
		return errAgain // the attempt was for earlier triggers
	}
	return nil
}
