// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// A provider that stands in for the real one in the tests of package tfcli. It
// keeps time and leaks a known value as it is told to.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"
)

func main() {
	options := providerserver.ServeOpts{Address: "registry.terraform.io/roi-systems/roi"}
	if err := providerserver.Serve(context.Background(), func() provider.Provider { return standIn{} }, options); err != nil {
		log.Fatal(err)
	}
}

type standIn struct{}

func (standIn) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "roi"
}
func (standIn) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse)          {}
func (standIn) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}
func (standIn) DataSources(context.Context) []func() datasource.DataSource                        { return nil }
func (standIn) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return thing{} }}
}

type thing struct{}

type model struct {
	ID     types.String `tfsdk:"id"`
	Name   types.String `tfsdk:"name"`
	Leak   types.String `tfsdk:"leak"`
	Wait   types.String `tfsdk:"wait"`
	Result types.String `tfsdk:"result"`
}

func (thing) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "roi_thing"
}

func (thing) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":     schema.StringAttribute{Computed: true},
		"name":   schema.StringAttribute{Required: true},
		"leak":   schema.StringAttribute{Optional: true},
		"wait":   schema.StringAttribute{Optional: true},
		"result": schema.StringAttribute{Computed: true},
	}}
}

func (thing) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m model
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	m.ID, m.Result = m.Name, types.StringValue("AWS_PROFILE="+os.Getenv("AWS_PROFILE")+" HOME="+os.Getenv("HOME"))
	value := os.Getenv("STANDIN_VALUE")
	switch m.Leak.ValueString() {
	case "state":
		m.Result = types.StringValue(base64.StdEncoding.EncodeToString([]byte("x" + value)))
	case "log":
		tflog.Trace(ctx, "made", map[string]any{"value": []string{value}})
	case "file":
		if err := os.WriteFile(filepath.Join(os.TempDir(), "left-behind"), []byte(value), 0o600); err != nil {
			resp.Diagnostics.AddError("Cannot Write", err.Error())
		}
	case "stderr":
		fmt.Fprintln(os.Stderr, value)
	case "error":
		resp.Diagnostics.AddError("Cannot Make", "The value "+value+" was refused.")
	case "panic":
		panic(value)
	}
	if wait, err := time.ParseDuration(m.Wait.ValueString()); err == nil {
		if err := os.WriteFile("waiting", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			resp.Diagnostics.AddError("Cannot Write", err.Error())
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			resp.Diagnostics.AddError("Stopped", ctx.Err().Error())
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (thing) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (thing) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var m model
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	m.ID, m.Result = m.Name, types.StringValue("updated")
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (thing) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func (thing) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), req.ID)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), req.ID)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("result"), "imported")...)
}
