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
		at, err = r.created(ctx, v.Secret, s.Version)
	}
	s.Made, s.Changed = at, at
	return s, err
}

func (r Rotator) created(ctx context.Context, secret secretstore.Secret, version string) (time.Time, error) {
	versions, err := r.Store.Versions(ctx, secret.ARN)
	if err != nil {
		return time.Time{}, err
	}
	for _, v := range versions {
		if v.ID == version && !v.CreatedAt.IsZero() {
			return v.CreatedAt.UTC().Truncate(time.Second), nil
		}
	}
	return secret.CreatedAt.UTC().Truncate(time.Second), nil
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
		if a.made, err = a.created(ctx, a.view.Secret, a.next); err != nil {
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
