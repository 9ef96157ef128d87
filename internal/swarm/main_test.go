// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(sshVariable); filepath.Base(os.Args[0]) == "ssh" {
		standInForSSH(socket)
		return
	}
	// Most tests wait for containers most of the time, not for a processor.
	_ = flag.Set("test.parallel", "6")
	code := m.Run()
	docker.Stop()
	os.Exit(code)
}
