// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/scratch"
)

const providerName = "terraform-provider-roi"

var built struct {
	sync.Mutex
	folder string
	err    error
}

// buildProvider returns the provider of this module, built by the first call.
func buildProvider(t testing.TB) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.folder == "" && built.err == nil {
		built.folder, built.err = build()
	}
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.folder, providerName)
}

func build() (folder string, err error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("failed to find the module: %w", err)
	}
	if folder, err = scratch.Folder("roi-provider"); err != nil {
		return "", err
	}
	if err := Build(strings.TrimSpace(string(module)), filepath.Join(folder, providerName)); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	return folder, nil
}

// covered is the package whose statements a provider counts under go test -cover.
const covered = "github.com/roi-systems/terraform-provider-roi/internal/provider"

// coverageFolder is where a provider leaves its counts when it ends, beside those of
// the test process, for go tool covdata to merge: https://go.dev/doc/build-cover.
func coverageFolder() string {
	if f := flag.Lookup("test.gocoverdir"); f != nil {
		return f.Value.String()
	}
	return ""
}

// Build builds the main package in a folder.
func Build(folder, output string) error {
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", output)
	if mode := testing.CoverMode(); mode != "" {
		// Without its main package among them, a program does not write its counts.
		cmd.Args = append(cmd.Args, "-cover", "-covermode="+mode, "-coverpkg=.,"+covered)
	}
	cmd.Args = append(cmd.Args, ".")
	cmd.Dir = folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build %s: %w\n%s", folder, err, text)
	}
	return nil
}

// Cleanup removes the provider that was built for this test process.
func Cleanup() {
	built.Lock()
	defer built.Unlock()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder)
	}
	built.folder, built.err = "", nil
}
