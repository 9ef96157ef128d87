// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// FuzzDecode: a record that can be read can be written, within the limits of tags,
// and is read as the same record again.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		record, err := rotation.Decode(text)
		if err != nil {
			return
		}
		again, err := record.Encode()
		if err != nil {
			if len(text) <= 256 && len(record.Hashes) == 0 {
				t.Errorf("%q was read and cannot be written: %v", text, err)
			}
			return // longer with names than with what it was written with
		}
		if !tagPattern.MatchString(again) {
			t.Fatalf("%q cannot be the value of a tag", again)
		}
		decoded, err := rotation.Decode(again)
		if err != nil {
			t.Fatalf("%q was read, and written as %q, which cannot be read: %v", text, again, err)
		}
		for _, key := range record.Keys {
			if !decoded.Names(key) {
				t.Errorf("%q was written as %q, which does not name %q", text, again, key)
			}
		}
		if len(decoded.Hashes) == len(record.Hashes) {
			if diff := cmp.Diff(record, decoded); diff != "" {
				t.Errorf("%q is another record after it was written:\n%s", text, diff)
			}
		}
	})
}

// The grammar of RFC 3339, in capital letters: https://www.rfc-editor.org/rfc/rfc3339#section-5.6.
var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-][0-2][0-9]:[0-5][0-9])$`)

// FuzzParsePlanAsOf: a time that is accepted is one that was written as documented,
// and one that can be kept: JSON knows the years 0 to 9999 only, and the zero time
// means that none was given.
func FuzzParsePlanAsOf(f *testing.F) {
	now := time.Date(2026, 12, 1, 13, 14, 15, 0, time.UTC)
	days := regexp.MustCompile(`^\+([0-9]+)d$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rotation.ParsePlanAsOf(text, now)
		if err != nil {
			if !got.IsZero() {
				t.Errorf("%q gives %s beside an error", text, got)
			}
			return
		}
		if got.Location() != time.UTC || got.IsZero() != (text == "") {
			t.Fatalf("%q is read as %s", text, got)
		}
		if _, err := got.MarshalJSON(); err != nil {
			t.Fatalf("%q cannot be kept: %v", text, err)
		}
		switch match := days.FindStringSubmatch(text); {
		case text == "":
		case match != nil:
			n, err := strconv.Atoi(match[1])
			if err != nil || n > rotation.MaxPlanAsOfDays || !got.Equal(now.Add(time.Duration(n)*24*time.Hour)) {
				t.Errorf("%q is read as %s", text, got)
			}
		case !rfc3339.MatchString(text):
			t.Errorf("%q is no RFC 3339 time and is read as %s", text, got)
		}
	})
}
