// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var madeAt = time.Date(2026, 11, 23, 14, 43, 3, 0, time.UTC)

// TestRecordGolden pins the format: these tags are in people's accounts, and must
// be read as these policies for ever.
func TestRecordGolden(t *testing.T) {
	t.Parallel()
	plain := func(category string, length int, encoding Encoding) Policy {
		return Policy{
			Category: category, Base: category, Length: length, Encoding: encoding, FirstCharacter: FirstAny, PatternRules: true,
			Rotation: 90 * 24 * time.Hour, Grace: time.Hour, Classification: Secret,
		}
	}
	jwt := plain("jwt", 64, Base64URL)
	external := plain("external", 0, Any)
	external.Supplied = true
	database := plain("database", 32, ASCII)
	database.MinLower, database.MinUpper, database.MinDigits, database.MinSpecial = 1, 1, 1, 1
	database.SpecialCharacters, database.ExcludeCharacters = "!()*-._~", ` "'/@\`
	encryption := Policy{
		Category: "encryption", Base: "encryption", Length: 64, MaxLength: 64, Encoding: Hex, FirstCharacter: FirstAny,
		Rotation: 180 * 24 * time.Hour, GraceNeverEnds: true, Classification: Critical,
	}
	tls := Policy{
		Category: "tls", Base: "tls", Encoding: Any, FirstCharacter: FirstAny,
		Rotation: 397 * 24 * time.Hour, Classification: Critical, Supplied: true,
	}
	everything := Policy{
		Category: "partner", Base: "jwt", Length: 40, MaxLength: 80, Encoding: ASCII, MinLower: 1, MinUpper: 2, MinDigits: 3, MinSpecial: 4,
		SpecialCharacters: "!#+", ExcludeCharacters: "Il", FirstCharacter: FirstLetter, MinEntropyBits: 128,
		Rotation: 30 * 24 * time.Hour, Grace: 90 * time.Second, GraceNeverEnds: true, Classification: Critical, Supplied: true,
	}
	many := jwt
	many.ExcludeCharacters = alphanumericSorted[:20]
	none := database
	none.SpecialCharacters, none.MinSpecial = "", 0
	later := madeAt.Add(time.Hour)

	tests := map[string]struct {
		records map[string]Record
		tags    map[string]string
	}{
		"no records": {map[string]Record{}, map[string]string{}},
		"one string": {
			map[string]Record{"": {jwt, madeAt}},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z jwt"},
		},
		"every category": {
			map[string]Record{
				"A": {jwt, madeAt}, "B": {plain("session", 64, Base64URL), madeAt}, "C": {database, madeAt},
				"D": {plain("cache", 32, Alphanumeric), madeAt}, "E": {plain("api_key", 48, Base64URL), madeAt},
				"F": {plain("webhook", 48, Base64URL), madeAt}, "G": {encryption, madeAt}, "H": {external, madeAt}, "I": {tls, madeAt},
			},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z api_key : E / cache : D / database : C / encryption : G / external : H / jwt : A / session : B / tls : I / webhook : F"},
		},
		"groups": {
			map[string]Record{
				"JWT_SECRET": {with(jwt, func(p *Policy) { p.Length = 96 }), madeAt}, "JWT_REFRESH": {with(jwt, func(p *Policy) { p.Length = 96 }), madeAt},
				"DB_PASSWORD": {database, madeAt}, "OTHER": {database, later},
			},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z database : DB_PASSWORD / jwt len=96 : JWT_REFRESH JWT_SECRET / @2026-11-23T15:43:03Z database : OTHER"},
		},
		"everything differs": {
			map[string]Record{"K": {everything, madeAt}},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z partner/jwt len=40 max=80 enc=ascii lower=1 upper=2 digits=3 special=4 chars=21232b not=496c first=letter bits=128 patterns=off rotate=30d grace=90s grace-ends=never class=critical value=supplied : K"},
		},
		"many excluded characters": {
			map[string]Record{"K": {many, madeAt}},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z jwt not=mask:7fe03ff0000 : K"},
		},
		"no special characters": {
			map[string]Record{"K": {none, madeAt}},
			map[string]string{"roi:policy": "v1 @2026-11-23T14:43:03Z database special=0 chars=none : K"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tags, err := EncodeRecords(test.records)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.tags, tags); diff != "" {
				t.Error(diff)
			}
			records, err := DecodeRecords(test.tags)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.records, records); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var alphanumericSorted = sortedSet(alphanumeric)

// TestRecordSize proves that 100 keys fit beside 10 tags of the user and 15 of
// rotations into the 50 of a secret.
func TestRecordSize(t *testing.T) {
	t.Parallel()
	jwt, _ := Builtin("jwt")
	name := func(i int) string { return fmt.Sprintf("SERVICE_NAME_KEY_%03d", i) } // 20 characters
	tests := map[string]struct {
		record func(int) Record
		most   int
	}{
		"one policy, one time": {func(int) Record { return Record{jwt, madeAt} }, 10},
		"100 lengths, 5 times": {func(i int) Record {
			return Record{with(jwt, func(p *Policy) { p.Length = 64 + i }), madeAt.AddDate(0, 0, i%5)}
		}, 25},
		"100 lengths, 100 times": {func(i int) Record {
			return Record{with(jwt, func(p *Policy) { p.Length = 64 + i }), madeAt.AddDate(0, 0, i)}
		}, 25},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			records := map[string]Record{}
			for i := range 100 {
				if len(name(i)) != 20 {
					t.Fatalf("%q has not 20 characters", name(i))
				}
				records[name(i)] = test.record(i)
			}
			tags := checkRoundTrip(t, records)
			if len(tags) > test.most {
				t.Errorf("%d tags, want at most %d", len(tags), test.most)
			}
			t.Logf("%d tags", len(tags))
		})
	}
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// checkRoundTrip encodes and decodes records and checks the tags on the way.
func checkRoundTrip(t fataler, records map[string]Record) map[string]string {
	t.Helper()
	tags, err := EncodeRecords(records)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range tags {
		if !IsRecordTag(key) || len(key) > 128 {
			t.Fatalf("%q is not the key of a record", key)
		}
		if len(value) > 256 || strings.TrimSpace(value) != value || without(value, alphanumeric+" _.:/=+-@") != "" {
			t.Fatalf("%q is not the value of a tag", value)
		}
		if _, err := DecodeRecords(map[string]string{key: value}); err != nil {
			t.Fatalf("a tag cannot be read without the others: %v", err)
		}
	}
	for i := range len(tags) {
		key := RecordTag
		if i > 0 {
			key = fmt.Sprintf("%s.%d", RecordTag, i+1)
		}
		if _, ok := tags[key]; !ok {
			t.Fatalf("tag %q is missing", key)
		}
	}
	again, err := EncodeRecords(maps.Clone(records))
	if err != nil || !maps.Equal(tags, again) {
		t.Fatal("the same records give other tags")
	}
	decoded, err := DecodeRecords(tags)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records, decoded); diff != "" {
		t.Fatal(diff)
	}
	return tags
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := map[string]Record{}
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9_.-]{1,64}`), 0, 12, rapid.ID).Draw(t, "keys")
		if rapid.IntRange(0, 5).Draw(t, "single") == 0 {
			keys = []string{""}
		}
		policies := []Policy{drawPolicy(t), drawPolicy(t)}
		for _, key := range keys {
			seconds := rapid.Int64Range(0, 3).Draw(t, "seconds")
			records[key] = Record{rapid.SampledFrom(policies).Draw(t, "policy"), madeAt.Add(time.Duration(seconds) * time.Second)}
		}
		checkRoundTrip(t, records)
	})
}

