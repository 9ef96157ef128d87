// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestRemainingCountsWholeDaysDown(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		left time.Duration
		want float64
	}{
		"a week":                 {7 * day, 7},
		"just below a week":      {7*day - time.Second, 6},
		"the last day":           {day - time.Second, 0},
		"now":                    {0, 0},
		"overdue by a second":    {-time.Second, -1},
		"overdue by a day":       {-day, -1},
		"overdue by a day and 1": {-day - time.Second, -2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := Datum{Name: "SecretRotationDaysRemaining", Secret: "app/jwt", Environment: "production", Value: test.want, Unit: "None", At: now}
			if diff := cmp.Diff(want, Remaining("app/jwt", "production", now.Add(test.left), now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCountsAreOne(t *testing.T) {
	t.Parallel()
	want := []Datum{
		{Name: "SecretRotationSuccess", Secret: "app/jwt", Environment: "staging", Value: 1, Unit: "Count", At: now},
		{Name: "SecretRotationFailure", Secret: "app/jwt", Environment: "staging", Value: 1, Unit: "Count", At: now},
	}
	if diff := cmp.Diff(want, []Datum{Rotated("app/jwt", "staging", now), Failed("app/jwt", "staging", now)}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBatchesAreAsFewAsTheLimitAllows(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]int{0: nil, 1: {1}, 1000: {1000}, 1001: {1000, 1}, 2500: {1000, 1000, 500}} {
		var sizes []int
		data := make([]Datum, count)
		for i := range data {
			data[i].Value = float64(i)
		}
		var all []Datum
		for batch := range Batches(data) {
			sizes = append(sizes, len(batch))
			all = append(all, batch...)
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("%d values are cut into batches of %v, want %v", count, sizes, want)
		}
		if !slices.Equal(all, data) {
			t.Errorf("of %d values some are lost, or not in order", count)
		}
	}
}

func TestCheckNamespace(t *testing.T) {
	t.Parallel()
	for _, valid := range []string{DefaultNamespace, "a", "Shop:Security#1", "aws/x", "AWSX/y", strings.Repeat("x", 255)} {
		if err := CheckNamespace(valid); err != nil {
			t.Errorf("%q is refused: %v", valid, err)
		}
	}
	for invalid, want := range map[string]string{
		"":                       "1 to 255 characters",
		strings.Repeat("x", 256): "1 to 255 characters",
		"Shop Security":          "letters and digits",
		"Shop\n":                 "letters and digits",
		"Läden":                  "letters and digits",
		":Shop":                  "begin with a colon",
		"AWS/SecretsManager":     `"AWS/" at its beginning is reserved`,
	} {
		if err := CheckNamespace(invalid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error about %q", invalid, err, want)
		}
	}
}
