// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	zxcvbn "github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/frequency"
	"github.com/ccojocar/zxcvbn-go/match"
	"github.com/ccojocar/zxcvbn-go/matching"
)

func init() {
	// The lists that zxcvbn has made its dictionaries of are of no more use, and a
	// sixth of all that the provider keeps in memory.
	clear(frequency.Lists)
}

// Shannon returns the entropy of the value's characters in bits per character, as
// if their frequencies in this one value were their probabilities. It says how
// varied a value is, not how it was made: a generated value is judged by what its
// policy guarantees.
func Shannon(value string) float64 {
	var (
		ascii [utf8.RuneSelf]int
		other = map[rune]int{}
		total float64
	)
	for _, c := range value {
		if c < utf8.RuneSelf {
			ascii[c]++
		} else {
			other[c]++
		}
		total++
	}
	var bits float64
	// Sorted, so that the last bit of the sum is the same every time.
	for _, n := range slices.Sorted(slices.Values(slices.AppendSeq(ascii[:], maps.Values(other)))) {
		if n > 0 {
			share := float64(n) / total
			bits -= share * math.Log2(share)
		}
	}
	return bits
}

// shannonDemand is what a supplied value must have in bits per character, if its
// alphabet and length can reach it.
func shannonDemand(p Policy) float64 {
	if p.Base == "jwt" {
		return 4.0
	}
	return 3.5
}

// shannonThreshold is the demand, lowered to what practically every random string
// of the value's length over the alphabet that it seems to use reaches: the mean
// less seven standard deviations. Without that, 64 random hex digits, which have
// 3.82 bits per character on average and never more than 4, would be refused.
func shannonThreshold(demand float64, value string) float64 {
	// Beyond 256 characters the threshold hardly moves.
	mean, deviation := randomShannon(min(utf8.RuneCountInString(value), 256), apparentAlphabet(value))
	return math.Min(demand, mean-7*deviation)
}

// randomShannon returns mean and standard deviation of the Shannon entropy per
// character of n random characters out of k. With c(i) for how often character i
// occurs, the entropy is log n - sum(c log c)/n.
//
// The c(i) are binomial, but not independent, since they add up to n. For that
// reason any multiple of c may be taken from c log c without a change but to the
// mean. With the multiple that leaves no correlation with c the dependence hardly
// matters, and the variances can be added up.
func randomShannon(n, k int) (mean, deviation float64) {
	var g, g2, cg, c1, c2 float64 // moments of c log c and c
	logs := logFactorials(n)
	for c := range n + 1 {
		p := binomial(logs, n, c, 1/float64(k))
		x, v := float64(c), 0.0
		if c > 1 {
			v = x * math.Log2(x)
		}
		g, g2, cg, c1, c2 = g+p*v, g2+p*v*v, cg+p*x*v, c1+p*x, c2+p*x*x
	}
	covariance, variance := cg-c1*g, c2-c1*c1
	rest := g2 - g*g
	if variance > 0 {
		rest -= covariance * covariance / variance
	}
	size := float64(n)
	return math.Log2(size) - float64(k)*g/size, math.Sqrt(math.Max(0, float64(k)*rest)) / size
}

// apparentAlphabet is the size of the smallest usual alphabet that has all
// characters of the value.
func apparentAlphabet(value string) int {
	only := func(set string) bool { return strings.Trim(value, set) == "" }
	switch {
	case only(digits):
		return 10
	case only(digits + "abcdef"), only(digits + "ABCDEF"):
		return 16
	case only(lowerLetters), only(upperLetters):
		return 26
	case only(digits + lowerLetters), only(digits + upperLetters):
		return 36
	case only(lowerLetters + upperLetters):
		return 52
	case only(alphanumeric):
		return 62
	case only(alphanumeric + "-_"), only(alphanumeric + "+/="):
		return 64
	}
	return 95
}

// zxcvbnBytes is how much of a value zxcvbn gets to see. Its time grows with the
// square of the length and more: 100 characters take some 50 ms. The beginning of
// a value is never harder to guess than all of it.
const zxcvbnBytes = 100

// leetSymbols are the punctuation that zxcvbn takes for letters as well
// ("p@$$word"), beside the digits. It tries all combinations of what they may
// stand for, which takes seconds for a value with all of them. Nobody writes a
// word with more than maxLeetSymbols different ones.
const (
	leetSymbols    = "!|$%@+({[<"
	maxLeetSymbols = 3
)

// zxcvbnScore returns how hard the value is to guess, from 0 (trivial) to 4, and
// zxcvbn's estimate in bits.
func zxcvbnScore(value string) (score int, bits float64) {
	value = value[:min(len(value), zxcvbnBytes)]
	leet := within(sortedSet(value), leetSymbols)
	result := zxcvbn.PasswordStrength(value, nil, func(m match.Matcher) bool {
		return m.ID == matching.L33TMatcherName && len(leet) > maxLeetSymbols
	})
	return result.Score, result.Entropy
}

// requiredScore is the zxcvbn score that a supplied value needs. 3 is "safely
// unguessable: moderate protection from offline attack" and what a secret needs;
// what is internal only must not fall to guessing over the network; what is
// public may be anything.
// Source: https://github.com/dropbox/zxcvbn#usage
func requiredScore(c Classification) int {
	switch c {
	case Public:
		return 0
	case Internal:
		return 2
	}
	return 3
}

// EstimateBits is a conservative estimate of a supplied value's entropy in bits:
// the least of zxcvbn's and of what the frequencies of its characters say. It
// falls short of the truth even for random values, by a tenth or so.
func EstimateBits(value string) float64 {
	_, bits := zxcvbnScore(value)
	return conservative(bits, value)
}

func conservative(zxcvbnBits float64, value string) float64 {
	return math.Min(zxcvbnBits, Shannon(value)*float64(utf8.RuneCountInString(value)))
}