func TestEncodeRecordsErrors(t *testing.T) {
	t.Parallel()
	jwt, _ := Builtin("jwt")
	everything := with(jwt, func(p *Policy) {
		p.Category = strings.Repeat("c", 32)
		p.Length, p.MaxLength, p.Encoding, p.MinLower, p.MinUpper, p.MinDigits, p.MinSpecial = 1000, 1000, ASCII, 100, 100, 100, 100
		p.SpecialCharacters = sortedSet(SafeSpecialCharacters + "#%^=+")
		p.ExcludeCharacters = alphanumericSorted[:30]
		p.MinEntropyBits, p.FirstCharacter, p.Supplied, p.Classification = 4000, FirstLetter, true, Critical
	})
	tests := map[string]struct {
		records map[string]Record
		want    string
	}{
		"key name": {map[string]Record{"A B": {jwt, madeAt}}, `the key "A B" must have 1 to 64 letters, digits, underscores, dots and hyphens`},
		"long key name": {map[string]Record{strings.Repeat("A", 65): {jwt, madeAt}},
			`the key "` + strings.Repeat("A", 65) + `" must have 1 to 64 letters, digits, underscores, dots and hyphens`},
		"both":         {map[string]Record{"A": {jwt, madeAt}, "": {jwt, madeAt}}, "a record for the whole secret beside records for keys"},
		"unknown base": {map[string]Record{"A": {Policy{Category: "x", Base: "x"}, madeAt}}, `the policy of the key "A" cannot be recorded: the base "x" is not a built-in category`},
		"unknown encoding": {map[string]Record{"": {with(jwt, func(p *Policy) { p.Encoding = "utf8" }), madeAt}},
			`the policy of the secret cannot be recorded: "enc=utf8": not one of "base64url", "base64", "hex", "alphanumeric", "ascii", "any"`},
		"half a day": {map[string]Record{"A": {with(jwt, func(p *Policy) { p.Rotation += time.Hour }), madeAt}},
			`the policy of the key "A" cannot be recorded: it does not survive being written down`},
		"year 10000": {map[string]Record{"A": {jwt, madeAt.AddDate(8000, 0, 0)}}, `the record of the key "A": the year 10026 has more than four digits`},
		"too long": {map[string]Record{strings.Repeat("K", 64): {everything, madeAt}},
			`the policy of the key "` + strings.Repeat("K", 64) + `" cannot be recorded: with 309 characters it is longer than the 256 of a tag; shorten the names or change less of category "jwt"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := EncodeRecords(test.records)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRecordsErrors(t *testing.T) {
	t.Parallel()
	const at = "v1 @2026-11-23T14:43:03Z "
	tests := map[string]struct{ value, want string }{
		"empty":                    {"", "not a record: it does not begin with v1"},
		"foreign":                  {"managed by hand", "not a record: it does not begin with v1"},
		"newer":                    {"v2 {}", `format "v2" was written by a newer version of the provider: upgrade the provider`},
		"much newer":               {"v12", `format "v12" was written by a newer version of the provider: upgrade the provider`},
		"no version":               {"v0 x", "not a record: it does not begin with v1"},
		"only the version":         {"v1", "it does not begin with a time"},
		"no time":                  {"v1 jwt : A", "it does not begin with a time"},
		"bad time":                 {"v1 @yesterday jwt : A", `"yesterday" is not a time in UTC`},
		"local time":               {"v1 @2026-11-23T14:43:03+01:00 jwt : A", `"2026-11-23T14:43:03+01:00" is not a time in UTC`},
		"fraction":                 {"v1 @2026-11-23T14:43:03.5Z jwt : A", `"2026-11-23T14:43:03.5Z" is not a time in UTC`},
		"year zero":                {"v1 @0000-01-01T00:00:00Z jwt : A", `"0000-01-01T00:00:00Z" is not a time in UTC`},
		"no category":              {"v1 @2026-11-23T14:43:03Z", "a time without a category"},
		"unknown category":         {at + "smtp : A", `unknown category "smtp"`},
		"unknown base":             {at + "partner/smtp : A", `unknown category "partner/smtp"`},
		"bad category name":        {at + "-/jwt : A", `unknown category "-/jwt"`},
		"unknown word":             {at + "jwt color=red : A", `unknown word "color=red": changed by hand, or written by a newer version of the provider`},
		"twice":                    {at + "jwt len=70 len=80 : A", `unknown word "len=80": changed by hand, or written by a newer version of the provider`},
		"two spaces":               {at + "jwt  len=70 : A", `unknown word "": changed by hand, or written by a newer version of the provider`},
		"no number":                {at + "jwt len=many : A", `"len=many": not a number from 0 to 1048576`},
		"negative":                 {at + "jwt len=-1 : A", `"len=-1": not a number from 0 to 1048576`},
		"leading zero":             {at + "jwt len=070 : A", `"len=070": not a number from 0 to 1048576`},
		"unknown encoding":         {at + "jwt enc=utf8 : A", `"enc=utf8": not one of "base64url", "base64", "hex", "alphanumeric", "ascii", "any"`},
		"unknown switch":           {at + "jwt patterns=maybe : A", `"patterns=maybe": neither on nor off`},
		"period without unit":      {at + "jwt rotate=30 : A", `"rotate=30": not a number from 0 to 10000 with "d" behind it`},
		"period too long":          {at + "jwt grace=864000001s : A", `"grace=864000001s": not a number from 0 to 864000000 with "s" behind it`},
		"odd hexadecimal":          {at + "jwt not=4 : A", `"not=4": not a set of printable characters in hexadecimal`},
		"no characters":            {at + "jwt not= : A", `"not=": not a set of printable characters in hexadecimal`},
		"not sorted":               {at + "jwt not=4241 : A", `"not=4241": not a set of printable characters in hexadecimal`},
		"control character":        {at + "jwt not=0a : A", `"not=0a": not a set of printable characters in hexadecimal`},
		"empty mask":               {at + "jwt not=mask: : A", `"not=mask:": not a set of printable characters in hexadecimal`},
		"mask of nothing":          {at + "jwt not=mask:0 : A", `"not=mask:0": not a set of printable characters in hexadecimal`},
		"negative mask":            {at + "jwt not=mask:-1 : A", `"not=mask:-1": not a set of printable characters in hexadecimal`},
		"mask too wide":            {at + "jwt not=mask:" + strings.Repeat("f", 25) + " : A", `"not=mask:` + strings.Repeat("f", 25) + `": not a set of printable characters in hexadecimal`},
		"colon without keys":       {at + "jwt :", "a colon without keys"},
		"empty key":                {at + "jwt : A ", `the key "" must have 1 to 64 letters, digits, underscores, dots and hyphens`},
		"two colons":               {at + "jwt : A : B", `the key ":" must have 1 to 64 letters, digits, underscores, dots and hyphens`},
		"a key twice":              {at + "jwt : A / cache : A", `a second record for the key "A"`},
		"the secret twice":         {at + "jwt / cache", "a second record for the secret"},
		"the secret and a key":     {at + "jwt / cache : A", "a record for the whole secret beside records for keys"},
		"group without a category": {at + "jwt : A / @2026-11-23T14:43:03Z : B", "a time without a category"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := "v1 @2026-11-23T14:43:03Z jwt : Z"
			records, err := DecodeRecords(map[string]string{"roi:policy": good, "roi:policy.2": test.value})
			if err == nil {
				t.Fatalf("no error, but %d records", len(records))
			}
			if diff := cmp.Diff(`tag "roi:policy.2": `+test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRecordsOtherTags(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"team", "roi:policy.1", "roi:policy.01", "roi:policy.x", "roi:policy.", "roi:policyx", "roi:rotation.2", "roi:policy.-2", "ROI:POLICY"} {
		if IsRecordTag(key) {
			t.Errorf("%q is taken for a record", key)
		}
		if records, err := DecodeRecords(map[string]string{key: "x"}); err != nil || len(records) != 0 {
			t.Errorf("%q: %d records, error %v", key, len(records), err)
		}
	}
	for _, key := range []string{"roi:policy", "roi:policy.2", "roi:policy.25"} {
		if !IsRecordTag(key) {
			t.Errorf("%q is not taken for a record", key)
		}
	}
}

// TestDecodeRecordsAfterACrash: between writing fewer tags and removing the rest
// the old ones are still there.
func TestDecodeRecordsAfterACrash(t *testing.T) {
	t.Parallel()
	jwt, _ := Builtin("jwt")
	old, next := map[string]Record{}, map[string]Record{}
	for i := range 100 {
		key := fmt.Sprintf("SERVICE_NAME_KEY_%03d", i)
		old[key] = Record{with(jwt, func(p *Policy) { p.Length = 200 - i }), madeAt}
		next[key] = Record{jwt, madeAt}
	}
	tags, err := EncodeRecords(old)
	if err != nil {
		t.Fatal(err)
	}
	written, err := EncodeRecords(next)
	if err != nil {
		t.Fatal(err)
	}
	if len(tags) < 11 || len(written) >= len(tags) {
		t.Fatalf("%d tags after %d: nothing is left over, or none sorts before another with a smaller number", len(written), len(tags))
	}
	both := maps.Clone(tags)
	maps.Copy(both, written)
	got, err := DecodeRecords(both)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(next, got); diff != "" {
		t.Error(diff)
	}

	// The secret becomes a single string.
	single, err := EncodeRecords(map[string]Record{"": {jwt, madeAt}})
	if err != nil {
		t.Fatal(err)
	}
	both = maps.Clone(tags)
	maps.Copy(both, single)
	if got, err = DecodeRecords(both); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Record{"": {jwt, madeAt}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheckKeyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A", "DB_PASSWORD", "db.password-1", strings.Repeat("x", 64)} {
		if err := CheckKeyName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "a b", "a/b", "a:b", "ä", "a\n", strings.Repeat("x", 65)} {
		if CheckKeyName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
}
