// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	type change = func(*Policy)
	tests := map[string]struct {
		category       string
		recorded, next change
		want           bool
	}{
		"longer":                         {"jwt", nil, func(p *Policy) { p.Length = 96 }, false},
		"shorter":                        {"jwt", func(p *Policy) { p.Length = 96 }, nil, true},
		"shorter with a maximum":         {"jwt", func(p *Policy) { p.Length = 96 }, func(p *Policy) { p.MaxLength = 64 }, false},
		"a maximum with room":            {"jwt", nil, func(p *Policy) { p.MaxLength = 64 }, true},
		"a longer key":                   {"encryption", nil, func(p *Policy) { p.Length, p.MaxLength = 128, 128 }, false},
		"rotation, grace and class":      {"jwt", nil, func(p *Policy) { p.Rotation, p.Grace, p.Classification = day, time.Second, Critical }, true},
		"another category name":          {"jwt", nil, func(p *Policy) { p.Category = "other" }, true},
		"same rules, another category":   {"jwt", nil, func(p *Policy) { p.Category, p.Base = "session", "session" }, true},
		"grace that never ends":          {"encryption", nil, func(p *Policy) { p.GraceNeverEnds = false }, true},
		"a raised minimum":               {"database", nil, func(p *Policy) { p.MinDigits = 2 }, false},
		"a lowered minimum":              {"database", nil, func(p *Policy) { p.MinDigits = 0 }, true},
		"a minimum of one, by the rules": {"cache", nil, func(p *Policy) { p.MinLower, p.MinUpper, p.MinDigits = 1, 1, 1 }, true},
		"a minimum of one, by chance":    {"jwt", nil, func(p *Policy) { p.MinDigits = 1 }, false},
		"a minimum of the only class": {
			"cache", func(p *Policy) { p.ExcludeCharacters = upperLetters + digits }, func(p *Policy) { p.MinLower, p.PatternRules = 32, false }, true,
		},
		"fewer characters":    {"jwt", nil, func(p *Policy) { p.ExcludeCharacters = "-" }, false},
		"more characters":     {"jwt", func(p *Policy) { p.ExcludeCharacters = "-" }, nil, true},
		"excluded, not there": {"jwt", nil, func(p *Policy) { p.ExcludeCharacters = "$" }, true},
		"other special":       {"database", nil, func(p *Policy) { p.SpecialCharacters = "!#" }, false},
		"more special":        {"database", nil, func(p *Policy) { p.SpecialCharacters = "!#()*-._~" }, true},
		"base64url to ascii":  {"jwt", nil, func(p *Policy) { p.Encoding, p.SpecialCharacters = ASCII, "-_" }, true},
		"base64url to base64": {"jwt", nil, func(p *Policy) { p.Encoding = Base64 }, false},
		"alphanumeric to base64": {
			"cache", nil, func(p *Policy) { p.Encoding = Base64 }, true,
		},
		"alphanumeric to base64, not whole": {
			"cache", func(p *Policy) { p.Length = 33 }, func(p *Policy) { p.Encoding = Base64 }, false,
		},
		"hex to base64url without rules":             {"encryption", nil, func(p *Policy) { p.Encoding = Base64URL }, true},
		"hex to a rule about classes":                {"jwt", func(p *Policy) { p.Encoding = Hex }, nil, false},
		"pattern rules on":                           {"jwt", func(p *Policy) { p.PatternRules = false }, nil, false},
		"pattern rules off":                          {"jwt", nil, func(p *Policy) { p.PatternRules = false }, true},
		"classes by minima":                          {"jwt", func(p *Policy) { p.Encoding, p.MinLower, p.MinDigits = Hex, 1, 1 }, func(p *Policy) { p.Encoding = Hex }, true},
		"first character":                            {"jwt", nil, func(p *Policy) { p.FirstCharacter = FirstLetter }, false},
		"any first character":                        {"jwt", func(p *Policy) { p.FirstCharacter = FirstLetter }, nil, true},
		"letters only":                               {"cache", func(p *Policy) { p.ExcludeCharacters = digits }, func(p *Policy) { p.FirstCharacter = FirstLetter; p.PatternRules = false }, true},
		"entropy that was guaranteed":                {"jwt", nil, func(p *Policy) { p.MinEntropyBits = 300 }, true},
		"entropy that was not guaranteed":            {"encryption", nil, func(p *Policy) { p.Encoding, p.MaxLength, p.MinEntropyBits = Base64URL, 0, 300 }, false},
		"entropy lowered":                            {"jwt", func(p *Policy) { p.MinEntropyBits = 300 }, func(p *Policy) { p.MinEntropyBits = 200 }, true},
		"supplied after generated":                   {"jwt", nil, func(p *Policy) { p.Supplied = true }, true},
		"supplied after generated, with an estimate": {"jwt", nil, func(p *Policy) { p.Supplied, p.MinEntropyBits = true, 100 }, false},
		"generated after supplied":                   {"jwt", func(p *Policy) { p.Supplied = true }, nil, true},
		"generated after supplied, with a maximum": {
			"jwt", func(p *Policy) { p.Supplied = true }, func(p *Policy) { p.MaxLength = 100 }, false,
		},
		"a supplied value has a new maximum": {"external", nil, func(p *Policy) { p.MaxLength = 100 }, false},
		"a supplied value has a new minimum": {"external", nil, func(p *Policy) { p.Length = 10 }, false},
		"a supplied value has no encoding":   {"external", nil, func(p *Policy) { p.Encoding = ASCII }, false},
		"a supplied value loses a minimum":   {"external", func(p *Policy) { p.Length = 10 }, nil, true},
		"an excluded character":              {"external", nil, func(p *Policy) { p.ExcludeCharacters = "$" }, false},
		"no excluded character":              {"external", func(p *Policy) { p.ExcludeCharacters = "$" }, nil, true},
		"an encoding becomes any":            {"jwt", func(p *Policy) { p.Supplied = true }, func(p *Policy) { p.Supplied, p.Encoding = true, Any }, true},
		"a padded value becomes ascii": {
			"encryption", func(p *Policy) { p.Supplied, p.Encoding = true, Base64 },
			func(p *Policy) { p.Supplied, p.Encoding, p.SpecialCharacters = true, ASCII, "+/" }, false,
		},
		"an equals sign becomes padding": {
			"encryption", func(p *Policy) { p.Supplied, p.Encoding, p.SpecialCharacters = true, ASCII, "=" },
			func(p *Policy) { p.Supplied, p.Encoding = true, Base64 }, false,
		},
		"a hex value in upper case": {
			"encryption", func(p *Policy) { p.Supplied = true }, nil, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded, _ := Builtin(test.category)
			next := recorded
			if test.recorded != nil {
				test.recorded(&recorded)
			}
			if test.next != nil {
				test.next(&next)
			}
			if got := Covers(next, recorded); got != test.want {
				t.Errorf("Covers is %t, want %t", got, test.want)
			}
			if !Covers(next, next) || !Covers(recorded, recorded) {
				t.Error("a policy does not cover itself")
			}
		})
	}
}

