// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"math"
	"math/rand/v2"
	"testing"
)

func randomString(random *rand.Rand, set string, length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = set[random.IntN(len(set))]
	}
	return string(b)
}

func TestShannon(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value string
		want  float64
	}{
		{"", 0},
		{"aaaa", 0},
		{"abab", 1},
		{"abcd", 2},
		{"aabc", 1.5},
		{"ÄÖÜß", 2},
		{"0123456789abcdef", 4},
	}
	for _, test := range tests {
		if got := Shannon(test.value); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("Shannon(%q) = %g, want %g", test.value, got, test.want)
		}
	}
}

// TestRandomShannon compares mean and deviation with samples.
func TestRandomShannon(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for _, k := range []int{10, 16, 36, 64} {
		for _, n := range []int{8, 16, 32, 64, 256} {
			mean, deviation := randomShannon(n, k)
			const samples = 4000
			var sum, squares float64
			for range samples {
				h := Shannon(randomString(random, alphanumericAnd("-_")[:k], n))
				sum += h
				squares += h * h
			}
			sampledMean := sum / samples
			sampledDeviation := math.Sqrt(squares/samples - sampledMean*sampledMean)
			if math.Abs(mean-sampledMean) > 6*sampledDeviation/math.Sqrt(samples) {
				t.Errorf("%d out of %d: mean %.4f, sampled %.4f", n, k, mean, sampledMean)
			}
			if deviation < 0.9*sampledDeviation || deviation > 1.5*sampledDeviation {
				t.Errorf("%d out of %d: deviation %.4f, sampled %.4f", n, k, deviation, sampledDeviation)
			}
		}
	}
}

func alphanumericAnd(more string) string { return digits + lowerLetters + upperLetters + more }

// TestShannonThresholdPassesRandomValues: at most one random value in 10,000 may
// be refused. The seed is fixed.
func TestShannonThresholdPassesRandomValues(t *testing.T) {
	t.Parallel()
	sets := map[string]string{
		"digits": digits, "hex": digits + "abcdef", "HEX": digits + "ABCDEF", "lower": lowerLetters,
		"base32": upperLetters + "234567", "alphanumeric": alphanumeric, "base64url": alphanumeric + "-_",
		"ascii": alphanumeric + SafeSpecialCharacters,
	}
	for name, set := range sets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, 8))
			for _, length := range []int{8, 16, 24, 32, 48, 64, 128} {
				const samples = 50_000
				refused := 0
				thresholds := map[int]float64{} // the threshold depends on the alphabet that shows
				for range samples {
					value := randomString(random, set, length)
					apparent := apparentAlphabet(value)
					threshold, ok := thresholds[apparent]
					if !ok {
						threshold = shannonThreshold(4, value)
						thresholds[apparent] = threshold
					}
					if Shannon(value) < threshold {
						refused++
					}
				}
				if refused > samples/10_000 {
					t.Errorf("length %d: %d of %d random values are refused", length, refused, samples)
				}
			}
		})
	}
}

// TestRandomValuesAreStrong: what a generator makes must pass as a supplied value.
func TestRandomValuesAreStrong(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 10))
	for _, p := range builtin {
		if p.Encoding == Any {
			continue
		}
		supplied := p
		supplied.Supplied = true
		m := NewMatcher(p)
		for tried := 0; tried < 12; {
			value := randomString(random, p.Alphabet(), p.Length)
			if !m.Allows([]byte(value)) {
				continue
			}
			tried++
			if findings := Check(supplied, value); findings != nil {
				t.Errorf("%s: a random value is refused: %v", p.Category, findings)
			}
		}
	}
}

func TestEstimateBitsIsConservative(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 12))
	for _, set := range []string{digits, digits + "abcdef", alphanumeric, alphanumeric + "-_"} {
		for _, length := range []int{16, 40} {
			truth := float64(length) * math.Log2(float64(len(set)))
			for range 10 {
				if got := EstimateBits(randomString(random, set, length)); got > truth || got < truth/2 {
					t.Errorf("%d out of %d: estimated %.1f bits, true %.1f", length, len(set), got, truth)
				}
			}
		}
	}
}
