// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// workflow is the part of a GitHub workflow that is run here.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Name             string
			Uses             string
			Run              string
			Env              map[string]string
			WorkingDirectory string `yaml:"working-directory"`
		}
	}
}

func readWorkflow(t *testing.T) (w workflow) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readExample(t, "ci/github-actions.yml")), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// gitHub runs the steps of a job, and returns what each printed, and the status.
func (g *gate) gitHub(job string, variables map[string]string) (texts map[string]string, codes map[string]int) {
	g.t.Helper()
	w := readWorkflow(g.t)
	texts, codes = map[string]string{}, map[string]int{}
	for _, step := range w.Jobs[job].Steps {
		if step.Run == "" {
			continue
		}
		environment := maps.Clone(w.Env)
		maps.Copy(environment, step.Env)
		maps.Copy(environment, variables)
		for name, value := range environment {
			environment[name] = strings.NewReplacer("${{ github.token }}", "t0ken", "${{ github.repository }}", "roi/shop", "${{ github.event.pull_request.number }}", "7").Replace(value)
			if strings.Contains(environment[name], "${{") {
				g.t.Fatalf("%s: the expression %s is not known here", step.Name, value)
			}
		}
		texts[step.Name], codes[step.Name] = g.shell(step.Run, step.WorkingDirectory, environment, "bash", "--noprofile", "--norc", "-eo", "pipefail")
	}
	if len(texts) == 0 {
		g.t.Fatalf("there is no job %s", job)
	}
	return texts, codes
}

func TestGitHubWorkflowIsValid(t *testing.T) {
	t.Parallel()
	tool := goTool(t, "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", actionlintVersion)
	cmd := exec.Command(tool, "-no-color", "-pyflakes=", filepath.Join("..", "..", "examples", "ci", "github-actions.yml"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}

	// Actions are pinned, and to the same commits as those of this repository.
	pinned := regexp.MustCompile(`uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)`)
	ours, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", "test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	example := readExample(t, "ci/github-actions.yml")
	if pins, uses := len(pinned.FindAllString(example, -1)), strings.Count(example, "uses:"); pins != uses || uses == 0 {
		t.Errorf("%d of %d actions are pinned to a commit, with the version beside it", pins, uses)
	}
	for _, pin := range pinned.FindAllStringSubmatch(example, -1) {
		if strings.Contains(string(ours), pin[1]+"@") && !strings.Contains(string(ours), pin[0]) {
			t.Errorf("this repository uses another %s than %s", pin[1], pin[3])
		}
	}
	if !strings.Contains(example, "version: "+strings.TrimPrefix(opaVersion, "v")) {
		t.Errorf("the workflow does not install the OPA that is tested, %s", opaVersion)
	}
}

func TestWorkflowsOfThisRepositoryAreValid(t *testing.T) {
	t.Parallel()
	workflows, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	if err != nil || len(workflows) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	tool := goTool(t, "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", actionlintVersion)
	if text, err := exec.Command(tool, append([]string{"-no-color", "-pyflakes=", "-shellcheck="}, workflows...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// Everything that the workflow runs, in its order, with the rights that its roles
// have.
func TestGitHubGate(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	check := func(name string, texts map[string]string, codes map[string]int, code int, says ...string) {
		t.Helper()
		if codes[name] != code {
			t.Errorf("%s: status %d, want %d:\n%s", name, codes[name], code, texts[name])
		}
		for _, text := range says {
			if !strings.Contains(texts[name], text) {
				t.Errorf("%s does not say %q:\n%s", name, text, texts[name])
			}
		}
	}

	g.policy("plan.json")
	texts, codes := g.gitHub("gate", nil)
	for name := range texts {
		check(name, texts, codes, 0)
	}
	if !strings.Contains(g.comment(), "| `shop/production/jwt` |") {
		t.Errorf("the comment is\n%s", g.comment())
	}
	arguments, err := os.ReadFile(filepath.Join(g.home(), "comment-arguments"))
	if err != nil || strings.TrimSpace(string(arguments)) != "pr comment 7 --edit-last --create-if-none --body-file report.md" {
		t.Errorf("gh was called with %q, %v", arguments, err)
	}

	g.advance(31 * day) // one key is due after 30 days
	texts, codes = g.gitHub("gate", nil)
	check("Report", texts, codes, 0, "Overdue: shop/production/app.")
	check("Policy on the plan", texts, codes, 1, "roi_secret_rotation.app is overdue")
	// The clock of a provider runs on from where the test set it.
	check("Nothing is overdue", texts, codes, 1, "Secret is overdue", "has been overdue for rotation since 2026-12-23T12:0")
	if strings.Contains(texts["Policy on the plan"], "roi_secret_rotation.jwt is overdue") {
		t.Error("the policy says that a secret is overdue that is not")
	}
	if !strings.Contains(g.comment(), "| **overdue** | `shop/production/app` |") {
		t.Errorf("the comment is\n%s", g.comment())
	}

	g.policy("rotate.json")
	texts, codes = g.gitHub("rotate", nil)
	check("Publish when each secret is due", texts, codes, 0)
	check("Rotate", texts, codes, 0, "1 added, 0 changed, 1 destroyed")
	if published := g.fake.Metrics(); len(published) == 0 {
		t.Error("nothing was published")
	}
	if g.versions("shop/production/app") != 2 {
		t.Errorf("there are %d versions of shop/production/app, want 2", g.versions("shop/production/app"))
	}

	g.policy("plan.json")
	texts, codes = g.gitHub("gate", nil)
	for name := range texts {
		check(name, texts, codes, 0)
	}
}

// The tests of the root module, twice in one folder, without credentials.
func TestGitHubTerraformTest(t *testing.T) {
	t.Parallel()
	w := tfcli.New(t)
	copyExample(t, "ci", w.Dir)
	run := readWorkflow(t).Jobs["test"].Steps
	if got := strings.Fields(run[len(run)-1].Run); !slices.Equal(got, strings.Fields("terraform init -backend=false terraform test")) {
		t.Fatalf("the job runs %q: change this test with it", got)
	}
	w.Run("-chdir=shop", "init", "-no-color", "-backend=false").Require(t, 0)
	for range 2 {
		result := w.Run("-chdir=shop", "test", "-no-color")
		result.Require(t, 0)
		if !strings.Contains(result.Stdout, "Success! 3 passed, 0 failed.") {
			t.Errorf("the tests did not run:\n%s", result.Stdout)
		}
	}

	// They can fail.
	w.WriteFile("shop/weaker_override.tf", `resource "roi_secret_rotation" "app" { rotation_days = 60 }`)
	result := w.Run("-chdir=shop", "test", "-no-color")
	result.Require(t, 1)
	if !strings.Contains(result.Message(), "must be due after 30 days") {
		t.Errorf("a longer interval passes:\n%s", result.Message())
	}
}
