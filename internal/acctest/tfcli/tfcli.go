// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package tfcli runs the real terraform with the provider as a process of its
// own, the way a user does: what the in-process tests of the plugin framework
// cannot show, such as logs, crashes, plan files and killed processes.
package tfcli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-version"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/scratch"
)

// RequiredProviders is the block that a configuration needs to use the provider.
const RequiredProviders = `terraform {
  required_providers {
    roi = { source = "roi-systems/roi" }
  }
}
`

// terraformVariable names a terraform (or OpenTofu) other than that on the PATH.
// The plugin SDK's tests use the same variable.
const terraformVariable = "TF_ACC_TERRAFORM_PATH"

// Workspace is a folder in which terraform runs, apart from the user's own
// configuration, plugins and credentials.
type Workspace struct {
	// Dir holds the configuration and the state.
	Dir string

	t         testing.TB
	root      string // holds Dir and everything else that the commands write
	terraform string
	provider  string
	env       map[string]string
	processes []*Process
}

// Option changes a new Workspace.
type Option func(*options)

type options struct {
	provider string
	env      map[string]string
}

// Provider uses a provider binary that is there already instead of building one.
func Provider(path string) Option { return func(o *options) { o.provider = path } }

// Env sets an environment variable for terraform and the provider.
func Env(name, value string) Option { return func(o *options) { o.env[name] = value } }

// New returns an empty workspace, which is removed when the test ends. The
// provider is built once per test process; TestMain has to call Cleanup.
//
// Without terraform on the PATH or in TF_ACC_TERRAFORM_PATH the test fails where
// the environment has CI=true and is skipped elsewhere.
func New(t testing.TB, opts ...Option) *Workspace {
	t.Helper()
	o := options{env: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	w := &Workspace{t: t, terraform: findTerraform(t), provider: o.provider}
	if w.provider == "" {
		w.provider = buildProvider(t)
	}
	// Not t.TempDir: with the name of a test in it the path of a plugin's socket
	// would become too long.
	root, err := scratch.Folder("roi-tf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Errorf("failed to remove the workspace: %v", err)
		}
	})
	w.root, w.Dir = root, filepath.Join(root, "work")
	for _, folder := range []string{w.Dir, w.path("home"), w.path("tmp"), w.path("logs"), w.path("bin")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// OpenTofu's is named tofu, and scripts call terraform.
	if err := os.Symlink(w.terraform, filepath.Join(w.path("bin"), "terraform")); err != nil {
		t.Fatal(err)
	}
	w.Install("1.0.0", w.provider)
	w.env = map[string]string{
		"PATH":                      os.Getenv("PATH"),
		"HOME":                      w.path("home"),
		"TMPDIR":                    w.path("tmp"),
		"TF_CLI_CONFIG_FILE":        w.writeCLIConfig(),
		"TF_IN_AUTOMATION":          "1",
		"TF_INPUT":                  "0",
		"CHECKPOINT_DISABLE":        "1",
		"AWS_EC2_METADATA_DISABLED": "true",
	}
	if folder := coverageFolder(); folder != "" {
		w.env["GOCOVERDIR"] = folder
	}
	maps.Copy(w.env, o.env)
	return w
}

