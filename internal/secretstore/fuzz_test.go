// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// rawMember is a member of a JSON object as it is written.
type rawMember struct{ Key, Value string }

// split cuts the text of a JSON object into its members. It knows no more of JSON
// than where strings, arrays and objects end.
func split(text string) (members []rawMember) {
	var (
		inString  bool
		depth     int
		key       string
		beginning = strings.IndexByte(text, '{') + 1
	)
	upTo := func(i int) string {
		part := strings.Trim(text[beginning:i], " \t\r\n")
		beginning = i + 1
		return part
	}
	for i := beginning; i < len(text) && depth >= 0; i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && c == ':':
			key = upTo(i)
		case depth == 0 && (c == ',' || c == '}'):
			if value := upTo(i); key != "" {
				members = append(members, rawMember{key, value})
			}
			if c == '}' {
				depth--
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return members
}

// FuzzObject: a change of one key leaves every other member as it was, byte for
// byte and in its place, and what is no JSON object is refused.
func FuzzObject(f *testing.F) {
	f.Fuzz(func(t *testing.T, text, key, value, removed string) {
		object, err := secretstore.ParseObject(text)
		isObject := json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")
		switch {
		case errors.Is(err, secretstore.ErrDuplicateKey):
			return // FuzzObject cannot tell which keys are the same.
		case isObject != (err == nil):
			t.Fatalf("ParseObject says %v of what is, or is not, an object", err)
		case err != nil:
			return
		}
		before, keys := split(text), object.Keys()
		if diff := cmp.Diff(before, split(object.Plaintext().Reveal()), cmpopts.EquateEmpty()); diff != "" || len(before) != len(keys) {
			t.Fatalf("an unchanged object of %d keys differs:\n%s", len(keys), diff)
		}

		// Each byte that is not UTF-8 becomes U+FFFD, as everywhere in JSON.
		key, value = string([]rune(key)), string([]rune(value))
		object.Set(key, value)
		if got, ok := object.String(key); !ok || got != value {
			t.Fatal("a key does not have the value that it was given")
		}
		after := split(object.Plaintext().Reveal())
		at := slices.Index(object.Keys(), key)
		if len(after) != len(before) && (at != len(before) || len(after) != at+1) {
			t.Fatalf("%d members became %d", len(before), len(after))
		}
		var decoded string
		if json.Unmarshal([]byte(after[at].Value), &decoded) != nil || decoded != value {
			t.Fatal("the value is written as another")
		}
		if at < len(before) {
			before[at].Value = after[at].Value
		} else {
			before = append(before, after[at])
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("setting a key changed others:\n%s", diff)
		}

		if at := slices.Index(object.Keys(), removed); at >= 0 {
			before = slices.Delete(before, at, at+1)
		}
		object.Delete(removed)
		if diff := cmp.Diff(before, split(object.Plaintext().Reveal()), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("removing a key changed others:\n%s", diff)
		}
		if _, err := secretstore.ParseObject(object.Plaintext().Reveal()); err != nil {
			t.Fatalf("the object cannot be read again: %v", err)
		}
	})
}
