// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"errors"
	"fmt"
	"time"
)

// Action is what is to be done with a secret.
type Action string

// The actions.
const (
	Adopt  Action = "adopt"  // the present version is taken as it is
	Finish Action = "finish" // the new version is current: check it and record it
	Resume Action = "resume" // the new version is there, and not yet current
	Rotate Action = "rotate" // a new version is made
)

// What becomes of an overdue value.
const (
	OverdueReplace = "replace"
	OverdueWarn    = "warn"
	OverdueError   = "error"
)

// Want is what a configuration asks of a rotation.
type Want struct {
	Schedule       Schedule
	Grace          Grace
	Days           int    // interval that is configured, for the record; 0: by the policy
	Triggers       string // Fingerprint
	RotateOnCreate bool
	Overdue        string    // OverdueReplace, …
	PlanAsOf       time.Time // zero: now
	Supplied       bool      // the value comes from outside and is never made here
}

// Decision is an Action with the reason for it, in words that complete "… is
// rotated because …".
type Decision struct {
	Action Action
	Reason string
	// Overdue is set when a value that is due is adopted all the same.
	Overdue bool
}

// DueError says that a value is due where the configuration asks for an error.
type DueError struct {
	ARN      string
	Due      time.Time
	Supplied bool
}

func (e *DueError) Error() string {
	return fmt.Sprintf("secret %q has been overdue since %s", e.ARN, e.Due.Format(time.RFC3339))
}

// ErrSupplied is for the rotation of a value that comes from outside.
var ErrSupplied = errors.New("the value is supplied and is never generated")

// Decide says what a create does with a secret. A provider is not told whether a
// create is new, one half of a replacement, or a retry, so that the secret alone
// decides. made is when the oldest of the values was made.
func Decide(v View, want Want, made, now time.Time) (Decision, error) {
	d, err := decide(v, want, made, now)
	if err == nil && want.Supplied && d.Action == Rotate {
		return d, ErrSupplied
	}
	return d, err
}

func decide(v View, want Want, made, now time.Time) (Decision, error) {
	if v.Record != nil {
		r := *v.Record
		next, current := v.next(v.Tag, r), v.Current()
		interrupted := "an earlier rotation of it was interrupted"
		switch {
		case r.Phase == Failed:
			return Decision{Action: Rotate, Reason: "an earlier rotation of it failed its health check or was given up"}, nil
		case r.Phase != Settled && current == next:
			return Decision{Action: Finish, Reason: interrupted}, nil
		case r.Phase != Settled && v.Pending() == next && current == r.Base:
			return Decision{Action: Resume, Reason: interrupted}, nil
		case r.Phase == Begun:
			return Decision{Action: Rotate, Reason: interrupted}, nil
		case r.Phase == Asked && want.Supplied:
			return Decision{Action: Adopt}, nil // nobody can do what was asked
		case r.Phase == Asked:
			return Decision{Action: Rotate, Reason: "its replacement was asked for"}, nil
		case r.Triggers != want.Triggers:
			return Decision{Action: Rotate, Reason: "its triggers changed"}, nil
		}
		if !want.PlanAsOf.IsZero() {
			now = want.PlanAsOf
		}
	}
	if want.Schedule.Overdue(made, now) {
		due := want.Schedule.Due(made)
		switch {
		case want.Overdue == OverdueError:
			return Decision{}, &DueError{ARN: v.Secret.ARN, Due: due, Supplied: want.Supplied}
		case want.Overdue == OverdueWarn || want.Supplied:
			return Decision{Action: Adopt, Overdue: true}, nil
		}
		return Decision{Action: Rotate, Reason: "it has been due since " + due.Format(time.RFC3339)}, nil
	}
	if want.RotateOnCreate && v.Record == nil {
		return Decision{Action: Rotate, Reason: "rotate_on_create is set and it was never rotated here"}, nil
	}
	return Decision{Action: Adopt}, nil
}

// begin returns the intent of a rotation from the current version: the record
// that tells everybody what is being made from what, and how to put it back.
func begin(v View, want Want, known string, at time.Time) Record {
	r := Record{Current: known, At: at}
	if v.Record != nil {
		r.Attempt, r.Suffix = v.Record.Attempt, v.Record.Suffix
		if v.Record.Phase == Failed {
			r.Attempt++
		}
		if p := v.Record.Previous; p != "" && p == v.Previous() && v.Record.Grace != nil && v.Record.Current == known {
			r.Grace = v.Record.Grace
		}
	}
	r.Previous = v.Previous()
	r.Phase, r.Base = Begun, v.Current()
	r.Pending = v.Pending() == r.Base
	r.Days, r.Triggers = want.Days, want.Triggers
	return r
}

// adopted returns the record of the present version.
func adopted(v View, want Want, version string, at time.Time) Record {
	r := Record{Current: version, At: at}
	if v.Record != nil {
		r.Attempt, r.Suffix = v.Record.Attempt, v.Record.Suffix
		previous, _, ok := v.previousVersion()
		if v.Record.Current != version {
			previous, _, ok = v.carried()
			if first, _ := v.times(); ok && !first.After(v.Record.At) {
				r.At = v.Record.At // roi_secret made some of the values anew, and the others keep their age
			}
		}
		if ok && previous != "" {
			r.Previous, r.Grace = previous, new(want.Grace)
		}
	}
	if v.Record != nil && r.At.Equal(v.Record.At) {
		r.Oldest = v.Record.Oldest
	}
	r.Days, r.Triggers = want.Days, want.Triggers
	return r
}

// finished returns the record of a rotation that is done.
func (r Record) finished(version, previous string, at time.Time, grace Grace, suffix string) Record {
	return Record{
		Current: version, At: at.UTC().Truncate(time.Second), Previous: previous, Grace: &grace,
		Suffix: suffix, Attempt: r.Attempt, Days: r.Days, Triggers: r.Triggers,
	}
}

func (r Record) failed() Record {
	r.Phase = Failed
	return r
}
