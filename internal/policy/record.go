// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Record is what a secret says about one of its values in its tags: the policy
// that the value was made under, and when it was made, to the second in UTC.
type Record struct {
	Policy Policy
	MadeAt time.Time
}

// RecordTag is the key of the first tag that holds records. Others have a number
// behind it: roi:policy.2, roi:policy.3 and so on.
const RecordTag = "roi:policy"

// maxTagValue is the longest value of a tag, in characters. Letters, digits,
// spaces and _ . : / = + - @ are allowed in it.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
const maxTagValue = 256

const recordVersion = "v1"

// The records of a secret look like this:
//
//	v1 @2026-11-23T14:43:03Z jwt len=96 : JWT_OLD JWT_SECRET / database : DB_PASSWORD
//
// that is: the version, a time that holds until the next one, and groups of a
// category, its differences from the category's defaults, and the keys of the
// JSON secret that they apply to. A secret that is one string has no keys and no
// colon. A category that is not built in has its base behind a slash. Each tag
// can be read without the others.

// recordDefaults is what a category means in a record of version 1. It never
// changes, whatever becomes of the categories: what an old tag says must stay
// what it said when it was written. A new built-in category is added here, too.
var recordDefaults = map[string]Policy{
	"jwt":      recordDefault("jwt", 64, Base64URL),
	"session":  recordDefault("session", 64, Base64URL),
	"cache":    recordDefault("cache", 32, Alphanumeric),
	"api_key":  recordDefault("api_key", 48, Base64URL),
	"webhook":  recordDefault("webhook", 48, Base64URL),
	"external": recordDefault("external", 0, Any),
	"database": {
		Category: "database", Base: "database", Length: 32, Encoding: ASCII,
		MinLower: 1, MinUpper: 1, MinDigits: 1, MinSpecial: 1,
		SpecialCharacters: "!()*-._~", ExcludeCharacters: ` "'/@\`, FirstCharacter: FirstAny, PatternRules: true,
		Rotation: 90 * day, Grace: time.Hour, Classification: Secret,
	},
	"encryption": {
		Category: "encryption", Base: "encryption", Length: 64, MaxLength: 64, Encoding: Hex, FirstCharacter: FirstAny,
		Rotation: 180 * day, GraceNeverEnds: true, Classification: Critical,
	},
	"tls": {
		Category: "tls", Base: "tls", Encoding: Any, FirstCharacter: FirstAny,
		Rotation: 397 * day, Classification: Critical, Supplied: true,
	},
}

func recordDefault(category string, length int, encoding Encoding) Policy {
	return Policy{
		Category: category, Base: category, Length: length, Encoding: encoding, FirstCharacter: FirstAny, PatternRules: true,
		Rotation: 90 * day, Grace: time.Hour, Classification: Secret, Supplied: encoding == Any,
	}
}

// keyName is what a key of a JSON secret may be called, so that it can stand in a
// tag.
var keyName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// CheckKeyName says what is wrong with the name of a key in a JSON secret: it must
// have 1 to 64 ASCII letters, digits, underscores, dots and hyphens.
func CheckKeyName(name string) error {
	if !keyName.MatchString(name) {
		return fmt.Errorf("the key %q must have 1 to 64 letters, digits, underscores, dots and hyphens", name)
	}
	return nil
}

// IsRecordTag reports whether a tag's key is one that EncodeRecords writes. A tag
// of this kind that is no longer among its results is to be removed.
func IsRecordTag(key string) bool { return tagNumber(key) > 0 }

// tagNumber returns the place of a tag among those that hold records, from 1, or 0
// for any other tag.
func tagNumber(key string) int {
	if key == RecordTag {
		return 1
	}
	text, ok := strings.CutPrefix(key, RecordTag+".")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 2 || strconv.Itoa(n) != text {
		return 0
	}
	return n
}

// EncodeRecords writes records as tags, in as few as their order allows. The same
// records always give the same tags. The key of a record is the name of a key in
// a JSON secret, or "" for a secret that is one string, which has one record. It
// fails for a record that does not fit into a tag.
func EncodeRecords(records map[string]Record) (map[string]string, error) {
	type entry struct {
		at, policy, key string
	}
	var entries []entry
	for key, record := range records {
		if err := checkRecordKey(key, len(records)); err != nil {
			return nil, err
		}
		policy, err := encodePolicy(record.Policy)
		if err != nil {
			return nil, fmt.Errorf("the policy of %s cannot be recorded: %w", describeKey(key), err)
		}
		at, err := encodeTime(record.MadeAt)
		if err != nil {
			return nil, fmt.Errorf("the record of %s: %w", describeKey(key), err)
		}
		entries = append(entries, entry{at, policy, key})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return strings.Compare(a.at+"\n"+a.policy+"\n"+a.key, b.at+"\n"+b.policy+"\n"+b.key)
	})

	tags := map[string]string{}
	var tag string
	flush := func() {
		if tag != "" {
			name := RecordTag
			if n := len(tags); n > 0 {
				name += "." + strconv.Itoa(n+1)
			}
			tags[name] = tag
		}
	}
	for i, e := range entries {
		group := e.policy
		if e.key != "" {
			group += " : " + e.key
		}
		more := " / " + e.at + " " + group
		if i > 0 && entries[i-1].at == e.at {
			more = " / " + group
			if entries[i-1].policy == e.policy {
				more = " " + e.key
			}
		}
		if i > 0 && len(tag)+len(more) <= maxTagValue {
			tag += more
			continue
		}
		flush()
		tag = recordVersion + " " + e.at + " " + group
		if len(tag) > maxTagValue {
			return nil, fmt.Errorf("the policy of %s cannot be recorded: with %d characters it is longer than the %d of a tag; "+
				"shorten the names or change less of category %q", describeKey(e.key), len(tag), maxTagValue, records[e.key].Policy.Base)
		}
	}
	flush()
	return tags, nil
}

// DecodeRecords reads the records in the tags of a secret. Other tags are left
// aside. The error names the tag that cannot be read: one that was changed by
// hand, or that a newer version of the provider wrote.
//
// When fewer tags are needed than before, the new ones are written first and the
// rest removed after that, which a crash may prevent. Where two tags disagree the
// one with the lower number therefore holds.
func DecodeRecords(tags map[string]string) (map[string]Record, error) {
	keys := slices.SortedFunc(maps.Keys(tags), func(a, b string) int { return tagNumber(a) - tagNumber(b) })
	records := map[string]Record{}
	for _, key := range keys {
		if !IsRecordTag(key) {
			continue
		}
		inTag := map[string]Record{}
		if err := decodeTag(tags[key], inTag); err != nil {
			return nil, fmt.Errorf("tag %q: %w", key, err)
		}
		if _, single := records[""]; single {
			break
		}
		for name, record := range inTag {
			if _, known := records[name]; !known && (name != "" || len(records) == 0) {
				records[name] = record
			}
		}
	}
	return records, nil
}

func decodeTag(value string, records map[string]Record) error {
	version, rest, _ := strings.Cut(value, " ")
	if version != recordVersion {
		if newer, ok := strings.CutPrefix(version, "v"); ok {
			if n, err := strconv.Atoi(newer); err == nil && n > 1 {
				return fmt.Errorf("format %q was written by a newer version of the provider: upgrade the provider", version)
			}
		}
		return errors.New("not a record: it does not begin with " + recordVersion)
	}
	var at time.Time
	for i, group := range strings.Split(rest, " / ") {
		words := strings.Split(group, " ")
		if text, ok := strings.CutPrefix(words[0], "@"); ok {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil || t.UTC().Format(time.RFC3339) != text || t.Year() < 1 {
				return fmt.Errorf("%q is not a time in UTC", text)
			}
			at = t.UTC()
			words = words[1:]
		} else if i == 0 {
			return errors.New("it does not begin with a time")
		}
		keys := []string{""}
		if colon := slices.Index(words, ":"); colon >= 0 {
			words, keys = words[:colon], words[colon+1:]
			for _, key := range keys {
				if err := CheckKeyName(key); err != nil {
					return err
				}
			}
			if len(keys) == 0 {
				return errors.New("a colon without keys")
			}
		}
		p, err := decodePolicy(words)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if _, twice := records[key]; twice {
				return fmt.Errorf("a second record for %s", describeKey(key))
			}
			records[key] = Record{p, at}
		}
	}
	if _, single := records[""]; single && len(records) > 1 {
		return errors.New("a record for the whole secret beside records for keys")
	}
	return nil
}

func encodeTime(t time.Time) (string, error) {
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return "", fmt.Errorf("the year %d has more than four digits", year)
	}
	return "@" + t.Format(time.RFC3339), nil
}

func checkRecordKey(key string, records int) error {
	if key != "" {
		return CheckKeyName(key)
	}
	if records > 1 {
		return errors.New("a record for the whole secret beside records for keys")
	}
	return nil
}

func describeKey(key string) string {
	if key == "" {
		return "the secret"
	}
	return fmt.Sprintf("the key %q", key)
}
