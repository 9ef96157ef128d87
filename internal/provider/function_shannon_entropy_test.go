// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"
)

func TestShannonEntropyFunction(t *testing.T) {
	for value, want := range map[string]float64{
		"":                       0,
		"aaaa":                   0,
		"abab":                   1,
		"abcd":                   2,
		"aab":                    0.918296,
		"äöü€":                   2,
		strings.Repeat("ab", 99): 1,
	} {
		if got, problem := call(t, "shannon_entropy", value); problem != nil || got != want {
			t.Errorf("%q has %v, want %v (%v)", value, got, want, problem)
		}
	}
}

// TestShannonEntropyIsOneNumber would meet the order in which Go walks through a
// map: without rounding the last bits of the sum differ.
func TestShannonEntropyIsOneNumber(t *testing.T) {
	const value = "٬{꙲=@\r۵꙲₭%äöüßéñçåøæ€…"
	want := shannonEntropy(value)
	for range 1000 {
		if got := shannonEntropy(value); got != want {
			t.Fatalf("%v and %v", got, want)
		}
	}
}
