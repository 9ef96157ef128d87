// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// kit is what all stacks share: the providers, and where Terraform finds them.
type kit struct {
	root      string
	roi       string // paths of the binaries
	doNothing string
	schema    string
	rc        map[plugins]string // CLI configuration files
}

// newKit builds both providers as a release builds them.
func newKit(mirror string) (*kit, error) {
	root, err := os.MkdirTemp("", "roi-bench-*")
	if err != nil {
		return nil, err
	}
	k := &kit{root: root, rc: map[plugins]string{}, schema: filepath.Join(root, "schema.json")}
	if err := k.prepare(mirror); err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	return k, nil
}

func (k *kit) remove() {
	if err := os.RemoveAll(k.root); err != nil {
		log.Print(err)
	}
}

func (k *kit) prepare(mirror string) error {
	var err error
	if k.roi, err = k.build(".", fromTree); err != nil {
		return err
	}
	if k.doNothing, err = k.build("./bench/donothing", fromFloor); err != nil {
		return err
	}
	if err := k.writeRC(builtIn, filepath.Join(k.root, "none")); err != nil {
		return err
	}
	if mirror != "" {
		if mirror, err = filepath.Abs(mirror); err != nil {
			return err
		}
		if err := k.writeRC(fromPeers, mirror); err != nil {
			return err
		}
	}
	return k.writeSchema()
}

// build puts a provider into a mirror of its own.
func (k *kit) build(pkg string, kind plugins) (string, error) {
	const version = "0.1.0"
	mirror := filepath.Join(k.root, fmt.Sprintf("mirror-%d", kind))
	binary := filepath.Join(mirror, "registry.terraform.io", "roi-systems", "roi", version, runtime.GOOS+"_"+runtime.GOARCH,
		"terraform-provider-roi_v"+version)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version, "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("failed to build %s: %w\n%s", pkg, err, text)
	}
	return binary, k.writeRC(kind, mirror)
}

func (k *kit) writeRC(kind plugins, mirror string) error {
	if err := os.MkdirAll(mirror, 0o700); err != nil {
		return err
	}
	k.rc[kind] = filepath.Join(k.root, fmt.Sprintf("%d.tfrc", kind))
	text := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	return os.WriteFile(k.rc[kind], []byte(text), 0o600)
}

// writeSchema asks the provider for the schemas that the do-nothing one serves.
func (k *kit) writeSchema() error {
	w, err := k.open(stack{config: forEach, plugins: fromTree}, 1, 0)
	if err != nil {
		return err
	}
	defer w.close()
	cmd := w.terraform("providers", "schema", "-json")
	text, err := cmd.Output()
	if err != nil {
		return err
	}
	return os.WriteFile(k.schema, text, 0o600)
}

// choose returns the stacks of those names, or those that are not apart.
func (k *kit) choose(names []string) ([]stack, error) {
	var chosen []stack
	for _, s := range stacks {
		if len(names) == 0 && s.apart || len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if _, ok := k.rc[s.plugins]; !ok {
			log.Printf("%s: left out, because -mirror names no mirror", s.name)
			continue
		}
		chosen = append(chosen, s)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no stack to run among %s", strings.Join(names, ", "))
	}
	return chosen, nil
}

// environ is all that a command sees of the environment.
func (k *kit) environ(kind plugins) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + k.root,
		"TF_CLI_CONFIG_FILE=" + k.rc[kind],
		"TF_IN_AUTOMATION=1",
		"CHECKPOINT_DISABLE=1",
		"AWS_EC2_METADATA_DISABLED=true",
		"BENCH_SCHEMA=" + k.schema,
	}
}

// workspace is a stack in a folder of its own, with an AWS of its own.
type workspace struct {
	kit   *kit
	stack stack
	dir   string
	aws   *fakeAWS
}

func (k *kit) open(s stack, secrets int, latency time.Duration) (*workspace, error) {
	dir, err := os.MkdirTemp(k.root, "w-*")
	if err != nil {
		return nil, err
	}
	w := &workspace{kit: k, stack: s, dir: dir, aws: startAWS(latency)}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(s.config(secrets, w.aws.URL())), 0o600); err != nil {
		return nil, err
	}
	if text, err := w.terraform("init", "-no-color").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("init: %w\n%s", err, text)
	}
	return w, nil
}

func (w *workspace) close() {
	w.aws.stop()
	if err := os.RemoveAll(w.dir); err != nil {
		log.Print(err)
	}
}

func (w *workspace) terraform(args ...string) *exec.Cmd {
	cmd := exec.Command("terraform", args...)
	cmd.Dir = w.dir
	cmd.Env = w.kit.environ(w.stack.plugins)
	return cmd
}

// run runs and measures a step, and checks that it did what it is for.
func (w *workspace) run(s step) (usage, error) {
	cmd := w.terraform(s.args...)
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	use, err := meter(cmd)
	if err != nil {
		return use, err
	}
	want := 0
	if s.changes {
		want = 2 // of -detailed-exitcode
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return use, fmt.Errorf("exit status %d instead of %d\n%s", got, want, &output)
	}
	return use, nil
}

// stateSize is the size of the state in bytes.
func (w *workspace) stateSize() int64 {
	info, err := os.Stat(filepath.Join(w.dir, "terraform.tfstate"))
	if err != nil {
		return 0
	}
	return info.Size()
}
