// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// TestDatabaseAlphabetSurvives takes every character of a database password
// through the places where passwords break: see SafeSpecialCharacters.
func TestDatabaseAlphabetSurvives(t *testing.T) {
	t.Parallel()
	p, _ := Builtin("database")
	alphabet := p.Alphabet()
	if len(alphabet) != 70 {
		t.Errorf("%d characters, want 70", len(alphabet))
	}
	for _, value := range append(strings.Split(alphabet, ""), alphabet, "~"+alphabet, "!"+alphabet+"!") {
		u, err := url.Parse("postgres://app:" + value + "@db.internal:5432/app?sslmode=require")
		if err != nil {
			t.Errorf("%q in a URL: %v", value, err)
			continue
		}
		if got, _ := u.User.Password(); got != value || u.Host != "db.internal:5432" || u.User.Username() != "app" {
			t.Errorf("%q does not survive a URL", value)
		}
		script := `p="` + value + `"; printf %s "$p"`
		if got, err := exec.Command("sh", "-c", script).Output(); err != nil || string(got) != value {
			t.Errorf("%q does not survive double quotes in a shell: %v", value, err)
		}
	}
	// Quotes and backslashes end literals; ";", "=" and the space end a word of a
	// connection string; "$" and "`" expand in shells and compose files; "#" begins
	// a comment; "%" and "+" are decoded in URLs; "{" and "}" quote in ODBC.
	if bad := within(alphabet, " \"'`\\;=,&$#%+{}<>|^?[]:@/"); bad != "" {
		t.Errorf("%q is not safe", bad)
	}
}

func TestAlphabets(t *testing.T) {
	t.Parallel()
	tests := map[Encoding]int{Base64URL: 64, Base64: 64, Hex: 16, Alphanumeric: 62, ASCII: 64, Any: 0}
	for _, encoding := range Encodings() {
		p := Policy{Encoding: encoding, SpecialCharacters: "!-"}
		want, ok := tests[encoding]
		if !ok {
			t.Errorf("no expectation for %q", encoding)
		}
		if got := p.Alphabet(); len(got) != want || got != sortedSet(got) {
			t.Errorf("%s has %d characters, want %d, sorted", encoding, len(got), want)
		}
		p.ExcludeCharacters = "0a"
		if got := p.Alphabet(); want > 0 && len(got) != want-2 {
			t.Errorf("%s without two has %d characters", encoding, len(got))
		}
		p.FirstCharacter = FirstLetter
		if got := p.FirstAlphabet(); strings.Trim(got, lowerLetters+upperLetters) != "" || want > 0 && got == "" {
			t.Errorf("%s begins with other than letters", encoding)
		}
	}
}
