// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder stands in for a test and keeps how it was ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped, _ = args[0].(string)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// record runs what may end a test.
func record(t *testing.T, f func(r *recorder)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestMissingTerraform(t *testing.T) {
	for _, ci := range []string{"true", ""} {
		t.Setenv("CI", ci)
		t.Setenv(terraformVariable, filepath.Join(t.TempDir(), "terraform"))
		r := record(t, func(r *recorder) { New(r) })
		message, other := r.skipped, r.failed
		if ci == "true" {
			message, other = r.failed, r.skipped
		}
		if other != "" || !strings.Contains(message, "was not run") || !strings.Contains(message, terraformVariable) {
			t.Errorf("CI=%q: skipped %q, failed %q", ci, r.skipped, r.failed)
		}
	}
}

func TestVersionThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "terraform")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho no version\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(terraformVariable, path)
	if r := record(t, func(r *recorder) { AtLeast(r, "1.0.0") }); !strings.Contains(r.failed, `terraform version says "no version"`) {
		t.Errorf("failed with %q", r.failed)
	}
}

func TestRequireShowsWhatWasPrinted(t *testing.T) {
	result := Result{Command: "terraform plan", ExitCode: 1, Stdout: "to stdout", Stderr: "to stderr"}
	if r := record(t, func(r *recorder) { result.Require(r, 0, 1) }); r.failed != "" {
		t.Errorf("an exit code that was allowed failed the test: %s", r.failed)
	}
	r := record(t, func(r *recorder) { result.Require(r, 0, 2) })
	if want := "terraform plan: exit code 1, want [0 2]\nto stdout\nto stderr"; r.failed != want {
		t.Errorf("failed with %q, want %q", r.failed, want)
	}
}

func TestBuildShowsWhatTheCompilerSays(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module x\n\ngo 1.21\n", "main.go": "package main\n\nfunc main() { noSuchFunction() }\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Build(folder, filepath.Join(folder, "x")); err == nil || !strings.Contains(err.Error(), "undefined: noSuchFunction") {
		t.Errorf("error %v, want that of the compiler", err)
	}
}

func TestResourcesOfModulesAreFound(t *testing.T) {
	child := Module{Address: "module.a.module.b", Resources: []Resource{{Address: "module.a.module.b.roi_thing.this", Tainted: true}}}
	var state State
	state.Values.RootModule = Module{ChildModules: []Module{{Address: "module.empty"}, {Address: "module.a", ChildModules: []Module{child}}}}
	if resource, ok := state.Resource("module.a.module.b.roi_thing.this"); !ok || !resource.Tainted {
		t.Errorf("found %t: %+v", ok, resource)
	}
	if resource, ok := state.Resource("roi_thing.this"); ok {
		t.Errorf("found %+v under another address", resource)
	}
}

func TestChangeIsNotThatOfADeposedObject(t *testing.T) {
	plan := Plan{ResourceChanges: []ResourceChange{
		{Address: "roi_thing.this", Deposed: "0123abcd", Change: Change{Actions: []string{"delete"}}},
		{Address: "roi_thing.this", Change: Change{Actions: []string{"create"}}},
	}}
	if change, ok := plan.Change("roi_thing.this"); !ok || change.Deposed != "" {
		t.Errorf("found %t: %+v", ok, change)
	}
	if change, ok := plan.Change("roi_thing.other"); ok {
		t.Errorf("found %+v for what the plan does not mention", change)
	}
}

func TestShellStopsAtTheFirstFailure(t *testing.T) {
	w := newWorkspace(t, "")
	result := w.Shell("terraform validate -no-color\nfalse | true\necho not reached")
	if result.ExitCode != 1 || !strings.Contains(result.Stdout, "configuration is valid") || strings.Contains(result.Stdout, "not reached") {
		t.Errorf("exit code %d:\n%s", result.ExitCode, result.Message())
	}
	want, err := filepath.EvalSymlinks(w.terraform)
	if err != nil {
		t.Fatal(err)
	}
	if own := w.Shell(`readlink -f "$(command -v terraform)"`); strings.TrimSpace(own.Stdout) != want {
		t.Errorf("terraform is %s, want %s", own.Stdout, want)
	}
}

func TestWhatIsNotJSONFailsTheTest(t *testing.T) {
	r := record(t, func(r *recorder) {
		(&Workspace{t: r}).decode(Result{Stdout: "Warning: no JSON"}, &Plan{})
	})
	if !strings.Contains(r.failed, "not the JSON expected") {
		t.Errorf("failed with %q", r.failed)
	}
}

func TestOutputIsWhatWasPrinted(t *testing.T) {
	w := newWorkspace(t, "")
	p := w.Start("version")
	if text := p.Wait().Stdout; p.Output() != text || !strings.Contains(text, "v1.") {
		t.Errorf("the output is %q, want %q", p.Output(), text)
	}
}
