// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"math"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

var _ ephemeral.EphemeralResourceWithConfigure = (*generatedValue)(nil)

func newGeneratedValue() ephemeral.EphemeralResource { return &generatedValue{} }

// generatedValue is the ephemeral resource roi_generated_value.
type generatedValue struct {
	data *providerData
}

type generatedValueModel struct {
	policyArguments

	Category    types.String `tfsdk:"category"`
	Value       types.String `tfsdk:"value"`
	EntropyBits types.Int64  `tfsdk:"entropy_bits"`
}

// Metadata implements ephemeral.EphemeralResource.
func (r *generatedValue) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_generated_value"
}

// Schema implements ephemeral.EphemeralResource.
func (r *generatedValue) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	attributes := policyEphemeralAttributes()
	attributes["category"] = schema.StringAttribute{
		Required: true,
		MarkdownDescription: "Category whose policy the value follows: " + quotedList(policy.Categories()) + ", or one of the provider's `policies`. " +
			"Values of `external` and `tls` are supplied, never generated.",
		Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
	}
	attributes["value"] = schema.StringAttribute{
		Computed:            true,
		Sensitive:           true,
		MarkdownDescription: "The value.",
	}
	attributes["entropy_bits"] = schema.Int64Attribute{
		Computed:            true,
		MarkdownDescription: "The entropy in bits that the policy guarantees, rounded down.",
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A value that follows a policy and is stored nowhere by this provider. It is another one each time it is opened: in every plan and again in the apply.",
		Attributes:          attributes,
	}
}

// Configure implements ephemeral.EphemeralResourceWithConfigure.
func (r *generatedValue) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

// Open implements ephemeral.EphemeralResource.
func (r *generatedValue) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model generatedValueModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	environment, err1 := r.data.Environment()
	policies, err2 := r.data.Policies()
	if err := cmp.Or(err1, err2); err != nil {
		resp.Diagnostics.Append(providerProblem("Cannot generate a value", err))
		return
	}
	resolved, err := policy.Resolve(environment, model.Category.ValueString(), policies, model.overrides())
	if err != nil {
		addPolicyProblems(&resp.Diagnostics, path.Empty(), err)
		return
	}
	if resolved.Supplied {
		resp.Diagnostics.AddAttributeError(path.Root("category"), "Category is never generated",
			"Values of category \""+resolved.Category+"\" are supplied from outside. Choose a category that is generated, such as api_key.")
		return
	}
	value, err := generate.Value(resolved)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("category"), "Value cannot be generated", err.Error())
		return
	}
	model.Value = types.StringValue(value)
	model.EntropyBits = types.Int64Value(int64(math.Floor(policy.Measure(resolved).Bits)))
	resp.Diagnostics.Append(resp.Result.Set(ctx, model)...)
}
