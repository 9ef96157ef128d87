// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// TestMain keeps the machine's own AWS and roi settings out of the tests.
func TestMain(m *testing.M) {
	if os.Getenv(panicVariable) != "" {
		servePanicking()
		return
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "ROI_") {
			_ = os.Unsetenv(name)
		}
	}
	_ = os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_ = os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	_ = os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	_ = os.Unsetenv("TF_CLI_CONFIG_FILE")
	code := m.Run()
	moto.Stop()
	docker.Stop()
	tfcli.Cleanup()
	_ = os.RemoveAll(clockProviderFolder)
	os.Exit(code)
}

// backend is one store that acceptance tests run over.
type backend struct {
	name string
	// config is the arguments that point the provider at the store.
	config string
	// store is the same store, to look and meddle without Terraform.
	store secretstore.Store
	fake  *awsfake.Server // nil for the others
}

// provider returns a provider block with further arguments.
func (b backend) provider(arguments ...string) string {
	return fmt.Sprintf("provider \"roi\" {\n%s\n%s\n}\n", b.config, strings.Join(arguments, "\n"))
}

// value reads a version's value; label "" is the current one.
func (b backend) value(t *testing.T, id, label string) string {
	t.Helper()
	value, err := b.store.Value(context.Background(), id, secretstore.VersionRef{Label: label})
	if err != nil {
		t.Fatalf("reading %s of %s: %v", label, id, err)
	}
	return value.Plaintext.Reveal()
}

// key reads one key of a JSON secret.
func (b backend) key(t *testing.T, id, key string) string {
	t.Helper()
	object, err := secretstore.ParseObject(b.value(t, id, ""))
	if err != nil {
		t.Fatal(err)
	}
	value, ok := object.String(key)
	if !ok {
		t.Fatalf("secret %s has no string under %s, only %v", id, key, object.Keys())
	}
	return value
}

func (b backend) describe(t *testing.T, id string) secretstore.Secret {
	t.Helper()
	secret, err := b.store.Describe(context.Background(), id)
	if err != nil {
		t.Fatalf("describing %s: %v", id, err)
	}
	return secret
}

func awsArguments(url string) string {
	return fmt.Sprintf(`  store = "aws"
  aws = {
    region     = %q
    access_key = "AKIDEXAMPLE"
    secret_key = "not-a-real-key"
    endpoints  = { secretsmanager = %[2]q, kms = %[2]q, sts = %[2]q }
  }`, awsfake.DefaultRegion, url)
}

func awsStore(url string) secretstore.Store {
	return awssm.New(awssm.Config{
		Region: awsfake.DefaultRegion, AccessKey: "AKIDEXAMPLE", SecretKey: "not-a-real-key",
		Endpoints: awssm.Endpoints{SecretsManager: url, KMS: url, STS: url},
	})
}

func fakeBackend(t *testing.T, options ...awsfake.Option) backend {
	t.Helper()
	fake := awsfake.Start(t, options...)
	return backend{name: "fake", config: awsArguments(fake.URL()), store: awsStore(fake.URL()), fake: fake}
}

func motoBackend(t *testing.T) backend {
	t.Helper()
	url := moto.Start(t)
	return backend{name: "moto", config: awsArguments(url), store: awsStore(url)}
}

func localBackend(t *testing.T) backend {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "roi")
	return backend{
		name:   "local",
		config: fmt.Sprintf("  store = \"local\"\n  local = { path = %q }", folder),
		store:  localstore.New(localstore.Config{Path: folder}, clock.System{}),
	}
}

// overBackends runs a test over the fake, over moto, which nobody here wrote, and
// over the embedded store.
func overBackends(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T) backend{
		"fake": func(t *testing.T) backend { return fakeBackend(t) }, "moto": motoBackend, "local": localBackend,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// factories serve the provider in this process.
func factories(options ...Option) map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){
		"roi": factory(clock.System{}, options...),
	}
}

func factory(now clock.Clock, options ...Option) func() (tfprotov6.ProviderServer, error) {
	return func() (tfprotov6.ProviderServer, error) { return NewServer(NewForTest("test", now, options...)), nil }
}

// steps runs Terraform on configurations, one after the other.
func steps(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories(), Steps: steps})
}

// uniqueName is a name that no other test uses: moto is shared.
func uniqueName(t *testing.T) string {
	t.Helper()
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/_+=.@-", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, t.Name()) + "/" + fmt.Sprint(time.Now().UnixNano()) + "/s"
}

// requests returns the operations that were requested of Secrets Manager and KMS,
// with how often.
func requests(fake *awsfake.Server) string {
	counts := map[string]int{}
	for _, call := range fake.Calls() {
		if call.Service != "sts" {
			counts[call.Op]++
		}
	}
	var text []string
	for _, op := range slices.Sorted(maps.Keys(counts)) {
		text = append(text, fmt.Sprintf("%s %d", op, counts[op]))
	}
	return strings.Join(text, ", ")
}

// needsAProcessForEachPlan is for what tells two resources from one that is planned
// twice.
func needsAProcessForEachPlan(t *testing.T) {
	t.Helper()
	if tfcli.AtLeast(t, "1.14.0") {
		t.Skip("not tested on this version: from Terraform 1.14 on a provider may be kept for many plans, so that it does not compare resources")
	}
}

// valueOf makes a value as a team that comes from somewhere else has one: of a
// category's form, and not by this provider.
func valueOf(t *testing.T, category string) string {
	t.Helper()
	p, err := policy.Resolve(policy.Production, category, nil, policy.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := generate.Value(p)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