// drawOverrides draws overrides that often make a valid policy.
func drawOverrides(t *rapid.T) Overrides {
	maybe := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, "set "+name) == 0 }
	var o Overrides
	number := func(name string, to **int, least, most int) {
		if maybe(name) {
			*to = new(rapid.IntRange(least, most).Draw(t, name))
		}
	}
	number("length", &o.Length, 14, 80)
	number("max_length", &o.MaxLength, 16, 100)
	number("min_lower", &o.MinLower, 0, 3)
	number("min_upper", &o.MinUpper, 0, 2)
	number("min_digits", &o.MinDigits, 0, 2)
	number("min_special", &o.MinSpecial, 0, 1)
	number("min_entropy_bits", &o.MinEntropyBits, 0, 400)
	if maybe("encoding") {
		o.Encoding = new(rapid.SampledFrom(Encodings()).Draw(t, "encoding"))
	}
	if maybe("special_characters") {
		o.SpecialCharacters = new(rapid.StringOfN(rapid.RuneFrom([]rune("!#%^*-_=+.:~")), 0, 6, -1).Draw(t, "special_characters"))
	}
	if maybe("exclude_characters") {
		o.ExcludeCharacters = new(rapid.StringOfN(rapid.RuneFrom([]rune(alphanumeric+"-_.!$ ")), 0, 12, -1).Draw(t, "exclude_characters"))
	}
	if maybe("first_character") {
		o.FirstCharacter = new(rapid.SampledFrom(FirstCharacters()).Draw(t, "first_character"))
	}
	if maybe("pattern_rules") {
		o.PatternRules = new(rapid.Bool().Draw(t, "pattern_rules"))
	}
	if maybe("rotation_days") {
		o.Rotation = new(time.Duration(rapid.IntRange(1, 1000).Draw(t, "rotation_days")) * day)
	}
	if maybe("grace_period") {
		o.Grace = new(time.Duration(rapid.IntRange(0, 86400).Draw(t, "grace_period")) * time.Second)
	}
	if maybe("classification") {
		o.Classification = new(rapid.SampledFrom(Classifications()).Draw(t, "classification"))
	}
	return o
}

