// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

func openGeneratedValue(t *testing.T, provider, config object) (value string, bits int64, problems []string) {
	t.Helper()
	server := newTestServer(t)
	if texts := server.configure(t, provider); texts != nil {
		t.Fatalf("unexpected diagnostics: %q", texts)
	}
	got, problems := server.open(t, "roi_generated_value", ephemeralSchema(t, newGeneratedValue()), config)
	if problems != nil {
		return "", 0, problems
	}
	var n *big.Float
	if err := got["value"].As(&value); err != nil {
		t.Fatal("value is not a string")
	}
	if err := got["entropy_bits"].As(&n); err != nil {
		t.Fatal(err)
	}
	bits, _ = n.Int64()
	return value, bits, nil
}

func TestGeneratedValue(t *testing.T) {
	clearEnvironment(t)

	ours := object{"policies": object{"partner_token": object{"base": "api_key", "encoding": "alphanumeric", "length": 60}}}
	for name, test := range map[string]struct {
		config object
		length int
		bits   int64
	}{
		// 256 bits, not 512: a hexadecimal digit has 4.
		"encryption key":  {object{"category": "encryption"}, 64, 256},
		"own arguments":   {object{"category": "cache", "length": 40, "pattern_rules": false}, 40, 238},
		"provider policy": {object{"category": "partner_token", "pattern_rules": false}, 60, 357},
	} {
		t.Run(name, func(t *testing.T) {
			value, bits, problems := openGeneratedValue(t, ours, test.config)
			if problems != nil {
				t.Fatalf("unexpected diagnostics: %q", problems)
			}
			if len(value) != test.length || bits != test.bits {
				t.Errorf("got %d characters with %d bits, want %d with %d", len(value), bits, test.length, test.bits)
			}
			again, _, _ := openGeneratedValue(t, ours, test.config)
			if again == value {
				t.Error("two openings gave the same value")
			}
		})
	}

	value, _, problems := openGeneratedValue(t, nil, object{"category": "database"})
	p, err := policy.Resolve(policy.Production, "database", nil, policy.Overrides{})
	if problems != nil || err != nil {
		t.Fatalf("unexpected problems: %q, %v", problems, err)
	}
	if len(policy.Check(p, value)) > 0 {
		t.Error("the value does not satisfy its own policy")
	}
}

func TestGeneratedValueProblems(t *testing.T) {
	clearEnvironment(t)

	for name, test := range map[string]struct {
		provider object
		config   object
		want     string
	}{
		"below the floor": {
			config: object{"category": "jwt", "length": 32},
			want: `length: Policy below the floor: length = 32 is below the floor of 64 characters: the length of category "jwt", ` +
				`which no value may fall short of in production. Write length = 64 or more.`,
		},
		"unknown category": {
			config: object{"category": "jwtt"},
			want: `category: Unknown category: category = "jwtt" is not known. The categories are "jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls". ` +
				`A new one needs an entry in the provider's policies that names a base.`,
		},
		"supplied category": {
			config: object{"category": "external"},
			want:   `category: Category is never generated: Values of category "external" are supplied from outside. Choose a category that is generated, such as api_key.`,
		},
		"unknown environment": {
			provider: object{"environment": unknown},
			config:   object{"category": "jwt"},
			want: `Provider argument not known yet: Cannot generate a value: the provider argument environment depends on something that does not exist yet.` +
				"\n\nCreate what it depends on first, then plan again:\n\n    terraform apply -target=ADDRESS\n\n" +
				"where ADDRESS is the resource or module that the value of environment comes from.",
		},
		"unknown policies": {
			provider: object{"policies": object{"jwt": object{"length": unknown}}},
			config:   object{"category": "jwt"},
			want: `Provider argument not known yet: Cannot generate a value: the provider argument policies["jwt"].length depends on something that does not exist yet.` +
				"\n\nCreate what it depends on first, then plan again:\n\n    terraform apply -target=ADDRESS\n\n" +
				"where ADDRESS is the resource or module that the value of policies[\"jwt\"].length comes from.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, problems := openGeneratedValue(t, test.provider, test.config)
			if diff := cmp.Diff([]string{test.want}, problems); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}
