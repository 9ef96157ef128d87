// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package generate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// A uniform generator fails the distribution test with a probability of
// significance, once in a million runs.
const (
	significance = 1e-6
	sampleSize   = 200_000
)

var classSets = []string{
	"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", // the rest is special
}

func classOf(c byte) int {
	for i, set := range classSets {
		if strings.IndexByte(set, c) >= 0 {
			return i
		}
	}
	return len(classSets)
}

// A result is the outcome of one statistical test: the probability that a uniform
// generator gives something as unlikely.
type result struct {
	name string
	p    float64
}

// distribution draws values and tests
//
//   - that every position has the same distribution over the classes, for all
//     positions together and for each one against the others,
//   - that every position has the same distribution over the characters,
//   - under a policy without pattern rules, for which the expectation is known
//     exactly: that classes and characters occur as often as they should.
//
// The pattern rules favour the ends of a value and characters at the ends of
// keyboard rows by less than one part in a thousand, far too little to be seen in
// sampleSize values when positions are compared.
func distribution(p policy.Policy, next func() string) []result {
	alphabet := p.Alphabet()
	index := map[byte]int{}
	for i := range len(alphabet) {
		index[alphabet[i]] = i
	}
	characters := make([][]float64, p.Length) // for each position
	classes := make([][]float64, p.Length)
	for i := range p.Length {
		characters[i] = make([]float64, len(alphabet))
		classes[i] = make([]float64, len(classSets)+1)
	}
	for range sampleSize {
		value := next()
		for i := range p.Length {
			characters[i][index[value[i]]]++
			classes[i][classOf(value[i])]++
		}
	}
	allCharacters, allClasses := total(characters), total(classes)

	results := []result{homogeneity("classes by position", classes), homogeneity("characters by position", characters)}
	for i := range p.Length {
		r := goodness(fmt.Sprintf("classes at position %d", i), classes[i], allClasses)
		r.p *= float64(p.Length) // there are so many of these tests
		results = append(results, r)
	}
	if !p.PatternRules {
		wantedClasses := classShares(p)
		wanted := make([]float64, len(alphabet))
		for i := range wanted {
			c := classOf(alphabet[i])
			size := 0
			for j := range len(alphabet) {
				if classOf(alphabet[j]) == c {
					size++
				}
			}
			wanted[i] = wantedClasses[c] / float64(size)
		}
		results = append(results, goodness("classes", allClasses, wantedClasses), goodness("characters", allCharacters, wanted))
	}
	for i := range results {
		results[i].p *= 6 // kinds of tests
	}
	return results
}

func total(table [][]float64) []float64 {
	sum := make([]float64, len(table[0]))
	for _, row := range table {
		for i, n := range row {
			sum[i] += n
		}
	}
	return sum
}

// goodness compares counts with expected shares, which need not add up to 1.
func goodness(name string, counts, shares []float64) result {
	var n, all, statistic float64
	degrees := -1
	for i := range counts {
		n += counts[i]
		all += shares[i]
	}
	for i := range counts {
		if shares[i] == 0 {
			if counts[i] > 0 {
				return result{name, 0}
			}
			continue
		}
		expected := n * shares[i] / all
		statistic += (counts[i] - expected) * (counts[i] - expected) / expected
		degrees++
	}
	return result{name, chiSquareTail(statistic, float64(degrees))}
}

// homogeneity compares the rows of a table with each other.
func homogeneity(name string, table [][]float64) result {
	columns := total(table)
	var all, statistic float64
	used := 0
	for _, n := range columns {
		all += n
		if n > 0 {
			used++
		}
	}
	for _, row := range table {
		for i, n := range row {
			if columns[i] > 0 {
				expected := columns[i] / float64(len(table))
				statistic += (n - expected) * (n - expected) / expected
			}
		}
	}
	return result{name, chiSquareTail(statistic, float64((len(table)-1)*(used-1)))}
}

// chiSquareTail returns the probability that a chi-square variable is larger, by
// the cube root of Wilson and Hilferty (https://doi.org/10.1073/pnas.17.12.684).
func chiSquareTail(statistic, degrees float64) float64 {
	spread := 2 / (9 * degrees)
	z := (math.Cbrt(statistic/degrees) - (1 - spread)) / math.Sqrt(spread)
	return math.Erfc(z/math.Sqrt2) / 2
}

// classShares returns the exact expected share of each class in values of a
// policy without pattern rules: the mean over all combinations of class counts
// that have the minima.
func classShares(p policy.Policy) []float64 {
	alphabet := p.Alphabet()
	size := make([]float64, len(classSets)+1)
	for i := range len(alphabet) {
		size[classOf(alphabet[i])]++
	}
	least := []int{p.MinLower, p.MinUpper, p.MinDigits, p.MinSpecial}
	shares := make([]float64, len(size))
	weight := func(c, n int) float64 { // log of size^n / n!
		if n == 0 {
			return 0
		}
		factorial, _ := math.Lgamma(float64(n) + 1)
		return float64(n)*math.Log(size[c]/float64(len(alphabet))) - factorial
	}
	var all float64
	for a := least[0]; a <= p.Length; a++ {
		for b := least[1]; a+b <= p.Length; b++ {
			for c := least[2]; a+b+c <= p.Length; c++ {
				d := p.Length - a - b - c
				if d < least[3] {
					continue
				}
				w := math.Exp(weight(0, a) + weight(1, b) + weight(2, c) + weight(3, d))
				all += w
				for i, n := range []int{a, b, c, d} {
					shares[i] += w * float64(n)
				}
			}
		}
	}
	for i := range shares {
		shares[i] /= all * float64(p.Length)
	}
	return shares
}

