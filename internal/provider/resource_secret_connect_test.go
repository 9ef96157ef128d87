// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

func TestSecretNoCredentials(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	config := strings.NewReplacer("access_key", "# access_key", "secret_key", "# secret_key").Replace(b.provider(`environment = "staging"`))
	steps(t, resource.TestStep{
		Config:      config + "resource \"roi_secret\" \"test\" {\n name = \"x\"\n category = \"jwt\"\n}",
		ExpectError: says(`Error: No AWS credentials with roi_secret.test`),
	})
	if n := len(b.fake.Calls()); n != 0 {
		t.Errorf("%d requests were made without credentials", n)
	}
}

// One clear error soon, not a stack of retries for a minute.
func TestSecretUnreachableEndpoint(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+backend{config: awsArguments(url)}.provider(`environment = "staging"`)+
		"resource \"roi_secret\" \"test\" {\n name = \"x\"\n category = \"jwt\"\n}")
	w.Init()
	begin := time.Now()
	result := w.Apply()
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("the error took %s", took)
	}
	if result.ExitCode != 1 || strings.Count(result.Stderr, "Error: ") != 1 || !says("Error: Store cannot be reached").MatchString(result.Stderr) ||
		!says("Check the network, the region and, if one is configured, the endpoint").MatchString(result.Stderr) {
		t.Errorf("exit code %d:\n%s", result.ExitCode, result.Stderr)
	}
}

// A secret of another region is neither absent nor made again there.
func TestSecretWrongRegion(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	elsewhere := b
	elsewhere.config = strings.Replace(b.config, awsfake.DefaultRegion, "eu-west-1", 1)
	steps(t,
		resource.TestStep{Config: jwtConfig(b, "region", "")},
		resource.TestStep{Config: jwtConfig(elsewhere, "region", ""), PlanOnly: true, ExpectError: says(`the secret is in region eu-central-1, but the provider is configured for eu-west-1`)},
		resource.TestStep{Config: jwtConfig(b, "region", ""), PlanOnly: true},
	)
}

// A secret in AWS is not looked for in the embedded store.
func TestSecretWrongStore(t *testing.T) {
	t.Parallel()
	b, local := fakeBackend(t), localBackend(t)
	steps(t,
		resource.TestStep{Config: jwtConfig(b, "store", "")},
		resource.TestStep{Config: jwtConfig(local, "store", ""), PlanOnly: true, ExpectError: says(`Error: Request was refused`)},
		resource.TestStep{Config: jwtConfig(b, "store", ""), PlanOnly: true},
	)
}

// What depends on an unknown provider argument is checked in apply.
func TestSecretUnknownEnvironment(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	config := func(version, length int) string {
		return b.provider("environment = terraform_data.environment.output") + fmt.Sprintf(`
resource "terraform_data" "environment" {
  input            = "development"
  triggers_replace = %d
}
resource "roi_secret" "test" {
  name     = "unknown"
  category = "jwt"
  length   = %d
}`, version, length)
	}
	steps(t,
		resource.TestStep{Config: config(1, 8), ExpectError: regexp.MustCompile(`length`)},
		resource.TestStep{Config: config(1, 16), ConfigPlanChecks: action(plancheck.ResourceActionCreate)},
		resource.TestStep{Config: config(2, 16)}, // unknown again, and nothing needs it to read
	)
}

// A read that needs an argument which is not known says which, and how to go on.
func TestSecretUnknownStore(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() + "/store"
	config := func(version int) string {
		return fmt.Sprintf(`
provider "roi" {
  environment = "development"
  local       = { path = terraform_data.path.output }
}
resource "terraform_data" "path" {
  input            = %q
  triggers_replace = %d
}
resource "roi_secret" "test" {
  name     = "unknown"
  category = "jwt"
}`, folder, version)
	}
	steps(t,
		resource.TestStep{Config: config(1), ConfigPlanChecks: action(plancheck.ResourceActionCreate)},
		resource.TestStep{Config: config(2), ExpectError: says(`the provider argument local.path depends on something that does not exist yet.`)},
		resource.TestStep{Config: config(2), ExpectError: says(`terraform apply -target=`)},
		resource.TestStep{Config: config(1), PlanOnly: true},
	)
}

// The budgets of single commands, which the in-process tests cannot tell apart.
func TestSecretBudgetsOfCommands(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+b.provider()+`
variable "length" { default = 64 }
resource "roi_secret" "test" {
  count      = 5
  name       = "budget/${count.index}"
  kms_key_id = "alias/app"
  keys       = { A = { category = "jwt", length = var.length }, B = { category = "database" } }
  tags       = { a = "b" }
}`)
	w.Init()
	for _, test := range []struct {
		command []string
		want    string
	}{
		{[]string{"plan", "-out=tfplan"}, "DescribeKey 1, GetKeyRotationStatus 1"},
		{[]string{"apply", "tfplan"}, "CreateSecret 5, DescribeKey 1, GetKeyRotationStatus 1"},
		{[]string{"plan"}, "DescribeKey 1, DescribeSecret 5, GetKeyRotationStatus 1"},
		{[]string{"plan", "-refresh-only"}, "DescribeSecret 5"},
		{[]string{"plan", "-var=length=96"}, "DescribeKey 1, DescribeSecret 5, GetKeyRotationStatus 1"},
		{[]string{"plan", "-destroy", "-out=tfplan"}, "DescribeKey 1, DescribeSecret 5, GetKeyRotationStatus 1"},
		{[]string{"apply", "tfplan"}, "DeleteSecret 5"},
	} {
		b.fake.ResetCalls()
		w.Run(append(test.command[:1:1], append([]string{"-no-color", "-input=false"}, test.command[1:]...)...)...).Require(t, 0)
		if got := requests(b.fake); got != test.want {
			t.Errorf("terraform %s: %s, want %s", strings.Join(test.command, " "), got, test.want)
		}
		if sts := b.fake.Count("GetCallerIdentity"); sts > 1 {
			t.Errorf("terraform %s: %d requests of GetCallerIdentity", strings.Join(test.command, " "), sts)
		}
	}
}
