// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// guidePath is the template of a guide.
func guidePath(name string) string {
	return filepath.Join("..", "..", "templates", "guides", name+".md.tmpl")
}

// blocksTestedBy returns the blocks of a guide that name a test.
func blocksTestedBy(t *testing.T, guide, test string) []string {
	t.Helper()
	var blocks []string
	for _, block := range guideBlocks(t, guidePath(guide)) {
		if block.comment == "tested by: "+test {
			blocks = append(blocks, block.text)
		}
	}
	return blocks
}

const guideWithAWS = `
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
    roi = { source = "roi-systems/roi" }
  }
}

provider "roi" {
  environment = "staging"
}
`

// initWithAWS prepares a configuration that needs hashicorp/aws.
func initWithAWS(t *testing.T, w *tfcli.Workspace, what string) {
	t.Helper()
	if result := w.Run("init", "-input=false", "-no-color"); result.ExitCode != 0 {
		missing(t, "hashicorp/aws is neither in a mirror nor to be had from the registry, so "+what+" was not tested with it:\n"+result.Message())
	}
}

// The database of the guide gets the password of the store, and each later one with
// the apply that makes it.
func TestGuideOfDatabasesOnMoto(t *testing.T) {
	t.Parallel()
	blocks := blocksTestedBy(t, "databases", t.Name())
	if len(blocks) != 1 {
		t.Fatalf("the guide has %d blocks for this test, want 1", len(blocks))
	}
	account := newMotoAccount(t)
	w := tfcli.New(t)
	useHashicorpProviders(t, w)
	account.use(w)
	w.WriteFile("main.tf", guideWithAWS)
	w.WriteFile("database.tf", blocks[0])
	initWithAWS(t, w, "a database with a write-only password")
	w.Run("fmt", "-check", "-diff", "-no-color").Require(t, 0)

	b := account.backend(awsfake.DefaultRegion)
	scanner := leak.New(t)
	// given asserts that the server was given the present value, and nothing before.
	given := func(action string) string {
		t.Helper()
		value := b.value(t, "shop/staging/db", "")
		scanner.Add(t, value)
		got := account.asked(action, "MasterUserPassword")
		if len(got) != 1 || got[0] != value {
			t.Errorf("%s was called %d times with a password, want once, with that of the store", action, len(got))
		}
		return value
	}
	w.Apply().Require(t, 0)
	before := given("CreateDBInstance")
	w.Plan().Require(t, 0)

	w.PlanJSON("-replace=roi_secret_rotation.db")
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	if given("ModifyDBInstance") == before {
		t.Error("the rotation made no new password")
	}
	w.Plan().Require(t, 0)
	// Not the logs: hashicorp/aws writes its requests there, which the guide says.
	for _, finding := range scanner.Files(w.Dir) {
		t.Errorf("a secret value is in %s", finding)
	}
}

// randomPassword is what random_password is played by where hashicorp/random is not.
const randomPassword = `
variable "random_password" {
  type      = string
  sensitive = true
}
`

// withoutRandom says that hashicorp/random is missing, in a test of its own: what can be
// done without it goes on. A mirror that has hashicorp/aws stands for the registry, and
// nothing can be installed there.
func withoutRandom(t *testing.T, w *tfcli.Workspace, result tfcli.Result) {
	t.Helper()
	const what = "a variable stood in for random_password"
	mirror := filepath.Join(filepath.Dir(w.Dir), "mirror", "registry.terraform.io", "hashicorp", "aws")
	if _, err := os.Stat(mirror); err == nil {
		t.Skip("not tested on this mirror: it has hashicorp/aws and not hashicorp/random, so that " + what)
	}
	missing(t, "hashicorp/random is neither in a mirror nor to be had from the registry, so that "+what+":\n"+result.Message())
}

var randomPasswordBlock = regexp.MustCompile(`(?s)resource "random_password" "jwt" \{.*?\n\}\n`)

