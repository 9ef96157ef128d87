// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	if err := d.importImage(image, "/server", map[string]string{"/server": "github.com/roi-systems/terraform-provider-roi/internal/acctest/docker/testdata/server"}); err != nil {
		return err
	}
	d.image = true
	return nil
}

// Image makes an image that holds programs and nothing else: main packages by the
// paths that the programs have in it. One of these is the entrypoint. A package is an
// import path or a folder, relative to that of the test. The image is removed when
// the test ends.
func (d *Daemon) Image(t testing.TB, name, entrypoint string, programs map[string]string) {
	t.Helper()
	if err := d.importImage(name, entrypoint, programs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = d.Client.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true})
	})
}

func (d *Daemon) importImage(name, entrypoint string, programs map[string]string) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, source := range programs {
		program, err := build(source)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o755, Size: int64(len(program))}); err != nil {
			return err
		}
		if _, err := w.Write(program); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	result, err := d.Client.ImageImport(context.Background(), client.ImageImportSource{Source: &archive, SourceName: "-"}, name,
		client.ImageImportOptions{Changes: []string{fmt.Sprintf("ENTRYPOINT [%q]", entrypoint)}})
	if err != nil {
		return fmt.Errorf("failed to import the image %s: %w", name, err)
	}
	answer, err := io.ReadAll(result)
	_ = result.Close()
	if err == nil && !strings.Contains(string(answer), "sha256:") {
		err = errors.New("the answer names no image") // Docker answers 200 before it begins
	}
	if err != nil {
		return fmt.Errorf("failed to import the image %s: %w\n%s", name, err, answer)
	}
	return nil
}

// build returns the program of a main package. It needs no library of the system's.
func build(source string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "roi-program-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "program")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", path, source)
	if strings.HasPrefix(source, ".") { // it may be in a module of its own
		cmd.Dir, cmd.Args[len(cmd.Args)-1] = source, "."
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("failed to build %s: %w\n%s", source, err, text)
	}
	return os.ReadFile(path)
}
