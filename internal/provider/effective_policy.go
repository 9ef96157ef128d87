// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// wholeValue is the key of effective_policy for a secret that is one string.
const wholeValue = "value"

// graceNever is the grace period of key material: what it encrypted must stay
// readable.
const graceNever = "never ends"

// effectivePolicyModel is one policy.Policy, in full, so that it can be read back
// from state and compared.
type effectivePolicyModel struct {
	policyArguments

	Category    types.String `tfsdk:"category"`
	Base        types.String `tfsdk:"base"`
	Supplied    types.Bool   `tfsdk:"supplied"`
	EntropyBits types.Int64  `tfsdk:"entropy_bits"`
}

// effectivePolicyType is what effective_policy has for each key. It is no nested
// attribute: the framework would look up the schema of each of its values many times
// for every plan, a fifth of what a plan takes (bench/README.md).
var effectivePolicyType = func() types.ObjectType {
	attributeTypes := map[string]attr.Type{
		"category":     types.StringType,
		"base":         types.StringType,
		"supplied":     types.BoolType,
		"entropy_bits": types.Int64Type,
	}
	for _, argument := range policyArgumentTable {
		switch {
		case argument.number != nil:
			attributeTypes[argument.name] = types.Int64Type
		case argument.text != nil:
			attributeTypes[argument.name] = types.StringType
		default:
			attributeTypes[argument.name] = types.BoolType
		}
	}
	return types.ObjectType{AttrTypes: attributeTypes}
}()

// effectivePolicies is the attribute effective_policy; null without policies.
func effectivePolicies(policies map[string]policy.Policy) types.Map {
	if len(policies) == 0 {
		return types.MapNull(effectivePolicyType)
	}
	elements := map[string]attr.Value{}
	for key, p := range policies {
		if key == "" {
			key = wholeValue
		}
		elements[key] = effectivePolicy(p)
	}
	return types.MapValueMust(effectivePolicyType, elements)
}

func effectivePolicy(p policy.Policy) types.Object {
	grace, entropy := shortDuration(p.Grace), types.Int64Null()
	if p.GraceNeverEnds {
		grace = graceNever
	}
	if !p.Supplied {
		entropy = types.Int64Value(int64(math.Floor(policy.Measure(p).Bits)))
	}
	// What does not apply is null, which keeps plans short.
	number := func(n int) types.Int64 {
		if n == 0 {
			return types.Int64Null()
		}
		return types.Int64Value(int64(n))
	}
	return types.ObjectValueMust(effectivePolicyType.AttrTypes, map[string]attr.Value{
		"category":           types.StringValue(p.Category),
		"base":               types.StringValue(p.Base),
		"supplied":           types.BoolValue(p.Supplied),
		"entropy_bits":       entropy,
		"length":             number(p.Length),
		"max_length":         number(p.MaxLength),
		"encoding":           types.StringValue(string(p.Encoding)),
		"min_lower":          number(p.MinLower),
		"min_upper":          number(p.MinUpper),
		"min_digits":         number(p.MinDigits),
		"min_special":        number(p.MinSpecial),
		"special_characters": optionalString(p.SpecialCharacters),
		"exclude_characters": optionalString(p.ExcludeCharacters),
		"first_character":    types.StringValue(string(p.FirstCharacter)),
		"min_entropy_bits":   number(p.MinEntropyBits),
		"pattern_rules":      types.BoolValue(p.PatternRules),
		"rotation_days":      number(int(p.Rotation / day)),
		"grace_period":       types.StringValue(grace),
		"classification":     types.StringValue(string(p.Classification)),
	})
}

// statePolicies reads effective_policy of a JSON secret, or of one that is one
// string, back. A state of another shape reads as no record, which plans nothing.
func statePolicies(effective types.Map, isJSON bool) map[string]policy.Policy {
	policies := map[string]policy.Policy{}
	var models map[string]effectivePolicyModel
	if effective.IsUnknown() || effective.ElementsAs(context.Background(), &models, false).HasError() {
		return policies
	}
	for key, m := range models {
		if key == wholeValue && !isJSON {
			key = ""
		}
		grace, _ := time.ParseDuration(m.GracePeriod.ValueString())
		policies[key] = policy.Policy{
			Category:          m.Category.ValueString(),
			Base:              m.Base.ValueString(),
			Length:            int(m.Length.ValueInt64()),
			MaxLength:         int(m.MaxLength.ValueInt64()),
			Encoding:          policy.Encoding(m.Encoding.ValueString()),
			MinLower:          int(m.MinLower.ValueInt64()),
			MinUpper:          int(m.MinUpper.ValueInt64()),
			MinDigits:         int(m.MinDigits.ValueInt64()),
			MinSpecial:        int(m.MinSpecial.ValueInt64()),
			SpecialCharacters: m.SpecialCharacters.ValueString(),
			ExcludeCharacters: m.ExcludeCharacters.ValueString(),
			FirstCharacter:    policy.FirstCharacter(m.FirstCharacter.ValueString()),
			MinEntropyBits:    int(m.MinEntropyBits.ValueInt64()),
			PatternRules:      m.PatternRules.ValueBool(),
			Rotation:          time.Duration(m.RotationDays.ValueInt64()) * day,
			Grace:             grace,
			GraceNeverEnds:    m.GracePeriod.ValueString() == graceNever,
			Classification:    policy.Classification(m.Classification.ValueString()),
			Supplied:          m.Supplied.ValueBool(),
		}
	}
	return policies
}

// shortDuration writes 1h instead of 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// recordedPolicies are the policies of records, by key.
func recordedPolicies(records map[string]policy.Record) map[string]policy.Policy {
	policies := map[string]policy.Policy{}
	for key, record := range records {
		policies[key] = record.Policy
	}
	return policies
}

// categoryList names the built-in categories for descriptions.
func categoryList() string { return "`" + strings.Join(policy.Categories(), "`, `") + "`" }
