// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

// What hangs on the context of a call, such as its loggers, can be collected when
// the call has ended, though the server lives on.
func TestServerKeepsNothingOfACall(t *testing.T) {
	t.Parallel()
	framework := func() tfprotov6.ProviderServer {
		return providerserver.NewProtocol6(NewForTest("test", clock.System{}))()
	}
	for name, test := range map[string]struct {
		server tfprotov6.ProviderServer
		keeps  bool
	}{
		"ours": {NewServer(NewForTest("test", clock.System{})), false},
		// With this false the framework has been mended, and server can go.
		"the framework's": {framework(), true},
	} {
		type key struct{}
		call := func() weak.Pointer[[1000]byte] {
			logger := new([1000]byte)
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, logger))
			defer cancel()
			_, err := test.server.ReadResource(ctx, &tfprotov6.ReadResourceRequest{TypeName: "roi_secret"})
			if err != nil {
				t.Fatal(err)
			}
			return weak.Make(logger)
		}
		kept := call()
		runtime.GC()
		if keeps := kept.Value() != nil; keeps != test.keeps {
			t.Errorf("%s server: a call is kept: %v, want %v", name, keeps, test.keeps)
		}
		runtime.KeepAlive(test.server)
	}
}

// A call ends with its context, also what the framework derives from it.
func TestServerPassesCancellationOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := during(ctx, 1, func(ctx context.Context, _ int) (int, error) {
		derived, stop := context.WithCancel(ctx)
		defer stop()
		cancel()
		<-derived.Done()
		return 0, derived.Err()
	})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

// What is beyond the calls of a tfprotov6.ProviderServer would be out of reach: a
// provider that gets it needs those calls in server as well.
func TestServerHidesNothingOfTheProvider(t *testing.T) {
	t.Parallel()
	schemas, err := newTestServer(t).GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if lists, actions, stores := len(schemas.ListResourceSchemas), len(schemas.ActionSchemas), len(schemas.StateStoreSchemas); lists+actions+stores > 0 {
		t.Errorf("the provider has what Terraform cannot reach: %d list resources, %d actions, %d state stores", lists, actions, stores)
	}
}
