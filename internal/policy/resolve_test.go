// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBuiltinCategories(t *testing.T) {
	t.Parallel()
	want := []string{"jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls"}
	if diff := cmp.Diff(want, Categories()); diff != "" {
		t.Error(diff)
	}
	for _, environment := range Environments() {
		for _, category := range Categories() {
			want, _ := Builtin(category)
			got, err := Resolve(environment, category, nil, Overrides{})
			if err != nil {
				t.Errorf("%s in %s: %v", category, environment, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in %s: %s", category, environment, diff)
			}
		}
	}
	if _, ok := Builtin("smtp"); ok {
		t.Error("an unknown category is built in")
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	jwt, _ := Builtin("jwt")
	database, _ := Builtin("database")
	encryption, _ := Builtin("encryption")
	external, _ := Builtin("external")
	tests := map[string]struct {
		environment Environment
		category    string
		provider    map[string]Overrides
		own         Overrides
		supplied    bool
		want        Policy
	}{
		"the resource has the last word": {
			Production, "jwt",
			map[string]Overrides{"jwt": {Length: new(96), Rotation: new(30 * day)}, "cache": {Length: new(40)}},
			Overrides{Length: new(80)}, false,
			with(jwt, func(p *Policy) { p.Length, p.Rotation = 80, 30*day }),
		},
		"a new category": {
			Production, "partner_token",
			map[string]Overrides{"partner_token": {Base: new("api_key"), Length: new(50), Encoding: new(Alphanumeric), Rotation: new(30 * day)}},
			Overrides{Grace: new(time.Minute)}, false,
			Policy{
				Category: "partner_token", Base: "api_key", Length: 50, Encoding: Alphanumeric, FirstCharacter: FirstAny,
				PatternRules: true, Rotation: 30 * day, Grace: time.Minute, Classification: Secret,
			},
		},
		"exclusions add up": {
			Production, "database",
			map[string]Overrides{"database": {ExcludeCharacters: new("lI"), Length: new(34)}},
			Overrides{ExcludeCharacters: new("O0l")}, false,
			with(database, func(p *Policy) { p.Length, p.ExcludeCharacters = 34, ` "'/0@IO\l` }),
		},
		"special characters replace": {
			Production, "database", nil, Overrides{SpecialCharacters: new("..~-!#%"), Length: new(33)}, false,
			with(database, func(p *Policy) { p.Length, p.SpecialCharacters = 33, "!#%-.~" }),
		},
		"an encoding drops the special characters meant for another": {
			Production, "database",
			map[string]Overrides{"database": {SpecialCharacters: new("-.")}},
			Overrides{Encoding: new(Alphanumeric), MinSpecial: new(0), Length: new(40)}, false,
			with(database, func(p *Policy) { p.Length, p.Encoding, p.MinSpecial, p.SpecialCharacters = 40, Alphanumeric, 0, "" }),
		},
		"ascii has special characters of its own": {
			Production, "jwt", nil, Overrides{Encoding: new(ASCII)}, false,
			with(jwt, func(p *Policy) { p.Encoding, p.SpecialCharacters = ASCII, "!()*-._~" }),
		},
		"ascii without special characters": {
			Production, "jwt", nil, Overrides{Encoding: new(ASCII), SpecialCharacters: new(""), Length: new(65)}, false,
			with(jwt, func(p *Policy) { p.Encoding, p.Length = ASCII, 65 }),
		},
		"the length of a key is exact": {
			Production, "encryption", nil, Overrides{Length: new(128)}, false,
			with(encryption, func(p *Policy) { p.Length, p.MaxLength = 128, 128 }),
		},
		"a maximum": {
			Production, "jwt", nil, Overrides{MaxLength: new(72)}, false,
			with(jwt, func(p *Policy) { p.MaxLength = 72 }),
		},
		"development is lenient": {
			Development, "database", nil,
			Overrides{Length: new(16), Encoding: new(Hex), MinUpper: new(0), MinSpecial: new(0), PatternRules: new(false)}, false,
			with(database, func(p *Policy) {
				p.Length, p.Encoding, p.SpecialCharacters, p.MinUpper, p.MinSpecial, p.PatternRules = 16, Hex, "", 0, 0, false
			}),
		},
		"a supplied value of a category that is generated": {
			Production, "jwt", nil, Overrides{Encoding: new(Any), MinEntropyBits: new(200)}, true,
			with(jwt, func(p *Policy) { p.Encoding, p.MinEntropyBits, p.Supplied = Any, 200, true }),
		},
		"the entropy of a supplied value is not its policy's": {
			Production, "jwt", nil, Overrides{Encoding: new(Hex)}, true,
			with(jwt, func(p *Policy) { p.Encoding, p.Supplied = Hex, true }),
		},
		"a length for what others issue": {
			Production, "external", nil, Overrides{Length: new(40), MaxLength: new(4096), Rotation: new(365 * day)}, false,
			with(external, func(p *Policy) { p.Length, p.MaxLength, p.Rotation = 40, 4096, 365*day }),
		},
		"an entropy that is guaranteed": {
			Production, "jwt", nil, Overrides{MinEntropyBits: new(383)}, false,
			with(jwt, func(p *Policy) { p.MinEntropyBits = 383 }),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolve := Resolve
			if test.supplied {
				resolve = ResolveSupplied
			}
			got, err := resolve(test.environment, test.category, test.provider, test.own)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func with(p Policy, change func(*Policy)) Policy {
	change(&p)
	return p
}

func TestResolveProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environment Environment
		category    string
		provider    map[string]Overrides
		own         Overrides
		supplied    bool
		want        []Problem
	}{
		"unknown environment": {
			environment: "test", category: "jwt",
			want: []Problem{{"environment", "Unknown environment",
				`environment = "test" is not one of "development", "staging", "production".`}},
		},
		"unknown category": {
			category: "smtp", provider: map[string]Overrides{"partner": {}},
			want: []Problem{{"category", "Unknown category",
				`category = "smtp" is not known. The categories are "jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls", "partner". A new one needs an entry in the provider's policies that names a base.`}},
		},
		"new category without a base": {
			category: "partner", provider: map[string]Overrides{"partner": {Length: new(64)}},
			want: []Problem{{"base", "Category without a base",
				`policies["partner"] is a new category and must say which built-in category it is based on, whose floor then applies. Write base = one of "jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls".`}},
		},
		"base that is not built in": {
			category: "partner", provider: map[string]Overrides{"partner": {Base: new("other")}, "other": {Base: new("jwt")}},
			want: []Problem{{"base", "Unknown base",
				`policies["partner"] sets base = "other", which is not a built-in category. Write one of "jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls".`}},
		},
		"base of a built-in category, and name": {
			category: "jwt", provider: map[string]Overrides{"jwt": {Base: new("tls")}}, own: Overrides{Base: new("cache")},
			want: []Problem{
				{"base", "Base outside the provider's policies",
					`base = "cache" can be set only for a new category in the provider's policies. Write category = "cache" instead.`},
				{"base", "Base of a built-in category",
					`policies["jwt"] sets base = "tls", but "jwt" is built in and is its own base. Remove base, or give the category another name.`},
			},
		},
		"category name for a tag": {
			category: "partner token", provider: map[string]Overrides{"partner token": {Base: new("jwt")}},
			want: []Problem{{"category", "Invalid category name",
				`category = "partner token": the name of a category must begin with a letter and have at most 32 letters, digits, hyphens and underscores.`}},
		},
		"below the length": {
			category: "jwt", own: Overrides{Length: new(32)},
			want: []Problem{{"length", "Policy below the floor",
				`length = 32 is below the floor of 64 characters: the length of category "jwt", which no value may fall short of in production. Write length = 64 or more.`}},
		},
		"below the length, in the provider's policies": {
			environment: Staging, category: "jwt", provider: map[string]Overrides{"jwt": {Length: new(32)}}, own: Overrides{Encoding: new(Hex)},
			want: []Problem{{"length", "Policy below the floor",
				`length = 32 (set in the provider's policies for "jwt") is below the floor of 64 characters: the length of category "jwt", which no value may fall short of in staging. Write length = 98 or more.`}},
		},
		"below the length of the base": {
			category: "partner", provider: map[string]Overrides{"partner": {Base: new("jwt"), Length: new(48)}},
			want: []Problem{{"length", "Policy below the floor",
				`length = 48 (set in the provider's policies for "partner") is below the floor of 64 characters: the length of category "jwt", which no value may fall short of in production. Write length = 64 or more.`}},
		},
		"below the length in development": {
			environment: Development, category: "cache", own: Overrides{Length: new(12)},
			want: []Problem{{"length", "Policy below the floor",
				`length = 12 is below the floor of 16 characters: the least in development, where values are weaker but still not guessable. Write length = 16 or more.`}},
		},
		"below the length for a supplied value": {
			category: "jwt", own: Overrides{Length: new(20), Encoding: new(Any)}, supplied: true,
			want: []Problem{{"length", "Policy below the floor",
				`length = 20 is below the floor of 64 characters: the length of category "jwt", which no value may fall short of in production. Write length = 64 or more.`}},
		},
		"below the entropy": {
			category: "jwt", own: Overrides{Encoding: new(Hex)},
			want: []Problem{{"length", "Policy below the floor",
				`With length = 64 (the default of category "jwt"), encoding = "hex" the policy guarantees 255.6 bits of entropy, below the floor of the 384.0 bits that category "jwt" guarantees, which no value may fall short of in production. Write length = 98 or more.`}},
		},
		"below the entropy by exclusions, under a maximum": {
			category: "jwt", own: Overrides{ExcludeCharacters: new("0O"), MaxLength: new(64)},
			want: []Problem{{"length", "Policy below the floor",
				`With length = 64 (the default of category "jwt"), encoding = "base64url" (the default of category "jwt"), exclude_characters = "0O" the policy guarantees 381.0 bits of entropy, below the floor of the 384.0 bits that category "jwt" guarantees, which no value may fall short of in production. Write length = 65 or more, and max_length = 64 accordingly.`}},
		},
		"more entropy than guaranteed": {
			category: "encryption", own: Overrides{MinEntropyBits: new(512)},
			want: []Problem{{"min_entropy_bits", "Entropy below the minimum",
				`min_entropy_bits = 512 is more than the 256.0 bits of entropy that the policy guarantees with length = 64 (the default of category "encryption"), encoding = "hex" (the default of category "encryption"). Write length = 128 or more.`}},
		},
		"more entropy than any length has": {
			category: "jwt", own: Overrides{MinEntropyBits: new(10_000)},
			want: []Problem{{"min_entropy_bits", "Entropy below the minimum",
				`min_entropy_bits = 10000 is more than the 383.9 bits of entropy that the policy guarantees with length = 64 (the default of category "jwt"), encoding = "base64url" (the default of category "jwt"). No length up to 1024 reaches that. Allow more characters.`}},
		},
		"length out of range": {
			category: "jwt", own: Overrides{Length: new(2000)},
			want: []Problem{{"length", "Length out of range", `length = 2000 is not between 1 and 1024 characters.`}},
		},
		"length of nothing": {
			category: "jwt", own: Overrides{Length: new(0)},
			want: []Problem{{"length", "Length out of range", `length = 0 is not between 1 and 1024 characters.`}},
		},
		"half a byte": {
			category: "encryption", own: Overrides{Length: new(65)},
			want: []Problem{{"length", "Length that does not make whole bytes",
				`length = 65 is not a multiple of 2, so that a value of encoding = "hex" would not decode to whole bytes. Write length = 66.`}},
		},
		"base64 without padding": {
			category: "jwt", own: Overrides{Length: new(66), Encoding: new(Base64)},
			want: []Problem{{"length", "Length that does not make whole bytes",
				`length = 66 is not a multiple of 4, so that a value of encoding = "base64" would not decode to whole bytes. Write length = 68.`}},
		},
		"maximum below the length": {
			category: "database", own: Overrides{MaxLength: new(30)},
			want: []Problem{{"max_length", "Maximum length below the length",
				`max_length = 30 is less than length = 32 (the default of category "database"). Write max_length = 32 or more, or a smaller length.`}},
		},
		"maximum out of range": {
			category: "database", own: Overrides{MaxLength: new(-1)},
			want: []Problem{{"max_length", "Maximum length out of range",
				`max_length = -1 is not between 1 and 65536 characters. Leave it out for no maximum.`}},
		},
		"minima": {
			category: "database", own: Overrides{MinLower: new(-1), MinUpper: new(20), MinDigits: new(13)},
			want: []Problem{
				{"min_lower", "Negative minimum", `min_lower = -1 is less than 0. Write 0 for no minimum.`},
				{"length", "Minima longer than the value",
					`The minima (min_upper = 20, min_digits = 13, min_special = 1 (the default of category "database")) need 34 characters, but length = 32 (the default of category "database"). Write length = 34 or more, or smaller minima.`},
			},
		},
		"minima of a supplied value": {
			category: "external", own: Overrides{MinLower: new(10), MaxLength: new(9), MinEntropyBits: new(513)},
			want: []Problem{
				{"max_length", "Minima longer than the value",
					`The minima (min_lower = 10) need 10 characters, but max_length = 9. Write max_length = 10 or more, or smaller minima.`},
				{"min_entropy_bits", "Entropy that cannot be shown",
					`min_entropy_bits = 513 is more than 512 bits, beyond which the entropy of a supplied value is not estimated. Write 512 or less.`},
			},
		},
		"negative entropy": {
			category: "jwt", own: Overrides{MinEntropyBits: new(-1)},
			want: []Problem{{"min_entropy_bits", "Negative minimum", `min_entropy_bits = -1 is less than 0. Write 0 for no minimum.`}},
		},
		"minimum of a class that is not there": {
			category: "database", own: Overrides{Encoding: new(Alphanumeric)},
			want: []Problem{{"min_special", "Minimum of characters that do not occur",
				`min_special = 1 (the default of category "database") asks for special characters, but encoding = "alphanumeric" has none. Write min_special = 0, or another encoding.`}},
		},
		"minimum of a class that is excluded": {
			category: "cache", own: Overrides{MinDigits: new(2), ExcludeCharacters: new("0123456789")},
			want: []Problem{{"min_digits", "Minimum of characters that do not occur",
				`min_digits = 2 asks for digits, but encoding = "alphanumeric" has none, once exclude_characters = "0123456789" is taken away. Write min_digits = 0, or another encoding.`}},
		},
		"special characters of a fixed encoding": {
			category: "jwt", own: Overrides{SpecialCharacters: new("!")},
			want: []Problem{{"special_characters", "Special characters without the encoding ascii",
				`special_characters = "!" has no meaning with encoding = "base64url", whose characters are fixed. Write encoding = "ascii", or remove special_characters.`}},
		},
		"special characters that are none": {
			category: "database", own: Overrides{SpecialCharacters: new("!a1\t")},
			want: []Problem{{"special_characters", "Invalid special characters",
				`special_characters = "\t!1a" must hold printable ASCII punctuation only; "\t1a" is not: letters and digits are allowed anyway, and a space, a control or a non-ASCII character would not survive every target.`}},
		},
		"special characters that end a connection URL": {
			category: "database", own: Overrides{SpecialCharacters: new("!@/")},
			want: []Problem{{"special_characters", "Special characters that the category excludes",
				`special_characters = "!/@" contains "/@", which category "database" always excludes (" \"'/@\\"), so that the value survives a connection URL and an SQL literal. Remove "/@" from special_characters.`}},
		},
		"excluded control character": {
			category: "jwt", own: Overrides{ExcludeCharacters: new("a\n")},
			want: []Problem{{"exclude_characters", "Invalid excluded characters",
				`exclude_characters holds "\n"; only printable ASCII characters and the space can be excluded.`}},
		},
		"nothing left": {
			category: "encryption", own: Overrides{ExcludeCharacters: new("0123456789abcde")},
			want: []Problem{{"exclude_characters", "No characters left",
				`exclude_characters = "0123456789abcde" leaves 1 character of encoding = "hex": a value needs at least two to choose from. Exclude less.`}},
		},
		"no letter to begin with": {
			category: "encryption", own: Overrides{FirstCharacter: new(FirstLetter), ExcludeCharacters: new("abcdef")},
			want: []Problem{{"first_character", "No letter to begin with",
				`first_character = "letter" needs a letter, but exclude_characters = "abcdef" leaves none of encoding = "hex". Exclude less, or write first_character = "any".`}},
		},
		"unknown words, all at once": {
			category: "jwt",
			own: Overrides{
				Encoding: new(Encoding("utf8")), Classification: new(Classification("top")), FirstCharacter: new(FirstCharacter("digit")),
				Rotation: new(time.Duration(0)), Grace: new(-time.Second),
			},
			want: []Problem{
				{"encoding", "Unknown encoding", `encoding = "utf8" is not one of "base64url", "base64", "hex", "alphanumeric", "ascii", "any".`},
				{"classification", "Unknown classification", `classification = "top" is not one of "public", "internal", "secret", "critical".`},
				{"first_character", "Unknown first character", `first_character = "digit" is not one of "any", "letter".`},
				{"rotation_days", "Rotation interval out of range", `rotation_days = 0 is not a whole number of days between 1 and 1000.`},
				{"grace_period", "Invalid grace period", `grace_period = "-1s" is not a whole number of seconds of at least 0.`},
			},
		},
		"any for a generated value": {
			category: "jwt", own: Overrides{Encoding: new(Any)},
			want: []Problem{{"encoding", "Encoding without an alphabet",
				`encoding = "any" is for supplied values only: a generated one needs an alphabet. Write one of "base64url", "base64", "hex", "alphanumeric", "ascii".`}},
		},
		"rotation too long": {
			category: "jwt", own: Overrides{Rotation: new(1001 * day)},
			want: []Problem{{"rotation_days", "Rotation interval out of range",
				`rotation_days = 1001 is not a whole number of days between 1 and 1000.`}},
		},
		"grace longer than the interval": {
			category: "jwt", own: Overrides{Rotation: new(day), Grace: new(25 * time.Hour)},
			want: []Problem{{"grace_period", "Grace period longer than the rotation interval",
				`grace_period = "25h0m0s" is longer than rotation_days = 1, so that the value before the previous one would still have to be valid. Write a grace period of at most 24h.`}},
		},
		"grace of an encryption key": {
			category: "encryption", own: Overrides{Grace: new(time.Hour)},
			want: []Problem{{"grace_period", "Grace period that never ends",
				`grace_period = "1h0m0s" cannot be set for category "encryption": its values protect stored data, and what was encrypted with an earlier one must stay readable. Remove grace_period.`}},
		},
		"a minimum that chance does not reach": {
			category: "jwt", own: Overrides{MinSpecial: new(20)},
			want: []Problem{{"min_special", "Policy that almost no value satisfies",
				`With length = 64 (the default of category "jwt") and encoding = "base64url" fewer than one in 1000 candidates would be accepted. What clashes: min_special = 20 (2 of the 64 characters allowed are special characters). Loosen it, or change the length.`}},
		},
		"minima that leave no room for each other": {
			environment: Development, category: "cache", own: Overrides{MinDigits: new(9), MinUpper: new(19)},
			want: []Problem{{"min_upper", "Policy that almost no value satisfies",
				`With length = 32 (the default of category "cache") and encoding = "alphanumeric" fewer than one in 1000 candidates would be accepted. What clash: min_upper = 19 (26 of the 62 characters allowed are upper-case letters); min_digits = 9 (10 of the 62 characters allowed are digits). Loosen it, or change the length.`}},
		},
		"pattern rules over few characters": {
			environment: Development, category: "encryption",
			own: Overrides{PatternRules: new(true), ExcludeCharacters: new("23456789abcdef")},
			want: []Problem{{"pattern_rules", "Policy that almost no value satisfies",
				`With length = 64 (the default of category "encryption") and encoding = "hex" fewer than one in 1000 candidates would be accepted. What clashes: pattern_rules = true with 2 characters to choose from. Loosen it, or change the length.`}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.environment == "" {
				test.environment = Production
			}
			resolve := Resolve
			if test.supplied {
				resolve = ResolveSupplied
			}
			got, err := resolve(test.environment, test.category, test.provider, test.own)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error is %v, not Problems", err)
			}
			if diff := cmp.Diff(Problems(test.want), problems); diff != "" {
				t.Error(diff)
			}
			if got != (Policy{}) {
				t.Error("a policy is returned beside the problems")
			}
			for _, p := range problems {
				if !strings.Contains(err.Error(), p.Detail) {
					t.Errorf("the error does not say %q", p.Detail)
				}
			}
		})
	}
}

// TestLengthInMessagesIsEnough: what a message tells the user to write must work,
// and one block less must not.
func TestLengthInMessagesIsEnough(t *testing.T) {
	t.Parallel()
	for _, encoding := range []Encoding{Base64URL, Base64, Hex, Alphanumeric, ASCII} {
		p, _ := Builtin("jwt")
		floor := Measure(p).Bits
		p.Encoding = encoding
		if encoding == ASCII {
			p.SpecialCharacters = sortedSet(SafeSpecialCharacters)
		}
		r := &resolver{Policy: p}
		length, ok := r.lengthFor(floor)
		if !ok {
			t.Fatalf("%s: no length", encoding)
		}
		own := Overrides{Encoding: &encoding, Length: new(max(length, p.Length))}
		if _, err := Resolve(Production, "jwt", nil, own); err != nil {
			t.Errorf("%s: length %d is not enough: %v", encoding, length, err)
		}
		p.Length = length - encoding.block()
		if Measure(p).Bits >= floor {
			t.Errorf("%s: length %d would be enough", encoding, p.Length)
		}
	}
}