func findTerraform(t testing.TB) string {
	t.Helper()
	path := os.Getenv(terraformVariable)
	if path == "" {
		path = "terraform"
	}
	found, err := exec.LookPath(path)
	if err == nil {
		if found, err = filepath.Abs(found); err == nil {
			return found
		}
	}
	message := fmt.Sprintf("no terraform (%v), so the provider was not run by it: "+
		"put it on the PATH or its path into %s; see https://developer.hashicorp.com/terraform/install", err, terraformVariable)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// OpenTofu reports whether tests run OpenTofu in place of Terraform. It needs one of
// them as New does.
func OpenTofu(t testing.TB) bool {
	t.Helper()
	name, _ := terraformVersion(t)
	return name == "OpenTofu"
}

// AtLeast reports whether tests run on a version of Terraform or OpenTofu, such as
// 1.14.0, or a later one. It needs one of them as New does.
func AtLeast(t testing.TB, least string) bool {
	t.Helper()
	_, v := terraformVersion(t)
	return v.Core().GreaterThanOrEqual(version.Must(version.NewVersion(least)))
}

// terraformVersion takes the first line of terraform version apart, which is
// "Terraform v1.14.0" or "OpenTofu v1.11.0".
func terraformVersion(t testing.TB) (name string, v *version.Version) {
	t.Helper()
	text, err := exec.Command(findTerraform(t), "version").Output()
	if err != nil {
		t.Fatalf("terraform version: %v", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	name, number, _ := strings.Cut(first, " v")
	if v, err = version.NewVersion(strings.TrimSpace(number)); err != nil {
		t.Fatalf("terraform version says %q: %v", first, err)
	}
	return name, v
}

func (w *Workspace) path(name string) string { return filepath.Join(w.root, name) }

// writeCLIConfig lets terraform find the provider in a folder, as an installed
// one, and nothing anywhere else. Unlike dev_overrides this goes through init and
// the lock file.
func (w *Workspace) writeCLIConfig() string {
	w.t.Helper()
	config := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", w.path("mirror"))
	path := w.path("terraformrc")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// ProviderPath returns the provider binary that New installed.
func (w *Workspace) ProviderPath() string { return w.provider }

// Install adds a provider binary under a version of its own, for a configuration
// that asks for it: that of New is 1.0.0, and init takes the newest where nothing
// is asked for.
func (w *Workspace) Install(version, provider string) {
	w.t.Helper()
	// The second host is that of OpenTofu.
	for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		folder := filepath.Join(w.path("mirror"), host, "roi-systems", "roi", version, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			w.t.Fatal(err)
		}
		if err := os.Symlink(provider, filepath.Join(folder, providerName+"_v"+version)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// SetEnv sets an environment variable for the commands that follow.
func (w *Workspace) SetEnv(name, value string) { w.env[name] = value }

// WriteFile writes a file of the configuration. The name is relative to Dir.
func (w *Workspace) WriteFile(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// Init runs terraform init; the test fails unless that succeeds.
func (w *Workspace) Init(args ...string) {
	w.t.Helper()
	w.Run(append([]string{"init", "-input=false", "-no-color"}, args...)...).Require(w.t, 0)
}

// Plan runs terraform plan -detailed-exitcode: the exit code is 0 when there is
// nothing to do, 1 for an error, and 2 when something changes.
func (w *Workspace) Plan(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"plan", "-input=false", "-no-color", "-detailed-exitcode"}, args...)...)
}

// Apply runs terraform apply without asking.
func (w *Workspace) Apply(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"apply", "-input=false", "-no-color", "-auto-approve"}, args...)...)
}

// Destroy runs terraform destroy without asking.
func (w *Workspace) Destroy(args ...string) Result {
	w.t.Helper()
	return w.Run(append([]string{"destroy", "-input=false", "-no-color", "-auto-approve"}, args...)...)
}

// Import runs terraform import.
func (w *Workspace) Import(address, id string) Result {
	w.t.Helper()
	return w.Run("import", "-input=false", "-no-color", address, id)
}

// PlanJSON plans into the file tfplan in Dir, which stays there, and returns the
// plan that terraform show prints of it. The test fails unless both succeed.
func (w *Workspace) PlanJSON(args ...string) Plan {
	w.t.Helper()
	if result := w.Plan(append([]string{"-out=tfplan"}, args...)...); result.ExitCode == 1 {
		result.Require(w.t, 0, 2)
	}
	var plan Plan
	w.decode(w.Run("show", "-no-color", "-json", "tfplan"), &plan)
	return plan
}

// Show returns the state that terraform show -json prints. The test fails unless
// that succeeds.
func (w *Workspace) Show() State {
	w.t.Helper()
	var state State
	w.decode(w.Run("show", "-no-color", "-json"), &state)
	return state
}

// Output decodes one output value.
func (w *Workspace) Output(name string, value any) {
	w.t.Helper()
	w.decode(w.Run("output", "-no-color", "-json", name), value)
}

func (w *Workspace) decode(result Result, into any) {
	w.t.Helper()
	result.Require(w.t, 0)
	if err := json.Unmarshal([]byte(result.Stdout), into); err != nil {
		w.t.Fatalf("terraform printed what is not the JSON expected: %v", err)
	}
}

// State returns the state file as it is, "" when there is none.
func (w *Workspace) State() string {
	w.t.Helper()
	state, err := os.ReadFile(filepath.Join(w.Dir, "terraform.tfstate"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(state)
}

// Run runs any terraform command in Dir and waits for it.
func (w *Workspace) Run(args ...string) Result {
	w.t.Helper()
	return w.Start(args...).Wait()
}

// Shell runs a script with bash in Dir, as a user would type it: it stops at the
// first command that fails, and terraform is the one that is tested.
func (w *Workspace) Shell(script string) Result {
	w.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	path := "PATH=" + w.path("bin") + string(os.PathListSeparator) + w.env["PATH"]
	return w.start("bash", cmd, path).Wait()
}

// Start starts a terraform command in Dir. It is killed when the test ends.
func (w *Workspace) Start(args ...string) *Process {
	w.t.Helper()
	return w.start(args[0], exec.Command(w.terraform, args...))
}

func (w *Workspace) start(what string, cmd *exec.Cmd, env ...string) *Process {
	w.t.Helper()
	name := fmt.Sprintf("%02d-%s", len(w.processes)+1, what)
	cmd.Dir = w.Dir
	for _, variable := range slices.Sorted(maps.Keys(w.env)) {
		cmd.Env = append(cmd.Env, variable+"="+w.env[variable])
	}
	cmd.Env = append(cmd.Env, env...)
	if w.env["TF_LOG"] == "" {
		cmd.Env = append(cmd.Env, "TF_LOG=TRACE")
	}
	cmd.Env = append(cmd.Env, "TF_LOG_PATH="+filepath.Join(w.path("logs"), name+".log"))
	p := start(w.t, name, cmd)
	w.processes = append(w.processes, p)
	return p
}

// Logs returns the logs, at level TRACE, of every command so far: of terraform,
// of the provider and of what it calls.
func (w *Workspace) Logs() string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.path("logs"), "*.log"))
	if err != nil {
		w.t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		all.Write(log)
	}
	return all.String()
}

