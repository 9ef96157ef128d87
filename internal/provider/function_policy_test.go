// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyFunction(t *testing.T) {
	jwt := func(changes object) object {
		policy := object{
			"category": "jwt", "base": "jwt", "supplied": false, "entropy_bits": 383.0, "length": 64.0, "max_length": nil, "encoding": "base64url",
			"min_lower": nil, "min_upper": nil, "min_digits": nil, "min_special": nil, "special_characters": nil, "exclude_characters": nil,
			"first_character": "any", "min_entropy_bits": nil, "pattern_rules": true, "rotation_days": 90.0, "grace_period": "1h", "classification": "secret",
		}
		for name, value := range changes {
			policy[name] = value
		}
		return policy
	}
	for name, test := range map[string]struct {
		arguments []any
		want      object
	}{
		"category":         {[]any{"jwt"}, jwt(nil)},
		"default":          {[]any{"jwt", nil}, jwt(nil)},
		"environment":      {[]any{"jwt", "development", object{"length": 16}}, jwt(object{"length": 16.0, "entropy_bits": 95.0})},
		"no arguments":     {[]any{"jwt", "staging", nil}, jwt(nil)},
		"arguments":        {[]any{"jwt", nil, object{"length": 96, "rotation_days": 30, "grace_period": "2h", "classification": "critical", "pattern_rules": false, "encoding": nil}}, jwt(object{"length": 96.0, "entropy_bits": 576.0, "rotation_days": 30.0, "grace_period": "2h", "classification": "critical", "pattern_rules": false})},
		"a map of strings": {[]any{"jwt", "production", object{"length": "96"}}, jwt(object{"length": 96.0, "entropy_bits": 575.0})},
		"category of your own": {
			[]any{"partner_token", "production", object{"base": "jwt", "rotation_days": 30}},
			jwt(object{"category": "partner_token", "rotation_days": 30.0}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, problem := call(t, "policy", test.arguments...)
			if diff := cmp.Diff(any(test.want), got); problem != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", problem, diff)
			}
		})
	}
}

// TestPolicyFunctionSaysTheTruth: 64 hexadecimal digits are 256 bits.
func TestPolicyFunctionSaysTheTruth(t *testing.T) {
	got, problem := call(t, "policy", "encryption")
	if problem != nil || got.(object)["entropy_bits"] != 256.0 || got.(object)["grace_period"] != graceNever { //nolint:forcetypeassert // a panic says enough in a test
		t.Errorf("got %v, %v", got, problem)
	}
	got, problem = call(t, "policy", "external")
	if problem != nil || got.(object)["entropy_bits"] != nil || got.(object)["supplied"] != true { //nolint:forcetypeassert // a panic says enough in a test
		t.Errorf("got %v, %v", got, problem)
	}
}

// policyRefusals are common to the functions about policies; at is the position of
// the category, and what comes before it is given.
func policyRefusals(before ...any) map[string]refusal {
	at := int64(len(before))
	with := func(arguments ...any) []any { return append(append([]any{}, before...), arguments...) }
	return map[string]refusal{
		"category":                {with("jwtt"), at, `category = "jwtt" is not known`},
		"category before others":  {with("jwtt", "staging", object{"length": 96}), at, `category = "jwtt" is not known`},
		"below production's":      {with("jwt", nil, object{"length": 32}), at + 2, "in production"},
		"environment":             {with("jwt", "prod"), at + 1, `environment = "prod" is not one of`},
		"arguments instead of it": {with("jwt", object{"length": 96}), at + 1, "the environment must be a string, got: an object"},
		"below the floor":         {with("jwt", "production", object{"length": 32}), at + 2, "length = 32 is below the floor of 64 characters"},
		"no object":               {with("jwt", "production", "length"), at + 2, "the arguments of the policy must be an object, got: a string"},
		"unknown argument":        {with("jwt", "production", object{"size": 96}), at + 2, `"size" is not an argument of a policy; there are: base, classification, encoding`},
		"fraction":                {with("jwt", "production", object{"length": 96.5}), at + 2, "length must be a whole number, got: a number"},
		"number as text":          {with("jwt", "production", object{"encoding": 16}), at + 2, "encoding must be a string, got: a number"},
		"text as bool":            {with("jwt", "production", object{"pattern_rules": "no"}), at + 2, "pattern_rules must be true or false, got: a string"},
		"out of range":            {with("jwt", "production", object{"rotation_days": 2000}), at + 2, "rotation_days value must be between 1 and 1000"},
		"no duration":             {with("jwt", "production", object{"grace_period": "1 hour"}), at + 2, "grace_period"},
		"unknown encoding":        {with("jwt", "production", object{"encoding": "utf8"}), at + 2, "encoding"},
		"base of a built-in":      {with("jwt", "production", object{"base": "api_key"}), at + 2, "is built in and is its own base"},
		"too many":                {with("jwt", "production", object{}, object{}), at + 3, "there are at most the environment and one object"},
	}
}

func TestPolicyFunctionRefuses(t *testing.T) {
	checkRefusals(t, "policy", policyRefusals())
}
