// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkedValue is what check_value says of a value.
func checkedValue(t *testing.T, arguments ...any) object {
	t.Helper()
	got, problem := call(t, "check_value", arguments...)
	if problem != nil {
		t.Fatal(problem.Text)
	}
	result, ok := got.(object)
	if !ok {
		t.Fatalf("got a %T", got)
	}
	return result
}

func TestCheckValueFunctionAcceptsRandomValues(t *testing.T) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	for category, value := range map[string]string{"external": valueOf(t, "api_key"), "encryption": hex.EncodeToString(key), "tls": "-----BEGIN CERTIFICATE-----\naaaa\n"} {
		result := checkedValue(t, value, category)
		if result["valid"] != true || len(result["rules"].([]any)) != 0 || len(result["problems"].([]any)) != 0 { //nolint:forcetypeassert // a panic says enough in a test
			t.Errorf("%s: rules %v", category, result["rules"])
		}
	}
	// 26 characters out of 32 are 130 bits; zxcvbn finds fewer.
	if bits, _ := checkedValue(t, rand.Text(), "external")["entropy_bits"].(float64); bits < 80 || bits > 130 || bits != float64(int(bits)) {
		t.Errorf("the estimate is %v bits", bits)
	}
}

func TestCheckValueFunctionNamesRules(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []any
		rules     []any
	}{
		"empty":       {[]any{"", "external"}, []any{"empty"}},
		"placeholder": {[]any{"changeme", "external"}, []any{"blocklist", "guessable"}},
		"too short":   {[]any{"k7Qm2xVb9LtRw4Zc", "jwt"}, []any{"length"}},
		"short enough for development": {
			[]any{"k7Qm2xVb9LtRw4Zc", "jwt", "development", object{"length": 16}}, []any{},
		},
		"alphabet": {[]any{"k7Qm2xVb9LtRw4Zc+~", "jwt", "development", object{"length": 16}}, []any{"encoding"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := checkedValue(t, test.arguments...)
			if diff := cmp.Diff(any(test.rules), result["rules"]); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if result["valid"] != (len(test.rules) == 0) {
				t.Errorf("valid is %v", result["valid"])
			}
		})
	}
}

// TestCheckValueFunctionHoldsNoValue: neither what it says of a value nor an error
// about its policy has a part of it.
func TestCheckValueFunctionHoldsNoValue(t *testing.T) {
	secret := strings.ToLower(rand.Text()) + "changeme"
	text := fmt.Sprint(checkedValue(t, secret, "jwt"))
	_, problem := call(t, "check_value", secret, "jwt", "production", object{"length": 1})
	if problem == nil {
		t.Fatal("a policy below the floor is accepted")
	}
	for i := range len(secret) - 5 {
		if part := secret[i : i+5]; strings.Contains(text+problem.Text, part) {
			t.Fatalf("characters %d to %d of the value are in the result", i, i+5)
		}
	}
}

func TestCheckValueFunctionRefuses(t *testing.T) {
	checkRefusals(t, "check_value", policyRefusals(rand.Text()))
}
