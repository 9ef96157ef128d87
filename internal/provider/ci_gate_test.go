// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tools that the gate, or its author, runs. They are installed where the targets of
// the makefile install theirs.
const (
	opaVersion        = "v1.22.2"
	actionlintVersion = "v1.7.12"
)

var installing sync.Mutex

// goTool returns the path of a tool that `go install` makes.
func goTool(t *testing.T, name, module, version string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	root, err := exec.Command("go", "env", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "bin", "roi-tools", name+"-"+version)
	tool := filepath.Join(folder, name)
	if _, err := os.Stat(tool); err == nil {
		return tool
	}
	install := exec.Command("go", "install", "-buildvcs=false", module+"@"+version)
	install.Env = append(os.Environ(), "GOBIN="+folder)
	if text, err := install.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("%s cannot be installed, so the example of a gate was not checked with it: %v\n%s", name, err, text))
	}
	return tool
}

// missing ends a test for want of something: in CI it fails.
func missing(t *testing.T, message string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not on the PATH, so the example of a gate was not run")
	}
	return path
}

// gate is a checkout of the repository that the examples are for, over a shop whose
// state is in the checkout.
type gate struct {
	*cli
	t   *testing.T
	bin string // stand-ins for commands that would reach out
}

func newGate(t *testing.T) *gate {
	t.Helper()
	needTool(t, "jq")
	b, now := newShop(t)
	g := &gate{cli: cliOver(t, b, now), t: t, bin: t.TempDir()}
	copyExample(t, "ci", g.Dir)
	terraform, err := exec.LookPath(cmp.Or(os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform"))
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"terraform": terraform, "opa": goTool(t, "opa", "github.com/open-policy-agent/opa", opaVersion)} {
		if err := os.Symlink(target, filepath.Join(g.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	g.standIn("gh", `echo "$@" > "$HOME/comment-arguments"; cat report.md > "$HOME/comment"`)
	g.standIn("curl", `echo "$@" > "$HOME/comment-arguments"; cat report.md > "$HOME/comment"`)
	g.standIn("apk", "")
	for variable, value := range shopEnvironment(b) {
		g.SetEnv(variable, value)
	}
	g.Run("-chdir=shop", "init", "-no-color").Require(t, 0)
	g.Run("-chdir=shop", "apply", "-no-color", "-auto-approve").Require(t, 0)
	return g
}

// standIn makes a command.
func (g *gate) standIn(name, script string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		g.t.Fatal(err)
	}
}

// shell runs a script as CI does, and returns what it printed.
func (g *gate) shell(script, folder string, variables map[string]string, shell ...string) (string, int) {
	g.t.Helper()
	cmd := exec.Command(shell[0], append(slices.Clone(shell[1:]), "-c", script)...)
	cmd.Dir = filepath.Join(g.Dir, folder)
	environment := shopEnvironment(g.backend)
	maps.Copy(environment, map[string]string{
		"PATH": g.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME": g.home(), "TMPDIR": g.home(),
		"TF_CLI_CONFIG_FILE": filepath.Join(filepath.Dir(g.Dir), "terraformrc"), "CHECKPOINT_DISABLE": "1",
		"AWS_EC2_METADATA_DISABLED": "true", "ROI_TEST_NOW": g.now.Format(time.RFC3339),
	})
	maps.Copy(environment, variables)
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if environment[name] != unset {
			cmd.Env = append(cmd.Env, name+"="+environment[name])
		}
	}
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		g.t.Fatal(err)
	}
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(string(text))), " "), cmd.ProcessState.ExitCode()
}

// unset takes a variable out of the environment of a script.
const unset = "\x00"

func (g *gate) home() string { return filepath.Join(filepath.Dir(g.Dir), "home") }

func (g *gate) comment() string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.home(), "comment"))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// policy lets the next commands do what one of the policies allows.
func (g *gate) policy(name string) {
	g.t.Helper()
	g.fake.Attach(readExample(g.t, "ci/iam/"+name))
}

func TestGateRules(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "examples", "ci", "policy")
	tool := goTool(t, "opa", "github.com/open-policy-agent/opa", opaVersion)
	for _, arguments := range [][]string{{"check", "--strict", folder}, {"fmt", "--list", "--fail", folder}, {"test", folder}} {
		if text, err := exec.Command(tool, arguments...).CombinedOutput(); err != nil {
			t.Errorf("opa %s: %v\n%s", strings.Join(arguments, " "), err, text)
		}
	}
}

// The commands of the guide, in its order, before and after something is overdue.
func TestGuideOfTheGate(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "..", "templates", "guides", "ci-gate.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?s)```shell\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	g := newGate(t)
	g.Run("-chdir=report", "init", "-no-color").Require(t, 0)
	g.policy("plan.json")
	for _, want := range []struct {
		name  string
		codes []int // plan, report, test, jq, opa
	}{{"today", []int{0, 0, 0, 0, 0}}, {"a month later", []int{1, 0, 0, 5, 1}}} {
		if len(commands) != len(want.codes) {
			t.Fatalf("the guide has %d blocks of commands, and this test knows %d", len(commands), len(want.codes))
		}
		for i, command := range commands {
			if text, code := g.shell(command[1], ".", nil, "bash", "-eo", "pipefail"); code != want.codes[i] {
				t.Errorf("%s: status %d, want %d:\n%s\n%s", want.name, code, want.codes[i], command[1], text)
			}
		}
		g.advance(31 * day)
	}

	// What it shows inline is what the pipeline runs.
	for _, inline := range regexp.MustCompile(`(?m)^jq -e .*$`).FindAllString(string(guide), -1) {
		if !strings.Contains(readExample(t, "ci/gitlab-ci.yml"), inline) {
			t.Errorf("gitlab-ci.yml does not run %s", inline)
		}
	}
}
