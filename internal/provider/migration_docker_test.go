// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mobyswarm "github.com/moby/moby/api/types/swarm"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// dockerMigration is what a team has that moves over: a secret in the store, imported
// already, and the same value in a Docker secret that was made by hand.
type dockerMigration struct {
	backend
	*docker.Daemon
	*tfcli.Workspace
	t       *testing.T
	scanner *leak.Scanner
	value   string

	config string   // of the guide
	shell  []string // commands of the guide, block after block
}

const migratedSecret = "shop/jwt"

func newDockerMigration(t *testing.T, secret string) *dockerMigration {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		missing(t, "the docker command is not on the PATH, so moving Docker secrets over was not tested")
	}
	m := &dockerMigration{Daemon: docker.New(t), Workspace: tfcli.New(t), t: t, value: valueOf(t, "jwt")}
	m.InitSwarm(t)
	m.store = localstore.New(localstore.Config{Path: filepath.Join(m.Dir, localstore.DefaultPath)}, clock.System{})
	m.make(t, migratedSecret, m.value, nil)
	m.scanner = leak.New(t, m.value)
	create := exec.Command("docker", "--host", m.Host, "secret", "create", secret, "-")
	create.Stdin = strings.NewReader(m.value)
	if text, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for name, value := range map[string]string{"DOCKER_HOST": m.Host, "DOCKER_CONFIG": t.TempDir(), "TF_CLI_ARGS_apply": "-auto-approve -no-color"} {
		m.SetEnv(name, value)
	}
	for _, block := range guideBlocks(t, filepath.Join("..", "..", "templates", "guides", "migration.md.tmpl")) {
		switch {
		case block.comment == "tested by: TestMigrationOfDockerSecrets":
			m.shell = append(m.shell, block.text)
		case block.language == "terraform" && strings.Contains(block.text, "roi_docker_secret"):
			m.config = block.text
		}
	}
	if len(m.shell) != 3 {
		t.Fatalf("the guide has %d blocks of commands", len(m.shell))
	}
	imported, err := os.ReadFile(filepath.Join("..", "..", "examples", "import", "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	m.WriteFile("main.tf", string(imported))
	m.Init()
	m.Apply().Require(t, 0)
	return m
}

// run runs a block of the guide's commands.
func (m *dockerMigration) run(block int) tfcli.Result {
	m.t.Helper()
	result := m.Shell(m.shell[block])
	result.Require(m.t, 0)
	return result
}

// unchanged asserts that the store has the value of before.
func (m *dockerMigration) unchanged() {
	m.t.Helper()
	if m.backend.value(m.t, migratedSecret, "") != m.value {
		m.t.Error("the value in the store is another one")
	}
}

func (m *dockerMigration) there(want ...string) {
	m.t.Helper()
	if diff := cmp.Diff(want, m.SecretNames(m.t, "")); diff != "" {
		m.t.Errorf("secrets in Docker (-want +got):\n%s", diff)
	}
}

// The guide's import of a secret that was made by hand and that a service uses: the
// plan and the first apply change its labels and nothing else, and the rotation after
// it goes on with the next number.
func TestMigrationOfDockerSecrets(t *testing.T) {
	t.Parallel()
	m := newDockerMigration(t, "shop-jwt-secret-v3")
	service := m.Service(t, "shop_api", "shop-jwt-secret-v3")
	service.WaitFor(t, 2, m.value)
	before, secret := service.Inspect(t), m.Secrets(t, "")[0]

	m.WriteFile("docker.tf", m.config)
	change, _ := m.PlanJSON().Change("roi_docker_secret.jwt")
	if !slices.Equal(change.Change.Actions, []string{"update"}) {
		t.Errorf("planned: %v, want an update", change.Change.Actions)
	}
	var is, will struct {
		ID            string   `json:"id"`
		Version       int      `json:"version"`
		VersionedName string   `json:"versioned_name"`
		Superseded    []string `json:"superseded"`
	}
	for text, into := range map[*json.RawMessage]any{&change.Change.Before: &is, &change.Change.After: &will} {
		if err := json.Unmarshal(*text, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(is, will); diff != "" || will.ID != secret.ID || will.VersionedName != "shop-jwt-secret-v3" {
		t.Errorf("the plan makes %+v of it (-before +after):\n%s", will, diff)
	}

	if labels := m.run(0).Stdout; !strings.Contains(labels, `"roi.version-id":"`+m.describe(t, migratedSecret).VersionWith(secretstore.Current)+`"`) {
		t.Errorf("the labels do not name the version:\n%s", labels)
	}
	if diff := cmp.Diff(before, service.Inspect(t)); diff != "" {
		t.Errorf("the import changed the service (-before +after):\n%s", diff)
	}
	if now := m.Secrets(t, "")[0]; now.ID != secret.ID {
		t.Error("the import made another object")
	}
	m.there("shop-jwt-secret-v3")
	service.WaitFor(t, 2, m.value)
	m.unchanged()
	m.Plan().Require(t, 0)

	m.run(1)
	rotated := m.backend.value(t, migratedSecret, "")
	m.scanner.Add(t, rotated)
	if rotated == m.value {
		t.Error("the rotation made no other value")
	}
	service.WaitFor(t, 2, rotated)
	m.there("shop-jwt-secret-v3", "shop-jwt-secret-v4")
	m.Plan().Require(t, 0)
	m.LeakCheck(m.scanner)
}

// The guide's way for a secret whose name has no version: a service has the same
// value in the same file before and after.
func TestMigrationOfDockerSecretsWithoutVersion(t *testing.T) {
	t.Parallel()
	m := newDockerMigration(t, "jwt_secret")
	service := m.Service(t, "shop_api", "", func(spec *mobyswarm.ServiceSpec) {
		container := spec.TaskTemplate.ContainerSpec
		container.Secrets = []*mobyswarm.SecretReference{m.Reference(t, "jwt_secret", "jwt_secret")}
		container.Env[0] = "SECRET_FILE=/run/secrets/jwt_secret"
	})
	service.WaitFor(t, 2, m.value)

	_, resources, _ := strings.Cut(m.config, "}\n") // without the import
	m.WriteFile("docker.tf", resources)
	m.Apply().Require(t, 0)
	m.there("jwt_secret", "shop-jwt-secret-v1")
	if got := service.SecretNames(t); !slices.Equal(got, []string{"jwt_secret"}) {
		t.Errorf("the apply made the service refer to %v", got)
	}
	m.run(2)
	service.WaitFor(t, 2, m.value)
	m.there("shop-jwt-secret-v1")
	m.unchanged()
	m.Plan().Require(t, 0)
	m.LeakCheck(m.scanner)
}
