// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/rand"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// exampleNeeds prepares what an example expects to find, in its copy.
var exampleNeeds = map[string]func(t *testing.T, w *tfcli.Workspace, store secretstore.Store){
	"import": func(t *testing.T, _ *tfcli.Workspace, store secretstore.Store) {
		_, err := store.Create(t.Context(), secretstore.CreateInput{
			Name:  "shop/jwt",
			Token: secretstore.DeriveVersionID("example"),
			Value: secretstore.NewPlaintext(rand.Text() + rand.Text() + rand.Text()),
		})
		if err != nil {
			t.Fatal(err)
		}
	},
	"resources/roi_docker_secret": func(t *testing.T, w *tfcli.Workspace, _ secretstore.Store) {
		engine := docker.New(t)
		engine.InitSwarm(t)
		w.SetEnv("DOCKER_HOST", engine.Host)
		for _, name := range []string{"shop_api", "shop_worker"} {
			engine.Service(t, name, "", func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64(0)) })
		}
	},
	// Terraform configures a provider only if something uses it.
	"provider": func(_ *testing.T, w *tfcli.Workspace, _ secretstore.Store) {
		w.WriteFile("use.tf", `
resource "roi_secret" "jwt" {
  name     = "shop/jwt"
  category = "jwt"
}

resource "roi_secret" "partner" {
  name     = "shop/partner"
  category = "partner_token"
}
`)
	},
}

// exampleFiles are the files into which an example writes a value.
var exampleFiles = map[string][]string{
	"quickstart":                           {"database-password"},
	"ephemeral-resources/roi_secret_value": {"db-password"},
	"resources/roi_env_file":               {".env", ".env.development", ".env.test"},
}

// examplesTestedElsewhere names the tests of what is not a root module for the
// embedded store alone.
var examplesTestedElsewhere = map[string]string{
	"cloudwatch":            "TestExampleOfAlarms",
	"stacks/environment":    "TestStackDevelopment",
	"stacks/development":    "TestStackDevelopment",
	"stacks/staging":        "TestStackStaging",
	"stacks/production":     "TestStackProduction",
	"stacks/production/aws": "TestStackProductionWithAWS",
}

// TestExamples runs Terraform on every folder under examples: it must be valid,
// the plan after an apply must be empty, and no value may be in what Terraform
// leaves behind. An example that does not say so itself is applied on the
// embedded store, with the floors of production.
func TestExamples(t *testing.T) {
	examples := os.DirFS(filepath.Join("..", "..", "examples"))
	folders := map[string][]string{}
	err := fs.WalkDir(examples, ".", func(file string, _ fs.DirEntry, err error) error {
		if path.Ext(file) == ".tf" {
			folders[path.Dir(file)] = append(folders[path.Dir(file)], file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, test := range examplesTestedElsewhere {
		if folders[folder] == nil || !slices.Contains(testNames(t), test) {
			t.Errorf("%s has no example, or there is no %s", folder, test)
		}
		delete(folders, folder)
	}
	for _, folder := range slices.Concat([]string{"quickstart"}, slices.Collect(maps.Keys(exampleNeeds)), slices.Collect(maps.Keys(exampleFiles))) {
		if folders[folder] == nil {
			t.Errorf("this test expects an example in %s", folder)
		}
	}

	for folder, files := range folders {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			w := tfcli.New(t, tfcli.Env("ROI_STORE", "local"))
			w.SetEnv("TF_VAR_partner_token", valueOf(t, "api_key"))
			for _, file := range files {
				content, err := fs.ReadFile(examples, file)
				if err != nil {
					t.Fatal(err)
				}
				w.WriteFile(path.Base(file), string(content))
			}
			w.Init()
			w.Run("validate", "-no-color").Require(t, 0)

			store := localstore.New(localstore.Config{Path: filepath.Join(w.Dir, localstore.DefaultPath)}, clock.System{})
			if prepare := exampleNeeds[folder]; prepare != nil {
				prepare(t, w, store)
			}
			w.Apply().Require(t, 0)
			w.Plan().Require(t, 0)
			if path.Dir(folder) == "functions" || folder == "ci/report" {
				return // functions and reports make no value
			}
			checkExampleValues(t, w, store, exampleFiles[folder])
		})
	}
}

// checkExampleValues looks for every value of the store in what Terraform left
// behind, and at the files that were asked for: a value in each, and mode 0600.
func checkExampleValues(t *testing.T, w *tfcli.Workspace, store secretstore.Store, files []string) {
	t.Helper()
	scanner := leak.New(t)
	var values []string
	for _, resource := range w.Show().Values.RootModule.Resources {
		if resource.Type != "roi_secret" {
			continue
		}
		id, _ := resource.Values["id"].(string)
		value, err := store.Value(t.Context(), id, secretstore.VersionRef{})
		if err != nil {
			t.Fatal(err)
		}
		static, _ := resource.Values["static"].(map[string]any)
		values = append(values, secretStrings(value.Plaintext.Reveal(), static)...)
	}
	if len(values) == 0 {
		t.Fatal("the example made no value that could be looked for")
	}
	scanner.Add(t, values...)
	w.LeakCheck(scanner, files...)

	for _, name := range files {
		file := filepath.Join(w.Dir, name)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, info.Mode().Perm())
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(values, func(value string) bool { return strings.Contains(string(content), value) }) {
			t.Errorf("%s does not hold a value of the store", name)
		}
	}
}

// secretStrings returns what is secret in a value: all of it, or for a JSON
// secret the keys that are not static.
func secretStrings(value string, static map[string]any) []string {
	object, err := secretstore.ParseObject(value)
	if err != nil {
		return []string{value}
	}
	var values []string
	for _, key := range object.Keys() {
		if _, plain := static[key]; plain {
			continue
		}
		if s, ok := object.String(key); ok {
			values = append(values, s)
		}
	}
	return values
}
