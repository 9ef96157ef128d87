// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// panicVariable makes this test binary serve the provider, with a store that
// panics while it holds a value.
const panicVariable = "ROI_TEST_SERVE_PANICKING"

type panickingStore struct{ secretstore.Store }

func (panickingStore) Create(_ context.Context, input secretstore.CreateInput) (secretstore.Created, error) {
	panic(fmt.Sprintf("injected with %+v", input))
}

func servePanicking() {
	panicking := func() provider.Provider {
		return NewForTest("test", clock.System{}, WithStore(func(store secretstore.Store) secretstore.Store { return panickingStore{store} }))
	}
	if err := providerserver.Serve(context.Background(), panicking, providerserver.ServeOpts{Address: "registry.terraform.io/roi-systems/roi"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const leakConfig = tfcli.RequiredProviders + `
variable "supplied" {
  type      = string
  ephemeral = true
}
variable "version_number" { default = 1 }
variable "extra" {
  type    = map(object({ category = string }))
  default = {}
}
resource "roi_secret" "generated" {
  name     = "leak/generated"
  category = "database"
}
resource "roi_secret" "supplied" {
  name             = "leak/supplied"
  value_wo         = var.supplied
  value_wo_version = var.version_number
}
resource "roi_secret" "app" {
  name              = "leak/app"
  keys              = merge({ JWT = { category = "jwt" }, DB = { category = "database" }, GIVEN = { category = "external" } }, var.extra)
  values_wo         = { GIVEN = var.supplied }
  values_wo_version = var.version_number
  static            = { HOST = "db.internal" }
}
ephemeral "roi_secret_value" "app" {
  secret_id = roi_secret.app.id
}
ephemeral "roi_generated_value" "any" {
  category = "jwt"
}
resource "terraform_data" "file" {
  input = roi_secret.app.id
  provisioner "local-exec" {
    command     = "umask 077; printf '%s\n%s' \"$ONE\" \"$TWO\" > values"
    environment = { ONE = ephemeral.roi_secret_value.app.values["JWT"], TWO = ephemeral.roi_generated_value.any.value }
  }
}
`

// No value is found in anything that Terraform, the provider and the SDK leave
// behind: state, backups, plan files, output, logs at TRACE; through create,
// update, import, errors and a panic.
func TestNoValueLeaks(t *testing.T) {
	t.Parallel()
	for _, start := range []func(*testing.T) backend{
		func(t *testing.T) backend { return fakeBackend(t) }, localBackend,
	} {
		b := start(t)
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			const supplied, second = `sUpplied <&> "Value" \ 7fK2mQ9x`, `Second <&> "Value" \ 3hL8nW5z`
			const secretKey = "not-a-real-key-7fK2mQ9x"
			w := tfcli.New(t, tfcli.Env("TF_VAR_supplied", supplied), tfcli.Env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), tfcli.Env("AWS_SECRET_ACCESS_KEY", secretKey))
			scanner := leak.New(t, supplied, second, secretKey)
			secrets := []string{"leak/generated", "leak/supplied", "leak/app"}
			learn := func() {
				t.Helper()
				for _, id := range secrets {
					value := b.value(t, id, "")
					scanner.Add(t, value)
					if object, err := secretstore.ParseObject(value); err == nil {
						for _, key := range object.Keys() {
							if s, _ := object.String(key); key != "HOST" {
								scanner.Add(t, s)
							}
						}
					}
				}
			}
			check := func() {
				t.Helper()
				learn()
				w.LeakCheck(scanner, "values") // the file that the user asked for
			}
			// The key pair comes from the environment, since what is written in a
			// configuration is in every plan file.
			literal := regexp.MustCompile(`(?m)^ *(access_key|secret_key) .*\n`)
			w.WriteFile("main.tf", literal.ReplaceAllString(b.provider(`environment = "staging"`), "")+leakConfig)
			w.Init()
			w.PlanJSON()
			w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
			w.Show()
			check()

			w.SetEnv("TF_VAR_supplied", second)
			w.PlanJSON("-var=version_number=2", `-var=extra={ADDED={category="jwt"}}`)
			w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
			check()

			arn := b.describe(t, "leak/generated").ARN
			w.Run("state", "rm", "roi_secret.generated").Require(t, 0)
			w.Import("roi_secret.generated", arn).Require(t, 0)
			w.Apply("-var=version_number=2", `-var=extra={ADDED={category="jwt"}}`).Require(t, 0)
			check()

			w.SetEnv("TF_VAR_supplied", "weak-"+second[:3])
			if got := w.Plan("-var=version_number=3"); got.ExitCode != 1 || !strings.Contains(got.Message(), "breaks its policy") {
				t.Errorf("a weak value: exit code %d, %s", got.ExitCode, got.Message())
			}
			scanner.Add(t, "weak-"+second[:3])
			if b.fake != nil {
				w.SetEnv("TF_VAR_supplied", supplied)
				b.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "PutSecretValue", Times: awsfake.Always})
				w.Apply("-var=version_number=4").Require(t, 1)
				b.fake.ClearFaults()
			}
			check()

			w.SetEnv("TF_VAR_supplied", second)
			w.Destroy().Require(t, 0)
			w.LeakCheck(scanner, "values")
			if b.fake != nil && strings.Count(w.Logs(), "PutSecretValue") == 0 {
				t.Error("the logs do not show the provider's requests, so searching them proves nothing")
			}
		})
	}
}

func TestNoValueLeaksInPanic(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const supplied = "sUppliedValue-7fK2mQ9x"
	w := tfcli.New(t, tfcli.Provider(executable), tfcli.Env(panicVariable, "1"), tfcli.Env("TF_VAR_supplied", supplied))
	w.WriteFile("main.tf", localBackend(t).provider(`environment = "development"`)+tfcli.RequiredProviders+`
variable "supplied" {
  ephemeral = true
}
resource "roi_secret" "test" {
  name             = "panic"
  value_wo         = var.supplied
  value_wo_version = 1
}`)
	w.Init()
	result := w.Apply()
	result.Require(t, 1)
	if !strings.Contains(result.Stdout+result.Stderr+w.Logs(), "injected with") {
		t.Error("the provider did not panic")
	}
	w.LeakCheck(leak.New(t, supplied))
}
