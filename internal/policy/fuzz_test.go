// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzResolve: whatever is configured, either every problem is complete, or the
// policy has what was asked for, keeps to the floor, can be recorded and generated.
func FuzzResolve(f *testing.F) {
	f.Fuzz(func(t *testing.T, environment, category, base, encoding, specials, excluded, first, classification string,
		length, maxLength, lower, upper, digits, special, bits, days, grace int, set uint32) {
		if !utf8.ValidString(environment) {
			return // Terraform has none that is not.
		}
		if length > 256 && length <= MaxGeneratedLength {
			return // Measuring it with several minima takes seconds, which no fuzzer waits for.
		}
		isSet := func(bit int) bool { return set>>bit&1 == 1 }
		o := Overrides{
			Length: given(isSet(0), length), MaxLength: given(isSet(1), maxLength), Encoding: given(isSet(2), Encoding(encoding)),
			MinLower: given(isSet(3), lower), MinUpper: given(isSet(4), upper), MinDigits: given(isSet(5), digits), MinSpecial: given(isSet(6), special),
			SpecialCharacters: given(isSet(7), specials), ExcludeCharacters: given(isSet(8), excluded), FirstCharacter: given(isSet(9), FirstCharacter(first)),
			MinEntropyBits: given(isSet(10), bits), PatternRules: given(isSet(11), isSet(12)),
			Rotation: given(isSet(13), time.Duration(days)*day), Grace: given(isSet(14), time.Duration(grace)*time.Second),
			Classification: given(isSet(15), Classification(classification)),
		}
		provider := map[string]Overrides{}
		if isSet(16) {
			provider[category] = Overrides{Base: given(isSet(17), base), Length: given(isSet(18), length)}
		}
		resolve, supplied := Resolve, isSet(19)
		if supplied {
			resolve = ResolveSupplied
		}

		p, err := resolve(Environment(environment), category, provider, o)
		if err != nil {
			checkProblems(t, err)
			return
		}
		if p.Length < length && isSet(0) || supplied && !p.Supplied || p.MaxLength > 0 && p.MaxLength < p.Length {
			t.Errorf("asked for %+v, got %+v", o, p)
		}
		checkOverridden(t, o, p)
		defaults, ok := Builtin(p.Base)
		if !ok || p.Length < min(defaults.Length, developmentFloor) || Environment(environment) != Development && p.Length < defaults.Length {
			t.Errorf("%+v is below the floor of %q", p, environment)
		}
		if record := map[string]Record{"KEY": {p, madeAt}}; recordable(t, record) {
			checkRoundTrip(t, record)
		}
		if p.Supplied {
			return
		}
		if m := Measure(p); m.Acceptance < minAcceptance || m.Bits < float64(p.MinEntropyBits) {
			t.Errorf("%+v guarantees %.1f bits and accepts %g", p, m.Bits, m.Acceptance)
		}
		value, found := draw(rand.New(rand.NewPCG(15, 16)), p)
		if !found {
			t.Fatalf("no value of %+v was found", p)
		}
		if findings := Check(p, value); findings != nil {
			t.Errorf("a value made under %+v is refused: %v", p, findings)
		}
	})
}

func given[T any](set bool, value T) *T {
	if !set {
		return nil
	}
	return &value
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is %T", err)
	}
	for _, problem := range problems {
		if problem.Argument == "" || problem.Summary == "" || problem.Detail == "" || !utf8.ValidString(problem.Detail) {
			t.Errorf("a problem is not complete: %+v", problem)
		}
	}
}

// checkOverridden: what the resource sets is what holds, as it was written.
func checkOverridden(t *testing.T, o Overrides, p Policy) {
	t.Helper()
	want := p
	lay(&want.Length, o.Length)
	lay(&want.MaxLength, o.MaxLength)
	lay(&want.Encoding, o.Encoding)
	lay(&want.MinLower, o.MinLower)
	lay(&want.MinUpper, o.MinUpper)
	lay(&want.MinDigits, o.MinDigits)
	lay(&want.MinSpecial, o.MinSpecial)
	lay(&want.FirstCharacter, o.FirstCharacter)
	lay(&want.MinEntropyBits, o.MinEntropyBits)
	lay(&want.PatternRules, o.PatternRules)
	lay(&want.Rotation, o.Rotation)
	lay(&want.Grace, o.Grace)
	lay(&want.Classification, o.Classification)
	if o.SpecialCharacters != nil {
		want.SpecialCharacters = sortedSet(*o.SpecialCharacters)
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if o.ExcludeCharacters != nil && strings.ContainsAny(p.Alphabet(), *o.ExcludeCharacters) {
		t.Errorf("%+v allows characters out of %q", p, *o.ExcludeCharacters)
	}
}

func lay[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// recordable reports whether records fit; nothing else may stand in the way of a
// policy that was resolved.
func recordable(t *testing.T, records map[string]Record) bool {
	t.Helper()
	_, err := EncodeRecords(records)
	if err != nil && !strings.Contains(err.Error(), "it is longer than the 256 of a tag") {
		t.Error(err)
	}
	return err == nil
}

// FuzzDecodeRecords: no tag may make decoding panic, and what can be read can be
// written, within the limits of tags, and read again.
func FuzzDecodeRecords(f *testing.F) {
	f.Fuzz(func(t *testing.T, one, two string) {
		records, err := DecodeRecords(map[string]string{"roi:policy": one, "roi:policy.2": two})
		if err != nil {
			if !strings.Contains(err.Error(), `"roi:policy`) {
				t.Errorf("the error does not name the tag: %v", err)
			}
			return
		}
		if len(one) <= maxTagValue && len(two) <= maxTagValue || recordable(t, records) {
			checkRoundTrip(t, records)
		}
	})
}

// FuzzCheck: no input may make the estimators panic, every finding is complete,
// and none holds a part of the value.
func FuzzCheck(f *testing.F) {
	const marker = "qXz7Kp" // in no message
	f.Fuzz(func(t *testing.T, value string, which uint8) {
		p := builtin[int(which)%len(builtin)]
		p.Supplied = true
		if findings := Check(p, value); value == "" && len(findings) != 1 {
			t.Errorf("an empty value has %d findings", len(findings))
		}
		for _, finding := range Check(p, marker+value+marker) {
			if finding.Message == "" || finding.Rule == "" || finding.Argument == "" || !utf8.ValidString(finding.Message) {
				t.Error("a finding is not complete")
			}
			if strings.Contains(finding.Message, marker) {
				t.Errorf("the finding %s quotes the value", finding.Rule)
			}
		}
	})
}
