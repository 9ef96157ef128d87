// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

func TestScheduleByExample(t *testing.T) {
	t.Parallel()
	made := time.Date(2028, 2, 28, 23, 30, 0, 0, time.FixedZone("CET", 3600))
	for _, test := range []struct {
		schedule rotation.Schedule
		want     string
	}{
		{rotation.Schedule{Interval: rotation.Day}, "2028-02-29T22:30:00Z"},
		{rotation.Schedule{Interval: 2 * rotation.Day}, "2028-03-01T22:30:00Z"},
		{rotation.Schedule{Interval: 30 * rotation.Day}, "2028-03-29T22:30:00Z"}, // summer time has begun there
		{rotation.Schedule{Interval: 366 * rotation.Day}, "2029-02-28T22:30:00Z"},
		{rotation.Schedule{Interval: 90 * rotation.Day, Lead: 72 * time.Hour}, "2028-05-25T22:30:00Z"},
		{rotation.Schedule{Interval: 1000 * rotation.Day}, "2030-11-24T22:30:00Z"},
		{rotation.Schedule{}, "0001-01-01T00:00:00Z"},
	} {
		if got := test.schedule.Due(made).Format(time.RFC3339); got != test.want {
			t.Errorf("%+v: due at %s, want %s", test.schedule, got, test.want)
		}
	}
}

func drawTime(t *rapid.T, name string) time.Time {
	return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, name), 0).In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, name+" zone")*3600))
}

func TestScheduleByProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		made := drawTime(t, "made")
		days := rapid.IntRange(1, rotation.MaxDays).Draw(t, "days")
		interval := time.Duration(days) * rotation.Day
		schedule := rotation.Schedule{Interval: interval, Lead: time.Duration(rapid.Int64Range(0, int64(interval)-1).Draw(t, "lead"))}
		due := schedule.Due(made)
		if due.Location() != time.UTC {
			t.Fatalf("due in %v", due.Location())
		}
		if got := due.Sub(made) + schedule.Lead; got != interval {
			t.Fatalf("due %v after it was made", got)
		}
		if schedule.Overdue(made, made) || schedule.Overdue(made, due.Add(-1)) || !schedule.Overdue(made, due) || !schedule.Overdue(made, due.Add(interval)) {
			t.Fatal("it is overdue before it is due, or not when it is")
		}
		// What was rotated at any time after it was due is not due again at once.
		now := due.Add(time.Duration(rapid.Int64Range(0, int64(interval)).Draw(t, "late")))
		if schedule.Overdue(now, now) {
			t.Fatal("it is due as soon as it was rotated")
		}
		earlier := rotation.Schedule{Interval: interval, Lead: schedule.Lead / 2}
		if earlier.Due(made).Before(due) {
			t.Fatal("a shorter lead time makes it due earlier")
		}
	})
}

func TestGraceByProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rotated := drawTime(t, "rotated")
		grace := rotation.Grace{Period: time.Duration(rapid.Int64Range(0, int64(rotation.MaxDays*rotation.Day)).Draw(t, "period"))}
		end := grace.Ends(rotated)
		if end.Location() != time.UTC || end.Sub(rotated) != grace.Period {
			t.Fatalf("it ends at %v", end)
		}
		if grace.Over(rotated, end.Add(-1)) || !grace.Over(rotated, end) {
			t.Fatal("it is over before its end, or not at its end")
		}
		never := rotation.Grace{Never: true}
		if never.Over(rotated, end) || !never.Ends(rotated).IsZero() {
			t.Fatal("what never ends is over")
		}
	})
}
