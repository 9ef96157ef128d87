// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"path/filepath"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// onSwarm gives the commands of a guide a Docker engine of their own, which is in no
// swarm yet, and the image that the guide's service has: the consumer of the guide on
// zero downtime. What an apply asks is answered.
func onSwarm(t *testing.T, w *tfcli.Workspace) {
	t.Helper()
	engine := docker.New(t)
	engine.Image(t, "registry.example.com/shop/api:1.4", "/api", map[string]string{
		"/api":      filepath.Join("..", "..", "examples", "consumers", "go"),
		"/bin/wget": "./testdata/wget",
	})
	for name, value := range map[string]string{
		"DOCKER_HOST": engine.Host, "DOCKER_CONFIG": t.TempDir(), "TF_CLI_ARGS_apply": "-auto-approve", "TF_CLI_ARGS_destroy": "-auto-approve",
	} {
		w.SetEnv(name, value)
	}
}
