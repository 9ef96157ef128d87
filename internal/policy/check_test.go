// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A vector is a policy, a value, and the rules that the value breaks.
type vector struct {
	Name        string
	Environment Environment
	Category    string
	Supplied    bool
	Overrides   Overrides
	Value       string
	Findings    []Rule
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var vectors []vector
	if err := decoder.Decode(&vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	return vectors
}

func (v vector) policy(t *testing.T) Policy {
	t.Helper()
	environment, resolve := Production, Resolve
	if v.Environment != "" {
		environment = v.Environment
	}
	if v.Supplied {
		resolve = ResolveSupplied
	}
	p, err := resolve(environment, v.Category, nil, v.Overrides)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVectors(t *testing.T) {
	t.Parallel()
	seen := map[Rule]bool{}
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			p := v.policy(t)
			var rules []Rule
			for _, f := range Check(p, v.Value) {
				seen[f.Rule] = true
				rules = append(rules, f.Rule)
				if f.Message == "" || f.Argument == "" {
					t.Errorf("the finding %q is not complete", f.Rule)
				}
			}
			if len(v.Findings) == 0 {
				v.Findings = nil
			}
			if diff := cmp.Diff(v.Findings, rules); diff != "" {
				t.Error(diff)
			}
			// The fast path of the generator and Check apply the same rules.
			if !p.Supplied {
				if got, want := NewMatcher(p).Allows([]byte(v.Value)), rules == nil; got != want {
					t.Errorf("Allows says %t, Check found %v", got, rules)
				}
			}
		})
	}
	for _, rule := range []Rule{
		RuleEmpty, RuleLength, RuleMaxLength, RuleEncoding, RuleExcluded, RuleMinLower, RuleMinUpper, RuleMinDigits, RuleMinSpecial,
		RuleFirstCharacter, RuleIdentical, RuleSequence, RuleBlocklist, RuleClasses, RuleGuessable, RuleShannon, RuleEntropy,
	} {
		if !seen[rule] {
			t.Errorf("no vector breaks the rule %q", rule)
		}
	}
}

// TestMessagesDoNotTellTheValue: a message holds no four characters of the value
// that it would not hold for another value.
func TestMessagesDoNotTellTheValue(t *testing.T) {
	t.Parallel()
	fixed := map[Rule]string{} // the message for a value that shares nothing with another
	for _, v := range readVectors(t) {
		for _, f := range Check(v.policy(t), v.Value) {
			if _, ok := fixed[f.Rule]; !ok {
				fixed[f.Rule] = f.Message
			}
		}
	}
	told := 0
	for _, v := range readVectors(t) {
		for _, f := range Check(v.policy(t), v.Value) {
			told++
			for i := 0; i+4 <= len(v.Value); i++ {
				piece := v.Value[i : i+4]
				if strings.Contains(f.Message, piece) && !strings.Contains(fixed[f.Rule], piece) {
					t.Errorf("%s: the message of %q holds a piece of the value", v.Name, f.Rule)
				}
			}
		}
	}
	if told == 0 {
		t.Fatal("no messages")
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	jwt, _ := Builtin("jwt")
	supplied := with(jwt, func(p *Policy) {
		p.Supplied, p.MinEntropyBits, p.MaxLength, p.MinDigits, p.FirstCharacter, p.ExcludeCharacters = true, 128, 70, 3, FirstLetter, "_"
	})
	tests := []struct {
		policy Policy
		value  string
		want   []Finding
	}{
		{supplied, "", []Finding{{RuleEmpty, "length", "the value is empty"}}},
		{supplied, "@@@@abcdpassword__1", []Finding{
			{RuleLength, "length", "the value has 19 characters, at least 64 are needed"},
			{RuleEncoding, "encoding", "the value has 4 characters that base64url does not have"},
			{RuleExcluded, "exclude_characters", "the value has 2 characters that the policy excludes"},
			{RuleMinDigits, "min_digits", "the value has 1 digits, at least 3 are needed"},
			{RuleFirstCharacter, "first_character", "the value does not begin with a letter"},
			{RuleIdentical, "pattern_rules", "the value has a character three or more times in a row"},
			{RuleSequence, "pattern_rules", "the value has four or more characters in a row that follow each other in the alphabet, in counting or on a keyboard"},
			{RuleBlocklist, "pattern_rules", "the value is or contains a well-known weak password or placeholder"},
			{RuleGuessable, "classification", "the value is too easy to guess: zxcvbn scores it 1 of 4, at least 3 is needed for the classification secret"},
			{RuleEntropy, "min_entropy_bits", "the value's entropy is estimated, conservatively, at 22 bits, at least 128 are needed"},
		}},
		{supplied, strings.Repeat("aB3-", 18), []Finding{
			{RuleMaxLength, "max_length", "the value has 72 characters, at most 70 are allowed"},
			{RuleShannon, "category", "the value has 2.00 bits of Shannon entropy per character, at least 4.00 are needed"},
		}},
		{with(jwt, func(p *Policy) { p.Encoding, p.Length = Hex, 4 }), "7", []Finding{
			{RuleLength, "length", "the value has 1 character, at least 4 are needed"},
			{RuleEncoding, "encoding", "the value has 1 character, hex needs a multiple of 2"},
		}},
		{with(jwt, func(p *Policy) { p.Length = 4 }), "7070", []Finding{
			{RuleClasses, "pattern_rules", "the value has 1 of the classes lower-case letters, upper-case letters, digits, special characters; at least 3 are needed"},
		}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, Check(test.policy, test.value)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRequiredScore: the stricter the classification, the harder to guess.
func TestRequiredScore(t *testing.T) {
	t.Parallel()
	want := map[Classification]int{Public: 0, Internal: 2, Secret: 3, Critical: 3}
	for _, c := range Classifications() {
		if got := requiredScore(c); got != want[c] {
			t.Errorf("%s needs a score of %d, want %d", c, got, want[c])
		}
	}
}

// TestZxcvbnIsBounded: a value with all the symbols that zxcvbn substitutes would
// take sixty times as long as digits do.
func TestZxcvbnIsBounded(t *testing.T) {
	elapsed := func(piece string) time.Duration {
		start := time.Now()
		zxcvbnScore(strings.Repeat(piece, 5000))
		return time.Since(start)
	}
	plain, leet := elapsed("40827395163"), elapsed("4@8({[<369!1|0$57+%2")
	if leet > 10*plain+100*time.Millisecond {
		t.Errorf("substitutions take %s, digits %s", leet, plain)
	}
}
