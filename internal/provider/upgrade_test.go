// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// previousVariable names the binary of an earlier release. Read before TestMain
// takes such variables away.
const previousVariable = "ROI_TEST_PREVIOUS_PROVIDER"

var previousPath = os.Getenv(previousVariable)

// The versions that the configurations below ask for.
const (
	previousVersion = "0.9.0"
	thisVersion     = "1.0.0" // tfcli's own
)

// upgradeConfig has every kind of resource, data source and ephemeral resource that
// needs no Docker, and as many of their arguments as go together.
const upgradeConfig = `
variable "supplied" {
  type      = string
  ephemeral = true
}
resource "roi_secret" "jwt" {
  name        = "shop/jwt"
  description = "Signs sessions"
  category    = "jwt"
  length      = 80
  tags        = { team = "web" }
}
resource "roi_secret_rotation" "jwt" {
  secret_id     = roi_secret.jwt.id
  rotation_days = 60
  rotate_before = "72h"
  grace_period  = "2h"
  triggers      = { incident = "INC-42" }
}
resource "roi_secret" "app" {
  name = "shop/app"
  keys = {
    JWT_SECRET     = { category = "jwt" }
    DB_PASSWORD    = { category = "database", length = 40 }
    ENCRYPTION_KEY = { category = "encryption" }
    PARTNER        = { category = "partner" }
    GIVEN          = { category = "external" }
  }
  values_wo         = { GIVEN = var.supplied }
  values_wo_version = 1
  static            = { DB_HOST = "db.internal" }
}
resource "roi_secret_rotation" "app_jwt" {
  secret_id           = roi_secret.app.id
  keys                = ["JWT_SECRET"]
  previous_key_suffix = "_OLD"
}
resource "roi_secret_rotation" "app" {
  secret_id = roi_secret.app.id
}
resource "roi_secret" "supplied" {
  name             = "shop/supplied"
  category         = "external"
  value_wo         = var.supplied
  value_wo_version = 1
}
resource "roi_env_file" "app" {
  path = "${path.root}/.env"
  entries = [
    { name = "DB_HOST", value = "localhost" },
    { name = "JWT_SECRET", secret_id = roi_secret.app.id, key = "JWT_SECRET", version_id = roi_secret_rotation.app_jwt.version_id },
  ]
}
resource "terraform_data" "dependent" {
  input            = roi_secret.app.effective_policy
  triggers_replace = roi_secret_rotation.jwt.version_id
}
ephemeral "roi_secret_value" "app" {
  secret_id = roi_secret.app.id
}
ephemeral "roi_generated_value" "any" {
  category = "jwt"
}
data "roi_rotation_report" "all" {
  name_prefix = "shop/"
  depends_on = [roi_secret_rotation.jwt, roi_secret_rotation.app, roi_secret_rotation.app_jwt, roi_secret.supplied]
}
data "roi_compliance_report" "all" {
  name_prefix = "shop/"
  depends_on = [roi_secret_rotation.jwt, roi_secret_rotation.app, roi_secret_rotation.app_jwt, roi_secret.supplied]
}
output "overdue" { value = data.roi_rotation_report.all.overdue }
output "policy" { value = provider::roi::policy("database") }
output "due" { value = provider::roi::rotation_due("2026-11-23T12:00:00Z", 90) }
`

const upgradeDockerConfig = `
variable "supplied" {
  type      = string
  ephemeral = true
}
resource "roi_secret" "app" {
  name = %[1]q
  keys = { JWT_SECRET = { category = "jwt" } }
}
resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.app.id
}
resource "roi_docker_secret" "stored" {
  name       = "%[1]s-stored"
  secret_id  = roi_secret.app.id
  key        = "JWT_SECRET"
  version_id = roi_secret_rotation.jwt.version_id
  labels     = { team = "web" }
  services   = ["*"]
  target     = { file = "jwt", mode = "0400" }
}
resource "roi_docker_secret" "supplied" {
  name             = "%[1]s-supplied"
  value_wo         = var.supplied
  value_wo_version = 1
  keep_versions    = 2
  timeouts         = { update = "5m" }
}
`

