// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// BenchmarkDockerSecrets creates 200 Docker secrets through Terraform and looks at
// them again, and does the same with the docker command, one after the other. The
// ratios are wall time of Terraform over that of the command.
func BenchmarkDockerSecrets(b *testing.B) {
	command, err := exec.LookPath("docker")
	if err != nil {
		b.Skipf("no docker command (%v), so nothing was compared with it", err)
	}
	const count = 200
	for range b.N {
		engine := docker.New(b)
		engine.InitSwarm(b)
		w := tfcli.New(b, tfcli.Env("TF_LOG", "off"))
		w.WriteFile("main.tf", tfcli.RequiredProviders+fmt.Sprintf(`
provider "roi" {
  environment = "development"
  docker      = { host = %q }
}
resource "roi_docker_secret" "test" {
  count            = %d
  name             = "terraform-${count.index}"
  value_wo         = "the value of a secret"
  value_wo_version = 1
  services         = ["*"]
}
`, engine.Host, count))
		w.Init()
		timed := func(do func()) time.Duration {
			begun := time.Now()
			do()
			return time.Since(begun)
		}
		run := func(stdin string, args ...string) {
			cmd := exec.Command(command, append([]string{"--host", engine.Host}, args...)...)
			cmd.Stdin = strings.NewReader(stdin)
			if text, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("docker %v: %v\n%s", args, err, text)
			}
		}
		created := timed(func() { w.Apply().Require(b, 0) })
		refreshed := timed(func() { w.Plan().Require(b, 0) })
		commandCreated := timed(func() {
			for i := range count {
				run("the value of a secret", "secret", "create", fmt.Sprintf("command-%d", i), "-")
			}
		})
		commandRead := timed(func() {
			for i := range count {
				run("", "secret", "inspect", fmt.Sprintf("command-%d", i))
			}
			run("", "service", "ls")
		})
		b.ReportMetric(created.Seconds(), "create-s")
		b.ReportMetric(refreshed.Seconds(), "refresh-s")
		b.ReportMetric(created.Seconds()/commandCreated.Seconds(), "create-ratio")
		b.ReportMetric(refreshed.Seconds()/commandRead.Seconds(), "refresh-ratio")
	}
}
