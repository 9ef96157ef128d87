// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// MaxPlanAsOfDays is the furthest that "+Nd" reaches: ten years.
const MaxPlanAsOfDays = 3650

var daysFromNow = regexp.MustCompile(`^\+([0-9]{1,6})d$`)

// ParsePlanAsOf returns the time that plans are made for: s is an RFC 3339 time
// or, as "+91d", a number of days of 24 hours after now, up to MaxPlanAsOfDays.
// The result is in UTC. It has nothing to say about an empty s: the zero time.
func ParsePlanAsOf(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if m := daysFromNow.FindStringSubmatch(s); m != nil {
		days, err := strconv.Atoi(m[1])
		if err != nil || days > MaxPlanAsOfDays {
			return time.Time{}, fmt.Errorf("%q is more than %d days from now", s, MaxPlanAsOfDays)
		}
		return now.UTC().Add(time.Duration(days) * 24 * time.Hour), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf(`%q is neither an RFC 3339 time such as "2027-03-31T00:00:00Z" nor a number of days from now such as "+91d"`, s)
	}
	return t.UTC(), nil
}
