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
	"strconv"
	"strings"
	"sync"
	"testing"
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
	if folder, err = makeFolder("roi-provider"); err != nil {
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
		cmd.Args = append(cmd.Args, "-cover", "-covermode="+mode, "-coverpkg="+covered)
	}
	cmd.Args = append(cmd.Args, ".")
	cmd.Dir = folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build %s: %w\n%s", folder, err, text)
	}
	return nil
}

// makeFolder makes a temporary folder that outlives a test or has a short path,
// as t.TempDir cannot. It removes those of test processes that were killed, or
// ran into a timeout, before they could remove them.
func makeFolder(kind string) (string, error) {
	pattern := filepath.Join(os.TempDir(), kind+"-*-*")
	folders, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	for _, folder := range folders {
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(filepath.Base(folder), kind+"-"), "-")[0])
		if err == nil && ended(pid) {
			_ = os.RemoveAll(folder)
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s-%d-*", kind, os.Getpid()))
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
