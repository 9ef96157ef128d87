// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// dockerModel is the provider argument docker.
type dockerModel struct {
	Host         types.String `tfsdk:"host"`
	Context      types.String `tfsdk:"context"`
	SSHOpts      types.List   `tfsdk:"ssh_opts"`
	CAMaterial   types.String `tfsdk:"ca_material"`
	CertMaterial types.String `tfsdk:"cert_material"`
	KeyMaterial  types.String `tfsdk:"key_material"`
	CertPath     types.String `tfsdk:"cert_path"`
}

// dockerConnection is the swarm that the configuration names, and what this run
// did to it. The zero value is ready.
type dockerConnection struct {
	mu    sync.Mutex
	swarm *swarm.Swarm
	took  map[string]bool // ids of versions that a create of this run took over
}

// WithDocker puts wrap around the Docker client that the configuration asks for,
// so that a test can watch calls or make them fail.
func WithDocker(wrap func(swarm.API) swarm.API) Option {
	return func(p *roiProvider) { p.wrapDocker = wrap }
}

// Docker returns the swarm that the configuration names. It is made once; nothing
// is contacted before it is used.
func (d *providerData) Docker(context.Context) (*swarm.Swarm, error) {
	d.docker.mu.Lock()
	defer d.docker.mu.Unlock()
	if d.docker.swarm != nil {
		return d.docker.swarm, nil
	}
	model, err := nestedModel[dockerModel](d.model.Docker, "docker")
	if err != nil {
		return nil, err
	}
	connected, err := swarm.Connection{
		Host:       model.Host.ValueString(),
		Context:    model.Context.ValueString(),
		CA:         model.CAMaterial.ValueString(),
		Cert:       model.CertMaterial.ValueString(),
		Key:        secretstore.NewPlaintext(model.KeyMaterial.ValueString()),
		CertPath:   model.CertPath.ValueString(),
		SSHOptions: stringElements(model.SSHOpts.Elements()),
		UserAgent:  "terraform-provider-roi/" + d.version,
	}.Client()
	if err != nil {
		return nil, err
	}
	d.docker.swarm = &swarm.Swarm{API: connected, Step: logStep}
	if d.wrapDocker != nil {
		d.docker.swarm.API = d.wrapDocker(connected)
	}
	return d.docker.swarm, nil
}

// logStep logs what is about to be changed in Docker.
func logStep(ctx context.Context, step, object string) {
	tflog.Info(ctx, "docker: "+step, map[string]any{"object": object})
}

// take notes that a create of this run took over a version that was there.
func (c *dockerConnection) take(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	put(&c.took, id, true)
}

// owned notes that a state has a version; see secretRun.owned.
func (c *dockerConnection) owned(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.took, id)
}

// takenOver reports whether a create of this run took over a version that was there,
// which may be the object of another address as well.
func (c *dockerConnection) takenOver(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.took[id]
}
