// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"math"
	"strings"
)

// developmentFloor is the least length in development, in characters, unless the
// category itself is shorter.
const developmentFloor = 16

// minAcceptance is the share of candidates that the rules must leave. With less a
// generator by rejection would need more than a thousand tries for a value, and a
// rule that refuses nearly everything is a mistake.
const minAcceptance = 1.0 / 1000

// floorLength returns the least length in characters that the environment allows.
func (r *resolver) floorLength() int {
	if r.env == Development {
		return min(developmentFloor, r.base.Length)
	}
	return r.base.Length
}

// floorBits returns the least guaranteed entropy that the environment allows.
func (r *resolver) floorBits() float64 {
	if r.env == Development {
		return 0
	}
	return Measure(r.base).Bits
}

func (r *resolver) checkLengthFloor(measurable bool) {
	floor := r.floorLength()
	if r.Length >= floor || r.Length < 1 {
		return
	}
	enough := roundUp(floor, r.Encoding.block())
	if measurable && !r.Supplied {
		if n, ok := r.lengthFor(r.floorBits()); ok {
			enough = max(enough, n)
		}
	}
	reason := fmt.Sprintf("the length of category %q, which no value may fall short of in %s", r.base.Category, r.env)
	if r.env == Development && floor == developmentFloor {
		reason = fmt.Sprintf("the least in %s, where values are weaker but still not guessable", r.env)
	}
	r.add("length", "Policy below the floor", "%s is below the floor of %s: %s. Write length = %d or more%s.",
		r.say("length", r.Length), characters(floor), reason, enough, r.orMore(enough))
}

// checkEntropy finds what can be told only by measuring the policy.
func (r *resolver) checkEntropy() {
	measured := Measure(r.Policy)
	if measured.Acceptance < minAcceptance {
		r.addClash()
		return
	}
	if floor := r.floorBits(); measured.Bits < floor && r.Length >= r.floorLength() {
		r.add("length", "Policy below the floor",
			"With %s the policy guarantees %s of entropy, below the floor of the %s that category %q guarantees, which no value may fall short of in %s. %s",
			r.sayAll(), atLeast(measured.Bits), atMost(floor), r.base.Category, r.env, r.advise(floor))
	}
	if wanted := float64(r.MinEntropyBits); measured.Bits < wanted {
		r.add("min_entropy_bits", "Entropy below the minimum",
			"%s is more than the %s of entropy that the policy guarantees with %s. %s",
			r.say("min_entropy_bits", r.MinEntropyBits), atLeast(measured.Bits), r.sayAll(), r.advise(wanted))
	}
}

// advise says which length guarantees a number of bits.
func (r *resolver) advise(bits float64) string {
	if n, ok := r.lengthFor(bits); ok {
		return fmt.Sprintf("Write length = %d or more%s.", n, r.orMore(n))
	}
	return fmt.Sprintf("No length up to %d reaches that. Allow more characters.", MaxGeneratedLength)
}

// orMore mentions a maximum that stands in the way of a length.
func (r *resolver) orMore(length int) string {
	if r.sources["max_length"] != fromCategory && length > r.MaxLength {
		return fmt.Sprintf(", and %s accordingly", r.say("max_length", r.MaxLength))
	}
	return ""
}

// lengthFor returns the smallest length from which the policy guarantees a number
// of bits.
func (r *resolver) lengthFor(bits float64) (int, bool) {
	alphabet := len(r.Alphabet())
	if alphabet < 2 {
		return 0, false
	}
	p, block := r.Policy, r.Encoding.block()
	// No length guarantees more than log2 of the alphabet per character.
	for n := roundUp(max(1, int(bits/math.Log2(float64(alphabet)))), block); n <= MaxGeneratedLength; n += block {
		p.Length = n
		if m := Measure(p); m.Bits >= bits && m.Acceptance >= minAcceptance {
			return n, true
		}
	}
	return 0, false
}

// sayAll names the arguments that the guaranteed entropy follows from.
func (r *resolver) sayAll() string {
	parts := []string{r.say("length", r.Length), r.say("encoding", r.Encoding)}
	for _, a := range []struct {
		argument string
		value    any
	}{
		{"special_characters", r.SpecialCharacters},
		{"exclude_characters", r.ExcludeCharacters},
		{"first_character", r.FirstCharacter},
		{"min_lower", r.MinLower},
		{"min_upper", r.MinUpper},
		{"min_digits", r.MinDigits},
		{"min_special", r.MinSpecial},
		{"pattern_rules", r.PatternRules},
	} {
		if r.sources[a.argument] != fromCategory {
			parts = append(parts, r.say(a.argument, a.value))
		}
	}
	return strings.Join(parts, ", ")
}

// addClash says which constraints leave almost no value: those without which
// there would be enough.
func (r *resolver) addClash() {
	type constraint struct {
		argument string
		text     string
		without  func(*space)
	}
	var all []constraint
	for i, least := range r.minima() {
		if c := class(i); least > 0 {
			text := fmt.Sprintf("%s (%d of the %d characters allowed are %s)", r.say(c.argument(), least),
				countClasses(r.Alphabet())[c], len(r.Alphabet()), c)
			all = append(all, constraint{c.argument(), text, func(s *space) { s.min[c] = 0 }})
		}
	}
	if r.PatternRules {
		text := fmt.Sprintf("%s with %d characters to choose from", r.say("pattern_rules", true), len(r.Alphabet()))
		all = append(all, constraint{"pattern_rules", text, func(s *space) { s.patterns = false }})
	}

	var guilty []constraint
	for _, c := range all {
		s := spaceOf(r.Policy)
		c.without(&s)
		if s.measure(r.Length).Acceptance >= minAcceptance {
			guilty = append(guilty, c)
		}
	}
	if len(guilty) == 0 {
		guilty = all // no single one is enough to blame
	}
	texts := make([]string, len(guilty))
	for i, c := range guilty {
		texts[i] = c.text
	}
	verb := "clashes"
	if len(guilty) > 1 {
		verb = "clash"
	}
	r.add(guilty[0].argument, "Policy that almost no value satisfies",
		"With %s and encoding = %q fewer than one in %.0f candidates would be accepted. What %s: %s. Loosen it, or change the length.",
		r.say("length", r.Length), r.Encoding, 1/minAcceptance, verb, strings.Join(texts, "; "))
}

// atLeast and atMost write a number of bits, rounded so that a message never says
// that a number is below the same number.
func atLeast(bits float64) string { return fmt.Sprintf("%.1f bits", math.Floor(bits*10)/10) }
func atMost(bits float64) string  { return fmt.Sprintf("%.1f bits", math.Ceil(bits*10)/10) }
