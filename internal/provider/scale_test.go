// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
)

// What the provider keeps in memory while a plan refreshes 5,000 secrets and their
// rotations, ten at a time as Terraform does. The limit leaves a CI job of the
// smallest size room for everything else.
func TestMemoryOfManySecrets(t *testing.T) {
	const (
		count = 5000
		limit = 100 << 20 // bytes
	)
	clearEnvironment(t)
	fake := awsfake.Start(t)
	fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	secrets, rotations := make([]liveResource, count), make([]liveResource, count)
	first := newLiveServer(t, fake)
	forEach(count, func(i int) {
		secrets[i] = first.create(t, "roi_secret", object{"name": fmt.Sprintf("app/%04d", i), "category": "session", "kms_key_id": "alias/app"})
		rotations[i] = first.create(t, "roi_secret_rotation", object{"secret_id": fmt.Sprintf("app/%04d", i)})
	})
	if t.Failed() {
		return
	}

	before := heap()
	second := newLiveServer(t, fake)
	var most uint64
	var mu sync.Mutex
	forEach(count, func(i int) {
		second.refresh(t, secrets[i])
		second.refresh(t, rotations[i])
		if i%500 == 499 {
			mu.Lock()
			most = max(most, heap())
			mu.Unlock()
		}
	})
	runtime.KeepAlive(second)
	used := int64(most) - int64(before) //nolint:gosec // Far from the limits.
	t.Logf("%.1f MB more for %d secrets and their rotations", float64(used)/1e6, count)
	if used > limit {
		t.Errorf("a plan of %d secrets and their rotations keeps %d bytes, more than %d", count, used, limit)
	}
}

// heap is what is in use and not garbage, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// forEach calls a function for 0 to n-1, ten at a time.
func forEach(n int, do func(int)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range 10 {
		group.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}

// liveServer is a configured provider that a test drives as Terraform does, without
// a process of its own.
type liveServer struct {
	testServer
	types map[string]tftypes.Type
}

// liveResource is one that was created.
type liveResource struct {
	kind    string
	config  *tfprotov6.DynamicValue
	state   *tfprotov6.DynamicValue
	private []byte
}

func newLiveServer(t *testing.T, fake *awsfake.Server) liveServer {
	t.Helper()
	s := liveServer{testServer: newTestServer(t), types: map[string]tftypes.Type{}}
	s.configure(t, object{"aws": object{
		"region": awsfake.DefaultRegion, "access_key": awsfake.AccessKeyID, "secret_key": awsfake.SecretAccessKey,
		"endpoints": object{"secretsmanager": fake.URL(), "kms": fake.URL(), "sts": fake.URL()},
	}})
	schemas, err := s.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, schema := range schemas.ResourceSchemas {
		s.types[kind] = schema.ValueType()
	}
	return s
}

// succeeded reports errors, from any goroutine.
func succeeded(t *testing.T, what string, err error, diags []*tfprotov6.Diagnostic) bool {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return false
	}
	for _, d := range diags {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			t.Errorf("%s: %s: %s", what, d.Summary, d.Detail)
			return false
		}
	}
	return true
}

func (s liveServer) create(t *testing.T, kind string, arguments object) liveResource {
	t.Helper()
	config, none := dynamic(t, s.types[kind], terraformValue(t, s.types[kind], arguments)), dynamic(t, s.types[kind], tftypes.NewValue(s.types[kind], nil))
	plan, err := s.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: kind, PriorState: none, ProposedNewState: config, Config: config})
	if !succeeded(t, "plan", err, plan.Diagnostics) {
		return liveResource{}
	}
	done, err := s.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: kind, PriorState: none, PlannedState: plan.PlannedState, Config: config, PlannedPrivate: plan.PlannedPrivate,
	})
	if !succeeded(t, "apply", err, done.Diagnostics) {
		return liveResource{}
	}
	return liveResource{kind: kind, config: config, state: done.NewState, private: done.Private}
}

// refresh reads a resource and plans it as it is configured.
func (s liveServer) refresh(t *testing.T, r liveResource) {
	t.Helper()
	read, err := s.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: r.kind, CurrentState: r.state, Private: r.private})
	if !succeeded(t, "read", err, read.Diagnostics) {
		return
	}
	plan, err := s.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: r.kind, PriorState: read.NewState, ProposedNewState: read.NewState, Config: r.config, PriorPrivate: read.Private,
	})
	if succeeded(t, "plan", err, plan.Diagnostics) && len(plan.RequiresReplace) > 0 {
		t.Errorf("%s is to be replaced", r.kind)
	}
}
