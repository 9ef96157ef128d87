// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// What the provider keeps in memory while it reads 5,000 secrets and their rotations,
// ten at a time as Terraform does. The limit leaves a CI job of the
// smallest size room for everything else.
func TestMemoryOfManySecrets(t *testing.T) {
	const (
		count = 5000
		limit = 100 << 20 // bytes
	)
	clearEnvironment(t)
	fake := awsfake.Start(t)
	fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	newLiveServer(t, on(fake)).create(t, "roi_secret", object{"name": "app/model", "category": "session", "kms_key_id": "alias/app"})
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("app/%04d", i)
		scope := secretstore.Scope{Account: awsfake.DefaultAccount, Region: awsfake.DefaultRegion}
		fake.Seed(awsfake.Seed{Name: names[i], KMSKeyID: "alias/app", Tags: fake.Secret("app/model").Tags, Versions: []awsfake.SeedVersion{
			{ID: secretstore.FirstVersion(scope, names[i]), Value: secretstore.NewPlaintext(names[i]), Labels: []string{secretstore.Current}},
		}})
	}

	before := heap()
	server := newLiveServer(t, on(fake))
	var most uint64
	var mu sync.Mutex
	forEach(count, func(i int) {
		server.read(t, "roi_secret", names[i])
		server.read(t, "roi_secret_rotation", names[i])
		if i%500 == 499 {
			mu.Lock()
			fake.ResetCalls()
			most = max(most, heap())
			mu.Unlock()
		}
	})
	runtime.KeepAlive(server)
	used := int64(most - before) //nolint:gosec // Far from the limits.
	t.Logf("%.1f MB more for %d secrets and their rotations", float64(used)/1e6, count)
	if used > limit {
		t.Errorf("a run over %d secrets and their rotations keeps %d bytes, more than %d", count, used, limit)
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

// on is the configuration of a provider that works on a fake.
func on(fake *awsfake.Server) object {
	return object{"aws": object{
		"region": awsfake.DefaultRegion, "access_key": awsfake.AccessKeyID, "secret_key": awsfake.SecretAccessKey,
		"endpoints": object{"secretsmanager": fake.URL(), "kms": fake.URL(), "sts": fake.URL()},
	}}
}

// liveServer is a configured provider that a test drives as Terraform does, without
// a process of its own.
type liveServer struct {
	testServer
	types map[string]tftypes.Type
}

func newLiveServer(t *testing.T, config object) liveServer {
	t.Helper()
	s := liveServer{testServer: newTestServer(t), types: map[string]tftypes.Type{}}
	if problems := s.configure(t, config); len(problems) > 0 {
		t.Fatal(problems)
	}
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

func (s liveServer) create(t *testing.T, kind string, arguments object) *tfprotov6.ApplyResourceChangeResponse {
	t.Helper()
	config, none := dynamic(t, s.types[kind], terraformValue(t, s.types[kind], arguments)), dynamic(t, s.types[kind], tftypes.NewValue(s.types[kind], nil))
	plan, err := s.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: kind, PriorState: none, ProposedNewState: config, Config: config})
	if !succeeded(t, "plan", err, plan.Diagnostics) {
		t.FailNow()
	}
	done, err := s.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: kind, PriorState: none, PlannedState: plan.PlannedState, Config: config, PlannedPrivate: plan.PlannedPrivate,
	})
	succeeded(t, "apply", err, done.Diagnostics)
	return done
}

// destroy destroys a resource as it was made, and returns what it warns of.
func (s liveServer) destroy(t *testing.T, kind string, made *tfprotov6.ApplyResourceChangeResponse) (warnings []string) {
	t.Helper()
	none := dynamic(t, s.types[kind], tftypes.NewValue(s.types[kind], nil))
	gone, err := s.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: kind, PriorState: made.NewState, PlannedState: none, Config: none, PlannedPrivate: made.Private,
	})
	succeeded(t, "delete", err, gone.Diagnostics)
	for _, d := range gone.Diagnostics {
		warnings = append(warnings, d.Summary)
	}
	return warnings
}

// remove destroys a resource, and fails the test if that is worth a word.
func (s liveServer) remove(t *testing.T, kind string, made *tfprotov6.ApplyResourceChangeResponse) {
	t.Helper()
	if warnings := s.destroy(t, kind, made); len(warnings) > 0 {
		t.Errorf("the delete says %q", warnings)
	}
}

