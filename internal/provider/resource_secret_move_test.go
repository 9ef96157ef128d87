// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	frameworkprovider "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// A moved block takes over a secret of hashicorp/aws with its value. The other
// provider is played by one that has the same resource type and state.
func TestSecretMoved(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		arn := b.make(t, name, "made by other means", map[string]string{"team": "x"})
		resource.UnitTest(t, resource.TestCase{
			Steps: []resource.TestStep{
				{
					ProtoV6ProviderFactories: withAWS(),
					Config:                   fmt.Sprintf("resource \"aws_secretsmanager_secret\" \"old\" {\n arn = %q\n name = %q\n tags = { team = \"x\" }\n}", arn, name),
				},
				{
					ProtoV6ProviderFactories: withAWS(),
					Config: b.provider(`environment = "staging"`) + fmt.Sprintf(`
moved {
  from = aws_secretsmanager_secret.old
  to   = roi_secret.test
}
resource "roi_secret" "test" {
  name     = %q
  category = "jwt"
  tags     = { team = "x" }
}`, name),
					ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
					Check: do(func() {
						secret := b.describe(t, name)
						if b.value(t, name, "") != "made by other means" || len(secret.Labels) != 1 {
							t.Error("the value was changed")
						}
						if secret.ARN != arn || secret.Tags["roi:policy"] == "" {
							t.Errorf("after the move: %+v", secret)
						}
					}),
				},
			},
		})
	})
}

// OpenTofu has a registry of its own, and its first versions with write-only
// arguments leave host and namespace out.
func TestSecretMovedFromAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"registry.terraform.io/hashicorp/aws": true,
		"registry.opentofu.org/hashicorp/aws": true,
		"aws":                                 true,
		"registry.terraform.io/other/aws":     false,
		"example.com/nothashicorp/aws":        false,
		"notaws":                              false,
		"":                                    false,
	} {
		if got := isAWSProvider(address); got != want {
			t.Errorf("%q is hashicorp/aws: %t, want %t", address, got, want)
		}
	}
}

type awsProvider struct{}

func withAWS() map[string]func() (tfprotov6.ProviderServer, error) {
	all := factories()
	all["aws"] = providerserver.NewProtocol6WithError(awsProvider{})
	return all
}

func (awsProvider) Metadata(_ context.Context, _ frameworkprovider.MetadataRequest, resp *frameworkprovider.MetadataResponse) {
	resp.TypeName = "aws"
}
func (awsProvider) Schema(context.Context, frameworkprovider.SchemaRequest, *frameworkprovider.SchemaResponse) {
}
func (awsProvider) Configure(context.Context, frameworkprovider.ConfigureRequest, *frameworkprovider.ConfigureResponse) {
}
func (awsProvider) DataSources(context.Context) []func() datasource.DataSource { return nil }
func (awsProvider) Resources(context.Context) []func() frameworkresource.Resource {
	return []func() frameworkresource.Resource{func() frameworkresource.Resource { return awsSecret{} }}
}

// awsSecret keeps what it is told.
type awsSecret struct{}

func (awsSecret) Metadata(_ context.Context, _ frameworkresource.MetadataRequest, resp *frameworkresource.MetadataResponse) {
	resp.TypeName = "aws_secretsmanager_secret"
}

func (awsSecret) Schema(_ context.Context, _ frameworkresource.SchemaRequest, resp *frameworkresource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"arn":                     schema.StringAttribute{Required: true},
		"name":                    schema.StringAttribute{Required: true},
		"description":             schema.StringAttribute{Optional: true},
		"kms_key_id":              schema.StringAttribute{Optional: true},
		"policy":                  schema.StringAttribute{Optional: true},
		"recovery_window_in_days": schema.Int64Attribute{Optional: true},
		"tags":                    schema.MapAttribute{Optional: true, ElementType: types.StringType},
	}}
}

func (awsSecret) Create(_ context.Context, req frameworkresource.CreateRequest, resp *frameworkresource.CreateResponse) {
	resp.State.Raw = req.Plan.Raw
}
func (awsSecret) Read(context.Context, frameworkresource.ReadRequest, *frameworkresource.ReadResponse) {
}
func (awsSecret) Update(_ context.Context, req frameworkresource.UpdateRequest, resp *frameworkresource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
}
func (awsSecret) Delete(context.Context, frameworkresource.DeleteRequest, *frameworkresource.DeleteResponse) {
}
