// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// What AWS allows in a tag.
var tagPattern = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$`)

func TestRecordsAreReadable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 14, 43, 3, 0, time.UTC)
	for want, record := range map[string]rotation.Record{
		"v1 at=20261123T144303Z cur=one": {Current: "one", At: at},
		"v1 at=20261123T144303Z cur=two prev=one grace=3600s days=30 trig=9f86d081 keys=A+B": {
			Keys: []string{"A", "B"}, Current: "two", At: at, Previous: "one", Grace: &rotation.Grace{Period: time.Hour}, Days: 30, Triggers: "9f86d081",
		},
		"v1 at=20261123T144303Z cur=two prev=one grace=never failed base=two pending try=2": {
			Current: "two", At: at, Previous: "one", Grace: &rotation.Grace{Never: true}, Phase: rotation.Failed, Base: "two", Pending: true, Attempt: 2,
		},
	} {
		got, err := record.Encode()
		if err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		decoded, err := rotation.Decode(want)
		if err != nil {
			t.Errorf("%q: %v", want, err)
		}
		if diff := cmp.Diff(record, decoded); diff != "" {
			t.Errorf("%q is read as another record:\n%s", want, diff)
		}
	}
}

func drawRecord(t *rapid.T) rotation.Record {
	id := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			var raw uuid.UUID
			copy(raw[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
			return raw.String()
		}),
		rapid.StringMatching(`[A-Za-z0-9-]{32,40}`),
	)
	r := rotation.Record{
		Current:  id.Draw(t, "current"),
		At:       time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC(),
		Attempt:  rapid.IntRange(0, 99).Draw(t, "attempt"),
		Days:     rapid.IntRange(0, rotation.MaxDays).Draw(t, "days"),
		Triggers: rotation.Fingerprint(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "triggers")),
		Suffix:   rapid.StringMatching(`[A-Za-z0-9_.-]{0,32}`).Draw(t, "suffix"),
	}
	if keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9_.-]{1,64}`), 0, 12, rapid.ID).Draw(t, "keys"); len(keys) > 0 {
		slices.Sort(keys)
		r.Keys = keys
	}
	if rapid.Bool().Draw(t, "has previous") {
		r.Previous = id.Draw(t, "previous")
		switch rapid.IntRange(0, 2).Draw(t, "grace") {
		case 1:
			r.Grace = &rotation.Grace{Never: true}
		case 2:
			r.Grace = &rotation.Grace{Period: time.Duration(rapid.Int64Range(0, rotation.MaxDays*86400).Draw(t, "period")) * time.Second}
		}
	}
	if phase := rapid.SampledFrom([]rotation.Phase{rotation.Settled, rotation.Asked, rotation.Begun, rotation.Failed}).Draw(t, "phase"); phase != rotation.Settled {
		r.Phase, r.Base, r.Pending = phase, id.Draw(t, "base"), rapid.Bool().Draw(t, "pending")
	} else if rapid.Bool().Draw(t, "oldest") {
		r.Oldest = r.At.Add(-time.Duration(rapid.IntRange(1, 1_000_000).Draw(t, "older")) * time.Second)
	}
	if r.Phase != rotation.Begun && !r.Pending && rapid.Bool().Draw(t, "taken over") {
		r.From = "a-_dE"
	}
	return r
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := drawRecord(t)
		text, err := record.Encode()
		if err != nil {
			t.Skip(err) // too long even with hashes
		}
		if !tagPattern.MatchString(text) {
			t.Fatalf("%q cannot be the value of a tag", text)
		}
		decoded, err := rotation.Decode(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, key := range record.Keys {
			if !decoded.Names(key) {
				t.Fatalf("%q does not name %q", text, key)
			}
		}
		again, err := decoded.Encode()
		if err != nil || again != text {
			t.Fatalf("%q is written as %q, %v after it was read", text, again, err)
		}
		decoded.Keys, decoded.Hashes, record.Keys = nil, nil, nil
		if diff := cmp.Diff(record, decoded); diff != "" {
			t.Fatalf("%q is read as another record:\n%s", text, diff)
		}
	})
}

