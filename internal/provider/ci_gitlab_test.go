// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// pipeline is the part of a GitLab configuration that is run here. Its values are
// jobs, but for keywords.
type pipeline struct {
	Stages    []string
	Variables map[string]string
	Jobs      map[string]pipelineJob `yaml:",inline"`
}

type pipelineJob struct {
	Stage        string
	Extends      string
	Variables    map[string]string
	BeforeScript []string `yaml:"before_script"`
	Script       []string

	// Keywords that nothing here depends on.
	Image         any
	Rules         any
	IDTokens      any    `yaml:"id_tokens"`
	ResourceGroup string `yaml:"resource_group"`
}

func readPipeline(t *testing.T) (p pipeline) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(readExample(t, "ci/gitlab-ci.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&p); err != nil {
		t.Fatal(err)
	}
	delete(p.Jobs, "default")
	return p
}

// gitLab runs a job with what its id token allows: no access key is in the
// environment.
func (g *gate) gitLab(name string) (text string, code int) {
	g.t.Helper()
	p := readPipeline(g.t)
	job, ok := p.Jobs[name]
	if !ok {
		g.t.Fatalf("there is no job %s", name)
	}
	base := p.Jobs[job.Extends]
	variables := map[string]string{
		"AWS_ACCESS_KEY_ID": unset, "AWS_SECRET_ACCESS_KEY": unset, "AWS_TOKEN": "header.payload.signature", "REPORT_TOKEN": "t0ken",
		"CI_API_V4_URL": "https://gitlab.example/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7",
	}
	maps.Copy(variables, p.Variables)
	maps.Copy(variables, job.Variables)
	return g.shell(strings.Join(slices.Concat(base.BeforeScript, job.BeforeScript, job.Script), "\n"), ".", variables, "sh", "-e")
}

func TestGitLabPipelineIsValid(t *testing.T) {
	t.Parallel()
	p := readPipeline(t)
	for name, job := range p.Jobs {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if len(job.Script) == 0 || !slices.Contains(p.Stages, job.Stage) || job.Rules == nil {
			t.Errorf("the job %s has no script, no rules, or the unknown stage %q", name, job.Stage)
		}
		if _, known := p.Jobs[job.Extends]; job.Extends != "" && !known {
			t.Errorf("the job %s extends the unknown %s", name, job.Extends)
		}
	}
	if got := strings.Join(p.Jobs["test"].Script, "; "); got != "cd shop; terraform init -backend=false; terraform test" {
		t.Errorf("the job test runs %q, which TestGitHubTerraformTest does not", got)
	}
}

func TestGitLabGate(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	check := func(name string, code int, says ...string) {
		t.Helper()
		text, got := g.gitLab(name)
		if got != code {
			t.Errorf("%s: status %d, want %d:\n%s", name, got, code, text)
		}
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, text)
			}
		}
	}
	g.policy("plan.json")
	check("report", 0)
	check("policy", 0)
	check("overdue", 0)
	if !strings.Contains(g.comment(), "| `shop/production/jwt` |") {
		t.Errorf("the comment is\n%s", g.comment())
	}
	arguments, err := os.ReadFile(filepath.Join(g.home(), "comment-arguments"))
	if want := "https://gitlab.example/api/v4/projects/3/merge_requests/7/notes"; err != nil || !strings.HasSuffix(strings.TrimSpace(string(arguments)), want) {
		t.Errorf("curl was called with %q, %v", arguments, err)
	}

	g.advance(31 * day)
	check("report", 0, "Overdue: shop/production/app.")
	check("policy", 5, "overdue: roi_secret_rotation.app")
	check("overdue", 1, "Secret is overdue")

	g.policy("rotate.json")
	check("rotate", 0, "1 added, 0 changed, 1 destroyed")
	g.policy("plan.json")
	check("policy", 0)
	check("overdue", 0)
}
