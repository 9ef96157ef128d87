// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import "time"

// Day is the unit of rotation intervals. It always has 24 hours: intervals do not
// know months, leap years or summer time.
const Day = 24 * time.Hour

// MaxDays is the longest rotation interval. AWS Secrets Manager has the same.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html
const MaxDays = 1000

// Schedule says when a value is due. Interval 0 means never. Lead, which is less
// than Interval, makes it due that much earlier.
type Schedule struct {
	Interval time.Duration
	Lead     time.Duration
}

// Due returns when a value that was made at a time is due, in UTC; the zero time
// when it never is, or when it is not known when it was made.
func (s Schedule) Due(made time.Time) time.Time {
	if s.Interval <= 0 || made.IsZero() {
		return time.Time{}
	}
	return made.UTC().Add(s.Interval - s.Lead)
}

// Overdue reports whether a value that was made at a time is due at another.
func (s Schedule) Overdue(made, now time.Time) bool {
	due := s.Due(made)
	return !due.IsZero() && !now.Before(due)
}

// Grace is how long the value before a rotation stays valid. The Period of one
// that never ends is 0.
type Grace struct {
	Period time.Duration
	Never  bool // never ends
}

// Ends returns when the grace period of a rotation ends, in UTC; the zero time
// when it never does.
func (g Grace) Ends(rotated time.Time) time.Time {
	if g.Never {
		return time.Time{}
	}
	return rotated.UTC().Add(g.Period)
}

// Over reports whether the grace period of a rotation is over.
func (g Grace) Over(rotated, now time.Time) bool {
	return !g.Never && !now.Before(g.Ends(rotated))
}
