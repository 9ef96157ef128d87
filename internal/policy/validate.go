// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"slices"
	"strings"
	"time"
)

// Limits of what a policy may ask for.
const (
	// MaxGeneratedLength is the largest length of a generated value, in
	// characters. It is far more than any key needs, and small enough for a JSON
	// secret of 60 such values within the 65,536 bytes of Secrets Manager.
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
	MaxGeneratedLength = 1024

	// MaxSuppliedLength is the largest minimum that a supplied value can be asked
	// for, in characters: what fits into a secret of Secrets Manager.
	MaxSuppliedLength = 65536

	// MaxSuppliedEntropy is the largest min_entropy_bits for supplied values: the
	// estimate looks at 100 characters only and does not get further.
	MaxSuppliedEntropy = 512

	// MaxRotationDays is the longest rotation interval, in days.
	MaxRotationDays = 1000
)

// validate finds what is wrong with the policy by itself and what is below the
// floor, but for the entropy. It reports whether the entropy can be computed.
func (r *resolver) validate() bool {
	before := len(r.problems)
	r.validateNames()
	r.validateCharacters()
	r.validateLength()
	r.validateMinima()
	measurable := len(r.problems) == before
	r.validateTimes()
	r.checkLengthFloor(measurable)
	return measurable
}

func (r *resolver) validateNames() {
	if !slices.Contains(Encodings(), r.Encoding) {
		r.add("encoding", "Unknown encoding", "%s is not one of %s.", r.say("encoding", r.Encoding), list(Encodings()))
	}
	if r.Encoding == Any && !r.Supplied {
		r.add("encoding", "Encoding without an alphabet",
			"%s is for supplied values only: a generated one needs an alphabet. Write one of %s.",
			r.say("encoding", r.Encoding), list(Encodings()[:len(Encodings())-1]))
	}
	if !slices.Contains(Classifications(), r.Classification) {
		r.add("classification", "Unknown classification", "%s is not one of %s.",
			r.say("classification", r.Classification), list(Classifications()))
	}
	if !slices.Contains(FirstCharacters(), r.FirstCharacter) {
		r.add("first_character", "Unknown first character", "%s is not one of %s.",
			r.say("first_character", r.FirstCharacter), list(FirstCharacters()))
	}
}

func (r *resolver) validateCharacters() {
	const argument, set = "special_characters", "special_characters"
	given := r.sources[argument] != fromCategory
	if given && r.Encoding != ASCII {
		r.add(argument, "Special characters without the encoding ascii",
			"%s has no meaning with encoding = %q, whose characters are fixed. Write encoding = %q, or remove special_characters.",
			r.say(set, r.SpecialCharacters), r.Encoding, ASCII)
	}
	if bad := keep(r.SpecialCharacters, func(c byte) bool { return c <= ' ' || c >= 0x7f || classOf(c) != special }); bad != "" {
		r.add(argument, "Invalid special characters",
			"%s must hold printable ASCII punctuation only; %q is not: letters and digits are allowed anyway, and a space, a control or a non-ASCII character would not survive every target.",
			r.say(set, r.SpecialCharacters), bad)
	}
	if clash := within(r.SpecialCharacters, r.base.ExcludeCharacters); given && clash != "" {
		r.add(argument, "Special characters that the category excludes",
			"%s contains %q, which category %q always excludes (%q), so that the value survives a connection URL and an SQL literal. Remove %q from special_characters.",
			r.say(set, r.SpecialCharacters), clash, r.base.Category, r.base.ExcludeCharacters, clash)
	}
	if bad := keep(r.ExcludeCharacters, func(c byte) bool { return c < ' ' || c >= 0x7f }); bad != "" {
		r.add("exclude_characters", "Invalid excluded characters",
			"exclude_characters holds %q; only printable ASCII characters and the space can be excluded.", bad)
	}
	if r.Encoding == Any || !slices.Contains(Encodings(), r.Encoding) {
		return
	}
	alphabet := r.Alphabet()
	if len(alphabet) < 2 {
		r.add("exclude_characters", "No characters left",
			"%s leaves %s of encoding = %q: a value needs at least two to choose from. Exclude less.",
			r.say("exclude_characters", r.ExcludeCharacters), characters(len(alphabet)), r.Encoding)
		return
	}
	if r.FirstCharacter == FirstLetter && letters(alphabet) == "" {
		r.add("first_character", "No letter to begin with",
			"%s needs a letter, but %s leaves none of encoding = %q. Exclude less, or write first_character = %q.",
			r.say("first_character", r.FirstCharacter), r.say("exclude_characters", r.ExcludeCharacters), r.Encoding, FirstAny)
	}
}

