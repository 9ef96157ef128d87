// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package rotation says when a secret value is due and gives it a new one: a
// series of steps over a store, each of which can be repeated, so that a rotation
// that broke off anywhere is finished by the next one. It knows no Terraform.
package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Rotator carries out rotations.
type Rotator struct {
	Store secretstore.Store
	Clock clock.Clock
	// Check tells whether the consumers of the secret are healthy with the new
	// version; nil asks nobody.
	Check func(context.Context) error
	// Step is told about every step before it is made; version is the one that it
	// concerns. It may be nil.
	Step func(ctx context.Context, step, version string)
	// Sleep waits between two readings of a store that lags behind.
	Sleep func(context.Context, time.Duration) error
	// Made, unless nil, is the secret as the caller has just made it. That is enough
	// to adopt its value; before anything else it is described afresh.
	Made *secretstore.Secret
}

// Plan is what a configuration makes of a secret, seen through a View.
type Plan struct {
	Want
	Values
}

// suffix is the one that a new version has: none without a grace period.
func (p Plan) suffix() string {
	if p.Grace == (Grace{}) || !p.json() {
		return ""
	}
	return p.Suffix
}

// Outcome is what a run did, and found before it did anything.
type Outcome struct {
	Decision
	Before State
	State
	// HadRecord is set when there was a record already, so that somebody may have
	// expected a rotation.
	HadRecord bool
}

const (
	maxTries = 8
	pause    = 500 * time.Millisecond

	// How long an answer that may be out of date is asked for again, and another
	// process has time for its next step.
	patience = 5 * time.Second

	rollbackTime = 30 * time.Second // for a rotation whose time is over
)

// errAgain asks for another look at the secret: somebody else changed it.
var errAgain = errors.New("the secret was changed meanwhile")

// Run describes a secret afresh, decides, and does what it decided. resolve says
// what the configuration makes of what is found. expect, unless nil, reports
// whether a description can be up to date: a store may answer from before a write
// of this very run.
func (r Rotator) Run(ctx context.Context, id string, keys []string, resolve func(View) (Plan, error), expect func(View) bool) (Outcome, error) {
	var out Outcome
	for try := 1; ; try++ {
		view, err := r.look(ctx, id, keys, expect)
		if err != nil {
			return out, err
		}
		isMade := r.Made != nil
		r.Made = nil
		plan, err := resolve(view)
		if err != nil {
			return out, err
		}
		now, err := r.State(ctx, view)
		if err != nil {
			return out, err
		}
		if try == 1 {
			out.Before, out.HadRecord = now, view.Record != nil
		}
		out.State = now
		if isMade {
			d, err := Decide(view, plan.Want, now.Made, r.Clock.Now())
			if err != nil || d.Action != Adopt {
				continue
			}
		}
		err = r.act(ctx, view, plan, &out)
		if !errors.Is(err, errAgain) {
			return out, err
		}
		if try == maxTries {
			return out, &secretstore.Error{Op: "rotate", ID: view.Secret.ARN, Kind: secretstore.ErrConflict, Err: fmt.Errorf("%d times: %w", try, err)}
		}
		if err := r.Sleep(ctx, pause); err != nil {
			return out, err
		}
	}
}

func (r Rotator) look(ctx context.Context, id string, keys []string, expect func(View) bool) (View, error) {
	if r.Made != nil {
		return Look(*r.Made, keys)
	}
	for try := 1; ; try++ {
		secret, err := r.Store.Describe(ctx, id)
		if err != nil {
			return View{}, err
		}
		if !secret.DeletedAt.IsZero() {
			return View{}, &secretstore.Error{Op: "rotate", ID: id, Kind: secretstore.ErrScheduledForDeletion}
		}
		view, err := Look(secret, keys)
		if err != nil || expect == nil || expect(view) || try > int(patience/pause) {
			return view, err
		}
		if err := r.Sleep(ctx, pause); err != nil {
			return view, err
		}
	}
}

// State returns what a View tells of the value. It asks the store for the creation
// time of the version when nothing else tells it.
func (r Rotator) State(ctx context.Context, v View) (State, error) {
	s := v.State()
	if s.Version == "" || !s.Changed.IsZero() {
		return s, nil
	}
	at, err := v.Secret.CreatedAt.UTC().Truncate(time.Second), error(nil)
	if s.Version != v.Secret.FirstVersion() {
		at, err = r.Created(ctx, v.Secret, s.Version)
	}
	s.Made, s.Changed = at, at
	return s, err
}

