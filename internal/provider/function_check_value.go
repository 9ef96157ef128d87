// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"math"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

var _ function.Function = (*checkValueFunction)(nil)

func newCheckValueFunction() function.Function { return &checkValueFunction{} }

// checkValueFunction is the function check_value.
type checkValueFunction struct{}

// checkValueResult is what check_value returns. Nothing in it is a part of the
// value.
type checkValueResult struct {
	Valid          bool     `tfsdk:"valid"`
	Rules          []string `tfsdk:"rules"`
	Problems       []string `tfsdk:"problems"`
	EntropyBits    int64    `tfsdk:"entropy_bits"`
	ShannonEntropy float64  `tfsdk:"shannon_entropy"`
}

// Metadata implements function.Function.
func (*checkValueFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "check_value"
}

// Definition implements function.Function.
func (*checkValueFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Checks a supplied value against a policy",
		MarkdownDescription: "Checks a value that was not generated here against the policy of a category, as `roi_secret` does with `value_wo`, and returns an object:\n\n" +
			"- `valid` (bool): the policy allows the value.\n" +
			"- `rules` (list of strings): the rules that it breaks, such as `length`, `blocklist`, `sequence` or `guessable`.\n" +
			"- `problems` (list of strings): the same in words, by how much it misses each.\n" +
			"- `entropy_bits` (number): a conservative estimate of its entropy in bits, from its first 100 characters: what is left when guessable patterns are taken away. " +
			"It falls short of the truth even for random values.\n" +
			"- `shannon_entropy` (number): see [`shannon_entropy`](shannon_entropy.md).\n\n" +
			"No part of the value is in the result. But `problems`, `entropy_bits` and `shannon_entropy` say how long and how varied it is.\n\n" +
			"Terraform takes all of the result for as sensitive or ephemeral as the value, and shows none of it: an error message needs `nonsensitive(….rules)`, which gives the least away. " +
			"Of an ephemeral value nothing can be shown.\n\n" +
			"~> Where the `validation` of a variable fails, Terraform prints the variable's value, even if it is `sensitive`. It does not if the variable is `ephemeral` too: " +
			"write both, or check in a `check` block or a `precondition`.\n\n" +
			"A policy that is itself wrong is an error, not a problem of the value. Checking takes some 50 ms for a long value.\n\n" + functionEnvironmentNote,
		Parameters: []function.Parameter{
			function.StringParameter{
				Name:                "value",
				MarkdownDescription: "Value to check.",
			},
			function.StringParameter{
				Name: "category",
				MarkdownDescription: "Category: " + categoryList() + ", or a name of your own if the arguments name a `base`. " +
					"`external` is for tokens and passwords from elsewhere; of `tls` only emptiness is checked.",
			},
		},
		VariadicParameter: policyOptionsParameter(),
		Return: function.ObjectReturn{AttributeTypes: map[string]attr.Type{
			"valid":           types.BoolType,
			"rules":           types.ListType{ElemType: types.StringType},
			"problems":        types.ListType{ElemType: types.StringType},
			"entropy_bits":    types.Int64Type,
			"shannon_entropy": types.Float64Type,
		}},
	}
}

// Run implements function.Function.
func (*checkValueFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var (
		value, category string
		options         []types.Dynamic
	)
	if resp.Error = req.Arguments.Get(ctx, &value, &category, &options); resp.Error != nil {
		return
	}
	resolved, problem := resolveArguments(policy.ResolveSupplied, category, options, 2)
	if problem != nil {
		resp.Error = problem
		return
	}
	result := checkValueResult{
		Rules:    []string{},
		Problems: []string{},
		// The estimate is a sum whose last bits may differ from run to run.
		EntropyBits:    int64(math.Floor(policy.EstimateBits(value) + 1e-6)),
		ShannonEntropy: shannonEntropy(value),
	}
	for _, finding := range policy.Check(resolved, value) {
		if rule := string(finding.Rule); !slices.Contains(result.Rules, rule) {
			result.Rules = append(result.Rules, rule)
		}
		result.Problems = append(result.Problems, finding.Message)
	}
	result.Valid = len(result.Rules) == 0
	resp.Error = resp.Result.Set(ctx, result)
}
