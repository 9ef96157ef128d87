// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"math"
	"strings"
	"sync"
)

// A Measurement is what a policy guarantees about the values that are generated
// from it, whatever the value.
type Measurement struct {
	// Bits is the guaranteed entropy: the binary logarithm of the number of
	// values, all equally likely. It is never more than the truth.
	Bits float64
	// Acceptance is the share of uniform candidates over the alphabet, with a
	// first character as the policy wants it, that the other rules leave. It is
	// never more than the truth.
	Acceptance float64
}

// Measure computes what a policy guarantees. For rules that it has not met before it
// takes up to some 20 ms, and a second where there are minima for a thousand
// characters; for others next to nothing. A policy for supplied values guarantees nothing, which is the zero Measurement.
func Measure(p Policy) Measurement {
	if p.Supplied {
		return Measurement{}
	}
	of := rules{spaceOf(p), p.Length}
	if known, ok := measured.Load(of); ok {
		return known.(Measurement) //nolint:forcetypeassert // Nothing else is stored.
	}
	m := of.measure(of.length)
	measured.Store(of, m)
	return m
}

// measured has the Measurement of all rules that Measure has met. A configuration
// has few, and asks for each several times for every secret.
var measured sync.Map

type rules struct {
	space
	length int
}

// A space is the set that values are drawn from: candidates of any length over
// an alphabet, and the rules that keep or reject a candidate. Spaces can be
// compared; the work of measuring one is done once.
type space struct {
	alphabet string // sorted, distinct
	first    string // what a candidate may begin with: all of it, or its letters
	min      [classes]int
	patterns bool
}

func spaceOf(p Policy) space {
	return space{p.Alphabet(), p.FirstAlphabet(), p.minima(), p.PatternRules}
}

func (s space) measure(length int) Measurement {
	if length < 1 || s.first == "" {
		return Measurement{}
	}
	acceptance := s.acceptance(length)
	if acceptance <= 0 {
		return Measurement{}
	}
	candidates := math.Log2(float64(len(s.first))) + float64(length-1)*math.Log2(float64(len(s.alphabet)))
	return Measurement{Bits: math.Max(0, candidates+math.Log2(acceptance)), Acceptance: acceptance}
}

// maxJoint is the largest number of combinations of class counts for which counts
// and patterns are followed together. At 100 a policy of 64 characters takes some
// 20 ms.
const maxJoint = 100

// rounding covers the rounding errors of a few thousand additions of numbers that
// are all positive, so that the result is still a lower bound.
const rounding = 1e-10

// acceptance returns a lower bound for the share of the candidates of a length
// that the rules accept. It is exact, up to rounding, but for two things: the
// words of the blocklist, whose probabilities are added up although a candidate
// may hold two, and minima too large to follow together with the patterns, where
// P(A and B) >= P(A) + P(B) - 1 serves.
func (s space) acceptance(length int) float64 {
	if !s.patterns {
		if s.min == [classes]int{} {
			return 1
		}
		return s.countAcceptance(length) * (1 - rounding)
	}
	var share float64
	if s.combinations() <= maxJoint {
		share = s.walk().shareAccepted(length)
	} else {
		free := s
		free.min = [classes]int{}
		share = s.countAcceptance(length) + free.walk().shareAccepted(length) - 1
	}
	return math.Max(0, share*(1-rounding)-s.wordBound(length))
}

// combinations is the number of class counts that matter.
func (s space) combinations() int {
	n := 1
	for _, most := range s.caps() {
		if n *= most + 1; n > maxJoint {
			return n
		}
	}
	return n
}

// caps returns, for each class, the count from which more makes no difference.
func (s space) caps() [classes]int {
	caps := s.min
	if s.patterns && requiredClasses(s.alphabet) > 0 {
		for c, n := range countClasses(s.alphabet) {
			if n > 0 {
				caps[c] = max(caps[c], 1)
			}
		}
	}
	return caps
}

// countAcceptance returns the probability that a candidate of a length has the
// minimum of every class. It is exact.
func (s space) countAcceptance(length int) float64 {
	size := countClasses(s.alphabet)
	var share [classes]float64
	for c := range classes {
		share[c] = float64(size[c]) / float64(len(s.alphabet))
	}
	if s.first == s.alphabet {
		return multinomialAtLeast(length, share, s.min)
	}
	var total float64
	for c, n := range countClasses(s.first) {
		if n > 0 {
			rest := s.min
			rest[c] = max(0, rest[c]-1)
			total += float64(n) / float64(len(s.first)) * multinomialAtLeast(length-1, share, rest)
		}
	}
	return total
}

// multinomialAtLeast returns the probability that n independent draws give every
// class its minimum, where share holds the probability of each class.
func multinomialAtLeast(n int, share [classes]float64, least [classes]int) float64 {
	// at[k] is the probability that k draws among the classes seen so far, the
	// last ones first, give each its minimum.
	at := make([]float64, n+1)
	at[0] = 1
	logs := logFactorials(n)
	var sum float64
	for c := int(classes) - 1; c >= 0; c-- {
		if share[c] == 0 {
			if least[c] > 0 {
				return 0
			}
			continue
		}
		sum += share[c]
		next := make([]float64, n+1)
		p := share[c] / sum
		for draws := range next {
			for k := least[c]; k <= draws; k++ {
				if at[draws-k] > 0 {
					next[draws] += at[draws-k] * binomial(logs, draws, k, p)
				}
			}
		}
		at = next
	}
	return at[n]
}

// binomial returns the probability of k successes in n draws. logs are those of the
// factorials up to that of n.
func binomial(logs []float64, n, k int, p float64) float64 {
	if p >= 1 {
		if k == n {
			return 1
		}
		return 0
	}
	return math.Exp(logs[n] - logs[k] - logs[n-k] + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// logFactorials returns the logarithms of 0! to n!.
func logFactorials(n int) []float64 {
	logs := make([]float64, n+1)
	for i := range logs {
		logs[i], _ = math.Lgamma(float64(i) + 1)
	}
	return logs
}

// wordBound returns an upper bound for the share of candidates of a length that
// hold a word of the blocklist: the sum over all words and positions.
func (s space) wordBound(length int) float64 {
	var sum float64
	for _, word := range blocklist {
		positions := length - len(word) + 1
		if positions < 1 || len(word) < minSubstring && positions != 1 {
			continue
		}
		rest := 1.0
		for i := 1; i < len(word); i++ {
			rest *= spellings(s.alphabet, word[i])
		}
		sum += rest * (spellings(s.first, word[0]) + float64(positions-1)*spellings(s.alphabet, word[0]))
	}
	return sum
}

// spellings returns the share of a set that is a given lower-case character
// without regard to case.
func spellings(set string, c byte) float64 {
	n := strings.Count(set, string(rune(c)))
	if classOf(c) == lower {
		n += strings.Count(set, string(rune(c-'a'+'A')))
	}
	return float64(n) / float64(len(set))
}