// Created returns when a version with a label was made. A store that lags behind may
// describe a version and not list it yet: it is listed again for some seconds, and
// then counts as made now. As old as its secret it would be rotated again.
func (r Rotator) Created(ctx context.Context, secret secretstore.Secret, version string) (time.Time, error) {
	for try := 1; ; try++ {
		versions, err := r.Store.Versions(ctx, secret.ARN)
		if err != nil {
			return time.Time{}, err
		}
		at := r.Clock.Now()
		i := slices.IndexFunc(versions, func(v secretstore.Version) bool { return v.ID == version })
		if i >= 0 {
			at = versions[i].CreatedAt
			if at.IsZero() {
				at = secret.CreatedAt
			}
		}
		if i >= 0 || try > int(patience/pause) {
			return at.UTC().Truncate(time.Second), nil
		}
		if err := r.Sleep(ctx, pause); err != nil {
			return time.Time{}, err
		}
	}
}

func (r Rotator) act(ctx context.Context, v View, plan Plan, out *Outcome) error {
	if err := v.CheckManaged(); err != nil {
		return err
	}
	if v.Current() == "" {
		return &secretstore.Error{Op: "rotate", ID: v.Secret.ARN, Kind: secretstore.ErrNotFound, Err: errors.New("the secret has no current version")}
	}
	d, err := Decide(v, plan.Want, out.Made, r.Clock.Now())
	if err != nil {
		return err
	}
	// A retry that finds nothing left to do had a reason all the same.
	if d.Action == Adopt && out.Reason != "" {
		d.Reason = out.Reason
	}
	out.Decision = d
	if d.Action == Adopt {
		v, err := r.adopt(ctx, v, plan, out)
		if err == nil && plan.Grace == (Grace{}) {
			out.Retired, err = r.retire(ctx, v, plan, r.Clock.Now())
		}
		return err
	}
	if done, err := finishRollbacks(ctx, r, v); err != nil || done {
		return cmp.Or(err, errAgain)
	}
	if err := v.CheckFree(); err != nil {
		return err
	}
	if next := v.next(v.Tag, *cmp.Or(v.Record, &Record{})); d.Action == Finish && v.Pending() != next {
		return r.regain(ctx, v, next)
	}
	a := attempt{Rotator: r, view: v, plan: plan, arn: v.Secret.ARN}
	return a.run(ctx, out)
}

// regain gives AWSPENDING back to the version of an attempt that was interrupted
// after it was taken away, and asks for another look. Whoever takes it decides what
// becomes of the attempt, and another process may have done so just now: it is given
// the time to write that down.
func (r Rotator) regain(ctx context.Context, v View, next string) error {
	if err := r.Sleep(ctx, patience); err != nil {
		return err
	}
	secret, err := r.Store.Describe(ctx, v.Secret.ARN)
	if err != nil || secret.Tags[v.Tag] != v.Secret.Tags[v.Tag] {
		return cmp.Or(err, errAgain)
	}
	r.step(ctx, "put "+secretstore.Pending+" back", next)
	err = r.Store.MoveLabel(ctx, v.Secret.ARN, secretstore.Pending, v.Pending(), next)
	if err == nil || errors.Is(err, secretstore.ErrConflict) {
		return errAgain
	}
	return err
}

// adopt writes the record of the present version, unless it is there, and returns
// the View with it.
func (r Rotator) adopt(ctx context.Context, v View, plan Plan, out *Outcome) (View, error) {
	record := adopted(v, plan.Want, out.Version, out.Changed)
	record.Keys = v.Keys
	if err := r.record(ctx, v, record); err != nil {
		return v, err
	}
	if out.Previous != "" {
		out.Grace = plan.Grace
	}
	v.Record = &record
	return v, nil
}

// record writes the record, unless it is there already.
func (r Rotator) record(ctx context.Context, v View, record Record) error {
	text, err := record.Encode()
	if err != nil {
		return err
	}
	if v.Secret.Tags[v.Tag] == text {
		return nil
	}
	r.step(ctx, "record "+string(record.Phase), record.Current)
	return r.Store.Tag(ctx, v.Secret.ARN, map[string]string{v.Tag: text})
}

// take moves a label away from a version. That somebody else has taken it already
// is all that was wanted.
func (r Rotator) take(ctx context.Context, arn, label, from string) error {
	r.step(ctx, "take "+label+" away", from)
	err := r.Store.MoveLabel(ctx, arn, label, from, "")
	if errors.Is(err, secretstore.ErrConflict) {
		return nil
	}
	return err
}

func (r Rotator) step(ctx context.Context, step, version string) {
	if r.Step != nil {
		r.Step(ctx, step, version)
	}
}
