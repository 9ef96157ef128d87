// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import "testing"

func TestRotationDueFunction(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []any
		want      string
	}{
		"days":         {[]any{"2027-01-31T12:00:00Z", 90}, "2027-05-01T12:00:00Z"},
		"lead time":    {[]any{"2027-01-31T12:00:00Z", 90, "72h"}, "2027-04-28T12:00:00Z"},
		"no lead time": {[]any{"2027-01-31T12:00:00Z", 1, "0s"}, "2027-02-01T12:00:00Z"},
		"other zone":   {[]any{"2027-01-31T12:00:00+02:00", 1000}, "2029-10-27T10:00:00Z"},
		// Days have 24 hours, summer time or not.
		"leap year": {[]any{"2028-02-28T00:00:00Z", 1}, "2028-02-29T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, problem := call(t, "rotation_due", test.arguments...); problem != nil || got != test.want {
				t.Errorf("got %v, %v; want %s", got, problem, test.want)
			}
		})
	}
}

func TestRotationDueFunctionRefuses(t *testing.T) {
	const at = "2027-01-31T12:00:00Z"
	checkRefusals(t, "rotation_due", map[string]refusal{
		"date":           {[]any{"2027-01-31", 90}, 0, `rotated_at = "2027-01-31" is not an RFC 3339 time`},
		"no days":        {[]any{at, 0}, 1, "rotation_days = 0 is not between 1 and 1000"},
		"many days":      {[]any{at, 1001}, 1, "rotation_days = 1001 is not between 1 and 1000"},
		"days as lead":   {[]any{at, 90, "3d"}, 2, `rotate_before = "3d" is not a duration`},
		"negative lead":  {[]any{at, 90, "-1h"}, 2, `rotate_before = "-1h"`},
		"lead too long":  {[]any{at, 3, "72h"}, 2, "shorter than the rotation interval of 3 days"},
		"two lead times": {[]any{at, 3, "1h", "2h"}, 3, "at most one lead time"},
	})
}