func distributionPolicies() map[string]policy.Policy {
	database, _ := policy.Builtin("database")
	webhook, _ := policy.Builtin("webhook")
	plain := database
	plain.PatternRules = false
	strict := plain
	strict.MinSpecial, strict.MinDigits = 3, 4
	base64url := webhook
	base64url.PatternRules = false
	return map[string]policy.Policy{
		"database": database, "base64url": webhook,
		"database without pattern rules": plain, "strict database without pattern rules": strict,
		"base64url without pattern rules": base64url,
	}
}

func TestDistribution(t *testing.T) {
	t.Parallel()
	for name, p := range distributionPolicies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := generate.New(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range distribution(p, must(t, g.Value)) {
				if r.p < significance {
					t.Errorf("%s: p = %g", r.name, r.p)
				}
			}
		})
	}
}

func must(t *testing.T, f func() (string, error)) func() string {
	return func() string {
		value, err := f()
		if err != nil {
			t.Error(err)
		}
		return value
	}
}

// TestDistributionRejectsBias applies the same test to the ways in which
// generators are usually biased. Each must be found by the tests that are named.
func TestDistributionRejectsBias(t *testing.T) {
	t.Parallel()
	policies := distributionPolicies()
	tests := map[string]struct {
		policy policy.Policy
		next   func(policy.Policy, *rand.Rand) string
		found  []string
	}{
		// Sorting by random keys that stay where they are while the characters move.
		"required classes first, then a biased shuffle": {
			policies["database"], biasedShuffle, []string{"classes by position", "characters by position", "classes at position 0"},
		},
		"required classes first, then a biased shuffle, without pattern rules": {
			policies["database without pattern rules"], biasedShuffle, []string{"classes by position", "classes", "characters"},
		},
		// Every position is alike, but the required classes come too often.
		"required classes first, then a fair shuffle": {
			policies["strict database without pattern rules"], fairShuffle, []string{"classes", "characters"},
		},
		"the remainder of a byte": {
			policies["database without pattern rules"], remainder, []string{"characters"},
		},
		"a missing class replaced at the end": {
			policies["database"], mend, []string{"classes by position", "classes at position 31"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			rejected := map[string]bool{}
			for _, r := range distribution(test.policy, func() string { return test.next(test.policy, random) }) {
				rejected[r.name] = r.p < significance
			}
			for _, name := range test.found {
				if !rejected[name] {
					t.Errorf("the bias is not found in %s", name)
				}
			}
		})
	}
}

// requiredFirst draws the minimum of each class and fills up with any character.
func requiredFirst(p policy.Policy, random *rand.Rand) []byte {
	alphabet := p.Alphabet()
	of := func(class int) string {
		var set []byte
		for i := range len(alphabet) {
			if classOf(alphabet[i]) == class {
				set = append(set, alphabet[i])
			}
		}
		return string(set)
	}
	var value []byte
	for class, n := range []int{p.MinLower, p.MinUpper, p.MinDigits, p.MinSpecial} {
		for set := of(class); n > 0; n-- {
			value = append(value, set[random.IntN(len(set))])
		}
	}
	for len(value) < p.Length {
		value = append(value, alphabet[random.IntN(len(alphabet))])
	}
	return value
}

func biasedShuffle(p policy.Policy, random *rand.Rand) string {
	value := requiredFirst(p, random)
	keys := make([]byte, len(value))
	for i := range keys {
		keys[i] = byte(random.Uint32())
	}
	// An insertion sort whose comparison looks at positions, not at what is there.
	for i := 1; i < len(value); i++ {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			value[j], value[j-1] = value[j-1], value[j]
		}
	}
	return string(value)
}

func fairShuffle(p policy.Policy, random *rand.Rand) string {
	value := requiredFirst(p, random)
	random.Shuffle(len(value), func(i, j int) { value[i], value[j] = value[j], value[i] })
	return string(value)
}

func remainder(p policy.Policy, random *rand.Rand) string {
	alphabet, value := p.Alphabet(), make([]byte, p.Length)
	for i := range value {
		value[i] = alphabet[int(byte(random.Uint32()))%len(alphabet)]
	}
	return string(value)
}

func mend(p policy.Policy, random *rand.Rand) string {
	value := []byte(remainder(p, random))
	if !slices.ContainsFunc(value, func(c byte) bool { return classOf(c) == len(classSets) }) {
		value[len(value)-1] = policy.SafeSpecialCharacters[random.IntN(len(policy.SafeSpecialCharacters))]
	}
	return string(value)
}