// LeakCheck looks for values in everything that terraform and the provider left
// behind: each file in the workspace (state, backups, plan files, logs, temporary
// files), and what the commands printed. Paths in except are relative to Dir, and
// may be patterns as in path.Match: files in which the user wants the values. It
// fails the test for each finding.
func (w *Workspace) LeakCheck(scanner *leak.Scanner, except ...string) {
	w.t.Helper()
	for _, finding := range w.leaks(scanner, except...) {
		w.t.Errorf("a secret value is in %s", finding)
	}
}

func (w *Workspace) leaks(scanner *leak.Scanner, except ...string) []leak.Finding {
	if len(w.processes) == 0 {
		return []leak.Finding{{Where: w.root, Form: "not scanned: no command has run"}}
	}
	var skipped []string
	for _, pattern := range except {
		skipped = append(skipped, "work/"+pattern)
	}
	findings := scanner.Files(w.root, skipped...)
	for _, p := range w.processes {
		if p.Running() {
			findings = append(findings, leak.Finding{Where: p.name, Form: "not scanned: it still runs"})
		}
		findings = append(findings, scanner.Text("stdout of "+p.name, p.stdout.String())...)
		findings = append(findings, scanner.Text("stderr of "+p.name, p.stderr.String())...)
	}
	return findings
}
