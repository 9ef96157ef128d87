// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// A Rule is what a value can break.
type Rule string

// The rules, in the order in which Check reports them.
const (
	RuleEmpty          Rule = "empty"
	RuleLength         Rule = "length"
	RuleMaxLength      Rule = "max_length"
	RuleEncoding       Rule = "encoding"
	RuleExcluded       Rule = "excluded_characters"
	RuleMinLower       Rule = "min_lower"
	RuleMinUpper       Rule = "min_upper"
	RuleMinDigits      Rule = "min_digits"
	RuleMinSpecial     Rule = "min_special"
	RuleFirstCharacter Rule = "first_character"
	RuleIdentical      Rule = "identical_characters"
	RuleSequence       Rule = "sequence"
	RuleBlocklist      Rule = "blocklist"
	RuleClasses        Rule = "character_classes"
	RuleGuessable      Rule = "guessable"
	RuleShannon        Rule = "shannon_entropy"
	RuleEntropy        Rule = "min_entropy_bits"
)

// A Finding is a rule that a value breaks. Argument is the argument that sets the
// rule. Message says by how much the value misses it; it holds no part of the
// value and does not say which word was found, which would give a part away.
type Finding struct {
	Rule     Rule
	Argument string
	Message  string
}

// Check returns every rule that the value breaks, none for a value that the
// policy allows. A value may be longer than Length unless MaxLength forbids it,
// also under a policy for generated values. The strength of a value (zxcvbn,
// Shannon entropy, min_entropy_bits) is judged for supplied values only, which
// takes some 50 ms; certificates and the like, of any encoding and without
// pattern rules, only must not be empty.
func Check(p Policy, value string) []Finding {
	var findings []Finding
	add := func(rule Rule, argument, format string, args ...any) {
		findings = append(findings, Finding{rule, argument, fmt.Sprintf(format, args...)})
	}
	if value == "" {
		add(RuleEmpty, "length", "the value is empty")
		return findings
	}
	folded := fold(value)
	m := NewMatcher(p)
	s := m.scan(folded)

	if s.length < p.Length {
		add(RuleLength, "length", "the value has %s, at least %d are needed", characters(s.length), p.Length)
	}
	if p.MaxLength > 0 && s.length > p.MaxLength {
		add(RuleMaxLength, "max_length", "the value has %s, at most %d are allowed", characters(s.length), p.MaxLength)
	}
	if block := p.Encoding.block(); s.length%block != 0 {
		add(RuleEncoding, "encoding", "the value has %s, %s needs a multiple of %d", characters(s.length), p.Encoding, block)
	}
	if s.outside > 0 {
		add(RuleEncoding, "encoding", "the value has %s that %s does not have", characters(s.outside), p.Encoding)
	}
	if s.padding {
		add(RuleEncoding, "encoding", "the value is not padded as base64 is, with at most two characters at its end")
	}
	if s.excluded > 0 {
		add(RuleExcluded, "exclude_characters", "the value has %s that the policy excludes", characters(s.excluded))
	}
	minimumRules := [classes]Rule{RuleMinLower, RuleMinUpper, RuleMinDigits, RuleMinSpecial}
	for c, least := range p.minima() {
		if s.count[c] < least {
			add(minimumRules[c], class(c).argument(), "the value has %d %s, at least %d are needed", s.count[c], class(c), least)
		}
	}
	if p.FirstCharacter == FirstLetter && !letter(folded[0]) {
		add(RuleFirstCharacter, "first_character", "the value does not begin with a letter")
	}
	if s.identical {
		add(RuleIdentical, "pattern_rules", "the value has a character three or more times in a row")
	}
	if s.sequence {
		add(RuleSequence, "pattern_rules", "the value has four or more characters in a row that follow each other in the alphabet, in counting or on a keyboard")
	}
	if s.word {
		add(RuleBlocklist, "pattern_rules", "the value is or contains a well-known weak password or placeholder")
	}
	if present(s.count) < m.required {
		add(RuleClasses, "pattern_rules",
			"the value has %d of the classes lower-case letters, upper-case letters, digits, special characters; at least %d are needed",
			present(s.count), m.required)
	}
	if p.judgesStrength() {
		findings = append(findings, checkStrength(p, value)...)
	}
	return findings
}

// judgesStrength reports whether the strength of a value is judged.
func (p Policy) judgesStrength() bool {
	return p.Supplied && (p.Encoding != Any || p.PatternRules)
}

func checkStrength(p Policy, value string) []Finding {
	var findings []Finding
	add := func(rule Rule, argument, format string, args ...any) {
		findings = append(findings, Finding{rule, argument, fmt.Sprintf(format, args...)})
	}
	score, bits := zxcvbnScore(value)
	if required := requiredScore(p.Classification); score < required {
		add(RuleGuessable, "classification",
			"the value is too easy to guess: zxcvbn scores it %d of 4, at least %d is needed for the classification %s",
			score, required, p.Classification)
	}
	shannon := Shannon(value)
	if threshold := shannonThreshold(shannonDemand(p), value); shannon < threshold {
		add(RuleShannon, "category", "the value has %.2f bits of Shannon entropy per character, at least %.2f are needed",
			shannon, threshold)
	}
	if bits = conservative(bits, value); bits < float64(p.MinEntropyBits) {
		add(RuleEntropy, "min_entropy_bits", "the value's entropy is estimated, conservatively, at %.0f bits, at least %d are needed",
			math.Floor(bits), p.MinEntropyBits)
	}
	return findings
}

// fold returns one byte per character: ASCII as it is, and different bytes from
// 0x80 for different other characters (the first 128 of them, which is enough to
// see repetitions). A value that is not text is taken byte by byte.
func fold(value string) []byte {
	if !utf8.ValidString(value) {
		return []byte(value)
	}
	folded := make([]byte, 0, len(value))
	var number map[rune]byte
	for _, r := range value {
		if r < utf8.RuneSelf {
			folded = append(folded, byte(r))
			continue
		}
		if number == nil {
			number = map[rune]byte{}
		}
		if _, ok := number[r]; !ok {
			number[r] = utf8.RuneSelf | byte(len(number))
		}
		folded = append(folded, number[r])
	}
	return folded
}

// characters returns "1 character", "2 characters".
func characters(n int) string {
	if n == 1 {
		return "1 character"
	}
	return fmt.Sprintf("%d characters", n)
}
