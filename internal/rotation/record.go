// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// RecordTag is the key of the tag that holds the record of a rotation of a whole
// secret: of one that is a single string, or of all generated keys that no other
// rotation names. A rotation of named keys has a colon and a hash of their names
// behind it.
const RecordTag = "roi:rotation"

// MaxRecords is how many rotations a secret may have. A secret has 50 tags, which
// are also the user's and those of the policies.
const MaxRecords = 15

// Phase is how far a rotation has come.
type Phase string

// The phases.
const (
	Settled Phase = ""       // nothing under way
	Asked   Phase = "asked"  // half of a replacement is done: the value named by Base is to be rotated
	Begun   Phase = "begun"  // a new version is being made from Base
	Failed  Phase = "failed" // the version made from Base failed its checks and never becomes current again
)

// Record is what a secret says in its tags about one rotation of it. Other
// rotations, in other states too, and people in the console can read it.
type Record struct {
	// Keys are the names of the keys, sorted; nil for the whole secret. In a
	// decoded record they may have been shortened to hashes: ask Names.
	Keys   []string
	Hashes []string

	Current string    // the version in which the value last changed
	At      time.Time // when that was, to the second
	// Oldest, unless zero, is when the oldest of the values was made, before At: that
	// of a key which the rotation did not have when Current was made. While Settled.
	Oldest time.Time

	// Previous is the version with the value before it, while Settled or Asked.
	// After that it is the version that had AWSPREVIOUS when the rotation began,
	// to be put back. Grace is nil when this rotation did not make it so.
	Previous string
	Grace    *Grace

	Phase   Phase
	Base    string // the current version when Phase began; "" while Settled
	Pending bool   // whether Base had AWSPENDING then
	Attempt int    // counts failures and never goes back: part of the version ids

	// Suffix, unless empty, is behind the names of keys under which the value still
	// holds previous values, of this rotation or an earlier one.
	Suffix string

	Days     int    // rotation interval, 0: by the policy
	Triggers string // Fingerprint of the triggers

	// From, unless empty, is the hash of the tag that the record was in when the
	// rotation had other keys, and from which it may not be removed yet.
	From string
}

const (
	recordVersion = "v1"
	recordTime    = "20060102T150405Z"
	maxTagValue   = secretstore.MaxTagValueLength
	hashLength    = 5 // of base64url: 30 bits tell 100 names apart
)

// TagKey returns the key of the tag that holds the record of a rotation of keys;
// none means the whole secret.
func TagKey(keys []string) string {
	if len(keys) == 0 {
		return RecordTag
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(keys)), "\n")))
	return RecordTag + ":" + hex.EncodeToString(sum[:4])
}

// IsTag reports whether a tag holds the record of a rotation.
func IsTag(key string) bool { return key == RecordTag || strings.HasPrefix(key, RecordTag+":") }

// Fingerprint identifies triggers; none have the fingerprint "".
func Fingerprint(triggers map[string]string) string {
	if len(triggers) == 0 {
		return ""
	}
	text, _ := json.Marshal(triggers) // a map of strings always marshals, in the order of its keys
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// Names reports whether the record is about a key by name. A record of the whole
// secret names none.
func (r Record) Names(key string) bool {
	return slices.Contains(r.Keys, key) || slices.Contains(r.Hashes, hashOf(key))
}

// NextVersion is the id of the version that the rotation under way, or the next
// attempt, makes from Base.
func (r Record) NextVersion(arn, tag, base string) string {
	return secretstore.DeriveVersionID(arn, base, tag, strconv.Itoa(r.Attempt))
}

// graceRunning reports whether the version before must still be valid at a time.
func (r Record) graceRunning(now time.Time) bool {
	return r.Previous != "" && r.Grace != nil && !r.Grace.Over(r.At, now)
}

// hashOf shortens the name of a key, or of a tag.
func hashOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:hashLength]
}

// CheckKeys says whether a rotation of these keys, with a suffix for their previous
// values or "", can be recorded in every phase.
func CheckKeys(keys []string, suffix string) error {
	id := func(s string) string { return secretstore.DeriveVersionID(s) }
	_, err := Record{ // the longest of all
		Keys: keys, Current: id("current"), At: time.Unix(0, 0), Previous: id("previous"), Grace: &Grace{Period: MaxDays * Day},
		Phase: Failed, Base: id("base"), Attempt: 99, Days: MaxDays, Triggers: Fingerprint(map[string]string{"": ""}), Suffix: suffix, From: hashOf(""),
	}.Encode()
	return err
}

