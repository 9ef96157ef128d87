// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package policy says what a secret value must be: it resolves a policy from a
// category, the provider's and the resource's overrides and the environment's
// floor, measures what it guarantees, and checks a value against it. It knows
// neither Terraform nor AWS nor the time.
package policy

import "time"

// Environment decides how weak a policy may be.
type Environment string

// The environments, from the most lenient to the strictest.
const (
	Development Environment = "development"
	Staging     Environment = "staging"
	Production  Environment = "production"
)

// Encoding is the alphabet that a value is made of.
type Encoding string

// The encodings. Any is for supplied values only.
const (
	Base64URL    Encoding = "base64url"
	Base64       Encoding = "base64"
	Hex          Encoding = "hex"
	Alphanumeric Encoding = "alphanumeric"
	ASCII        Encoding = "ascii"
	Any          Encoding = "any"
)

// Classification says how sensitive a value is.
type Classification string

// The classifications, from the least to the most sensitive.
const (
	Public   Classification = "public"
	Internal Classification = "internal"
	Secret   Classification = "secret"
	Critical Classification = "critical"
)

// FirstCharacter limits the first character of a value.
type FirstCharacter string

// What the first character may be.
const (
	FirstAny    FirstCharacter = "any"
	FirstLetter FirstCharacter = "letter"
)

// Policy is what a value must be, with everything resolved.
type Policy struct {
	Category          string // as named in the configuration
	Base              string // the built-in category whose floor applies
	Length            int    // characters of a generated value, the least for a supplied one; 0: no minimum
	MaxLength         int    // characters; 0: no maximum
	Encoding          Encoding
	MinLower          int
	MinUpper          int
	MinDigits         int
	MinSpecial        int
	SpecialCharacters string // sorted; for ascii
	ExcludeCharacters string // sorted
	FirstCharacter    FirstCharacter
	MinEntropyBits    int
	PatternRules      bool
	Rotation          time.Duration // whole days; 0: never due
	Grace             time.Duration // how long the previous value stays valid
	GraceNeverEnds    bool          // what was encrypted must stay readable
	Classification    Classification
	Supplied          bool // the value comes from outside and is never generated
}

// Overrides are the parts of a policy that a configuration sets; nil leaves a
// part to the category.
type Overrides struct {
	Base              *string // new categories only
	Length            *int
	MaxLength         *int
	Encoding          *Encoding
	MinLower          *int
	MinUpper          *int
	MinDigits         *int
	MinSpecial        *int
	SpecialCharacters *string
	ExcludeCharacters *string
	FirstCharacter    *FirstCharacter
	MinEntropyBits    *int
	PatternRules      *bool
	Rotation          *time.Duration
	Grace             *time.Duration
	Classification    *Classification
}
