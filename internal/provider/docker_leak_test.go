// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// No value, and no plain hash of one, is in what Terraform and the provider leave
// behind, in labels and specifications of Docker, or in the log of its daemon, be it
// at debug level or not; through creation, rotation, a failed and a rolled back one,
// and errors.
func TestDockerSecretLeaksNothing(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string][]string{"debug": {"--debug"}, "no debug": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := docker.New(t, arguments...)
			engine.InitSwarm(t)
			s := &swarmTest{backend: localBackend(t), Daemon: engine, t: t, name: engine.Name(t)}
			const supplied, second, bad = `sUpplied <&> "Value" \ 7fK2mQ9x`, `Second <&> "Value" \ 3hL8nW5z`, docker.Refused + ` <&> "Value" \ 9pR4tY6v`
			w := tfcli.New(t, tfcli.Env("TF_VAR_supplied", supplied))
			scanner := leak.New(t)
			learn := func(values ...string) {
				t.Helper()
				for _, value := range values {
					scanner.Add(t, append(hashes(value), value)...)
				}
			}
			learn(supplied, second, bad)
			w.WriteFile("main.tf", tfcli.RequiredProviders+s.providerBlock()+fmt.Sprintf(`
variable "supplied" {
  type      = string
  ephemeral = true
}
variable "number" { default = 1 }
variable "times" { default = 1 }
resource "roi_secret" "app" {
  name = %[1]q
  keys = { JWT = { category = "jwt" }, OTHER = { category = "jwt" } }
}
resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.app.id
  keys      = ["JWT"]
}
resource "roi_docker_secret" "stored" {
  name       = "%[1]s-stored"
  secret_id  = roi_secret.app.id
  key        = "JWT"
  version_id = roi_secret_rotation.jwt.version_id
  labels     = { team = "web" }
  services   = ["*"]
}
resource "roi_docker_secret" "supplied" {
  name             = "%[1]s-supplied"
  value_wo         = join("", [for i in range(var.times) : var.supplied])
  value_wo_version = var.number
  services         = ["*"]
}
`, s.name))
			w.Init()
			w.PlanJSON()
			w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
			learn(s.value(t, s.name, ""), s.key(t, s.name, "JWT"), s.key(t, s.name, "OTHER"))
			one := s.Service(t, s.name+"-one", s.name+"-stored-v1")
			two := s.Service(t, s.name+"-two", s.name+"-supplied-v1")
			one.WaitFor(t, 2, s.key(t, s.name, "JWT"))
			two.WaitFor(t, 2, supplied)

			w.SetEnv("ROI_PLAN_AS_OF", "+200d")
			w.SetEnv("TF_VAR_supplied", second)
			w.PlanJSON("-var=number=2")
			w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
			learn(s.value(t, s.name, ""), s.key(t, s.name, "JWT"))
			one.WaitFor(t, 2, s.key(t, s.name, "JWT"))
			two.WaitFor(t, 2, second)
			w.SetEnv("ROI_PLAN_AS_OF", "")

			w.SetEnv("TF_VAR_supplied", bad)
			result := w.Apply("-var=number=3")
			result.Require(t, 1)
			if !strings.Contains(result.Message(), "non-zero exit (3)") {
				t.Errorf("the apply does not tell why the task failed: %s", result.Message())
			}
			w.Apply("-var=number=3", "-var=times=20000").Require(t, 1) // too large
			w.SetEnv("TF_VAR_supplied", second)
			w.Destroy("-var=number=2").Require(t, 1) // in use
			w.Show()

			w.LeakCheck(scanner)
			for _, line := range []string{"docker: create the secret", "docker: move the service to", "docker: roll the service back"} {
				if !strings.Contains(w.Logs(), line) {
					t.Errorf("the log does not have the step %q", line)
				}
			}
			s.checkLeaks(scanner, arguments != nil)
		})
	}
}

// hashes are the digests under which a value must not be found either.
func hashes(value string) []string {
	one, two := sha256.Sum256([]byte(value)), sha1.Sum([]byte(value))
	return []string{hex.EncodeToString(one[:]), hex.EncodeToString(two[:]), base64.StdEncoding.EncodeToString(one[:])}
}

// checkLeaks looks at all that Docker shows of secrets, services and tasks, and at
// the log of its daemon.
func (s *swarmTest) checkLeaks(scanner *leak.Scanner, debug bool) {
	s.t.Helper()
	services, err := s.Client.ServiceList(s.t.Context(), client.ServiceListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	tasks, err := s.Client.TaskList(s.t.Context(), client.TaskListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := os.ReadFile(s.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := strings.Contains(string(log), "level=debug"); got != debug {
		s.t.Errorf("the daemon logs at debug level: %t, want %t", got, debug)
	}
	shown, err := json.Marshal([]any{services.Items, tasks.Items, s.Secrets(s.t, s.name)})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, place := range []struct{ what, text, has string }{
		{"what Docker shows", string(shown), s.name + "-stored"},
		{"the log of the daemon", string(log), map[bool]string{true: s.name + "-stored", false: "API listen on"}[debug]},
	} {
		if !strings.Contains(place.text, place.has) {
			s.t.Errorf("%s does not have %q, so searching it proves nothing", place.what, place.has)
		}
		for _, finding := range scanner.Text(place.what, place.text) {
			s.t.Errorf("a secret value is in %s", finding)
		}
	}
}
