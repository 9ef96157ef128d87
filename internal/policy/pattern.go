// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import "bytes"

// The pattern rules refuse what people type and generators almost never draw: a
// character three times in a row, four neighbours in a row, a known word, fewer
// than three character classes.

// rows are the sequences whose neighbours count, read in both directions and
// without regard to case. The digits go round, so that 8901 is a sequence as 7890
// on a keyboard is.
var rows = []string{lowerLetters, digits + "0", "qwertyuiop", "asdfghjkl", "zxcvbnm"}

// A step is the set of rows and directions in which one character follows
// another: two bits for each row. Four characters are a sequence when their three
// steps have a bit in common.
type step uint16

// stepTable gives the step from one letter or digit to another. It is small enough
// to stay in the first-level cache, which a generator cares for.
var stepTable = func() (table [64][64]step) {
	for r, row := range rows {
		for i := 1; i < len(row); i++ {
			a, b := stepCode[row[i-1]], stepCode[row[i]]
			table[a][b] |= 1 << (2 * r)
			table[b][a] |= 2 << (2 * r)
		}
	}
	return table
}()

// stepCode numbers the letters, without regard to case, and the digits from 1.
// Everything else is 0, which is a neighbour of nothing.
var stepCode = func() (codes [256]uint8) {
	for i := range len(lowerLetters) {
		codes[lowerLetters[i]] = uint8(1 + i)
		codes[upperLetters[i]] = uint8(1 + i)
	}
	for i := range len(digits) {
		codes[digits[i]] = uint8(1 + len(lowerLetters) + i)
	}
	return codes
}()

func stepOf(a, b byte) step { return stepTable[stepCode[a]&63][stepCode[b]&63] }

// A Matcher says whether a policy allows a value. It is safe for concurrent use.
type Matcher struct {
	policy   Policy
	kinds    [256]uint8 // class, with the flags below
	words    *wordList
	required int // character classes
}

const (
	outside  = 1 << 3 // not a character of the encoding
	excluded = 1 << 4 // a character of the encoding that exclude_characters removes
)

// NewMatcher prepares the tables for a policy, in a few microseconds.
func NewMatcher(p Policy) *Matcher {
	m := &Matcher{policy: p}
	full := p
	full.ExcludeCharacters = ""
	encoding := full.accepted()
	for c := range m.kinds {
		m.kinds[c] = uint8(classOf(byte(c)))
		if p.Encoding != Any {
			m.kinds[c] |= outside
		}
	}
	for i := range len(encoding) {
		m.kinds[encoding[i]] &^= outside
	}
	for i := range len(p.ExcludeCharacters) {
		c := p.ExcludeCharacters[i]
		if m.kinds[c]&outside == 0 {
			m.kinds[c] |= excluded
		}
	}
	if p.PatternRules {
		m.words = words()
		m.required = requiredClasses(p.Alphabet())
	}
	return m
}

// A scan is what one pass over a value finds.
type scan struct {
	length    int
	count     [classes]int
	outside   int
	excluded  int
	padding   bool // base64 with more than two "=", or one before the end
	identical bool
	sequence  bool
	word      bool
}

// scan looks at a value once, whatever it finds: a generator rejects so few
// candidates that leaving early would not pay for itself.
func (m *Matcher) scan(value []byte) scan {
	var (
		s         scan
		count     [8]int32
		flags     uint8
		last      byte
		run       = 1
		one, two  step // steps in common over the last one and two steps
		identical bool
		sequence  bool
	)
	s.length = len(value)
	if m.words == nil {
		for _, c := range value {
			kind := m.kinds[c]
			flags |= kind
			count[kind&7]++
		}
	} else {
		automaton, state := m.words, uint16(0)
		for i, c := range value {
			kind := m.kinds[c]
			flags |= kind
			count[kind&7]++
			state = automaton.next[int(state)<<automaton.shift|int(automaton.code[c])]
			if i > 0 && c == last {
				run++
				identical = identical || run > 2
				one, two = 0, 0
				continue
			}
			run = 1
			this := stepOf(last, c)
			sequence = sequence || this&two != 0
			one, two = this, this&one
			last = c
		}
		s.word = state == found || automaton.isWhole(value)
	}
	s.identical, s.sequence = identical, sequence
	if m.policy.Encoding == Base64 && m.policy.Supplied {
		data := bytes.TrimRight(value, "=")
		s.padding = len(value)-len(data) > 2 || bytes.IndexByte(data, '=') >= 0
	}
	for c := range classes {
		s.count[c] = int(count[c])
	}
	if flags&(outside|excluded) != 0 {
		for _, c := range value {
			s.outside += int(m.kinds[c] & outside / outside)
			s.excluded += int(m.kinds[c] & excluded / excluded)
		}
	}
	return s
}

// Allows reports whether the policy allows a value. For the strength of a
// supplied value, which takes longer to judge, see Check.
func (m *Matcher) Allows(value []byte) bool {
	p, s := &m.policy, m.scan(value)
	return s.length > 0 && s.length >= p.Length && (p.MaxLength == 0 || s.length <= p.MaxLength) &&
		s.length%p.Encoding.block() == 0 && !s.padding && s.outside == 0 && s.excluded == 0 &&
		s.count[lower] >= p.MinLower && s.count[upper] >= p.MinUpper &&
		s.count[digit] >= p.MinDigits && s.count[special] >= p.MinSpecial &&
		(p.FirstCharacter != FirstLetter || letter(value[0])) &&
		!s.identical && !s.sequence && !s.word && present(s.count) >= m.required
}
