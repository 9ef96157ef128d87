// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	terraform "github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// A provider is not told whether a delete is one half of a replacement. What
// roi_secret_rotation builds on is what Terraform does with private data: what
// ModifyPlan leaves there on the create leg of a replacement reaches the Delete of
// a destroy-then-create, and no other Delete. This test shows it on Terraform
// itself, with a provider that does nothing else.
func TestPlannedPrivateDataTellsDeleteItIsHalfOfAReplacement(t *testing.T) {
	t.Parallel()

	const thing = `
resource "hinge_thing" "test" {
  replace = "%s"
  fail    = %t
  %s
}
`
	const cbd = "lifecycle { create_before_destroy = true }"
	config := func(replace string, fail bool, lifecycle string) string {
		return fmt.Sprintf(thing, replace, fail, lifecycle)
	}
	dependent := func(replace string) string {
		return config(replace, false, "") + `
resource "hinge_thing" "dependent" {
  replace = hinge_thing.test.replace
  ` + cbd + `
}
`
	}
	for _, test := range []struct {
		name  string
		steps []terraform.TestStep
		want  []string // marks that Delete saw, in order
	}{
		{"destroy", []terraform.TestStep{
			{Config: config("a", false, "")},
		}, []string{"destroy"}},
		{"removed from the configuration", []terraform.TestStep{
			{Config: config("a", false, "")},
			{Config: `provider "hinge" {}`},
		}, []string{"destroy"}},
		{"replaced", []terraform.TestStep{
			{Config: config("a", false, "")},
			{Config: config("b", false, "")},
			{Config: config("b", false, ""), PlanOnly: true},
		}, []string{"create", "destroy"}},
		{"replaced by hand", []terraform.TestStep{
			{Config: config("a", false, "")},
			{Config: config("a", false, ""), Taint: []string{"hinge_thing.test"}},
		}, []string{"create", "destroy"}},
		{"created with an error, then again", []terraform.TestStep{
			{Config: config("a", true, ""), ExpectError: regexp.MustCompile("asked to fail")},
			{Config: config("a", false, "")},
		}, []string{"create", "destroy"}},
		{"replaced, then destroyed", []terraform.TestStep{
			{Config: config("a", false, "")},
			{Config: config("b", false, "")},
			{Config: `provider "hinge" {}`},
		}, []string{"create", "destroy"}},
		{"create before destroy", []terraform.TestStep{
			{Config: config("a", false, cbd)},
			{Config: config("b", false, cbd)},
		}, []string{"destroy", "destroy"}},
		{"create before destroy, inherited", []terraform.TestStep{
			{Config: dependent("a")},
			{Config: dependent("b")},
		}, []string{"destroy", "destroy", "destroy", "destroy"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			h := &hinge{}
			for i := range test.steps {
				if !test.steps[i].PlanOnly && test.steps[i].ExpectError == nil {
					test.steps[i].ConfigPlanChecks = terraform.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}
				}
			}
			terraform.UnitTest(t, terraform.TestCase{
				ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){"hinge": providerserver.NewProtocol6WithError(h)},
				Steps:                    test.steps,
			})
			if got := h.seen(); !slices.Equal(got, test.want) {
				t.Errorf("Delete saw the marks %q, want %q", got, test.want)
			}
		})
	}
}

// hinge is a provider whose one resource marks plans and notes what Delete sees.
type hinge struct {
	mu    sync.Mutex
	marks []string
}

func (h *hinge) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.marks)
}

func (h *hinge) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "hinge"
}

func (h *hinge) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (h *hinge) Configure(_ context.Context, _ provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	resp.ResourceData = h
}

func (h *hinge) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (h *hinge) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return &hingeThing{} }}
}

type hingeThing struct {
	hinge *hinge
}

type hingeModel struct {
	Replace types.String `tfsdk:"replace"`
	Fail    types.Bool   `tfsdk:"fail"`
}

func (r *hingeThing) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "hinge_thing"
}

func (r *hingeThing) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"replace": schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}},
		"fail":    schema.BoolAttribute{Optional: true},
	}}
}

func (r *hingeThing) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	r.hinge, _ = req.ProviderData.(*hinge)
}

func (r *hingeThing) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	mark := "update"
	switch {
	case req.Plan.Raw.IsNull():
		mark = "destroy"
	case req.State.Raw.IsNull():
		mark = "create"
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, "mark", jsonString(mark))...)
}

func (r *hingeThing) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	resp.State.Raw = req.Plan.Raw
	var plan hingeModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if plan.Fail.ValueBool() {
		resp.Diagnostics.AddError("asked to fail", "The state is returned with the error, so that the object is tainted.")
	}
}

func (r *hingeThing) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r *hingeThing) Update(_ context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
}

func (r *hingeThing) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	mark, diags := req.Private.GetKey(ctx, "mark")
	resp.Diagnostics.Append(diags...)
	text := string(mark)
	if len(text) > 2 {
		text = text[1 : len(text)-1]
	}
	r.hinge.mu.Lock()
	defer r.hinge.mu.Unlock()
	r.hinge.marks = append(r.hinge.marks, text)
}
