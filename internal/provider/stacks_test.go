// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// stackKeys are what the application of examples/stacks has in every environment.
var stackKeys = []string{
	"DB_PASSWORD", "ENCRYPTION_KEY", "INTERNAL_API_KEY", "JWT_REFRESH_SECRET", "JWT_SECRET", "REDIS_PASSWORD", "SESSION_SECRET", "WEBHOOK_SECRET",
}

// graceKeys are what the secret has beside them while a grace period of the JWT keys
// runs: the values before.
var graceKeys = []string{"JWT_REFRESH_SECRET_OLD", "JWT_SECRET_OLD"}

// newStack is a copy of examples/stacks, with Terraform in one of the root modules.
func newStack(t *testing.T, name string) *tfcli.Workspace {
	t.Helper()
	w := tfcli.New(t)
	copyExample(t, "stacks", w.Dir)
	w.Dir = filepath.Join(w.Dir, name)
	return w
}

// onFake lets a workspace use the fake, as it would use AWS.
func onFake(w *tfcli.Workspace, b backend) {
	for variable, value := range map[string]string{
		"AWS_REGION": awsfake.DefaultRegion, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-key", "AWS_ENDPOINT_URL": b.fake.URL(),
	} {
		w.SetEnv(variable, value)
	}
}

// stackValues returns the values of a stack, and lets the scanner look for them. Before
// are the values before a rotation whose grace period runs, nil if none does: then the
// secret has the previous ones, too.
func stackValues(t *testing.T, b backend, id string, scanner *leak.Scanner, before map[string]string) map[string]string {
	t.Helper()
	text := b.value(t, id, "")
	object, err := secretstore.ParseObject(text)
	if err != nil {
		t.Fatal(err)
	}
	want := stackKeys
	if before != nil {
		want = slices.Concat(stackKeys, graceKeys)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(object.Keys()))); diff != "" {
		t.Fatalf("keys of %s (-want +got):\n%s", id, diff)
	}
	scanner.Add(t, text)
	values := map[string]string{}
	for _, key := range stackKeys {
		values[key] = b.key(t, id, key)
		scanner.Add(t, values[key])
	}
	for _, key := range want[len(stackKeys):] {
		if b.key(t, id, key) != before[strings.TrimSuffix(key, "_OLD")] {
			t.Errorf("%s is not the value before", key)
		}
	}
	return values
}

// changed returns the names under which two maps differ.
func changed(before, after map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	return names
}

// without returns names but for one.
func without(names []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == one })
}

// stackTests runs the test files of a root module, in a copy of its own.
func stackTests(t *testing.T, w *tfcli.Workspace) {
	t.Helper()
	w.Init()
	result := w.Run("test", "-no-color")
	result.Require(t, 0)
	if !strings.Contains(result.Stdout, "Success!") || strings.Contains(result.Stdout, "Success! 0 passed") {
		t.Errorf("terraform test ran nothing:\n%s", result.Stdout)
	}
}

func TestStackDevelopment(t *testing.T) {
	t.Parallel()
	w := newStack(t, "development")
	stackTests(t, w)
	w.Run("validate", "-no-color").Require(t, 0)
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	const id = "shop/development/app"
	b := backend{store: localstore.New(localstore.Config{Path: filepath.Join(w.Dir, localstore.DefaultPath)}, clock.System{})}
	scanner := leak.New(t)
	before := stackValues(t, b, id, scanner, nil)
	checkStackFile(t, w, before, nil)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	w.PlanJSON()
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	after := stackValues(t, b, id, scanner, before)
	rotated := changed(before, after)
	if diff := cmp.Diff(without(stackKeys, "ENCRYPTION_KEY"), rotated); diff != "" {
		t.Errorf("rotated after 91 days (-want +got):\n%s", diff)
	}
	checkStackFile(t, w, after, before)
	w.Plan().Require(t, 0)
	w.LeakCheck(scanner, "development/.env.development", "development/.env.development.roi/previous")
}

