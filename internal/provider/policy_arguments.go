// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	ephemeralschema "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	resourceschema "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// policyArguments are the arguments of a policy, to be embedded in models.
type policyArguments struct {
	Length            types.Int64  `tfsdk:"length"`
	MaxLength         types.Int64  `tfsdk:"max_length"`
	Encoding          types.String `tfsdk:"encoding"`
	MinLower          types.Int64  `tfsdk:"min_lower"`
	MinUpper          types.Int64  `tfsdk:"min_upper"`
	MinDigits         types.Int64  `tfsdk:"min_digits"`
	MinSpecial        types.Int64  `tfsdk:"min_special"`
	SpecialCharacters types.String `tfsdk:"special_characters"`
	ExcludeCharacters types.String `tfsdk:"exclude_characters"`
	FirstCharacter    types.String `tfsdk:"first_character"`
	MinEntropyBits    types.Int64  `tfsdk:"min_entropy_bits"`
	PatternRules      types.Bool   `tfsdk:"pattern_rules"`
	RotationDays      types.Int64  `tfsdk:"rotation_days"`
	GracePeriod       types.String `tfsdk:"grace_period"`
	Classification    types.String `tfsdk:"classification"`
}

// providerPolicyModel is one element of the provider's policies.
type providerPolicyModel struct {
	policyArguments

	Base types.String `tfsdk:"base"`
}

const day = 24 * time.Hour

// policyArgument describes one argument for all kinds of schema. The kind of
// validators says the type; an argument without any is a bool.
type policyArgument struct {
	name        string
	description string
	number      []validator.Int64
	text        []validator.String
}

var policyArgumentTable = []policyArgument{
	{
		name:        "length",
		description: "Length in characters; of a supplied value, the least. Default: by category. Never less than the environment's floor.",
		number:      []validator.Int64{int64validator.Between(1, policy.MaxSuppliedLength)},
	},
	{
		name:        "max_length",
		description: "The most characters that the target takes. Default: no limit.",
		number:      []validator.Int64{int64validator.Between(1, policy.MaxSuppliedLength)},
	},
	{
		name: "encoding",
		description: "Alphabet: `base64url` and `base64` (64 characters), `hex` (16, lower case), `alphanumeric` (62), or `ascii` (letters, digits and `special_characters`); " +
			"`any` for supplied values only. Default: by category.",
		text: []validator.String{oneOf(policy.Encodings())},
	},
	{
		name:        "min_lower",
		description: "At least this many lower-case letters. Default: by category.",
		number:      atLeastZero,
	},
	{
		name:        "min_upper",
		description: "At least this many upper-case letters. Default: by category.",
		number:      atLeastZero,
	},
	{
		name:        "min_digits",
		description: "At least this many digits. Default: by category.",
		number:      atLeastZero,
	},
	{
		name:        "min_special",
		description: "At least this many special characters. Default: by category.",
		number:      atLeastZero,
	},
	{
		name:        "special_characters",
		description: "The special characters that may be used, for the encoding `ascii`. Default: by category.",
		text:        []validator.String{stringvalidator.LengthAtMost(128)},
	},
	{
		name:        "exclude_characters",
		description: "Characters that must not be used, in addition to those that the category excludes for safety.",
		text:        []validator.String{stringvalidator.LengthAtMost(128)},
	},
	{
		name:        "first_character",
		description: "What a value may begin with: `any` character or a `letter`, for targets that want a letter. Default: `any`.",
		text:        []validator.String{oneOf(policy.FirstCharacters())},
	},
	{
		name:        "min_entropy_bits",
		description: "The least entropy in bits that the policy must guarantee. Default: by category.",
		number:      atLeastZero,
	},
	{
		name: "pattern_rules",
		description: "Refuse values with a run of three identical characters, a sequence of four such as `abcd`, `4321` or `qwer`, or a known weak password. " +
			"Default: by category.",
	},
	{
		name:        "rotation_days",
		description: "Days until a value is due for rotation: 1 to 1000. Default: by category.",
		number:      []validator.Int64{int64validator.Between(1, policy.MaxRotationDays)},
	},
	{
		name:        "grace_period",
		description: "How long the previous value stays valid after a rotation, such as `1h` or `30m`. Default: by category.",
		text:        []validator.String{nonNegativeDuration},
	},
	{
		name:        "classification",
		description: "How sensitive the value is: `public`, `internal`, `secret` or `critical`. Default: by category.",
		text:        []validator.String{oneOf(policy.Classifications())},
	},
}

var atLeastZero = []validator.Int64{int64validator.Between(0, policy.MaxSuppliedLength)}

func policyResourceAttributes() map[string]resourceschema.Attribute {
	attributes := map[string]resourceschema.Attribute{}
	for _, a := range policyArgumentTable {
		switch {
		case a.number != nil:
			attributes[a.name] = resourceschema.Int64Attribute{Optional: true, MarkdownDescription: a.description, Validators: a.number}
		case a.text != nil:
			attributes[a.name] = resourceschema.StringAttribute{Optional: true, MarkdownDescription: a.description, Validators: a.text}
		default:
			attributes[a.name] = resourceschema.BoolAttribute{Optional: true, MarkdownDescription: a.description}
		}
	}
	return attributes
}

