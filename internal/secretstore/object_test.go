// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestObjectKeepsWhatItDoesNotSet(t *testing.T) {
	object, err := secretstore.ParseObject(`{ "n": 1.50, "s":"a\u00e9/\/<&>", "o": {"b":[1, 2],"a":null}, "old":"x" }`)
	if err != nil {
		t.Fatal(err)
	}
	object.Set("old", `n<e>&w"\`)
	object.Set("added", "é")
	object.Delete("absent")
	want := `{"n":1.50,"s":"a\u00e9/\/<&>","o":{"b":[1, 2],"a":null},"old":"n<e>&w\"\\","added":"é"}`
	if got := object.Plaintext().Reveal(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	object.Delete("o")
	if got := object.Keys(); !slices.Equal(got, []string{"n", "s", "old", "added"}) {
		t.Errorf("keys after delete: %q", got)
	}
}

// Keys that were not set keep their text as well: not every one could be written
// again from what it is read as.
func TestObjectKeepsTheTextOfKeys(t *testing.T) {
	object, err := secretstore.ParseObject(`{"\u00e9":1 , "\ud800":2,"a\/b":3}`)
	if err != nil {
		t.Fatal(err)
	}
	object.Set("é", "x")
	object.Set("added", "y")
	want := `{"\u00e9":"x","\ud800":2,"a\/b":3,"added":"y"}`
	if got := object.Plaintext().Reveal(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestObjectString(t *testing.T) {
	object, err := secretstore.ParseObject(`{"s":"a\"b","n":1}`)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"s": `a"b`, "n": "", "absent": ""} {
		if got, ok := object.String(key); got != want || ok != (key == "s") {
			t.Errorf("String(%q) = %q, %t", key, got, ok)
		}
	}
}

func TestParseObjectRefuses(t *testing.T) {
	for text, want := range map[string]error{
		``:                    secretstore.ErrNotObject,
		`hunter2`:             secretstore.ErrNotObject,
		`"string"`:            secretstore.ErrNotObject,
		`[1]`:                 secretstore.ErrNotObject,
		`null`:                secretstore.ErrNotObject,
		`{"a":1`:              secretstore.ErrNotObject,
		`{"a":}`:              secretstore.ErrNotObject,
		`{"a":1} trailing`:    secretstore.ErrNotObject,
		`{"a":1}{"b":2}`:      secretstore.ErrNotObject,
		`{"a":1,"b":2,"a":3}`: secretstore.ErrDuplicateKey,
	} {
		if _, err := secretstore.ParseObject(text); !errors.Is(err, want) {
			t.Errorf("ParseObject(%q): error %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{`{}`, " {} \n", `{"a":{"a":1}}`} {
		if _, err := secretstore.ParseObject(text); err != nil {
			t.Errorf("ParseObject(%q): %v", text, err)
		}
	}
}

// The error must not quote the value, as the messages of encoding/json do.
func TestParseObjectErrorIsSilent(t *testing.T) {
	_, err := secretstore.ParseObject(`{"key": qXz7secret}`)
	if err == nil || strings.Contains(err.Error(), "q") {
		t.Errorf("error quotes the value or is missing")
	}
}

func TestObjectAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "values")
		object := &secretstore.Object{}
		for key, value := range values {
			object.Set(key, value)
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(object.Plaintext().Reveal()), &back); err != nil {
			t.Fatal(err)
		}
		if len(back) != len(values) {
			t.Fatalf("%d keys, want %d", len(back), len(values))
		}
		for key, value := range values {
			// Invalid UTF-8 becomes U+FFFD, as everywhere in JSON.
			if back[strings.ToValidUTF8(key, "\ufffd")] != strings.ToValidUTF8(value, "\ufffd") {
				t.Fatalf("value of %q differs", key)
			}
		}
	})
}

func TestPlaintextNeverPrints(t *testing.T) {
	value := secretstore.NewPlaintext("qXz7-secret")
	type holder struct {
		Value  secretstore.Plaintext
		Nested *secretstore.Plaintext
	}
	type hiding struct { // fmt cannot call methods of unexported fields
		value  secretstore.Plaintext
		nested []secretstore.Plaintext
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, arg := range []any{value, &value, holder{value, &value}, hiding{value, []secretstore.Plaintext{value}}, &hiding{value, nil}, []secretstore.Plaintext{value}, map[string]secretstore.Plaintext{"k": value}} {
			got := fmt.Sprintf(verb, arg)
			for _, form := range []string{"qXz7", "71587a37", "71587A37", "113 88"} {
				if strings.Contains(got, form) {
					t.Errorf("%s of %T shows the value", verb, arg)
				}
			}
		}
	}
	if _, err := json.Marshal(holder{Value: value}); err == nil {
		t.Error("a value was marshalled")
	}
	if value.Reveal() != "qXz7-secret" || value.Len() != 11 {
		t.Error("Reveal or Len is wrong")
	}
}