// checkStackFile asserts that the file has all values, in a line of their own, and
// none of those before that are not current any longer.
func checkStackFile(t *testing.T, w *tfcli.Workspace, values, before map[string]string) {
	t.Helper()
	file := filepath.Join(w.Dir, ".env.development")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %o, want 600", info.Mode().Perm())
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	for _, key := range stackKeys {
		if !slices.ContainsFunc(lines, func(line string) bool {
			value, ok := strings.CutPrefix(line, key+"=")
			return ok && strings.Trim(value, `'"`) == values[key]
		}) {
			t.Errorf("the file does not have the value of %s", key)
		}
		if before != nil && before[key] != values[key] && strings.Contains(string(content), before[key]) {
			t.Errorf("the file still has the value of %s before the rotation", key)
		}
	}
	if !slices.Contains(lines, "PORT='8080'") && !slices.Contains(lines, "PORT=8080") {
		t.Error("the file does not have the plain settings")
	}
}

// awsStub stands for production/aws.tf, since the fake has neither IAM nor alarms.
// Without it nothing needs hashicorp/aws, which awsRequirement asks for.
const awsStub = `
module "aws" {
  source = "./stub"
}
`

const awsRequirement = `    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
`

// The key and the role are those of stubOutputs, as production/aws would make them.
const stubOutputs = `
output "kms_key_arn" { value = %q }
output "replica_kms_key_arn" { value = %q }
output "role_arn" { value = "` + stubRole + `" }
`

const stubRole = "arn:aws:iam::123456789012:role/shop-production-secrets-read"

const secondRegion = "eu-west-1"

func TestStackProduction(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	key := func(region string) string {
		id := b.fake.AddKey(awsfake.Key{Region: region, Rotation: true})
		return fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", region, awsfake.DefaultAccount, id)
	}
	w := newStack(t, "production")
	onFake(w, b)
	w.SetEnv("TF_VAR_image", "registry.shop.example/api:1.0")
	w.WriteFile("aws.tf", awsStub)
	requirements := strings.Split(readExample(t, "stacks/production/main.tf"), awsRequirement)
	if len(requirements) != 2 {
		t.Fatal("production/main.tf does not require hashicorp/aws as this test expects")
	}
	w.WriteFile("main.tf", strings.Join(requirements, ""))
	w.WriteFile("stub/main.tf", fmt.Sprintf(stubOutputs, key(awsfake.DefaultRegion), key(secondRegion)))
	w.Init()
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	const id = productionSecret
	scanner := leak.New(t)
	before := stackValues(t, b, id, scanner, nil)
	if got := b.fake.Secret(id); len(got.Replicas) != 1 || got.KMSKeyID == "" {
		t.Errorf("key %q, replicas %v", got.KMSKeyID, got.Replicas)
	}
	checkManifests(t, w, stubRole, stackKeys)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	w.Apply().Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	after := stackValues(t, b, id, scanner, before)
	if diff := cmp.Diff(without(stackKeys, "ENCRYPTION_KEY"), changed(before, after)); diff != "" {
		t.Errorf("rotated after 91 days (-want +got):\n%s", diff)
	}
	current := func(region string) string {
		return b.fake.SecretIn(awsfake.DefaultAccount, region, id).Current().ID
	}
	if current(awsfake.DefaultRegion) != current(secondRegion) {
		t.Error("the replica has another current version")
	}
	published := map[string]bool{}
	for _, metric := range b.fake.Metrics() {
		published[metric.Name+" "+metric.Dimensions["Secret"]+" "+metric.Dimensions["Environment"]] = true
	}
	if !published["SecretRotationSuccess shop/production/app production"] {
		t.Errorf("metrics: %v", published)
	}
	w.Plan().Require(t, 0)
	checkManifests(t, w, stubRole, slices.Concat(stackKeys, graceKeys))

	w.SetEnv("ROI_PLAN_AS_OF", "+1d")
	w.Apply().Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	if names := changed(after, stackValues(t, b, id, scanner, nil)); len(names) > 0 {
		t.Errorf("the end of the grace periods changed %v", names)
	}
	w.Plan().Require(t, 0)
	w.LeakCheck(scanner)
}

// With hashicorp/aws: the whole root module is valid, and its tests pass.
func TestStackProductionWithAWS(t *testing.T) {
	t.Parallel()
	w := newProduction(t, "")
	w.Run("validate", "-no-color").Require(t, 0)
	stackTests(t, w)
}
