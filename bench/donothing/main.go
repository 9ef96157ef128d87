// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-donothing is the floor of the benchmark: a provider
// on the same framework with the same resource types and schemas as roi, that does
// nothing. What it costs is Terraform's and the framework's own cost.
//
// The schemas come from the file named in BENCH_SCHEMA, in the form of `terraform
// providers schema -json`, so that they are roi's without the code behind them. With
// BENCH_OVERDUE set, every roi_secret_rotation is planned as a replacement.
package main

import (
	"context"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

const address = "registry.terraform.io/roi-systems/roi"

func main() {
	schemas, err := readSchemas(os.Getenv("BENCH_SCHEMA"), address)
	if err != nil {
		log.Fatal(err)
	}
	newProvider := func() provider.Provider { return doNothing{schemas} }
	if err := providerserver.Serve(context.Background(), newProvider, providerserver.ServeOpts{Address: address}); err != nil {
		log.Fatal(err)
	}
}

type doNothing struct{ schemas *schemas }

func (p doNothing) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "roi"
}

func (p doNothing) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = p.schemas.provider
}

func (p doNothing) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}

func (p doNothing) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (p doNothing) Resources(context.Context) []func() resource.Resource {
	var all []func() resource.Resource
	for name := range p.schemas.resources {
		all = append(all, func() resource.Resource { return idle{name, p.schemas} })
	}
	return all
}

// idle is a resource of any schema that keeps what is planned.
type idle struct {
	name    string
	schemas *schemas
}

func (r idle) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = r.name
}

func (r idle) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = r.schemas.resources[r.name]
}

func (r idle) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.name != "roi_secret_rotation" || os.Getenv("BENCH_OVERDUE") == "" || req.State.Raw.IsNull() || req.Plan.Raw.IsNull() {
		return
	}
	overdue := path.Root("overdue")
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, overdue, types.BoolUnknown())...)
	resp.RequiresReplace = append(resp.RequiresReplace, overdue)
}

func (r idle) Create(_ context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	known, err := tftypes.Transform(req.Plan.Raw, fill)
	if err != nil {
		resp.Diagnostics.AddError("Create failed", err.Error())
		return
	}
	resp.State.Raw = known
}

func (r idle) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r idle) Update(_ context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	known, err := tftypes.Transform(req.Plan.Raw, fill)
	if err != nil {
		resp.Diagnostics.AddError("Update failed", err.Error())
		return
	}
	resp.State.Raw = known
}

func (r idle) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

// computed is as long as the computed strings of roi are, on average.
const computed = "00000000-0000-5000-8000-000000000000"

// fill makes up a value for what is unknown after a plan. What is nested has one
// element, as it has for a secret of one value.
func fill(_ *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
	if v.IsKnown() {
		return v, nil
	}
	return made(v.Type()), nil
}

func made(typ tftypes.Type) tftypes.Value {
	switch t := typ.(type) {
	case tftypes.Object:
		attributes := map[string]tftypes.Value{}
		for name, typ := range t.AttributeTypes {
			attributes[name] = made(typ)
		}
		return tftypes.NewValue(t, attributes)
	case tftypes.Map:
		return tftypes.NewValue(t, map[string]tftypes.Value{"": made(t.ElementType)})
	case tftypes.List:
		return tftypes.NewValue(t, []tftypes.Value{made(t.ElementType)})
	case tftypes.Set:
		return tftypes.NewValue(t, []tftypes.Value{made(t.ElementType)})
	}
	switch {
	case typ.Is(tftypes.Number):
		return tftypes.NewValue(typ, 64)
	case typ.Is(tftypes.Bool):
		return tftypes.NewValue(typ, false)
	default:
		return tftypes.NewValue(typ, computed)
	}
}
