// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
)

// image is what services of tests run: testdata/server and nothing else.
const image = "roi-test-server:1"

// ensureImage imports the image once per daemon.
func (d *Daemon) ensureImage() error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.image {
		return nil
	}
	program, err := buildServer()
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "server", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	result, err := d.Client.ImageImport(context.Background(), client.ImageImportSource{Source: &archive, SourceName: "-"}, image,
		client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/server"]`}})
	if err != nil {
		return fmt.Errorf("failed to import the image: %w", err)
	}
	answer, err := io.ReadAll(result)
	_ = result.Close()
	if err != nil || !strings.Contains(string(answer), "sha256:") {
		return fmt.Errorf("failed to import the image: %w\n%s", err, answer)
	}
	d.image = true
	return nil
}

func buildServer() ([]byte, error) {
	folder, err := os.MkdirTemp("", "roi-server-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "server")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", path,
		"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker/testdata/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("failed to build the server: %w\n%s", err, text)
	}
	return os.ReadFile(path)
}