// TestUpgradeChangesNothing applies with the provider of the release before and
// plans with this one: the plan is empty, and nothing is written to the store or to
// Docker. What falls due, falls due with both, and a rotation goes on from what the
// other one recorded. Going back to the release before works, or is refused by
// Terraform because of a newer state.
//
// That release is the binary that ROI_TEST_PREVIOUS_PROVIDER names, or is built from
// the newest tag of a release before this commit. Where there is none yet, the
// provider of this tree takes its place.
func TestUpgradeChangesNothing(t *testing.T) {
	t.Parallel()
	previous := findPrevious(t)
	for _, start := range []func(*testing.T) backend{func(t *testing.T) backend { return fakeBackend(t) }, localBackend} {
		b := start(t)
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			u := newUpgrade(t, previous, b, `policies = { partner = { base = "api_key", length = 64, rotation_days = 30 } }`)
			u.config = upgradeConfig
			u.secrets = []string{"shop/jwt", "shop/app", "shop/supplied"}
			u.run([]string{"roi_secret_rotation.jwt", "roi_secret_rotation.app", "roi_secret_rotation.app_jwt", "roi_env_file.app", "terraform_data.dependent"})
		})
	}
	t.Run("docker", func(t *testing.T) {
		t.Parallel()
		s := newSwarmTest(t)
		u := newUpgrade(t, previous, s.backend, fmt.Sprintf("docker = { host = %q }", s.Host))
		u.config = fmt.Sprintf(upgradeDockerConfig, s.name)
		u.secrets = []string{s.name}
		u.engine = s.Daemon
		u.run([]string{"roi_secret_rotation.jwt", "roi_docker_secret.stored"})
	})
}

