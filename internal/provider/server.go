// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// NewServer returns what answers Terraform's calls to a provider: the framework's
// server, which keeps nothing of a call that has ended.
func NewServer(p provider.Provider) tfprotov6.ProviderServer {
	return server{providerserver.NewProtocol6(p)()}
}

// server gives each call a context that forgets. The framework keeps the contexts of
// all calls until the process ends, to cancel them when Terraform stops the provider,
// and with each its loggers, some 30 kB for a resource in a plan.
// Source: registerContext in terraform-plugin-framework 1.19, internal/proto6server/serve.go
//
// The calls that are not here are made once for a process, or for few objects. Those
// for list resources, actions and state stores are in interfaces of their own, such as
// tfprotov6.ProviderServerWithActions, which this type does not have: Terraform would
// be told that they are not implemented. This provider has none of them.
type server struct {
	tfprotov6.ProviderServer
}

func (s server) ValidateResourceConfig(ctx context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return during(ctx, req, s.ProviderServer.ValidateResourceConfig)
}

func (s server) UpgradeResourceState(ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	return during(ctx, req, s.ProviderServer.UpgradeResourceState)
}

func (s server) UpgradeResourceIdentity(ctx context.Context, req *tfprotov6.UpgradeResourceIdentityRequest) (*tfprotov6.UpgradeResourceIdentityResponse, error) {
	return during(ctx, req, s.ProviderServer.UpgradeResourceIdentity)
}

func (s server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return during(ctx, req, s.ProviderServer.ReadResource)
}

func (s server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	return during(ctx, req, s.ProviderServer.PlanResourceChange)
}

func (s server) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	return during(ctx, req, s.ProviderServer.ApplyResourceChange)
}

func (s server) ImportResourceState(ctx context.Context, req *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	return during(ctx, req, s.ProviderServer.ImportResourceState)
}

func (s server) CallFunction(ctx context.Context, req *tfprotov6.CallFunctionRequest) (*tfprotov6.CallFunctionResponse, error) {
	return during(ctx, req, s.ProviderServer.CallFunction)
}

func during[Request, Response any](ctx context.Context, req Request, call func(context.Context, Request) (Response, error)) (Response, error) {
	forgetful := &forgetfulContext{}
	forgetful.is.Store(&ctx)
	defer forgetful.is.Store(&ended)
	return call(forgetful, req)
}

// forgetfulContext is the context of a call as long as that runs, and ended then.
type forgetfulContext struct {
	is atomic.Pointer[context.Context]
}

var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (c *forgetfulContext) Deadline() (time.Time, bool) { return (*c.is.Load()).Deadline() }
func (c *forgetfulContext) Done() <-chan struct{}       { return (*c.is.Load()).Done() }
func (c *forgetfulContext) Err() error                  { return (*c.is.Load()).Err() }
func (c *forgetfulContext) Value(key any) any           { return (*c.is.Load()).Value(key) }
