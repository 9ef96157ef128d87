// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import "math"

// Covers reports whether next allows every value that was made under recorded, so
// that a change from one to the other needs no new value. It compares the
// policies, not a value: rotation, grace period and classification do not matter,
// and where it cannot be sure it says false. A generated value has exactly the
// recorded length; a supplied one may have any that the recorded policy allows.
//
// The words of the blocklist and the strength of a supplied value, which Check
// judges when the value is supplied, are left aside.
func Covers(next, recorded Policy) bool {
	if sameValues(next, recorded) {
		return true
	}
	made := valuesOf(recorded)
	return made.lengthsFit(next) && made.alphabetFits(next) && made.minimaFit(next) &&
		made.firstFits(next) && made.patternsFit(next) && made.entropyFits(next)
}

// sameValues reports whether two policies differ only in what has nothing to do
// with a value.
func sameValues(a, b Policy) bool {
	for _, p := range []*Policy{&a, &b} {
		p.Category = ""
		p.Rotation, p.Grace, p.GraceNeverEnds, p.Classification = 0, 0, false, ""
	}
	return a == b
}

// values describes the values that a policy has made or let in.
type values struct {
	Policy
	shortest, longest int
	alphabet          string // empty for any
	size              [classes]int
}

func valuesOf(p Policy) values {
	v := values{Policy: p, shortest: p.Length, longest: p.Length, alphabet: p.accepted()}
	if p.Supplied {
		v.shortest, v.longest = max(1, p.Length), p.MaxLength
		if p.MaxLength == 0 {
			v.longest = math.MaxInt
		}
	}
	v.size = countClasses(v.alphabet)
	return v
}

func (v values) lengthsFit(next Policy) bool {
	if v.shortest < next.Length || next.MaxLength > 0 && v.longest > next.MaxLength {
		return false
	}
	block := next.Encoding.block()
	return v.Encoding.block()%block == 0 || v.shortest == v.longest && v.shortest%block == 0
}

func (v values) alphabetFits(next Policy) bool {
	if v.Encoding == Any {
		return next.Encoding == Any && without(next.ExcludeCharacters, v.ExcludeCharacters) == ""
	}
	if within(v.alphabet, next.ExcludeCharacters) != "" {
		return false
	}
	if next.Encoding == Any {
		return true
	}
	// "=" has a place of its own in base64, which a policy of another encoding
	// does not know.
	if next.Encoding == Base64 && v.Encoding != Base64 && within(v.alphabet, "=") != "" {
		return false
	}
	return without(v.alphabet, next.accepted()) == ""
}

// least returns how many characters of a class every value has.
func (v values) least(c class) int {
	n := v.minima()[c]
	others := 0
	for i, size := range v.size {
		if class(i) != c {
			others += size
		}
	}
	if v.alphabet != "" && others == 0 {
		n = max(n, v.shortest)
	}
	if v.PatternRules && requiredClasses(v.Alphabet()) == present(v.size) && v.size[c] > 0 {
		n = max(n, 1)
	}
	return n
}

func (v values) minimaFit(next Policy) bool {
	for i, wanted := range next.minima() {
		if wanted > 0 && v.least(class(i)) < wanted {
			return false
		}
	}
	return true
}

func (v values) firstFits(next Policy) bool {
	return next.FirstCharacter != FirstLetter || v.FirstCharacter == FirstLetter ||
		v.alphabet != "" && letters(v.alphabet) == v.alphabet
}

func (v values) patternsFit(next Policy) bool {
	if !next.PatternRules {
		return true
	}
	if !v.PatternRules {
		return false
	}
	// Hex has pattern rules, but none about classes; over a larger alphabet the
	// same value has to have three.
	needed := requiredClasses(next.Alphabet())
	if requiredClasses(v.Alphabet()) >= needed {
		return true
	}
	certain := 0
	for c := range classes {
		if v.least(c) > 0 {
			certain++
		}
	}
	return certain >= needed
}

// entropyFits compares what next demands with what the value was chosen from.
func (v values) entropyFits(next Policy) bool {
	wanted := next.MinEntropyBits
	switch {
	case wanted <= v.MinEntropyBits && next.Supplied == v.Supplied:
		return true
	case next.Supplied || v.Supplied:
		return wanted == 0
	}
	return Measure(v.Policy).Bits >= float64(wanted)
}
