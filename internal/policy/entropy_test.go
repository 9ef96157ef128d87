// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// enumerate calls f with every candidate of a space.
func enumerate(s space, length int, f func([]byte)) {
	candidate := make([]byte, length)
	var at func(int)
	at = func(i int) {
		if i == length {
			f(candidate)
			return
		}
		set := s.alphabet
		if i == 0 {
			set = s.first
		}
		for j := range len(set) {
			candidate[i] = set[j]
			at(i + 1)
		}
	}
	at(0)
}

// matcherFor builds a Matcher for a space whose alphabet no encoding has.
func matcherFor(s space, length int) *Matcher {
	p := Policy{
		Encoding: ASCII, Length: length, MaxLength: length, PatternRules: s.patterns,
		MinLower: s.min[lower], MinUpper: s.min[upper], MinDigits: s.min[digit], MinSpecial: s.min[special],
		SpecialCharacters: without(s.alphabet, alphanumeric),
		ExcludeCharacters: without(sortedSet(alphanumeric), s.alphabet),
	}
	if s.first != s.alphabet {
		p.FirstCharacter = FirstLetter
	}
	return NewMatcher(p)
}

// TestAcceptanceAgainstEnumeration counts every candidate of small spaces. The
// measured share may fall short of the true one only by the bound for words and,
// with large minima, by what the sum of two probabilities gives away.
func TestAcceptanceAgainstEnumeration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		space  space
		length int
		exact  bool
	}{
		"free":                     {space{alphabet: "abcd", first: "abcd"}, 6, true},
		"one minimum":              {space{alphabet: "abc1", first: "abc1", min: [classes]int{digit: 2}}, 7, true},
		"all minima":               {space{alphabet: "aB1-", first: "aB1-", min: [classes]int{1, 1, 1, 1}}, 8, true},
		"minima and letter first":  {space{alphabet: "abB1-", first: "Bab", min: [classes]int{1, 1, 2, 1}}, 7, true},
		"identical":                {space{alphabet: "ax", first: "ax", patterns: true}, 12, true},
		"sequences":                {space{alphabet: "abcde", first: "abcde", patterns: true}, 8, true},
		"sequences in both cases":  {space{alphabet: "ABCDabcd", first: "ABCDabcd", patterns: true}, 6, true},
		"digits go round":          {space{alphabet: "012789", first: "012789", patterns: true}, 7, true},
		"keyboard":                 {space{alphabet: "erwtyu", first: "erwtyu", patterns: true}, 7, true},
		"rows that share a step":   {space{alphabet: "dfghi", first: "dfghi", patterns: true}, 8, true},
		"three classes":            {space{alphabet: "aB12", first: "aB12", patterns: true}, 8, true},
		"four classes":             {space{alphabet: "abB1-", first: "abB1-", patterns: true}, 7, true},
		"minima and patterns":      {space{alphabet: "abcd1", first: "abcd1", min: [classes]int{digit: 2}, patterns: true}, 8, true},
		"letter first, patterns":   {space{alphabet: "12ab", first: "ab", min: [classes]int{lower: 3}, patterns: true}, 9, true},
		"a word":                   {space{alphabet: "adimnx", first: "adimnx", patterns: true}, 7, false},
		"a word, not at the start": {space{alphabet: "1adimn", first: "adimn", patterns: true}, 7, false},
		"a short word":             {space{alphabet: "dopt", first: "dopt", patterns: true}, 4, false},
		"unsatisfiable":            {space{alphabet: "ab", first: "ab", min: [classes]int{digit: 1}, patterns: true}, 8, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := matcherFor(test.space, test.length)
			var all, allowed float64
			enumerate(test.space, test.length, func(candidate []byte) {
				all++
				if m.Allows(candidate) {
					allowed++
				}
			})
			truth, got := allowed/all, test.space.acceptance(test.length)
			if got > truth {
				t.Errorf("acceptance %.12f is more than the truth, %.12f", got, truth)
			}
			tolerance := 1e-9
			if !test.exact {
				tolerance = test.space.wordBound(test.length)
				if allowed == all || tolerance == 0 {
					t.Fatal("no candidate holds a word")
				}
			}
			if got < truth-tolerance {
				t.Errorf("acceptance %.12f, want %.12f within %g", got, truth, tolerance)
			}
			if truth == 0 {
				return
			}
			if bits := test.space.measure(test.length).Bits; bits > math.Log2(allowed) || test.exact && bits < math.Log2(allowed)-1e-6 {
				t.Errorf("%.9f bits, want %.9f", bits, math.Log2(allowed))
			}
		})
	}
}

