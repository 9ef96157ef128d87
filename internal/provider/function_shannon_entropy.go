// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"math"

	"github.com/hashicorp/terraform-plugin-framework/function"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

var _ function.Function = (*shannonEntropyFunction)(nil)

func newShannonEntropyFunction() function.Function { return &shannonEntropyFunction{} }

// shannonEntropyFunction is the function shannon_entropy.
type shannonEntropyFunction struct{}

// Metadata implements function.Function.
func (*shannonEntropyFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "shannon_entropy"
}

// Definition implements function.Function.
func (*shannonEntropyFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Shannon entropy of a string, in bits per character",
		MarkdownDescription: "Returns how varied the characters of a string are: their Shannon entropy in bits per character, rounded to six decimal places. 0 for an empty string " +
			"and for one character repeated; never more than the binary logarithm of the number of characters.\n\n" +
			"~> This says little about a **generated** value, and nothing about how a value was made. The frequencies in one sample stay below those of its alphabet: " +
			"64 random hexadecimal digits have 4 bits each, but 3.82 by this measure on average, and never 4. And `abcdefghijklmnop` has 4.0, though anyone can guess it. " +
			"Judge a generated value by the `entropy_bits` of its policy (see [`policy`](policy.md)), and a supplied one with [`check_value`](check_value.md), " +
			"which looks for guessable patterns too and scales its threshold to what the length and the alphabet can reach.",
		Parameters: []function.Parameter{
			function.StringParameter{
				Name:                "value",
				MarkdownDescription: "String to measure. If it is sensitive or ephemeral, so is the result.",
			},
		},
		Return: function.Float64Return{},
	}
}

// Run implements function.Function.
func (*shannonEntropyFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var value string
	if resp.Error = req.Arguments.Get(ctx, &value); resp.Error != nil {
		return
	}
	resp.Error = resp.Result.Set(ctx, shannonEntropy(value))
}

// shannonEntropy is rounded, since a function must return the same number every
// time, and the last bits of a sum depend on the order of its terms.
func shannonEntropy(value string) float64 {
	return math.Round(policy.Shannon(value)*1e6) / 1e6
}
