// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

var _ function.Function = (*policyFunction)(nil)

func newPolicyFunction() function.Function { return &policyFunction{} }

// policyFunction is the function policy.
type policyFunction struct{}

// Metadata implements function.Function.
func (*policyFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "policy"
}

// Definition implements function.Function.
func (*policyFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "The policy that holds for a category in an environment",
		MarkdownDescription: "Returns a resolved policy: the category's, with changes laid over it, checked against the floor of the environment. The result has the attributes of an element of " +
			"`effective_policy` of [`roi_secret`](../resources/secret.md), with `entropy_bits`, which is what a generated value is to be judged by. What does not apply is null.\n\n" +
			"A policy that is weaker than the floor, that contradicts itself, or that no value can satisfy is an error that points at the argument. So a module can check what it is given before " +
			"anything is made from it.\n\n" +
			functionEnvironmentNote,
		Parameters: []function.Parameter{
			function.StringParameter{
				Name:                "category",
				MarkdownDescription: "Category: " + categoryList() + ", or a name of your own if the arguments name a `base`.",
			},
		},
		VariadicParameter: policyOptionsParameter(),
		Return:            function.ObjectReturn{AttributeTypes: effectivePolicyType.AttrTypes},
	}
}

// Run implements function.Function.
func (*policyFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var (
		category string
		options  []types.Dynamic
	)
	if resp.Error = req.Arguments.Get(ctx, &category, &options); resp.Error != nil {
		return
	}
	resolved, problem := resolveArguments(policy.Resolve, category, options, 1)
	if problem != nil {
		resp.Error = problem
		return
	}
	resp.Error = resp.Result.Set(ctx, effectivePolicy(resolved))
}
