// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNewer is for a record that a newer version of the provider wrote.
var ErrNewer = errors.New("it was written by a newer version of the provider: upgrade the provider")

// Decode reads what Encode wrote. The error is ErrNewer, or says what is wrong
// with a tag that was changed by hand.
func Decode(text string) (Record, error) {
	words := strings.Split(text, " ")
	if words[0] != recordVersion {
		if n, err := strconv.Atoi(strings.TrimPrefix(words[0], "v")); err == nil && n > 1 {
			return Record{}, ErrNewer
		}
		return Record{}, fmt.Errorf("not a record: it does not begin with %s", recordVersion)
	}
	var r Record
	seen := map[string]bool{}
	for _, word := range words[1:] {
		name, value, valued := strings.Cut(word, "=")
		if slices.Contains([]string{string(Asked), string(Begun), string(Failed)}, name) {
			value, name = name, "phase"
			valued = !valued
		}
		if seen[name] {
			return Record{}, fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		if valued == (name == "pending") {
			return Record{}, fmt.Errorf("%q is not a part of a record", word)
		}
		if err := r.set(name, value); err != nil {
			return Record{}, err
		}
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	return r, nil
}

func (r *Record) set(name, value string) (err error) {
	switch name {
	case "at":
		r.At, err = decodeTime(value)
	case "oldest":
		r.Oldest, err = decodeTime(value)
	case "cur":
		r.Current, err = decodeID(value)
	case "prev":
		r.Previous, err = decodeID(value)
	case "base":
		r.Base, err = decodeID(value)
	case "grace":
		r.Grace, err = decodeGrace(value)
	case "phase":
		r.Phase = Phase(value)
	case "pending":
		r.Pending = true
	case "try":
		r.Attempt, err = decodeNumber(value)
	case "suffix":
		if value == "" {
			return errors.New("a suffix is empty")
		}
		r.Suffix = value
	case "days":
		r.Days, err = decodeNumber(value)
	case "trig":
		if value == "" || strings.ContainsFunc(value, func(c rune) bool { return !isKeyRune(c) }) {
			return fmt.Errorf("%q is not a fingerprint", value)
		}
		r.Triggers = value
	case "from":
		if len(value) != hashLength || strings.ContainsFunc(value, func(c rune) bool { return !isKeyRune(c) || c == '.' }) {
			return fmt.Errorf("%q is not the hash of a tag", value)
		}
		r.From = value
	case "keys":
		r.Keys = strings.Split(value, "+")
		if !slices.IsSorted(r.Keys) || r.Hashes != nil {
			return errors.New("the keys are not sorted, or there twice")
		}
	case "hash":
		if value == "" || len(value)%hashLength != 0 || r.Keys != nil || strings.ContainsFunc(value, func(c rune) bool { return !isKeyRune(c) || c == '.' }) {
			return fmt.Errorf("%q are not hashes of keys", value)
		}
		for chunk := range slices.Chunk([]byte(value), hashLength) {
			r.Hashes = append(r.Hashes, string(chunk))
		}
	default:
		return fmt.Errorf("%q is not a part of a record", name)
	}
	return err
}

func decodeTime(text string) (time.Time, error) {
	t, err := time.Parse(recordTime, text)
	if err != nil || t.IsZero() || t.Format(recordTime) != text {
		return time.Time{}, fmt.Errorf("%q is not a time such as %s", text, recordTime)
	}
	return t, nil
}

func decodeID(text string) (string, error) {
	if text == "" {
		return "", errors.New("a version id is empty")
	}
	if raw, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(text) == 22 && len(raw) == 16 {
		if id := longID(raw); shortID(id) == text {
			return id, nil
		}
	}
	return text, nil
}

func decodeGrace(text string) (*Grace, error) {
	if text == "never" {
		return &Grace{Never: true}, nil
	}
	number, ok := strings.CutSuffix(text, "s")
	seconds, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || seconds < 0 || seconds > MaxDays*int64(Day/time.Second) || strconv.FormatInt(seconds, 10) != number {
		return nil, fmt.Errorf("%q is not a grace period in seconds", text)
	}
	return &Grace{Period: time.Duration(seconds) * time.Second}, nil
}

func decodeNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}
