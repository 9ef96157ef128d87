// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// echoed runs Terraform with a second provider, which writes what it gets from an
// ephemeral resource into the state, where a test can look at it.
func echoed(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	servers := factories()
	servers["echo"] = echoprovider.NewProviderServer()
	for i := range steps {
		// Plans of its first version that has them list what is opened, and say that
		// there are no changes.
		steps[i].ExpectNonEmptyPlan = tfcli.OpenTofu(t) && !tfcli.AtLeast(t, "1.12.0")
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: servers, Steps: steps})
}

const echoSecretValue = `
provider "echo" {
  data = ephemeral.roi_secret_value.test
}

resource "echo" "test" {}
`

// echoIs compares without showing either side.
func echoIs(attribute, want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey(attribute), knownvalue.StringFunc(func(got string) error {
		if got != want {
			return errors.New("is not what it should be")
		}
		return nil
	}))
}

func TestSecretValueOfStoredSecret(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		first, second := uuid.NewString(), uuid.NewString()
		if _, err := b.store.Create(t.Context(), secretstore.CreateInput{
			Name: name, Token: first, Value: secretstore.NewPlaintext(`{"A":"one","PORT":5432}`),
		}); err != nil {
			t.Fatal(err)
		}
		if err := b.store.Put(t.Context(), secretstore.PutInput{
			ID: name, Token: second, Value: secretstore.NewPlaintext(`{"A":"two","PORT":5432}`), Labels: []string{secretstore.Pending},
		}); err != nil {
			t.Fatal(err)
		}
		if err := b.store.MoveLabel(t.Context(), name, secretstore.Current, first, second); err != nil {
			t.Fatal(err)
		}
		if err := b.store.MoveLabel(t.Context(), name, secretstore.Pending, second, ""); err != nil {
			t.Fatal(err)
		}
		read := func(arguments string) string {
			return b.provider() + fmt.Sprintf("ephemeral \"roi_secret_value\" \"test\" {\n  secret_id = %q\n%s\n}\n", name, arguments) + echoSecretValue
		}

		for arguments, checks := range map[string][]statecheck.StateCheck{
			"": {echoIs("value", `{"A":"two","PORT":5432}`), echoIs("version_id", second)},
			`key = "A"`: {
				echoIs("value", "two"),
				statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("values"), knownvalue.MapSizeExact(1)),
				statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("version_stages"),
					knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(secretstore.Current)})),
			},
			fmt.Sprintf("version_id = %q", first):          {echoIs("value", `{"A":"one","PORT":5432}`), echoIs("version_id", first)},
			"key = \"A\"\nversion_stage = \"AWSPREVIOUS\"": {echoIs("value", "one")},
		} {
			echoed(t, resource.TestStep{Config: read(arguments), ConfigStateChecks: checks})
		}
		for arguments, message := range map[string]string{
			`key = "B"`:                    fmt.Sprintf(`The secret %q has no key "B". Its keys are: A, PORT.`, name),
			`key = "PORT"`:                 fmt.Sprintf(`The key "PORT" of the secret %q holds JSON that is not a string.`, name),
			`version_stage = "AWSPENDING"`: fmt.Sprintf(`There is no secret %q with a version labelled AWSPENDING in this account and region.`, name),
		} {
			echoed(t, resource.TestStep{Config: read(arguments), ExpectError: says(message)})
		}
	})
}

// The id is unknown in the first plan: Terraform opens the resource in the apply,
// after the secret is there.
func TestSecretValueOfNewSecret(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := b.provider(`environment = "staging"`) + fmt.Sprintf(`
resource "roi_secret" "test" {
  name = %q
  keys = { TOKEN = { category = "api_key", length = 50 } }
}

ephemeral "roi_secret_value" "test" {
  secret_id = roi_secret.test.id
  key       = "TOKEN"
}
`, name) + echoSecretValue
		echoed(t, resource.TestStep{
			Config: config,
			ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("value"), knownvalue.StringFunc(func(got string) error {
					if got != b.key(t, name, "TOKEN") || len(got) != 50 {
						return errors.New("is not the value in the store")
					}
					return nil
				})),
			},
		})
	})
}

func TestSecretValueDenied(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	if _, err := b.store.Create(t.Context(), secretstore.CreateInput{
		Name: "shop/app", Token: uuid.NewString(), Value: secretstore.NewPlaintext("a-value"),
	}); err != nil {
		t.Fatal(err)
	}
	b.fake.Deny("secretsmanager:GetSecretValue")
	echoed(t, resource.TestStep{
		Config:      b.provider() + "ephemeral \"roi_secret_value\" \"test\" {\n  secret_id = \"shop/app\"\n}\n" + echoSecretValue,
		ExpectError: says(`The value of the secret "shop/app" may not be read with these credentials. It takes secretsmanager:GetSecretValue on the secret`),
	})
}

// A configuration that needs no store contacts none, whatever credentials say.
func TestGeneratedValueNeedsNoStore(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	echoed(t, resource.TestStep{
		Config: b.provider() + `
ephemeral "roi_generated_value" "test" {
  category = "encryption"
}

provider "echo" {
  data = ephemeral.roi_generated_value.test
}

resource "echo" "test" {}
`,
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("entropy_bits"), knownvalue.Int64Exact(256)),
			statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("value"), knownvalue.StringFunc(func(got string) error {
				if len(got) != 64 {
					return fmt.Errorf("has %d characters, want 64", len(got))
				}
				return nil
			})),
		},
	})
	if calls := b.fake.Calls(); len(calls) != 0 {
		t.Errorf("%d requests were made though nothing was read or written", len(calls))
	}
}

// An unknown provider argument stops only what needs it.
func TestUnknownProviderArgument(t *testing.T) {
	t.Parallel()
	later := `
resource "terraform_data" "later" {}

provider "roi" {
  store       = "local"
  environment = "development"
  %s
}
`
	generated := `
ephemeral "roi_generated_value" "test" {
  category = "encryption"
}

provider "echo" {
  data = ephemeral.roi_generated_value.test.entropy_bits
}

resource "echo" "test" {}
`
	echoed(t, resource.TestStep{
		Config: fmt.Sprintf(later, `local = { path = "${path.root}/${terraform_data.later.id}" }`) + generated,
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data"), knownvalue.Int64Exact(256)),
		},
	})
	echoed(t, resource.TestStep{
		Config: fmt.Sprintf(later, `local = { path = "${path.root}/${terraform_data.later.id}" }`) +
			"ephemeral \"roi_secret_value\" \"test\" {\n  secret_id = \"shop/app\"\n}\n" + echoSecretValue,
		ExpectError: says(`Cannot read the secret "shop/app": the provider argument local.path depends on something that does not exist yet.`),
	})
	echoed(t, resource.TestStep{
		Config:      fmt.Sprintf(later, `policies = { jwt = { length = 64 + length(terraform_data.later.id) } }`) + generated,
		ExpectError: says(`Cannot generate a value: the provider argument policies["jwt"].length depends on something that does not exist yet.`),
	})
}

// Terraform shows what is wrong with the provider's configuration at its place.
func TestProviderConfigProblemInTerraform(t *testing.T) {
	t.Parallel()
	steps(t, resource.TestStep{
		Config: `
provider "roi" {
  environment = "development"
  policies    = { jwt = { length = 8 } }
}

resource "roi_secret" "test" {
  name     = "shop/jwt"
  category = "jwt"
}
`,
		PlanOnly:    true,
		ExpectError: says(`length = 8 (set in the provider's policies for "jwt") is below the floor of 16 characters`),
	})
}