// TestAcceptanceWithLargeMinima covers minima that are too large to be followed
// together with the patterns.
func TestAcceptanceWithLargeMinima(t *testing.T) {
	t.Parallel()
	s := space{alphabet: "aB1-", first: "aB1-", min: [classes]int{2, 2, 2, 3}, patterns: true}
	if s.combinations() <= maxJoint {
		t.Fatalf("%d combinations are followed together", s.combinations())
	}
	free := s
	free.min = [classes]int{}
	for length := 9; length <= 11; length++ {
		m := matcherFor(s, length)
		var all, allowed float64
		enumerate(s, length, func(candidate []byte) {
			all++
			if m.Allows(candidate) {
				allowed++
			}
		})
		if got := s.acceptance(length); got > allowed/all {
			t.Errorf("length %d: acceptance %.9f is more than the truth, %.9f", length, got, allowed/all)
		}
	}
	// With room enough the bound is close.
	p, _ := Builtin("database")
	p.MinLower, p.MinUpper, p.MinDigits, p.MinSpecial = 3, 3, 2, 2
	if got, truth := Measure(p).Acceptance, sampleAcceptance(p, 200_000); got < truth-0.02 || got > truth+0.01 {
		t.Errorf("acceptance %.4f, sampled %.4f", got, truth)
	}
}

// sampleAcceptance estimates the acceptance of a policy.
func sampleAcceptance(p Policy, n int) float64 {
	random := rand.New(rand.NewPCG(1, 2))
	m, first, rest := NewMatcher(p), p.FirstAlphabet(), p.Alphabet()
	candidate := make([]byte, p.Length)
	allowed := 0
	for range n {
		for i := range candidate {
			candidate[i] = rest[random.IntN(len(rest))]
		}
		candidate[0] = first[random.IntN(len(first))]
		if m.Allows(candidate) {
			allowed++
		}
	}
	return float64(allowed) / float64(n)
}

func TestMeasureAgainstSampling(t *testing.T) {
	t.Parallel()
	policies := map[string]Policy{}
	for _, p := range builtin {
		if !p.Supplied {
			policies[p.Category] = p
		}
	}
	short := policies["cache"]
	short.Length = 16
	policies["short"] = short
	hex := policies["jwt"]
	hex.Encoding = Hex
	policies["hex with pattern rules"] = hex
	strict := policies["database"]
	strict.MinSpecial, strict.MinDigits, strict.FirstCharacter = 4, 3, FirstLetter
	policies["strict"] = strict
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 200_000
			got, sampled := Measure(p).Acceptance, sampleAcceptance(p, n)
			// Five standard deviations: the seed is fixed, so this cannot flake.
			tolerance := 5*math.Sqrt(got*(1-got)/n) + 1e-5
			if math.Abs(got-sampled) > tolerance {
				t.Errorf("acceptance %.6f, sampled %.6f, tolerance %.6f", got, sampled, tolerance)
			}
		})
	}
}

func TestMeasureBuiltin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ least, most float64 }{
		"jwt":        {383.9, 384},
		"session":    {383.9, 384},
		"database":   {195.8, 196.13},
		"cache":      {190.4, 190.54},
		"api_key":    {287.9, 288},
		"webhook":    {287.9, 288},
		"encryption": {256, 256}, // two hex digits are one byte, not two
		"external":   {0, 0},
		"tls":        {0, 0},
	}
	for _, p := range builtin {
		want, ok := tests[p.Category]
		if !ok {
			t.Errorf("no expectation for %q", p.Category)
		}
		if got := Measure(p).Bits; got < want.least || got > want.most {
			t.Errorf("%s guarantees %.6f bits, want %g to %g", p.Category, got, want.least, want.most)
		}
	}
}

