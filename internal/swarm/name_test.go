// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckName(t *testing.T) {
	for _, tc := range []struct {
		base   string
		number int
		want   string // part of the error; "" for none
	}{
		{"roi-poc-jwt-secret", 1, ""},
		{"a", 1, ""},
		{"A.b_c-9-", 1, ""},
		{"", 1, "empty"},
		{"roi-poc/production/jwt-secret", 1, `"roi-poc-production-jwt-secret"`},
		{"/", 1, `"secret"`},
		{"-a", 1, `"a"`},
		{"ärger mit namen", 1, `"rger-mit-namen"`},
		{strings.Repeat("n", 61), 9, ""},
		{strings.Repeat("n", 61), 10, "65 characters"},
		{strings.Repeat("n", 62), 1, "65 characters"},
		{strings.Repeat("n/", 40), 1, "must not contain a slash"},
	} {
		err := CheckName(tc.base, tc.number)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("CheckName(%q, %d): got %v, want %q", tc.base, tc.number, err, tc.want)
		}
	}
}

func TestSuggestedNameIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.String().Draw(t, "base")
		if name := suggestName(base); CheckName(name, 1) != nil {
			t.Fatalf("%q is suggested for %q: %v", name, base, CheckName(name, 1))
		}
	})
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]struct {
		base   string
		number int
	}{
		"app-v3": {"app", 3}, "app-v2-v10": {"app-v2", 10}, "a-v-v1": {"a-v", 1},
		"app": {}, "app-v": {}, "app-v0": {}, "app-v03": {}, "app-v-1": {}, "app-v+1": {}, "-v1": {}, "app-v1a": {}, "app-V1": {},
		"app-v99999999999999999999": {},
	} {
		base, number, ok := parseName(name)
		if base != want.base || number != want.number || ok != (want.number > 0) {
			t.Errorf("parseName(%q): got %q, %d, %v", name, base, number, ok)
		}
	}
}

func TestParseNameUndoesFormatName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, number := rapid.StringN(1, -1, -1).Draw(t, "base"), rapid.IntRange(1, 1<<40).Draw(t, "number")
		gotBase, gotNumber, ok := parseName(FormatName(base, number))
		if gotBase != base || gotNumber != number || !ok {
			t.Fatalf("got %q, %d, %v", gotBase, gotNumber, ok)
		}
	})
}