// A rotation whose keys pass the check can be recorded in every phase.
func TestCheckedKeysFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := drawRecord(t)
		for _, id := range []*string{&record.Current, &record.Previous, &record.Base} {
			if *id != "" {
				*id = secretstore.DeriveVersionID(*id)
			}
		}
		if rotation.CheckKeys(record.Keys, record.Suffix) != nil {
			t.Skip()
		}
		if _, err := record.Encode(); err != nil {
			t.Fatal(err)
		}
	})
	keys := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("A_RATHER_LONG_NAME_OF_A_KEY_%03d", i))
		}
		return names
	}
	for n := range 17 {
		for length := range 33 {
			suffix := strings.Repeat("_", length)
			if rotation.CheckKeys(keys(n), suffix) != nil {
				continue
			}
			id := secretstore.DeriveVersionID
			record := rotation.Record{
				Keys: keys(n), Current: id("a"), At: start, Previous: id("b"), Grace: &rotation.Grace{Period: rotation.MaxDays * rotation.Day},
				Phase: rotation.Failed, Base: id("c"), Attempt: 99, Days: rotation.MaxDays, Triggers: "0badcafe", Suffix: suffix, From: "a-_dE",
			}
			if _, err := record.Encode(); err != nil {
				t.Errorf("%d keys with a suffix of %d characters: %v", n, length, err)
			}
		}
	}
	if rotation.CheckKeys(keys(16), "_PREVIOUS") == nil {
		t.Error("16 keys with a suffix pass the check")
	}
	if err := rotation.CheckKeys(keys(16), ""); err != nil {
		t.Errorf("16 keys with long names: %v", err)
	}
	if err := rotation.CheckKeys(keys(100), ""); err == nil || !strings.Contains(err.Error(), "name fewer keys") {
		t.Errorf("100 keys: %v", err)
	}
}

func TestMalformedRecords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "v1", "v0 at=20261123T144303Z cur=one", "something else", "v1 cur=one", "v1 at=20261123T144303Z",
		"v1 at=2026-11-23 cur=one", "v1 at=20261123T144303Z cur=", "v1 at=20261123T144303Z cur=one cur=two",
		"v1 at=20261123T144303Z cur=one begun", "v1 at=20261123T144303Z cur=one base=one", "v1 at=20261123T144303Z cur=one begun asked base=one",
		"v1 at=20261123T144303Z cur=one begun=1 base=one", "v1 at=20261123T144303Z cur=one pending",
		"v1 at=20261123T144303Z cur=one grace=3600s", "v1 at=20261123T144303Z cur=one prev=two grace=-1s", "v1 at=20261123T144303Z cur=one prev=two grace=1h",
		"v1 at=20261123T144303Z cur=one try=0", "v1 at=20261123T144303Z cur=one try=01", "v1 at=20261123T144303Z cur=one days=x",
		"v1 at=20261123T144303Z cur=one keys=", "v1 at=20261123T144303Z cur=one keys=B+A", "v1 at=20261123T144303Z cur=one hash=abc",
		"v1 at=20261123T144303Z cur=one keys=A hash=abcde", "v1 at=20261123T144303Z cur=one more=1", "v1 at=20261123T144303Z  cur=one",
		"v1 at=20261123T144303Z cur=one oldest=20261123T144303Z", "v1 at=20261123T144303Z cur=one oldest=20261122T144303Z begun base=one",
		"v1 at=20261123T144303Z cur=one oldest=00010101T000000Z", "v1 at=20261123T144303Z cur=one from=abc", "v1 at=20261123T144303Z cur=one hash=abcde keys=A",
		"v1 at=20261123T144303Z cur=one suffix=/", "v1 at=20261123T144303Z cur=" + strings.Repeat("a", 65), "v1 at=20261123T144303Z cur=one from=ab.de",
	} {
		if record, err := rotation.Decode(text); err == nil {
			t.Errorf("%q is read as %+v", text, record)
		}
	}
	if _, err := rotation.Decode("v2 anything"); !errors.Is(err, rotation.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	records, err := rotation.DecodeAll(map[string]string{"roi:rotation": "nonsense", "roi:rotation:1": "v1 at=20261123T144303Z cur=one", "roi:rotations": "x", "team": "y"})
	if len(records) != 1 || err == nil || !strings.Contains(err.Error(), `tag "roi:rotation"`) {
		t.Errorf("got %v, %v", records, err)
	}
}

func TestTagKeys(t *testing.T) {
	t.Parallel()
	if got := rotation.TagKey(nil); got != "roi:rotation" {
		t.Error(got)
	}
	if a, b := rotation.TagKey([]string{"A", "B"}), rotation.TagKey([]string{"B", "A"}); a != b || !rotation.IsTag(a) || !tagPattern.MatchString(a) {
		t.Errorf("%s and %s", a, b)
	}
	if rotation.TagKey([]string{"A", "B"}) == rotation.TagKey([]string{"A"}) || rotation.IsTag("roi:policy") {
		t.Error("tags of different rotations are the same, or one of something else is taken for one")
	}
	if rotation.Fingerprint(nil) != "" || rotation.Fingerprint(map[string]string{}) != "" ||
		rotation.Fingerprint(map[string]string{"a": "1"}) == rotation.Fingerprint(map[string]string{"a": "2"}) {
		t.Error("fingerprints")
	}
}