// A generated password and its secret, as the guide has them, become what the guide has
// instead, with the same value.
func TestGuideOfMigrationFromRandomPassword(t *testing.T) {
	t.Parallel()
	blocks := blocksTestedBy(t, "migration", t.Name())
	if len(blocks) != 2 {
		t.Fatalf("the guide has %d blocks for this test, want 2", len(blocks))
	}
	before, removed := blocks[0], blocks[1]
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/shop-secrets"}})
	w := tfcli.New(t)
	useHashicorpProviders(t, w)
	onFake(w, b)
	others := `
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
    random = { source = "hashicorp/random" }`
	head := "terraform {\n  required_providers {" + others + "\n  }\n}\n"
	random := true
	w.WriteFile("main.tf", head+before)
	if result := w.Run("init", "-input=false", "-no-color"); result.ExitCode != 0 {
		random = false
		others = strings.Replace(others, `random = { source = "hashicorp/random" }`, "", 1)
		head = "terraform {\n  required_providers {" + others + "\n  }\n}\n" + randomPassword
		before = randomPasswordBlock.ReplaceAllString(strings.ReplaceAll(before, "random_password.jwt.result", "var.random_password"), "")
		removed = randomPassword
		w.SetEnv("TF_VAR_random_password", valueOf(t, "jwt"))
		w.WriteFile("main.tf", head+before)
		initWithAWS(t, w, "moving the secrets of the guide")
		t.Run("random_password", func(t *testing.T) { withoutRandom(t, w, result) })
	}
	w.Apply().Require(t, 0)
	const id = "shop/production/jwt"
	value, secret := b.value(t, id, ""), b.describe(t, id)
	scanner := leak.New(t, value)
	if len(scanner.Text("state", w.State())) == 0 {
		t.Error("the state before the move has no value either, so searching that after it proves nothing")
	}

	b.fake.Deny("secretsmanager:PutSecretValue")
	example := readExample(t, "move-from-aws/main.tf")
	w.WriteFile("main.tf", strings.Replace(example, "required_providers {", "required_providers {"+others, 1)+removed)
	w.Init()
	plan := w.PlanJSON()
	want := map[string]string{"roi_secret.jwt": "update", "aws_secretsmanager_secret_version.jwt": "forget"}
	if random {
		want["random_password.jwt"] = "forget"
	}
	for address, action := range want {
		if change, _ := plan.Change(address); !slices.Equal(change.Change.Actions, []string{action}) {
			t.Errorf("planned for %s: %v, want %s", address, change.Change.Actions, action)
		}
	}
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	w.Plan().Require(t, 0)
	w.WriteFile("main.tf", example)
	w.Init()
	w.Plan().Require(t, 0)
	after := b.describe(t, id)
	if b.value(t, id, "") != value || after.ARN != secret.ARN || len(after.Labels) != 1 {
		t.Errorf("the secret after the move: %+v", after)
	}
	if findings := scanner.Text("state", w.State()); len(findings) > 0 {
		t.Errorf("the value is still in state: %v", findings)
	}
}

var argumentsOfResource = regexp.MustCompile("(?m)^\\| `(aws_\\w+)` \\| `(\\w+)`, `(\\w+)` \\|$")

// The write-only arguments that the guide names are those of hashicorp/aws.
func TestGuideOfDatabasesNamesArguments(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(guidePath("databases"))
	if err != nil {
		t.Fatal(err)
	}
	rows := argumentsOfResource.FindAllStringSubmatch(string(guide), -1)
	if len(rows) == 0 {
		t.Fatal("the guide names no resource of hashicorp/aws")
	}
	w := tfcli.New(t)
	useHashicorpProviders(t, w)
	var config strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&config, "resource %q \"test\" {\n  %s = \"x\"\n  %s = 1\n}\n", row[1], row[2], row[3])
	}
	w.WriteFile("main.tf", guideWithAWS+config.String())
	initWithAWS(t, w, "the table of write-only arguments")
	// Arguments that are required are missing.
	result := w.Run("validate", "-no-color")
	if message := result.Message(); strings.Contains(message, "Unsupported argument") || strings.Contains(message, "Invalid resource type") {
		t.Error(message)
	}
}
