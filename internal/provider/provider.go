// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

var (
	_ provider.Provider                       = (*roiProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*roiProvider)(nil)
	_ provider.ProviderWithFunctions          = (*roiProvider)(nil)
)

// New returns a constructor of the provider for main. version is shown in the
// User-Agent of its requests.
func New(version string) func() provider.Provider {
	return func() provider.Provider {
		return &roiProvider{version: version, clock: clock.System{}}
	}
}

// An Option changes the provider that NewForTest makes.
type Option func(*roiProvider)

// WithStore puts wrap around the store that the configuration asks for, so that
// a test can watch calls or make them fail.
func WithStore(wrap func(secretstore.Store) secretstore.Store) Option {
	return func(p *roiProvider) { p.wrapStore = wrap }
}

// NewForTest returns a provider that lives at the time that clock tells.
func NewForTest(version string, clock clock.Clock, options ...Option) provider.Provider {
	p := &roiProvider{version: version, clock: clock}
	for _, option := range options {
		option(p)
	}
	return p
}

type roiProvider struct {
	version    string
	clock      clock.Clock
	wrapStore  func(secretstore.Store) secretstore.Store
	wrapDocker func(swarm.API) swarm.API
}

// Metadata implements provider.Provider.
func (p *roiProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "roi"
	resp.Version = p.version
}

// Schema implements provider.Provider.
func (p *roiProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerSchema()
}

// Configure reads the configuration and the environment variables. It makes no
// request and opens no file: a configuration that uses only a part of the
// provider needs credentials only for that part.
func (p *roiProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	data := &providerData{
		version:          p.version,
		terraformVersion: req.TerraformVersion,
		clock:            p.clock,
		wrapStore:        p.wrapStore,
		wrapDocker:       p.wrapDocker,
		env:              readEnvironmentVariables(),
	}
	resp.Diagnostics.Append(req.Config.Get(ctx, &data.model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(data.env.problems()...)
	resp.Diagnostics.Append(data.policyProblems()...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.DataSourceData = data
	resp.ResourceData = data
	resp.EphemeralResourceData = data
}

// Resources implements provider.Provider.
func (p *roiProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		newSecretResource,
		newRotationResource,
		newDockerSecretResource,
		newEnvFileResource,
	}
}

// DataSources implements provider.Provider.
func (p *roiProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		newRotationReport,
		newComplianceReport,
	}
}

// EphemeralResources implements provider.ProviderWithEphemeralResources.
func (p *roiProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		newSecretValue,
		newGeneratedValue,
	}
}
