// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package dotenv

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	got, err := Encode(map[string]string{
		"PORT":     "8080",
		"URL":      "postgres://app@db.internal:5432/shop?sslmode=require",
		"PASSWORD": "a!(b)~*c",
		"EMPTY":    "",
		"QUOTE":    "it's",
		"PEM":      "-----BEGIN X-----\nabc\n-----END X-----\n",
	})
	const want = `EMPTY=
PASSWORD='a!(b)~*c'
PEM='-----BEGIN X-----
abc
-----END X-----
'
PORT=8080
QUOTE="it's"
URL='postgres://app@db.internal:5432/shop?sslmode=require'
`
	if err != nil || got != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got, want)
	}
	if got, err := Encode(nil); got != "" || err != nil {
		t.Errorf("no entries give %q, %v", got, err)
	}
}

func TestEncodeReportsEveryEntry(t *testing.T) {
	_, err := Encode(map[string]string{"9X": "a", "GOOD": "b", "PATTERN": "${HOME}", "UID": "1000"})
	const want = `entry "9X": the name of a variable has letters, digits and underscores only, and does not begin with a digit
entry "PATTERN": the value holds ${…}, which python-dotenv expands in any quotes; store it as base64
entry "UID": bash keeps this variable for itself, and would not pass on the value; choose another name`
	if err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
	var entry *EntryError
	if !errors.As(err, &entry) || entry.Name != "9X" {
		t.Errorf("the error does not name its entry: %#v", entry)
	}
}

func TestQuoteRefuses(t *testing.T) {
	for value, part := range map[string]string{
		"a\x00b":        "NUL",
		"a\xffb":        "UTF-8",
		"a\r\nb":        "carriage return",
		`\\server\dir`:  "two backslashes",
		`C:\dir\`:       "ends in a backslash",
		"a${B}c":        "expands",
		"a${B:-c}":      "expands",
		`it's "x"`:      "a double quote",
		"it's `x`":      "a backquote",
		"it's $x":       "a dollar sign",
		"it's $\u017f":  "a dollar sign",
		"it's $$":       "a dollar sign",
		`it's \n`:       "a backslash",
		"it's \\\nmore": "a backslash",
		"it's \x7f":     "a control character",
	} {
		if got, err := Quote(value); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q gives %s, %v; want an error about %s", value, got, err, part)
		}
	}
}

// characters are those that readers disagree about, and some that they do not.
var characters = []rune("aAnz09_\\\\\\'''\"$$${{}}`#=: \t\n!~*?()[]<>|&;,.-+@%^/\x01\x1b\x7f\u0085\u00a0é\u017f\u212a\u2028\ufeff😀\r\x00")

var anyValue = rapid.OneOf(rapid.StringOf(rapid.SampledFrom(characters)), rapid.String())

// TestEveryReaderReadsTheSame writes many values into one file at a time.
func TestEveryReaderReadsTheSame(t *testing.T) {
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(anyValue, 50, 100).Draw(t, "values")
		written += readTheSame(t, values)
	})
	if written < 1000 {
		t.Errorf("only %d values could be written", written)
	}
}

// readTheSame writes those values that can be written, has every reader read them,
// and returns how many they were.
func readTheSame(t rapid.TB, values []string) int {
	t.Helper()
	want := map[string]string{}
	for i, value := range values {
		if _, err := Quote(value); err == nil {
			want[name(i)] = value
		}
	}
	text, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	for reader, read := range readers {
		got, err := read(text)
		if err != nil {
			t.Fatalf("%s: %v", reader, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s reads (-want +got):\n%s", reader, diff)
		}
	}
	return len(want)
}

// TestRefusedValuesHaveNoCommonForm holds the refusals to be necessary.
func TestRefusedValuesHaveNoCommonForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := anyValue.Filter(func(value string) bool {
			_, err := Quote(value)
			return err != nil
		}).Draw(t, "value")
		refusedWithReason(t, value)
	})
}

// refusedWithReason fails if every reader understands the value in some quotes.
func refusedWithReason(t rapid.TB, value string) {
	t.Helper()
	if strings.ContainsAny(value, "\x01\x7f") {
		return // bash loses these only in some places
	}
forms:
	for _, quote := range []string{"", "'", `"`} {
		text := "X=" + quote + value + quote + "\n"
		for _, reader := range []string{"docker compose", "dotenv", "python-dotenv", "bash"} {
			if reader == "bash" && !inert(quote, value) {
				continue forms
			}
			got, err := readers[reader](text)
			if err != nil || len(got) != 1 || got["X"] != value {
				continue forms
			}
		}
		t.Fatalf("%q is refused, but every reader understands %s", value, text)
	}
}

// TestEveryEscape looks at each character behind a backslash and a dollar sign,
// where the value has to be in double quotes.
func TestEveryEscape(t *testing.T) {
	var values []string
	for _, special := range `\$` {
		for c := range rune(0x80) {
			for _, end := range []string{"", "x", "}"} {
				values = append(values, "'"+string(special)+string(c)+end)
			}
		}
	}
	written := readTheSame(t, values)
	for _, value := range values {
		if _, err := Quote(value); err != nil {
			refusedWithReason(t, value)
		}
	}
	if refused := len(values) - written; written < 300 || refused < 200 {
		t.Errorf("%d values were written and %d refused", written, refused)
	}
}

var substitution = regexp.MustCompile("[\"`]|\\$[({\\[]")

// inert reports whether a shell takes all of the value for text, so that none of
// it can be run.
func inert(quote, value string) bool {
	return quote == "'" && !strings.Contains(value, quote) || quote == `"` && !substitution.MatchString(value)
}

// TestLargeValue writes a value as large as a secret can be.
func TestLargeValue(t *testing.T) {
	want := map[string]string{"X": strings.Repeat("it's #1\n", 8192)}
	text, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	for reader, read := range readers {
		if got, err := read(text); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s reads something else (%v)", reader, err)
		}
	}
}

// TestShellVariablesAreRefused looks for variables of bash that it does not pass
// on as they were set.
func TestShellVariablesAreRefused(t *testing.T) {
	output, err := exec.Command("bash", "-c", "compgen -v").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := append(strings.Fields(string(output)), ofShell...)
	for _, name := range append(names, "HOME", "LANG", "PATH", "export", "if") {
		kept := true
		for _, value := range []string{"5", "it's"} {
			got, err := readShell(name + `="` + value + "\"\n")
			kept = kept && err == nil && got[name] == value
		}
		if CheckName(name) == nil && !kept {
			t.Errorf("%s is written, but bash does not pass it on", name)
		}
	}
}
