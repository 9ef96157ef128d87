// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
)

// plantedValue is what the stand-in leaks when it is told to.
const plantedValue = `planted-<value>&"of"-the-test`

var standInFolder string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "roi-standin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	standInFolder = folder
	code := m.Run()
	Cleanup()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// buildStandIn builds testdata/standin, once.
var buildStandIn = sync.OnceValue(func() error {
	return Build("testdata/standin", filepath.Join(standInFolder, providerName))
})

// newWorkspace returns a workspace with the stand-in and one roi_thing.
func newWorkspace(t *testing.T, arguments string, opts ...Option) *Workspace {
	t.Helper()
	if err := buildStandIn(); err != nil {
		t.Fatal(err)
	}
	opts = append(opts, Provider(filepath.Join(standInFolder, providerName)), Env("STANDIN_VALUE", plantedValue))
	w := New(t, opts...)
	w.WriteFile("main.tf", RequiredProviders+"resource \"roi_thing\" \"this\" {\n  name = \"one\"\n"+arguments+"\n}\n")
	w.Init()
	return w
}

func TestLifecycle(t *testing.T) {
	w := newWorkspace(t, "")
	if state := w.State(); state != "" {
		t.Errorf("there is a state of %d bytes before the first apply", len(state))
	}
	plan := w.PlanJSON()
	change, ok := plan.Change("roi_thing.this")
	if !ok {
		t.Fatalf("the plan is %+v, want a change of roi_thing.this", plan)
	}
	if diff := cmp.Diff([]string{"create"}, change.Change.Actions); diff != "" {
		t.Errorf("the planned actions (-want +got):\n%s", diff)
	}
	if got, want := string(change.Change.AfterUnknown), `{"id":true,"result":true}`; got != want {
		t.Errorf("unknown is %s, want %s", got, want)
	}

	w.Apply("tfplan").Require(t, 0)
	resource, ok := w.Show().Resource("roi_thing.this")
	if !ok || resource.Values["id"] != "one" || resource.Tainted {
		t.Errorf("the resource in the state is %+v", resource)
	}
	if !strings.Contains(w.State(), `"roi_thing"`) {
		t.Error("the state file does not hold the resource")
	}
	w.Plan().Require(t, 0)

	w.WriteFile("main.tf", RequiredProviders+`
resource "roi_thing" "this" { name = "two" }
output "name" { value = roi_thing.this.name }`)
	result := w.Plan()
	result.Require(t, 2)
	if !strings.Contains(result.Stdout, "1 to change") {
		t.Errorf("the plan is\n%s", result.Stdout)
	}
	w.Apply().Require(t, 0)
	var name string
	if w.Output("name", &name); name != "two" {
		t.Errorf("the output is %q, want two", name)
	}

	w.Destroy().Require(t, 0)
	if _, ok := w.Show().Resource("roi_thing.this"); ok {
		t.Error("the resource is in the state after destroy")
	}
	w.Import("roi_thing.this", "two").Require(t, 0)
	if resource, _ := w.Show().Resource("roi_thing.this"); resource.Values["result"] != "imported" {
		t.Errorf("the resource is %+v, want an imported one", resource)
	}
	w.LeakCheck(leak.New(t, plantedValue))
}

func TestFailure(t *testing.T) {
	w := newWorkspace(t, `  leak = "error"`)
	result := w.Apply()
	if result.ExitCode != 1 {
		t.Errorf("the exit code is %d, want 1", result.ExitCode)
	}
	if !strings.Contains(result.Message(), "Error: Cannot Make with roi_thing.this") || !strings.Contains(result.Message(), "was refused.") {
		t.Error("the message does not hold the diagnostic")
	}
	if result.Command != filepath.Base(w.terraform)+" apply -input=false -no-color -auto-approve" {
		t.Errorf("the command is %q", result.Command)
	}
	if w.Run("no-such-command").ExitCode != 1 {
		t.Error("a command that does not exist succeeded")
	}
}

// TestEnvironmentIsClean: nothing of the user's reaches terraform or the
// provider.
func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("AWS_PROFILE", "of-the-user")
	t.Setenv("TF_CLI_ARGS", "-no-such-argument")
	w := newWorkspace(t, "")
	w.Apply().Require(t, 0)
	resource, _ := w.Show().Resource("roi_thing.this")
	if want := "AWS_PROFILE= HOME=" + w.path("home"); resource.Values["result"] != want {
		t.Errorf("the provider sees %q, want %q", resource.Values["result"], want)
	}
	w.Destroy().Require(t, 0)
	w.SetEnv("AWS_PROFILE", "of-the-test")
	w.Apply().Require(t, 0)
	resource, _ = w.Show().Resource("roi_thing.this")
	if want := "AWS_PROFILE=of-the-test HOME=" + w.path("home"); resource.Values["result"] != want {
		t.Errorf("the provider sees %q, want %q", resource.Values["result"], want)
	}
}

func TestLogsOfBoth(t *testing.T) {
	w := newWorkspace(t, "")
	w.Apply().Require(t, 0)
	for _, want := range []string{"[TRACE]", "provider.terraform-provider-roi", "Calling provider defined Resource Create"} {
		if !strings.Contains(w.Logs(), want) {
			t.Errorf("the logs do not hold %q", want)
		}
	}
}

