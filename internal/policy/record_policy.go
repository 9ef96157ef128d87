// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A field of a policy is written into a record as name=value.
type field struct {
	name  string
	write func(*Policy) string
	read  func(*Policy, string) error
}

// recordFields are the fields in the order in which a record has them. Once
// released none may change its name or meaning.
var recordFields = []field{
	number("len", func(p *Policy) *int { return &p.Length }),
	number("max", func(p *Policy) *int { return &p.MaxLength }),
	name("enc", Encodings(), func(p *Policy) *Encoding { return &p.Encoding }),
	number("lower", func(p *Policy) *int { return &p.MinLower }),
	number("upper", func(p *Policy) *int { return &p.MinUpper }),
	number("digits", func(p *Policy) *int { return &p.MinDigits }),
	number("special", func(p *Policy) *int { return &p.MinSpecial }),
	set("chars", func(p *Policy) *string { return &p.SpecialCharacters }),
	set("not", func(p *Policy) *string { return &p.ExcludeCharacters }),
	name("first", FirstCharacters(), func(p *Policy) *FirstCharacter { return &p.FirstCharacter }),
	number("bits", func(p *Policy) *int { return &p.MinEntropyBits }),
	flag("patterns", "on", "off", func(p *Policy) *bool { return &p.PatternRules }),
	period("rotate", "d", day, func(p *Policy) *time.Duration { return &p.Rotation }),
	period("grace", "s", time.Second, func(p *Policy) *time.Duration { return &p.Grace }),
	flag("grace-ends", "never", "yes", func(p *Policy) *bool { return &p.GraceNeverEnds }),
	name("class", Classifications(), func(p *Policy) *Classification { return &p.Classification }),
	flag("value", "supplied", "generated", func(p *Policy) *bool { return &p.Supplied }),
}

// encodePolicy writes a policy as its category and what differs from the
// category's defaults.
func encodePolicy(p Policy) (string, error) {
	defaults, ok := recordDefaults[p.Base]
	if !ok {
		return "", fmt.Errorf("the base %q is not a built-in category", p.Base)
	}
	words := []string{p.Base}
	if p.Category != p.Base {
		words[0] = p.Category + "/" + p.Base
	}
	for _, f := range recordFields {
		if text := f.write(&p); text != f.write(&defaults) {
			words = append(words, f.name+"="+text)
		}
	}
	// A record that would be read as another policy must not be written.
	if back, err := decodePolicy(words); err != nil {
		return "", err
	} else if back != p {
		return "", errors.New("it does not survive being written down")
	}
	return strings.Join(words, " "), nil
}

func decodePolicy(words []string) (Policy, error) {
	if len(words) == 0 {
		return Policy{}, errors.New("a time without a category")
	}
	category, base, custom := strings.Cut(words[0], "/")
	if !custom {
		base = category
	}
	p, ok := recordDefaults[base]
	if !ok || custom && !categoryName.MatchString(category) {
		return Policy{}, fmt.Errorf("unknown category %q", words[0])
	}
	p.Category = category
	next := 0 // fields come in order, each once
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		i := slices.IndexFunc(recordFields, func(f field) bool { return f.name == key })
		if i < next {
			return Policy{}, fmt.Errorf("unknown word %q: changed by hand, or written by a newer version of the provider", word)
		}
		if err := recordFields[i].read(&p, value); err != nil {
			return Policy{}, fmt.Errorf("%q: %w", word, err)
		}
		next = i + 1
	}
	return p, nil
}

// maxRecordNumber bounds the numbers in a record; policies stay far below.
const maxRecordNumber = 1 << 20

func parseNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxRecordNumber || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("not a number from 0 to %d", maxRecordNumber)
	}
	return n, nil
}

func number(key string, at func(*Policy) *int) field {
	return field{
		name:  key,
		write: func(p *Policy) string { return strconv.Itoa(*at(p)) },
		read: func(p *Policy, text string) (err error) {
			*at(p), err = parseNumber(text)
			return err
		},
	}
}

func name[T ~string](key string, allowed []T, at func(*Policy) *T) field {
	return field{
		name:  key,
		write: func(p *Policy) string { return string(*at(p)) },
		read: func(p *Policy, text string) error {
			if !slices.Contains(allowed, T(text)) {
				return fmt.Errorf("not one of %s", list(allowed))
			}
			*at(p) = T(text)
			return nil
		},
	}
}

func flag(key, yes, no string, at func(*Policy) *bool) field {
	return field{
		name: key,
		write: func(p *Policy) string {
			if *at(p) {
				return yes
			}
			return no
		},
		read: func(p *Policy, text string) error {
			if text != yes && text != no {
				return fmt.Errorf("neither %s nor %s", yes, no)
			}
			*at(p) = text == yes
			return nil
		},
	}
}

func period(key, suffix string, unit time.Duration, at func(*Policy) *time.Duration) field {
	return field{
		name:  key,
		write: func(p *Policy) string { return strconv.FormatInt(int64(*at(p)/unit), 10) + suffix },
		read: func(p *Policy, text string) error {
			digits, ok := strings.CutSuffix(text, suffix)
			n, err := strconv.ParseInt(digits, 10, 64)
			if !ok || err != nil || n < 0 || n > int64(maxPeriod/unit) || strconv.FormatInt(n, 10) != digits {
				return fmt.Errorf("not a number from 0 to %d with %q behind it", maxPeriod/unit, suffix)
			}
			*at(p) = time.Duration(n) * unit
			return nil
		},
	}
}

// maxPeriod bounds the times in a record; policies stay below.
const maxPeriod = 10000 * day

// A set of characters is written in hexadecimal, since most punctuation is not
// allowed in a tag: two digits for each character, or, where that is shorter, a
// mask with one bit for each printable character from the space on.
func set(key string, at func(*Policy) *string) field {
	return field{
		name:  key,
		write: func(p *Policy) string { return encodeSet(*at(p)) },
		read: func(p *Policy, text string) (err error) {
			*at(p), err = decodeSet(text)
			return err
		},
	}
}

const (
	emptySet   = "none"
	maskPrefix = "mask:"
)

func encodeSet(characters string) string {
	if characters == "" {
		return emptySet
	}
	mask := new(big.Int)
	for i := range len(characters) {
		if c := characters[i]; c >= ' ' {
			mask.SetBit(mask, int(c-' '), 1)
		}
	}
	listed, masked := hex.EncodeToString([]byte(characters)), maskPrefix+mask.Text(16)
	if len(masked) < len(listed) {
		return masked
	}
	return listed
}

var errSet = errors.New("not a set of printable characters in hexadecimal")

func decodeSet(text string) (string, error) {
	if text == emptySet {
		return "", nil
	}
	var characters []byte
	if digits, ok := strings.CutPrefix(text, maskPrefix); ok {
		mask, ok := new(big.Int).SetString(digits, 16)
		if !ok || mask.Sign() <= 0 || mask.BitLen() > '~'-' '+1 || mask.Text(16) != digits {
			return "", errSet
		}
		for i := range mask.BitLen() {
			if mask.Bit(i) == 1 {
				characters = append(characters, byte(' '+i))
			}
		}
		return string(characters), nil
	}
	characters, err := hex.DecodeString(text)
	if err != nil || len(characters) == 0 || hex.EncodeToString(characters) != text {
		return "", errSet
	}
	for i, c := range characters {
		if c < ' ' || c > '~' || i > 0 && c <= characters[i-1] {
			return "", errSet
		}
	}
	return string(characters), nil
}
