// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"slices"
	"time"
)

const day = 24 * time.Hour

// SafeSpecialCharacters are the special characters of an ascii policy that names
// none itself. Each of them stands for itself, unescaped, in
//
//   - the userinfo part of a URL: they are unreserved or sub-delims of RFC 3986
//     (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1), and none is one of
//     the sub-delims that drivers give a meaning of their own: "+" (a space to
//     form decoders), "&", "=", ";" and ",";
//   - a key=value connection string of libpq or ADO.NET: no space, quote,
//     backslash, semicolon or equals sign;
//   - an SQL literal: no quote, no backslash;
//   - a .env or compose file and a script's double quotes: no "$", backquote,
//     quote, backslash or "#". Only the history expansion of an interactive bash
//     sees "!" inside double quotes; scripts do not have it.
const SafeSpecialCharacters = "!()*-._~"

// neverInDatabase is what a database password never holds, whatever
// special_characters says: "/" and "@" end the password in a connection URL, the
// quotes, the backslash and the space end it in a connection string or a literal.
const neverInDatabase = ` "'/@\`

// builtin holds the built-in categories in the order of the documentation.
var builtin = []Policy{
	generated("jwt", 64, Base64URL),
	generated("session", 64, Base64URL),
	database(),
	generated("cache", 32, Alphanumeric),
	generated("api_key", 48, Base64URL),
	generated("webhook", 48, Base64URL),
	encryption(),
	{
		Category: "external", Base: "external", Encoding: Any, FirstCharacter: FirstAny, PatternRules: true,
		Rotation: 90 * day, Grace: time.Hour, Classification: Secret, Supplied: true,
	},
	{
		Category: "tls", Base: "tls", Encoding: Any, FirstCharacter: FirstAny,
		Rotation: 397 * day, Classification: Critical, Supplied: true,
	},
}

func generated(category string, length int, encoding Encoding) Policy {
	return Policy{
		Category: category, Base: category, Length: length, Encoding: encoding, FirstCharacter: FirstAny,
		PatternRules: true, Rotation: 90 * day, Grace: time.Hour, Classification: Secret,
	}
}

func database() Policy {
	p := generated("database", 32, ASCII)
	p.MinLower, p.MinUpper, p.MinDigits, p.MinSpecial = 1, 1, 1, 1
	p.SpecialCharacters = SafeSpecialCharacters
	p.ExcludeCharacters = neverInDatabase
	return p
}

// encryption is a 256-bit key. Its length is exact, since a cipher takes no other,
// and it has no pattern rules, since key material is uniform bytes.
func encryption() Policy {
	p := generated("encryption", 64, Hex)
	p.MaxLength = p.Length
	p.PatternRules = false
	p.Rotation, p.Grace, p.GraceNeverEnds = 180*day, 0, true
	p.Classification = Critical
	return p
}

// Categories returns the names of the built-in categories in the order of the
// documentation.
func Categories() []string {
	names := make([]string, len(builtin))
	for i, p := range builtin {
		names[i] = p.Category
	}
	return names
}

// Builtin returns the policy of a built-in category before any override.
func Builtin(category string) (Policy, bool) {
	i := slices.IndexFunc(builtin, func(p Policy) bool { return p.Category == category })
	if i < 0 {
		return Policy{}, false
	}
	return builtin[i], true
}

// Environments returns the environments, from the most lenient to the strictest.
func Environments() []Environment { return []Environment{Development, Staging, Production} }

// Encodings returns the encodings that a value can be generated in, and Any.
func Encodings() []Encoding { return []Encoding{Base64URL, Base64, Hex, Alphanumeric, ASCII, Any} }

// Classifications returns the classifications, from the least to the most
// sensitive.
func Classifications() []Classification {
	return []Classification{Public, Internal, Secret, Critical}
}

// FirstCharacters returns what the first character may be limited to.
func FirstCharacters() []FirstCharacter { return []FirstCharacter{FirstAny, FirstLetter} }