// findPrevious returns the provider to upgrade from; "" is that of this tree.
func findPrevious(t *testing.T) string {
	t.Helper()
	if previousPath != "" {
		path, err := filepath.Abs(previousPath)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			t.Fatalf("%s: %v", previousVariable, err)
		}
		return path
	}
	root := filepath.Join("..", "..")
	// In CI the checkout belongs to another user than the one who runs the tests.
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", append([]string{"-c", "safe.directory=*", "-C", root}, args...)...)
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
	tags, err := git("tag", "--list", "v[0-9]*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
	releases := slices.DeleteFunc(strings.Fields(tags), func(tag string) bool { return strings.Contains(tag, "-") })
	if err != nil || len(releases) == 0 {
		t.Logf("there is no earlier release (%s is not set and git has no tag of one), so this tree's provider takes its place", previousVariable)
		return ""
	}
	t.Logf("the release before is %s", releases[0])
	folder := t.TempDir()
	archive, source := filepath.Join(folder, "source.tar"), filepath.Join(folder, "source")
	if text, err := git("archive", "--output", archive, releases[0]); err != nil {
		t.Fatalf("git archive: %v\n%s", err, text)
	}
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, text)
	}
	path := filepath.Join(folder, "terraform-provider-roi")
	if err := tfcli.Build(source, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// upgrade is a configuration that is applied with one provider and planned with
// another.
type upgrade struct {
	backend
	*tfcli.Workspace
	t         *testing.T
	arguments string // of the provider
	config    string
	secrets   []string
	engine    *docker.Daemon // nil without Docker
}

func newUpgrade(t *testing.T, previous string, b backend, arguments string) *upgrade {
	t.Helper()
	w := tfcli.New(t, tfcli.Env("TF_VAR_supplied", `sUpplied "Value" \ 7fK2mQ9x`))
	if previous == "" {
		previous = w.ProviderPath()
	}
	w.Install(previousVersion, previous)
	return &upgrade{backend: b, Workspace: w, t: t, arguments: arguments}
}

// use lets the next commands run with one version of the provider.
func (u *upgrade) use(version string) {
	u.t.Helper()
	required := strings.Replace(tfcli.RequiredProviders, `"roi-systems/roi"`, fmt.Sprintf(`"roi-systems/roi", version = %q`, version), 1)
	u.WriteFile("main.tf", required+u.provider(`environment = "development"`, u.arguments)+u.config)
	u.Init("-upgrade")
}

func (u *upgrade) run(due []string) {
	u.t.Helper()
	u.use(previousVersion)
	u.Apply().Require(u.t, 0)
	u.nothingPlanned("the release before, after its own apply")
	before := u.snapshot()
	dueBefore := u.due()

	u.use(thisVersion)
	if u.fake != nil {
		u.fake.ResetCalls()
	}
	u.nothingPlanned("after the upgrade")
	u.Apply().Require(u.t, 0)
	u.unchanged("the upgrade", before)
	if u.fake != nil {
		for _, call := range u.fake.Calls() {
			if !slices.ContainsFunc([]string{"Get", "List", "Describe"}, func(verb string) bool { return strings.HasPrefix(call.Op, verb) }) {
				u.t.Errorf("the upgrade made the request %s", call.Op)
			}
		}
	}
	dueAfter := u.due()
	if diff := cmp.Diff(dueBefore, dueAfter); diff != "" {
		u.t.Errorf("what is planned when everything is due (-release before +this one):\n%s", diff)
	}
	for _, address := range due {
		if dueAfter[address] == "" {
			u.t.Errorf("%s is not planned when everything is due", address)
		}
	}

	// Back, before this provider has written anything.
	if u.goBack() {
		u.nothingPlanned("after going back")
		u.unchanged("going back", before)
	}

	u.use(thisVersion)
	u.SetEnv("ROI_PLAN_AS_OF", "+91d")
	u.Apply().Require(u.t, 0)
	u.SetEnv("ROI_PLAN_AS_OF", "")
	u.Apply().Require(u.t, 0) // what state says of that other time
	u.nothingPlanned("after a rotation")
	after := u.snapshot()
	for _, id := range u.secrets {
		if id != "shop/supplied" && !slices.Contains(after.secrets[id].Labels[before.secrets[id].VersionWith(secretstore.Current)], secretstore.Previous) {
			u.t.Errorf("%s: the rotation did not go on from the version that the release before had made", id)
		}
	}
	if u.goBack() {
		u.nothingPlanned("after going back from a rotation")
		u.unchanged("going back from a rotation", after)
	}
}

// goBack goes back to the release before, and reports whether that can plan. If it
// cannot, Terraform must have said why.
func (u *upgrade) goBack() bool {
	u.t.Helper()
	u.use(previousVersion)
	result := u.Plan()
	if result.ExitCode != 1 {
		return true
	}
	// Source: https://github.com/hashicorp/terraform/blob/main/internal/terraform/upgrade_resource_state.go
	if !strings.Contains(result.Message(), "created by a newer provider version") {
		u.t.Errorf("going back fails, and not because the state is newer: %s", result.Message())
	}
	return false
}

// nothingPlanned asserts an empty plan, without a difference in what was refreshed.
func (u *upgrade) nothingPlanned(when string) {
	u.t.Helper()
	plan := u.PlanJSON()
	for _, change := range append(plan.ResourceChanges, plan.ResourceDrift...) {
		if !slices.Equal(change.Change.Actions, []string{"no-op"}) && change.Mode == "managed" {
			u.t.Errorf("%s: %v is planned for %s", when, change.Change.Actions, change.Address)
		}
	}
	for name, change := range plan.OutputChanges {
		if !slices.Equal(change.Actions, []string{"no-op"}) {
			u.t.Errorf("%s: output %s changes", when, name)
		}
	}
}

// due returns what would be planned for each resource 91 days from now.
func (u *upgrade) due() map[string]string {
	u.t.Helper()
	u.SetEnv("ROI_PLAN_AS_OF", "+91d")
	defer u.SetEnv("ROI_PLAN_AS_OF", "")
	actions := map[string]string{}
	for _, change := range u.PlanJSON().ResourceChanges {
		if change.Mode == "managed" && !slices.Equal(change.Change.Actions, []string{"no-op"}) {
			actions[change.Address] = strings.Join(change.Change.Actions, " ")
		}
	}
	return actions
}

// snapshot is all that a provider could have changed.
type snapshot struct {
	secrets map[string]secretstore.Secret
	docker  map[string]string // names to ids, which a new value changes
	state   map[string]map[string]any
	values  map[string]string // never printed
}

func (u *upgrade) snapshot() snapshot {
	u.t.Helper()
	s := snapshot{map[string]secretstore.Secret{}, map[string]string{}, map[string]map[string]any{}, map[string]string{}}
	for _, id := range u.secrets {
		s.secrets[id] = u.describe(u.t, id)
		s.values[id] = u.value(u.t, id, "")
		if u.engine != nil {
			for _, secret := range u.engine.Secrets(u.t, id) {
				s.docker[secret.Spec.Name] = secret.ID
			}
		}
	}
	for _, resource := range u.Show().Values.RootModule.Resources {
		if resource.Mode == "managed" {
			s.state[resource.Address] = resource.Values
		}
	}
	file, err := os.ReadFile(filepath.Join(u.Dir, ".env"))
	if err != nil && !os.IsNotExist(err) {
		u.t.Fatal(err)
	}
	s.values[".env"] = string(file)
	return s
}

func (u *upgrade) unchanged(what string, before snapshot) {
	u.t.Helper()
	after := u.snapshot()
	// An attribute that the other provider does not have is no change.
	for address, attributes := range after.state {
		maps.DeleteFunc(attributes, func(name string, _ any) bool {
			_, known := before.state[address][name]
			return !known
		})
	}
	for name, value := range before.values {
		if after.values[name] != value {
			u.t.Errorf("%s changed the value of %s", what, name)
		}
	}
	if diff := cmp.Diff([]any{before.secrets, before.docker, before.state}, []any{after.secrets, after.docker, after.state}); diff != "" {
		u.t.Errorf("what %s changed (-before +after):\n%s", what, diff)
	}
}
