// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Resolve returns the policy that holds for a value: that of the category, then
// what the provider's policies say about the category, then what the resource
// says itself. A category that is not built in must be in the provider's policies
// with a built-in category as its base.
//
// The error is a Problems with everything that is wrong: a policy that contradicts
// itself, that almost no value satisfies, or that is weaker than the floor of the
// environment. In production and staging the floor is the length and the
// guaranteed entropy of the base category, in development it is 16 characters.
func Resolve(env Environment, category string, provider map[string]Overrides, own Overrides) (Policy, error) {
	return resolve(env, category, provider, own, false)
}

// ResolveSupplied is Resolve for a value that is supplied and not generated,
// whatever its category. Length is then a minimum. The floor still holds for the
// length; the strength is judged by Check on the value itself.
func ResolveSupplied(env Environment, category string, provider map[string]Overrides, own Overrides) (Policy, error) {
	return resolve(env, category, provider, own, true)
}

func resolve(env Environment, category string, provider map[string]Overrides, own Overrides, supplied bool) (Policy, error) {
	r := &resolver{env: env, category: category, provider: provider, sources: map[string]source{}}
	if !slices.Contains(Environments(), env) {
		r.add("environment", "Unknown environment", "environment = %q is not one of %s.", env, list(Environments()))
	}
	if own.Base != nil {
		r.add("base", "Base outside the provider's policies",
			"base = %q can be set only for a new category in the provider's policies. Write category = %q instead.", *own.Base, *own.Base)
	}
	if !r.start() {
		return Policy{}, r.problems
	}
	r.Supplied = r.Supplied || supplied
	r.apply(provider[category], fromProvider)
	r.apply(own, fromResource)
	r.settle()
	if r.validate() && !r.Supplied {
		r.checkEntropy()
	}
	if len(r.problems) > 0 {
		return Policy{}, r.problems
	}
	return r.Policy, nil
}

// A resolver is a policy in the making.
type resolver struct {
	Policy
	env      Environment
	category string
	provider map[string]Overrides
	base     Policy            // the built-in category whose floor applies
	sources  map[string]source // where arguments were set, if not by the category
	problems Problems
}

type source int

const (
	fromCategory source = iota
	fromProvider
	fromResource
)

func (r *resolver) add(argument, summary, format string, args ...any) {
	r.problems = append(r.problems, Problem{argument, summary, fmt.Sprintf(format, args...)})
}

// categoryName is what a new category may be called. The name is written into
// tags, whose characters and length are limited.
var categoryName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

// start finds the base category and begins with its policy.
func (r *resolver) start() bool {
	overrides, known := r.provider[r.category]
	if base, ok := Builtin(r.category); ok {
		if overrides.Base != nil {
			r.add("base", "Base of a built-in category",
				"policies[%q] sets base = %q, but %q is built in and is its own base. Remove base, or give the category another name.",
				r.category, *overrides.Base, r.category)
		}
		r.base, r.Policy = base, base
		return true
	}
	if !known {
		names := slices.Concat(Categories(), slices.Sorted(maps.Keys(r.provider)))
		r.add("category", "Unknown category",
			"category = %q is not known. The categories are %s. A new one needs an entry in the provider's policies that names a base.",
			r.category, list(slices.Compact(names)))
		return false
	}
	if !categoryName.MatchString(r.category) {
		r.add("category", "Invalid category name",
			"category = %q: the name of a category must begin with a letter and have at most 32 letters, digits, hyphens and underscores.",
			r.category)
	}
	if overrides.Base == nil {
		r.add("base", "Category without a base",
			"policies[%q] is a new category and must say which built-in category it is based on, whose floor then applies. Write base = one of %s.",
			r.category, list(Categories()))
		return false
	}
	base, ok := Builtin(*overrides.Base)
	if !ok {
		r.add("base", "Unknown base",
			"policies[%q] sets base = %q, which is not a built-in category. Write one of %s.", r.category, *overrides.Base, list(Categories()))
		return false
	}
	r.base, r.Policy = base, base
	r.Category = r.category
	return true
}

// apply lays overrides over the policy.
func (r *resolver) apply(o Overrides, from source) {
	if o.Encoding != nil && *o.Encoding != ASCII && o.SpecialCharacters == nil {
		// Whoever changes the encoding does not want the special characters that
		// were meant for another.
		r.SpecialCharacters = ""
		delete(r.sources, "special_characters")
	}
	override(r, from, "length", &r.Length, o.Length)
	override(r, from, "max_length", &r.MaxLength, o.MaxLength)
	override(r, from, "encoding", &r.Encoding, o.Encoding)
	override(r, from, "min_lower", &r.MinLower, o.MinLower)
	override(r, from, "min_upper", &r.MinUpper, o.MinUpper)
	override(r, from, "min_digits", &r.MinDigits, o.MinDigits)
	override(r, from, "min_special", &r.MinSpecial, o.MinSpecial)
	override(r, from, "special_characters", &r.SpecialCharacters, o.SpecialCharacters)
	if o.ExcludeCharacters != nil {
		all := r.ExcludeCharacters + *o.ExcludeCharacters
		override(r, from, "exclude_characters", &r.ExcludeCharacters, &all)
	}
	override(r, from, "first_character", &r.FirstCharacter, o.FirstCharacter)
	override(r, from, "min_entropy_bits", &r.MinEntropyBits, o.MinEntropyBits)
	override(r, from, "pattern_rules", &r.PatternRules, o.PatternRules)
	override(r, from, "rotation_days", &r.Rotation, o.Rotation)
	override(r, from, "grace_period", &r.Grace, o.Grace)
	override(r, from, "classification", &r.Classification, o.Classification)
}

func override[T any](r *resolver, from source, argument string, to, value *T) {
	if value != nil {
		*to = *value
		r.sources[argument] = from
	}
}

// settle fills in what follows from the rest.
func (r *resolver) settle() {
	if r.base.MaxLength > 0 && r.sources["max_length"] == fromCategory {
		r.MaxLength = r.Length
	}
	if r.Encoding == ASCII && r.sources["special_characters"] == fromCategory {
		r.SpecialCharacters = SafeSpecialCharacters
	}
	r.SpecialCharacters = sortedSet(r.SpecialCharacters)
	r.ExcludeCharacters = sortedSet(r.ExcludeCharacters)
}

// say writes an argument with its value as the configuration has it, and where it
// comes from if that is not the resource itself.
func (r *resolver) say(argument string, value any) string {
	format := "%s = %v"
	switch value.(type) {
	case string, Encoding, Classification, FirstCharacter:
		format = "%s = %q"
	}
	text := fmt.Sprintf(format, argument, value)
	switch r.sources[argument] {
	case fromProvider:
		return text + fmt.Sprintf(" (set in the provider's policies for %q)", r.category)
	case fromCategory:
		return text + fmt.Sprintf(" (the default of category %q)", r.base.Category)
	}
	return text
}

// list writes names as a sentence has them: "a", "b", "c".
func list[T ~string](names []T) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", string(name))
	}
	return strings.Join(quoted, ", ")
}
