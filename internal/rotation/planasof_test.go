// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

func TestParsePlanAsOf(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 12, 1, 13, 14, 15, 0, time.FixedZone("CET", 3600))
	neither := `" is neither an RFC 3339 time such as "2027-03-31T00:00:00Z" nor a number of days from now such as "+91d"`

	for _, test := range []struct {
		in   string
		want string
		err  string
	}{
		{in: "", want: "0001-01-01T00:00:00Z"},
		{in: "+91d", want: "2027-03-02T12:14:15Z"},
		{in: "+0d", want: "2026-12-01T12:14:15Z"},
		{in: "+3650d", want: "2036-11-28T12:14:15Z"},
		{in: "+3651d", err: `"+3651d" is more than 3650 days from now`},
		{in: "+999999d", err: `"+999999d" is more than 3650 days from now`},
		{in: "2027-03-31T00:00:00Z", want: "2027-03-31T00:00:00Z"},
		{in: "2027-03-31T00:00:00+02:00", want: "2027-03-30T22:00:00Z"},
		{in: "2027-03-31", err: `"2027-03-31` + neither},
		{in: "91d", err: `"91d` + neither},
		{in: "-91d", err: `"-91d` + neither},
		{in: "+91h", err: `"+91h` + neither},
		{in: "+9999999d", err: `"+9999999d` + neither},
		{in: " +91d", err: `" +91d` + neither},
		{in: "2027-03-31T0:00:00Z", err: `"2027-03-31T0:00:00Z` + neither},
		{in: "2027-03-31T00:00:00,5Z", err: `"2027-03-31T00:00:00,5Z` + neither},
		{in: "2027-03-31T00:00:00+24:60", err: `"2027-03-31T00:00:00+24:60` + neither},
		{in: "0001-01-01T00:00:00Z", err: `"0001-01-01T00:00:00Z" is not within the years 1 to 9999 in UTC`},
		{in: "0001-01-01T00:00:00+01:00", err: `"0001-01-01T00:00:00+01:00" is not within the years 1 to 9999 in UTC`},
		{in: "9999-12-31T23:59:59-01:00", err: `"9999-12-31T23:59:59-01:00" is not within the years 1 to 9999 in UTC`},
		{in: "tomorrow", err: `"tomorrow` + neither},
	} {
		t.Run(test.in, func(t *testing.T) {
			t.Parallel()

			got, err := rotation.ParsePlanAsOf(test.in, now)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("got error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("unexpected error: %v", err)
			}
			if got.Format(time.RFC3339) != test.want || got.Location() != time.UTC {
				t.Errorf("got %v, want %s in UTC", got, test.want)
			}
		})
	}
}