// Encode writes the record as the value of a tag: at most 256 characters, of
// which AWS allows letters, digits, spaces and _ . : / = + - @.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
// It looks like this:
//
//	v1 at=20261123T144303Z cur=0e3f… prev=8a2c… grace=3600s days=90 trig=9f86d081 keys=JWT_SECRET+SESSION_SECRET
//
// Where that is too long the names of the keys are shortened to hashes, and then
// the version ids to their base64.
func (r Record) Encode() (string, error) {
	if err := r.check(); err != nil {
		return "", err
	}
	hashes := r.Hashes
	if len(r.Keys) > 0 {
		hashes = make([]string, len(r.Keys))
		for i, key := range r.Keys {
			hashes[i] = hashOf(key)
		}
	}
	names := ""
	switch {
	case len(r.Keys) > 0:
		names = " keys=" + strings.Join(r.Keys, "+")
	case len(r.Hashes) > 0:
		names = " hash=" + strings.Join(hashes, "")
	}
	long := r.encode(func(id string) string { return id }) + names
	if len(long) <= maxTagValue {
		return long, nil
	}
	if len(hashes) > 0 {
		names = " hash=" + strings.Join(hashes, "")
	}
	for _, id := range []func(string) string{func(id string) string { return id }, shortID} {
		if text := r.encode(id) + names; len(text) <= maxTagValue {
			return text, nil
		}
	}
	return "", fmt.Errorf("the record of a rotation of %d keys does not fit into the %d characters of a tag; "+
		"name fewer keys, or none to rotate all that no other rotation names, or use a shorter suffix", len(hashes), maxTagValue)
}

func (r Record) check() error {
	for _, key := range r.Keys {
		if key == "" || strings.ContainsFunc(key, func(c rune) bool { return !isKeyRune(c) }) {
			return fmt.Errorf("the key %q must have letters, digits, underscores, dots and hyphens only", key)
		}
	}
	if strings.ContainsFunc(r.Suffix, func(c rune) bool { return !isKeyRune(c) }) {
		return fmt.Errorf("the suffix %q must have letters, digits, underscores, dots and hyphens only", r.Suffix)
	}
	for _, id := range []string{r.Current, r.Previous, r.Base} {
		if len(id) > 64 || strings.ContainsFunc(id, func(c rune) bool { return !isIDRune(c) }) {
			return fmt.Errorf("the version id %q cannot be written into a tag", id)
		}
	}
	switch {
	case r.Current == "" || r.At.IsZero():
		return fmt.Errorf("a record needs a current version and its time")
	case r.Phase != Settled && r.Base == "" || r.Phase == Settled && (r.Base != "" || r.Pending):
		return fmt.Errorf("a base and the phase %q do not go together", r.Phase)
	case r.Grace != nil && (r.Previous == "" || r.Grace.Period < 0 || r.Grace.Never && r.Grace.Period != 0):
		return fmt.Errorf("a grace period needs a previous version and cannot be negative")
	case r.Attempt < 0 || r.Days < 0:
		return fmt.Errorf("a record has no negative numbers")
	case r.At.UTC().Year() < 1 || r.At.UTC().Year() > 9999 || r.Oldest.UTC().Year() < 1 || r.Oldest.UTC().Year() > 9999:
		return fmt.Errorf("a year has four digits")
	case !r.Oldest.IsZero() && (r.Phase != Settled || !r.Oldest.Before(r.At)):
		return fmt.Errorf("the oldest value is not older than the last change, or that is not settled")
	}
	return nil
}

func (r Record) encode(id func(string) string) string {
	words := []string{recordVersion, "at=" + r.At.UTC().Format(recordTime), "cur=" + id(r.Current)}
	add := func(condition bool, word string) {
		if condition {
			words = append(words, word)
		}
	}
	add(r.Previous != "", "prev="+id(r.Previous))
	if r.Grace != nil {
		add(r.Grace.Never, "grace=never")
		add(!r.Grace.Never, "grace="+strconv.FormatInt(int64(r.Grace.Period/time.Second), 10)+"s")
	}
	add(!r.Oldest.IsZero(), "oldest="+r.Oldest.UTC().Format(recordTime))
	add(r.Phase != Settled, string(r.Phase))
	add(r.Base != "", "base="+id(r.Base))
	add(r.Pending, "pending")
	add(r.Attempt > 0, "try="+strconv.Itoa(r.Attempt))
	add(r.Suffix != "", "suffix="+r.Suffix)
	add(r.Days > 0, "days="+strconv.Itoa(r.Days))
	add(r.Triggers != "", "trig="+r.Triggers)
	add(r.From != "", "from="+r.From)
	return strings.Join(words, " ")
}

// shortID writes a UUID in 22 characters. No other version id is that short.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
// (ClientRequestToken has 32 to 64 characters).
func shortID(id string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 || longID(raw) != id {
		return id
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func longID(raw []byte) string {
	text := hex.EncodeToString(raw)
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func isKeyRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_.-", c)
}

func isIDRune(c rune) bool { return isKeyRune(c) || strings.ContainsRune(":/+@", c) }

// DecodeAll reads the records in the tags of a secret, by the key of the tag.
// Other tags are left aside. Records that can be read are returned beside the
// error, which names the first tag that cannot.
func DecodeAll(tags map[string]string) (map[string]Record, error) {
	records := map[string]Record{}
	var first error
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if !IsTag(key) {
			continue
		}
		record, err := Decode(tags[key])
		if err != nil {
			if first == nil {
				first = fmt.Errorf("tag %q: %w", key, err)
			}
			continue
		}
		records[key] = record
	}
	return records, first
}