// drawPolicy draws a policy that Resolve lets through. It discards the draws that
// Resolve refuses.
func drawPolicy(t *rapid.T) Policy {
	category := rapid.SampledFrom(append(Categories(), "partner", "Other_1-x")).Draw(t, "category")
	provider := map[string]Overrides{
		"partner":   {Base: new(rapid.SampledFrom(Categories()).Draw(t, "base"))},
		"Other_1-x": {Base: new("cache"), Length: new(20)},
	}
	resolve := Resolve
	if rapid.IntRange(0, 4).Draw(t, "supplied") == 0 {
		resolve = ResolveSupplied
	}
	environment := rapid.SampledFrom([]Environment{Development, Development, Production}).Draw(t, "environment")
	p, err := resolve(environment, category, provider, drawOverrides(t))
	if err != nil {
		t.Skip()
	}
	return p
}

// draw makes a value of a policy, or says that none was found.
func draw(random *rand.Rand, p Policy) (string, bool) {
	made := valuesOf(p)
	alphabet, first := made.alphabet, p.FirstAlphabet()
	if p.Encoding == Any {
		alphabet, first = alphanumeric+SafeSpecialCharacters+"äß", alphanumeric
	}
	m := NewMatcher(p)
	for range 20_000 {
		length := max(1, p.Length)
		if p.Supplied {
			length += random.IntN(1 + min(8, made.longest-length))
		}
		value := randomString(random, first, 1) + randomString(random, alphabet, length-1)
		if m.Allows(fold(value)) {
			return value, true
		}
	}
	return "", false
}

// TestCoversMeansAllowed: what was made under the recorded policy passes the next.
func TestCoversMeansAllowed(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(13, 14))
	covered := 0
	rapid.Check(t, func(t *rapid.T) {
		recorded := drawPolicy(t)
		next := recorded
		// Unrelated policies hardly ever cover each other: change a few fields.
		other := drawPolicy(t)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			switch rapid.IntRange(0, 9).Draw(t, "field") {
			case 0:
				next.Length = other.Length
			case 1:
				next.MaxLength = other.MaxLength
			case 2:
				next.Encoding, next.SpecialCharacters = other.Encoding, other.SpecialCharacters
			case 3:
				next.MinLower, next.MinSpecial = other.MinLower, other.MinSpecial
			case 4:
				next.MinUpper, next.MinDigits = other.MinUpper, other.MinDigits
			case 5:
				next.ExcludeCharacters = other.ExcludeCharacters
			case 6:
				next.FirstCharacter = other.FirstCharacter
			case 7:
				next.PatternRules = other.PatternRules
			case 8:
				next.MinEntropyBits, next.Supplied = other.MinEntropyBits, other.Supplied
			case 9:
				next = other
			}
		}
		if !Covers(next, recorded) {
			return
		}
		covered++
		m := NewMatcher(next)
		for range 20 {
			value, ok := draw(random, recorded)
			if ok && !m.Allows(fold(value)) {
				t.Fatalf("%+v\nis said to cover\n%+v\nbut breaks %v", next, recorded, Check(next, value))
			}
		}
	})
	if covered < 10 {
		t.Errorf("only %d policies cover another: the test shows nothing", covered)
	}
}