// TestPlantedLeaksAreFound lets the stand-in leak in every way it can.
func TestPlantedLeaksAreFound(t *testing.T) {
	for leaks, where := range map[string]string{
		"state":  "work/terraform.tfstate",
		"log":    "logs/",
		"file":   "tmp/left-behind",
		"stderr": "logs/",
		"error":  "stderr of ",
		"panic":  "logs/", // Terraform shows it on stderr too, OpenTofu 1.11 does not.
	} {
		t.Run(leaks, func(t *testing.T) {
			scanner := leak.New(t, plantedValue)
			w := newWorkspace(t, fmt.Sprintf("  leak = %q", leaks))
			w.Plan().Require(t, 2)
			w.LeakCheck(scanner)
			w.Apply()
			var places []string
			for _, finding := range w.leaks(scanner) {
				places = append(places, finding.String())
				if strings.Contains(finding.String(), plantedValue) {
					t.Error("the finding holds the value")
				}
			}
			if all := strings.Join(places, "\n"); !strings.Contains(all, where) {
				t.Errorf("found\n%s\nwant one in %s", all, where)
			}
		})
	}
}

func TestPlanFileIsScanned(t *testing.T) {
	scanner := leak.New(t, plantedValue)
	w := newWorkspace(t, `  leak = "state"`)
	w.Apply().Require(t, 0)
	w.Plan("-out=saved.tfplan", "-destroy").Require(t, 2)
	w.WriteFile("asked-for.txt", plantedValue)
	var places []string
	for _, finding := range w.leaks(scanner, "terraform.tfstate", "asked-for.txt") {
		if !strings.Contains(finding.Where, "/logs/") {
			places = append(places, strings.TrimPrefix(finding.Where, w.Dir))
		}
	}
	want := []string{"/saved.tfplan!tfplan ", "/saved.tfplan!tfstate ", "/saved.tfplan!tfstate-prev ", "stdout of 03-plan"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("found it in (-want +got):\n%s", diff)
	}
}

func TestLeakCheckNeedsCommands(t *testing.T) {
	if err := buildStandIn(); err != nil {
		t.Fatal(err)
	}
	scanner := leak.New(t, plantedValue)
	w := New(t, Provider(filepath.Join(standInFolder, providerName)))
	if findings := w.leaks(scanner); len(findings) != 1 || findings[0].Form != "not scanned: no command has run" {
		t.Errorf("found %v before any command", findings)
	}
}

// waitFor waits until the stand-in is in the middle of a create, and returns its
// process id.
func waitFor(t *testing.T, w *Workspace, p *Process) int {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute && p.Running(); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(w.Dir, "waiting"))
		if pid, err := strconv.Atoi(string(text)); err == nil {
			return pid
		}
	}
	t.Fatalf("the create did not begin:\n%s", p.Output())
	return 0
}

func TestKill(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not tested: process groups are used on Linux only")
	}
	w := newWorkspace(t, `  wait = "5m"`)
	p := w.Start("apply", "-auto-approve", "-no-color")
	provider := waitFor(t, w, p)
	findings := w.leaks(leak.New(t, plantedValue))
	if len(findings) != 1 || findings[0].Form != "not scanned: it still runs" {
		t.Errorf("found %v while the command ran", findings)
	}
	p.Kill()
	if result := p.Wait(); result.ExitCode != -1 || p.Running() {
		t.Errorf("the exit code is %d after Kill, want -1", result.ExitCode)
	}
	if !gone(provider) {
		t.Error("the provider survived")
	}
	if _, ok := w.Show().Resource("roi_thing.this"); ok {
		t.Error("a killed create is in the state")
	}
}

// gone waits until a process has ended. The remains of one that nobody has waited
// for count as gone.
func gone(pid int) bool {
	for range 200 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestInterrupt(t *testing.T) {
	w := newWorkspace(t, `  wait = "5m"`)
	p := w.Start("apply", "-auto-approve", "-no-color")
	waitFor(t, w, p)
	p.Interrupt()
	result := p.Wait()
	result.Require(t, 1)
	if !strings.Contains(result.Message(), "Stopped") {
		t.Errorf("the provider was not stopped:\n%s", result.Message())
	}
}

// TestWorkspaceIsRemoved also shows that commands end with their test.
func TestWorkspaceIsRemoved(t *testing.T) {
	var root string
	var command *Process
	t.Run("inner", func(t *testing.T) {
		w := newWorkspace(t, `  wait = "5m"`)
		p := w.Start("apply", "-auto-approve", "-no-color")
		waitFor(t, w, p)
		root, command = w.root, p
	})
	if _, err := os.Lstat(root); !os.IsNotExist(err) {
		t.Errorf("the workspace is still there (%v)", err)
	}
	if command.Running() {
		t.Error("the command still runs")
	}
}

func TestBuildsTheProvider(t *testing.T) {
	w := New(t)
	w.WriteFile("main.tf", RequiredProviders)
	w.Init()
	result := w.Run("providers", "schema", "-json")
	result.Require(t, 0)
	if !strings.Contains(result.Stdout, `"roi_secret"`) {
		t.Error("the provider of this module has no roi_secret")
	}
	if again := buildProvider(t); again != filepath.Join(built.folder, providerName) || New(t).provider != w.provider {
		t.Error("the provider was built twice")
	}
}
