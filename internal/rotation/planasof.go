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

// shape is that of an RFC 3339 time. time.Parse takes others, too, such as
// 2027-03-31T0:00:00,5+24:60 (https://github.com/golang/go/issues/54580).
var shape = regexp.MustCompile(`^.{10}T..:..:..(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// ParsePlanAsOf returns the time that plans are made for: s is an RFC 3339 time
// or, as "+91d", a number of days of 24 hours after now, up to MaxPlanAsOfDays.
// The result is in UTC, and of the years 1 to 9999, which JSON can hold. It has
// nothing to say about an empty s: the zero time.
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
	if err != nil || !shape.MatchString(s) {
		return time.Time{}, fmt.Errorf(`%q is neither an RFC 3339 time such as "2027-03-31T00:00:00Z" nor a number of days from now such as "+91d"`, s)
	}
	t = t.UTC()
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("%q is not within the years 1 to 9999 in UTC", s)
	}
	return t, nil
}