// TestMultinomial compares with a closed form: at least one of each of k equally
// likely classes, by inclusion and exclusion.
func TestMultinomial(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 60; n++ {
		quarter := [classes]float64{0.25, 0.25, 0.25, 0.25}
		k := float64(n)
		want := 1 - 4*math.Pow(0.75, k) + 6*math.Pow(0.5, k) - 4*math.Pow(0.25, k)
		if got := multinomialAtLeast(n, quarter, [classes]int{1, 1, 1, 1}); math.Abs(got-want) > 1e-12 {
			t.Errorf("n = %d: %.15f, want %.15f", n, got, want)
		}
	}
}

func TestWordListFindsEveryWord(t *testing.T) {
	t.Parallel()
	p := Policy{Encoding: Any, PatternRules: true}
	m := NewMatcher(p)
	for _, word := range blocklist {
		if word != strings.ToLower(word) {
			t.Errorf("%q is not in lower case", word)
		}
		for _, variant := range []string{word, strings.ToUpper(word)} {
			if !m.scan([]byte(variant)).word {
				t.Errorf("%q is not found", variant)
			}
			inside := "x7" + variant + "9z"
			if got, want := m.scan([]byte(inside)).word, len(word) >= minSubstring; got != want {
				t.Errorf("%q inside a value: found %t, want %t", word, got, want)
			}
			// A false start before the word must not hide it.
			if len(word) >= minSubstring && !m.scan([]byte(variant[:len(variant)-1]+variant)).word {
				t.Errorf("%q after its own beginning is not found", word)
			}
		}
	}
}

// TestWordInsideAWord: one word may end inside a longer one that is not finished.
func TestWordInsideAWord(t *testing.T) {
	t.Parallel()
	w := newWordList([]string{"xhellothere", "hello", "llothing"})
	tests := map[string]bool{"xhello": true, "xhello9": true, "xhell9": false, "xhellothing": true, "xhelothing": false, "hellothing": true, "hhllothing": true, "llothin": false}
	for text, want := range tests {
		state := uint16(0)
		for i := range len(text) {
			state = w.next[int(state)<<w.shift|int(w.code[text[i]])]
		}
		if got := state == found; got != want {
			t.Errorf("%q: found %t, want %t", text, got, want)
		}
	}
}

// TestWordListAgainstSubstrings compares the automaton with strings.Contains over
// random texts made of pieces of words.
func TestWordListAgainstSubstrings(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	m := NewMatcher(Policy{Encoding: Any, PatternRules: true})
	hits := 0
	for range 50_000 {
		var text strings.Builder
		for range 1 + random.IntN(4) {
			word := blocklist[random.IntN(len(blocklist))]
			from := random.IntN(len(word))
			text.WriteString(word[from : from+1+random.IntN(len(word)-from)])
		}
		value, want := text.String(), false
		for _, word := range blocklist {
			want = want || value == word || len(word) >= minSubstring && strings.Contains(value, word)
		}
		if want {
			hits++
		}
		if got := m.scan([]byte(value)).word; got != want {
			t.Fatalf("%q: found %t, want %t", value, got, want)
		}
	}
	if hits < 1000 || hits > 49_000 {
		t.Errorf("%d of 50,000 texts hold a word: the test shows nothing", hits)
	}
}

func BenchmarkMeasure(b *testing.B) {
	p, _ := Builtin("jwt")
	for b.Loop() {
		newWalk(spaceOf(p)).shareAccepted(p.Length)
	}
}

func BenchmarkMeasureAgain(b *testing.B) {
	p, _ := Builtin("jwt")
	for b.Loop() {
		Measure(p)
	}
}