func policyEphemeralAttributes() map[string]ephemeralschema.Attribute {
	attributes := map[string]ephemeralschema.Attribute{}
	for _, a := range policyArgumentTable {
		switch {
		case a.number != nil:
			attributes[a.name] = ephemeralschema.Int64Attribute{Optional: true, MarkdownDescription: a.description, Validators: a.number}
		case a.text != nil:
			attributes[a.name] = ephemeralschema.StringAttribute{Optional: true, MarkdownDescription: a.description, Validators: a.text}
		default:
			attributes[a.name] = ephemeralschema.BoolAttribute{Optional: true, MarkdownDescription: a.description}
		}
	}
	return attributes
}

func policyProviderAttributes() map[string]providerschema.Attribute {
	attributes := map[string]providerschema.Attribute{
		"base": providerschema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Built-in category that a new category comes from, and whose floor applies: " + quotedList(policy.Categories()) + ". Only for new categories, and needed there.",
			Validators:          []validator.String{oneOf(policy.Categories())},
		},
	}
	for _, a := range policyArgumentTable {
		switch {
		case a.number != nil:
			attributes[a.name] = providerschema.Int64Attribute{Optional: true, MarkdownDescription: a.description, Validators: a.number}
		case a.text != nil:
			attributes[a.name] = providerschema.StringAttribute{Optional: true, MarkdownDescription: a.description, Validators: a.text}
		default:
			attributes[a.name] = providerschema.BoolAttribute{Optional: true, MarkdownDescription: a.description}
		}
	}
	return attributes
}

// overrides returns what is set and known. A grace period that is no duration is
// left out, since its validator has refused it already.
func (a policyArguments) overrides() policy.Overrides {
	overrides := policy.Overrides{
		Length:            knownInt(a.Length),
		MaxLength:         knownInt(a.MaxLength),
		Encoding:          knownString[policy.Encoding](a.Encoding),
		MinLower:          knownInt(a.MinLower),
		MinUpper:          knownInt(a.MinUpper),
		MinDigits:         knownInt(a.MinDigits),
		MinSpecial:        knownInt(a.MinSpecial),
		SpecialCharacters: knownString[string](a.SpecialCharacters),
		ExcludeCharacters: knownString[string](a.ExcludeCharacters),
		FirstCharacter:    knownString[policy.FirstCharacter](a.FirstCharacter),
		MinEntropyBits:    knownInt(a.MinEntropyBits),
		Classification:    knownString[policy.Classification](a.Classification),
	}
	if isKnown(a.PatternRules) {
		overrides.PatternRules = a.PatternRules.ValueBoolPointer()
	}
	if isKnown(a.RotationDays) {
		overrides.Rotation = new(time.Duration(a.RotationDays.ValueInt64()) * day)
	}
	if isKnown(a.GracePeriod) {
		if grace, err := time.ParseDuration(a.GracePeriod.ValueString()); err == nil {
			overrides.Grace = &grace
		}
	}
	return overrides
}

func (m providerPolicyModel) overrides() policy.Overrides {
	overrides := m.policyArguments.overrides()
	overrides.Base = knownString[string](m.Base)
	return overrides
}

// unknownArgument returns the name of the first argument that is not known yet,
// or "".
func (a policyArguments) unknownArgument() string {
	return a.first(attr.Value.IsUnknown)
}

// setArgument returns the name of the first argument that the configuration
// sets, or "".
func (a policyArguments) setArgument() string {
	return a.first(isKnown)
}

func (a policyArguments) first(is func(attr.Value) bool) string {
	for _, argument := range []struct {
		name  string
		value attr.Value
	}{
		{"length", a.Length},
		{"max_length", a.MaxLength},
		{"encoding", a.Encoding},
		{"min_lower", a.MinLower},
		{"min_upper", a.MinUpper},
		{"min_digits", a.MinDigits},
		{"min_special", a.MinSpecial},
		{"special_characters", a.SpecialCharacters},
		{"exclude_characters", a.ExcludeCharacters},
		{"first_character", a.FirstCharacter},
		{"min_entropy_bits", a.MinEntropyBits},
		{"pattern_rules", a.PatternRules},
		{"rotation_days", a.RotationDays},
		{"grace_period", a.GracePeriod},
		{"classification", a.Classification},
	} {
		if is(argument.value) {
			return argument.name
		}
	}
	return ""
}

func isKnown(v attr.Value) bool { return !v.IsNull() && !v.IsUnknown() }

func knownInt(v types.Int64) *int {
	if !isKnown(v) {
		return nil
	}
	return new(int(v.ValueInt64()))
}

func knownString[T ~string](v types.String) *T {
	if !isKnown(v) {
		return nil
	}
	return new(T(v.ValueString()))
}

// addPolicyProblems reports what policy.Resolve finds wrong, each at the
// argument concerned; at is where the arguments of the policy are.
func addPolicyProblems(diags *diag.Diagnostics, at path.Path, err error) {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		diags.AddAttributeError(at, "Invalid policy", err.Error())
		return
	}
	for _, problem := range problems {
		diags.AddAttributeError(at.AtName(problem.Argument), problem.Summary, problem.Detail)
	}
}