func (r *resolver) validateLength() {
	least, most := 1, MaxGeneratedLength
	if r.Supplied {
		least, most = min(1, r.base.Length), MaxSuppliedLength
	}
	if r.Length < least || r.Length > most {
		r.add("length", "Length out of range", "%s is not between %d and %d characters.", r.say("length", r.Length), least, most)
	} else if block := r.Encoding.block(); !r.Supplied && r.Length%block != 0 {
		r.add("length", "Length that does not make whole bytes",
			"%s is not a multiple of %d, so that a value of encoding = %q would not decode to whole bytes. Write length = %d.",
			r.say("length", r.Length), block, r.Encoding, roundUp(r.Length, block))
	}
	switch {
	case r.sources["max_length"] == fromCategory:
	case r.MaxLength < 1 || r.MaxLength > MaxSuppliedLength:
		r.add("max_length", "Maximum length out of range", "%s is not between 1 and %d characters. Leave it out for no maximum.",
			r.say("max_length", r.MaxLength), MaxSuppliedLength)
	case r.MaxLength < r.Length:
		r.add("max_length", "Maximum length below the length", "%s is less than %s. Write max_length = %d or more, or a smaller length.",
			r.say("max_length", r.MaxLength), r.say("length", r.Length), r.Length)
	}
}

func (r *resolver) validateMinima() {
	available := countClasses(r.accepted())
	sum := 0
	var set []string
	for i, least := range r.minima() {
		c := class(i)
		argument := c.argument()
		switch {
		case least < 0:
			r.add(argument, "Negative minimum", "%s is less than 0. Write 0 for no minimum.", r.say(argument, least))
			continue
		case least > 0 && r.Encoding != Any && available[c] == 0:
			r.add(argument, "Minimum of characters that do not occur",
				"%s asks for %s, but encoding = %q has none%s. Write %s = 0, or another encoding.",
				r.say(argument, least), c, r.Encoding, r.exceptExcluded(), argument)
		}
		if least > 0 {
			sum += least
			set = append(set, r.say(argument, least))
		}
	}
	limit, most := "length", r.Length
	if r.Supplied {
		limit, most = "max_length", r.MaxLength // a supplied value may be longer than the length
	}
	if most > 0 && sum > most {
		r.add(limit, "Minima longer than the value", "The minima (%s) need %s, but %s. Write %s = %d or more, or smaller minima.",
			strings.Join(set, ", "), characters(sum), r.say(limit, most), limit, roundUp(sum, r.Encoding.block()))
	}
	if r.MinEntropyBits < 0 {
		r.add("min_entropy_bits", "Negative minimum", "%s is less than 0. Write 0 for no minimum.", r.say("min_entropy_bits", r.MinEntropyBits))
	}
	if r.Supplied && r.MinEntropyBits > MaxSuppliedEntropy {
		r.add("min_entropy_bits", "Entropy that cannot be shown",
			"%s is more than %d bits, beyond which the entropy of a supplied value is not estimated. Write %d or less.",
			r.say("min_entropy_bits", r.MinEntropyBits), MaxSuppliedEntropy, MaxSuppliedEntropy)
	}
}

// exceptExcluded mentions exclude_characters where it matters.
func (r *resolver) exceptExcluded() string {
	full := r.Policy
	full.ExcludeCharacters = ""
	if full.accepted() == r.accepted() {
		return ""
	}
	return ", once " + r.say("exclude_characters", r.ExcludeCharacters) + " is taken away"
}

func (r *resolver) validateTimes() {
	days := int64(r.Rotation / day)
	if r.Rotation < day || r.Rotation > MaxRotationDays*day || r.Rotation%day != 0 {
		r.add("rotation_days", "Rotation interval out of range", "%s is not a whole number of days between 1 and %d.",
			r.say("rotation_days", days), MaxRotationDays)
	}
	if r.sources["grace_period"] == fromCategory && r.Grace <= r.Rotation {
		return
	}
	switch grace := r.Grace.String(); {
	case r.GraceNeverEnds:
		r.add("grace_period", "Grace period that never ends",
			"%s cannot be set for category %q: its values protect stored data, and what was encrypted with an earlier one must stay readable. Remove grace_period.",
			r.say("grace_period", grace), r.base.Category)
	case r.Grace < 0 || r.Grace%time.Second != 0:
		r.add("grace_period", "Invalid grace period", "%s is not a whole number of seconds of at least 0.", r.say("grace_period", grace))
	case r.Grace > r.Rotation && r.Rotation > 0:
		r.add("grace_period", "Grace period longer than the rotation interval",
			"%s is longer than %s, so that the value before the previous one would still have to be valid. Write a grace period of at most %dh.",
			r.say("grace_period", grace), r.say("rotation_days", days), days*24)
	}
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }
