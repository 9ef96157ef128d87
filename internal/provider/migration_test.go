// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// Docker secrets that were made by hand are taken over by an import, and their
// numbers go on: see TestDockerSecretImport.

const movedFromAWS = `
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
    roi = { source = "roi-systems/roi" }
  }
}

provider "aws" {
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_credentials_validation = true
  skip_requesting_account_id  = true

  endpoints {
    secretsmanager = %[1]q
    sts            = %[1]q
  }
}

provider "roi" {
  environment = "staging"
}

variable "values" {
  type      = object({ jwt = string, app = map(string) })
  sensitive = true
}
`

// What teams have: a secret and its value, which is in state.
const secretsOfAWS = `
resource "aws_secretsmanager_secret" "jwt" {
  name                    = "shop/staging/jwt"
  description             = "Signs tokens"
  recovery_window_in_days = 7
  tags                    = { team = "payments" }
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Deny", Principal = "*", Action = "secretsmanager:DeleteSecret", Resource = "*" }]
  })
}

resource "aws_secretsmanager_secret_version" "jwt" {
  secret_id     = aws_secretsmanager_secret.jwt.id
  secret_string = var.values.jwt
}

resource "aws_secretsmanager_secret" "app" {
  name = "shop/staging/app"
}

resource "aws_secretsmanager_secret_version" "app" {
  secret_id     = aws_secretsmanager_secret.app.id
  secret_string = jsonencode(var.values.app)
}
`

// What they write instead, in one change.
const movedSecrets = `
moved {
  from = aws_secretsmanager_secret.jwt
  to   = roi_secret.jwt
}

moved {
  from = aws_secretsmanager_secret.app
  to   = roi_secret.app
}

removed {
  from = aws_secretsmanager_secret_version.jwt

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_secretsmanager_secret_version.app

  lifecycle {
    destroy = false
  }
}
` + remainingSecrets

const remainingSecrets = `
variable "incident" {
  default = "none so far"
}

resource "roi_secret" "jwt" {
  name                    = "shop/staging/jwt"
  description             = "Signs tokens"
  category                = "jwt"
  recovery_window_in_days = 7
  tags                    = { team = "payments" }
}

resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.jwt.id
}

resource "roi_secret" "app" {
  name = "shop/staging/app"
  keys = {
    JWT_SECRET  = { category = "jwt" }
    DB_PASSWORD = { category = "database" }
  }
}

resource "roi_secret_rotation" "app" {
  secret_id = roi_secret.app.id
  keys      = ["JWT_SECRET"]
  triggers  = { incident = var.incident }
}
`

// Secrets of hashicorp/aws are handed over with their values, one string and one
// JSON object with a key of which this provider is told nothing. Rotations that are
// added in the same apply adopt them.
func TestMigrationFromAWS(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	w := tfcli.New(t)
	useHashicorpProviders(t, w)
	onFake(w, b)
	values := struct {
		JWT string            `json:"jwt"`
		App map[string]string `json:"app"`
	}{valueOf(t, "jwt"), map[string]string{"JWT_SECRET": valueOf(t, "jwt"), "DB_PASSWORD": valueOf(t, "database"), "LEGACY_TOKEN": valueOf(t, "api_key")}}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	w.SetEnv("TF_VAR_values", string(text))
	head := fmt.Sprintf(movedFromAWS, b.fake.URL())
	w.WriteFile("main.tf", head+secretsOfAWS)
	if result := w.Run("init", "-input=false", "-no-color"); result.ExitCode != 0 {
		missing(t, "hashicorp/aws is neither in a mirror nor to be had from the registry, so moving its secrets was not tested with it, only with a stand-in (TestSecretMoved):\n"+result.Message())
	}
	w.Apply().Require(t, 0)

	const jwt, app = "shop/staging/jwt", "shop/staging/app"
	scanner := leak.New(t, values.JWT)
	for _, value := range values.App {
		scanner.Add(t, value)
	}
	if len(scanner.Text("state", w.State())) == 0 {
		t.Error("the state before the move has no value either, so searching that after it proves nothing")
	}
	if b.value(t, jwt, "") != values.JWT {
		t.Fatal("hashicorp/aws stored another value")
	}
	beforeJWT, beforeApp := b.fake.Secret(jwt), b.fake.Secret(app)
	appText := b.value(t, app, "")

	b.fake.Deny("secretsmanager:PutSecretValue")
	w.WriteFile("main.tf", head+movedSecrets)
	plan := w.PlanJSON()
	for address, want := range map[string]string{
		"roi_secret.jwt": "update", "roi_secret.app": "update", "roi_secret_rotation.jwt": "create", "roi_secret_rotation.app": "create",
		"aws_secretsmanager_secret_version.jwt": "forget", "aws_secretsmanager_secret_version.app": "forget",
	} {
		if change, _ := plan.Change(address); !slices.Equal(change.Change.Actions, []string{want}) {
			t.Errorf("planned for %s: %v, want %s", address, change.Change.Actions, want)
		}
	}
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	b.fake.AllowAll()
	if b.value(t, jwt, "") != values.JWT || b.value(t, app, "") != appText {
		t.Error("the move changed a value")
	}
	afterJWT, afterApp := b.fake.Secret(jwt), b.fake.Secret(app)
	if diff := cmp.Diff([]any{beforeJWT.ARN, beforeJWT.Labels, beforeJWT.Policy, beforeJWT.Description, beforeApp.ARN, beforeApp.Labels},
		[]any{afterJWT.ARN, afterJWT.Labels, afterJWT.Policy, afterJWT.Description, afterApp.ARN, afterApp.Labels}); diff != "" {
		t.Errorf("what the move changed (-before +after):\n%s", diff)
	}
	if beforeJWT.Policy == "" || afterJWT.Tags["team"] != "payments" {
		t.Errorf("resource policy before %q, tags after %v", beforeJWT.Policy, afterJWT.Tags)
	}
	w.Plan().Require(t, 0)

	// hashicorp/aws is no longer needed, and no value is in state.
	w.WriteFile("main.tf", tfcli.RequiredProviders+"provider \"roi\" {\n  environment = \"staging\"\n}\n"+remainingSecrets)
	w.Init()
	w.Plan().Require(t, 0)
	if findings := scanner.Text("state", w.State()); len(findings) > 0 {
		t.Errorf("values are still in state: %v", findings)
	}

	w.Apply("-var=incident=INC-42").Require(t, 0)
	for key, changes := range map[string]bool{"JWT_SECRET": true, "DB_PASSWORD": false, "LEGACY_TOKEN": false} {
		if changed := b.key(t, app, key) != values.App[key]; changed != changes {
			t.Errorf("%s changed in the rotation: %t, want %t", key, changed, changes)
		}
	}
	if b.value(t, jwt, "") != values.JWT {
		t.Error("the rotation of one secret changed the other")
	}
	w.Plan("-var=incident=INC-42").Require(t, 0)
}

// What the secret of the guide is put into, with a rotation of the key that the script
// did not have.
const fromEnvFile = tfcli.RequiredProviders + `
provider "roi" {
  environment = "development"
}

variable "incident" {
  default = "none so far"
}

resource "roi_secret_rotation" "webhook" {
  secret_id = roi_secret.app.id
  keys      = ["WEBHOOK_SECRET"]
  triggers  = { incident = var.incident }
}
`

// envFileValues are the arguments that supply the values.
var envFileValues = regexp.MustCompile(`(?s)\n  values_wo = \{\n.*?\n  \}\n  values_wo_version = 1\n`)

// The values of a .env file become those of a secret, and stay so until the arguments
// that supply them are taken away. Then the keys are generated ones, which the plan
// says.
func TestMigrationFromEnvFile(t *testing.T) {
	t.Parallel()
	blocks := blocksTestedBy(t, "migration", t.Name())
	if len(blocks) != 1 {
		t.Fatalf("the guide has %d blocks for this test, want 1", len(blocks))
	}
	w := tfcli.New(t)
	b := backend{store: localstore.New(localstore.Config{Path: filepath.Join(w.Dir, localstore.DefaultPath)}, clock.System{})}
	const id = "shop/development/app"
	scanner := leak.New(t)
	values := map[string]string{"JWT_SECRET": valueOf(t, "jwt"), "DB_PASSWORD": valueOf(t, "database")}
	w.WriteFile(".env", fmt.Sprintf("# made by a script\n\nJWT_SECRET=%s\nDB_PASSWORD='%s'\nLOG_LEVEL=debug\n", values["JWT_SECRET"], values["DB_PASSWORD"]))
	// now asserts which values are others than before.
	now := func(others ...string) {
		t.Helper()
		present := map[string]string{}
		for _, key := range []string{"DB_PASSWORD", "JWT_SECRET", "WEBHOOK_SECRET"} {
			present[key] = b.key(t, id, key)
			scanner.Add(t, present[key])
		}
		scanner.Add(t, b.value(t, id, ""))
		if diff := cmp.Diff(others, changed(values, present)); diff != "" {
			t.Errorf("values that changed (-want +got):\n%s", diff)
		}
		values = present
	}
	w.WriteFile("main.tf", fromEnvFile)
	w.WriteFile("app.tf", blocks[0])
	w.Init()
	w.Run("fmt", "-check", "-diff", "-no-color").Require(t, 0)
	w.PlanJSON()
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	now("WEBHOOK_SECRET")
	w.Plan().Require(t, 0)

	w.Apply("-var=incident=INC-42").Require(t, 0)
	now("WEBHOOK_SECRET")
	w.Plan("-var=incident=INC-42").Require(t, 0)
	w.LeakCheck(scanner, ".env")

	w.WriteFile("app.tf", envFileValues.ReplaceAllString(blocks[0], ""))
	if err := os.Remove(filepath.Join(w.Dir, ".env")); err != nil {
		t.Fatal(err)
	}
	plan := w.Plan("-var=incident=INC-42")
	plan.Require(t, 2)
	if message := plan.Message(); !strings.Contains(message, "DB_PASSWORD, JWT_SECRET") {
		t.Errorf("the plan does not say which keys get a new value: %s", message)
	}
	w.Apply("-var=incident=INC-42").Require(t, 0)
	now("DB_PASSWORD", "JWT_SECRET")
	w.Plan("-var=incident=INC-42").Require(t, 0)
	w.LeakCheck(scanner)
}