// refresh reads a resource as it was made.
func (s liveServer) refresh(t *testing.T, kind string, made *tfprotov6.ApplyResourceChangeResponse) {
	t.Helper()
	read, err := s.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: kind, CurrentState: made.NewState, Private: made.Private})
	succeeded(t, "read", err, read.Diagnostics)
}

// From Terraform 1.14 on, `terraform test` keeps a process for all runs of a file,
// which then destroys what it has made, and plans a resource more than once.
func TestProviderThatIsKept(t *testing.T) {
	clearEnvironment(t)
	fake := awsfake.Start(t)
	fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	server := newLiveServer(t, on(fake))
	for range 2 {
		made := server.create(t, "roi_secret", object{"name": "app/kept", "category": "session", "kms_key_id": "alias/app", "recovery_window_in_days": 0})
		server.remove(t, "roi_secret", made)
		if fake.HasSecret("app/kept") {
			t.Error("the secret is still there")
		}
	}

	for version, want := range map[string]bool{"1.11.4": true, "1.13.0-rc1": true, "1.14.0-alpha1": false, "1.15.2": false} {
		if got := (&providerData{terraformVersion: version}).plansOnce(); got != want {
			t.Errorf("plansOnce on %s: %t", version, got)
		}
	}
}

// Terraform refreshes what it destroys. What a create has taken over is in state then,
// and goes as any other.
func TestProviderThatIsKeptDeletesWhatItTookOver(t *testing.T) {
	clearEnvironment(t)
	fake := awsfake.Start(t)
	fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	server := newLiveServer(t, on(fake))
	remove := func(made *tfprotov6.ApplyResourceChangeResponse, name string) {
		t.Helper()
		server.refresh(t, "roi_secret", made)
		server.remove(t, "roi_secret", made)
		if fake.Secret(name).DeletedAt.IsZero() {
			t.Errorf("%s was not deleted", name)
		}
	}
	for range 3 { // from the second one on with the secret that is scheduled for deletion
		remove(server.create(t, "roi_secret", object{"name": "app/kept", "category": "session", "kms_key_id": "alias/app"}), "app/kept")
	}
	fake.Seed(awsfake.Seed{Name: "app/adopted", KMSKeyID: "alias/app", Versions: []awsfake.SeedVersion{
		{Value: secretstore.NewPlaintext("of someone else"), Labels: []string{secretstore.Current}},
	}})
	made := server.create(t, "roi_secret", object{"name": "app/adopted", "category": "session", "kms_key_id": "alias/app", "adopt_existing": true})
	// In the walk of the create it may be the object of another address as well.
	if warnings := server.destroy(t, "roi_secret", made); !slices.Equal(warnings, []string{"Secret was not deleted"}) || !fake.Secret("app/adopted").DeletedAt.IsZero() {
		t.Errorf("what was taken over just now was deleted; warnings %q", warnings)
	}
	remove(made, "app/adopted")
}

func TestProviderThatIsKeptDeletesDockerSecrets(t *testing.T) {
	s := newSwarmTest(t)
	clearEnvironment(t)
	server := newLiveServer(t, object{"docker": object{"host": s.Host}})
	for range 2 {
		made := server.create(t, "roi_docker_secret", object{"name": s.name, "value_wo": "a value", "value_wo_version": 1, "keep_versions": 1})
		s.there(1)
		server.remove(t, "roi_docker_secret", made)
		s.there()
	}
	// One that was there, as a create has left it whose state was not saved.
	arguments := object{"name": s.name, "value_wo": "a value", "value_wo_version": 1, "keep_versions": 1}
	server.create(t, "roi_docker_secret", arguments)
	made := server.create(t, "roi_docker_secret", arguments)
	s.there(1)
	server.refresh(t, "roi_docker_secret", made)
	server.remove(t, "roi_docker_secret", made)
	s.there()
}

// read imports a resource, and reads it.
func (s liveServer) read(t *testing.T, kind, id string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context()) // a call's ends with it
	defer cancel()
	imported, err := s.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{TypeName: kind, ID: id})
	if !succeeded(t, "import", err, imported.Diagnostics) {
		return
	}
	read, err := s.ReadResource(ctx, &tfprotov6.ReadResourceRequest{
		TypeName: kind, CurrentState: imported.ImportedResources[0].State, Private: imported.ImportedResources[0].Private,
	})
	if succeeded(t, "read", err, read.Diagnostics) && read.NewState == nil {
		t.Errorf("%s %s is gone", kind, id)
	}
}
