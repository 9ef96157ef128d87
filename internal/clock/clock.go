// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package clock is the only place in the provider that reads the time, so that
// a test can decide what "now" is.
package clock

import "time"

// Clock tells the current time in UTC.
type Clock interface {
	Now() time.Time
}

// System is the machine's clock.
type System struct{}

// Now returns the machine's time in UTC.
func (System) Now() time.Time { return time.Now().UTC() }
