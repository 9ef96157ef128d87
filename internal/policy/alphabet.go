// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"slices"
	"strings"
)

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	alphanumeric = upperLetters + lowerLetters + digits
)

// class is a character class, as min_lower, min_upper, min_digits and min_special
// count them.
type class uint8

const (
	lower class = iota
	upper
	digit
	special
	classes
)

func (c class) String() string {
	return [...]string{"lower-case letters", "upper-case letters", "digits", "special characters"}[c]
}

// argument is the name of the argument that sets the class's minimum.
func (c class) argument() string {
	return [...]string{"min_lower", "min_upper", "min_digits", "min_special"}[c]
}

func classOf(c byte) class {
	switch {
	case 'a' <= c && c <= 'z':
		return lower
	case 'A' <= c && c <= 'Z':
		return upper
	case '0' <= c && c <= '9':
		return digit
	}
	return special
}

// minima returns the policy's minimum of each class.
func (p Policy) minima() [classes]int {
	return [classes]int{lower: p.MinLower, upper: p.MinUpper, digit: p.MinDigits, special: p.MinSpecial}
}

// Alphabet returns the characters that a generated value is made of, sorted. It
// is empty for the encoding Any.
func (p Policy) Alphabet() string {
	var letters string
	switch p.Encoding {
	case Base64URL:
		letters = alphanumeric + "-_"
	case Base64:
		letters = alphanumeric + "+/"
	case Hex:
		letters = digits + "abcdef"
	case Alphanumeric:
		letters = alphanumeric
	case ASCII:
		letters = alphanumeric + p.SpecialCharacters
	}
	return without(sortedSet(letters), p.ExcludeCharacters)
}

// FirstAlphabet returns the characters that a generated value may begin with,
// sorted.
func (p Policy) FirstAlphabet() string {
	if p.FirstCharacter == FirstLetter {
		return letters(p.Alphabet())
	}
	return p.Alphabet()
}

// accepted returns the characters that a value may have: the alphabet, and what
// other programs write in the same encoding: upper-case hex digits, and the
// padding of base64. It is empty for the encoding Any.
func (p Policy) accepted() string {
	alphabet := p.Alphabet()
	if p.Supplied && p.Encoding == Hex {
		alphabet = sortedSet(alphabet + without("ABCDEF", p.ExcludeCharacters))
	}
	if p.Supplied && p.Encoding == Base64 {
		alphabet = sortedSet(alphabet + without("=", p.ExcludeCharacters))
	}
	return alphabet
}

// block returns the number of characters that a length must be a multiple of, so
// that a value decodes to whole bytes.
func (e Encoding) block() int {
	switch e {
	case Hex:
		return 2
	case Base64:
		return 4
	}
	return 1
}

// countClasses returns how many characters of each class a set holds.
func countClasses(set string) [classes]int {
	var n [classes]int
	for i := range len(set) {
		n[classOf(set[i])]++
	}
	return n
}

// present returns how many classes have a character.
func present(n [classes]int) int {
	found := 0
	for _, k := range n {
		if k > 0 {
			found++
		}
	}
	return found
}

// requiredClasses is how many character classes a value over the alphabet must
// have under the pattern rules: three where the alphabet has as many. Hex has
// two. The encoding Any has no alphabet: what others issue is often hex or
// base32, cannot be changed here, and is judged by its strength instead.
func requiredClasses(alphabet string) int {
	if present(countClasses(alphabet)) >= 3 {
		return 3
	}
	return 0
}

func letter(c byte) bool { return classOf(c) == lower || classOf(c) == upper }

// letters returns the letters of a set.
func letters(set string) string { return keep(set, letter) }

// sortedSet returns the distinct bytes of s, sorted.
func sortedSet(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(slices.Compact(b))
}

// without returns the bytes of s that are not in remove.
func without(s, remove string) string {
	return keep(s, func(c byte) bool { return strings.IndexByte(remove, c) < 0 })
}

// within returns the bytes of s that are in set.
func within(s, set string) string {
	return keep(s, func(c byte) bool { return strings.IndexByte(set, c) >= 0 })
}

func keep(s string, wanted func(byte) bool) string {
	var b []byte
	for i := range len(s) {
		if wanted(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}
