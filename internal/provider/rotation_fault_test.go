// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// faultScenario is a kind of rotation and how many requests its replacement makes.
type faultScenario struct {
	name     string
	json     bool
	path     string // of its health check; "" has none
	requests int
	killed   bool // whether the provider is killed in it, which takes a process each
}

var faultScenarios = []faultScenario{
	{"string", false, "", 8, true},
	{"json", true, "", 9, true},
	{"healthy", false, "/healthy", 8, true},
	{"rollback", true, "/sick", 11, true},
}

// Faults that a request can meet. "killed" is of the provider, with SIGKILL.
const (
	killedBefore = "killed before"
	killedAfter  = "killed after"
	retried      = "lost response, retried"
)

var faultKinds = []string{
	string(awsfake.LostRequest), string(awsfake.LostResponse), string(awsfake.Throttled), string(awsfake.InternalError), retried, killedBefore, killedAfter,
}

// faultCase is one secret whose rotation meets one fault.
type faultCase struct {
	faultScenario
	index int // of the request, from 1; 0 meets none
	kind  string
}

func (f faultCase) secret() string {
	return fmt.Sprintf("fault/%s/%d/%s/s", f.faultScenario.name, f.index, strings.NewReplacer(" ", "_", ",", "").Replace(f.kind))
}

// provider is the alias that the case needs: a provider that is killed must not
// take the other cases along, and Terraform runs one process for each alias.
func (f faultCase) provider(n int) string {
	switch f.kind {
	case killedBefore, killedAfter:
		return fmt.Sprintf("roi.kill%d", n)
	case retried:
		return "roi.retry"
	}
	return "roi"
}

func faultCases() []faultCase {
	var cases []faultCase
	for _, scenario := range faultScenarios {
		cases = append(cases, faultCase{scenario, 0, "none"})
		for index := 1; index <= scenario.requests; index++ {
			for _, kind := range faultKinds {
				if strings.HasPrefix(kind, "killed") && !scenario.killed {
					continue
				}
				cases = append(cases, faultCase{scenario, index, kind})
			}
		}
	}
	return cases
}

// Every request of a rotation, lost or answered in every bad way, or the last one
// of the provider: one apply repairs it. All cases are one configuration, so that
// four runs of Terraform do for all.
func TestRotationFaultMatrix(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	cases := faultCases()

	var recovered atomic.Bool
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/sick") && !recovered.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(health.Close)

	var config strings.Builder
	block := func(alias string, attempts int) {
		name := ""
		if alias != "roi" {
			name = fmt.Sprintf("  alias = %q\n", strings.TrimPrefix(alias, "roi."))
		}
		arguments := strings.Replace(awsArguments(c.fake.URL()), "  aws = {", fmt.Sprintf("  aws = {\n    max_retries = %d", attempts), 1)
		fmt.Fprintf(&config, "provider \"roi\" {\n%s  environment = \"development\"\n%s\n}\n", name, arguments)
	}
	block("roi", 1)
	block("roi.retry", 3)
	first := map[string]string{}
	for n, f := range cases {
		if strings.HasPrefix(f.provider(n), "roi.kill") {
			block(f.provider(n), 1)
		}
		first[f.secret()] = c.seedFault(f)
		check, keys := "", ""
		if f.path != "" {
			check = fmt.Sprintf("health_check = [{ url = \"%s%s/%d\", interval = \"1ms\", healthy_threshold = 1, deadline = \"1ms\" }]", health.URL, f.path, n)
		}
		if f.json {
			keys = `keys = ["A"]`
		}
		fmt.Fprintf(&config, "resource \"roi_secret_rotation\" \"r%d\" {\n  provider  = %s\n  secret_id = %q\n  %s\n  %s\n}\n", n, f.provider(n), f.secret(), keys, check)
	}
	c.WriteFile("main.tf", tfcli.RequiredProviders+config.String())
	c.Init()
	c.Apply().Require(t, 0)
	c.advance(91 * day)
	c.Plan("-out=saved").Require(t, 2)

	c.injectFaults(cases)
	result := c.Apply("saved")
	result.Require(t, 1)
	c.fake.ClearFaults()
	for _, f := range cases {
		if f.index == 0 {
			if got := c.requestsFor(f.secret()); got != f.requests {
				t.Errorf("%s: %d requests without a fault, want %d: the matrix does not meet all of them", f.faultScenario.name, got, f.requests)
			}
		}
	}
	if err := os.Remove(filepath.Join(c.Dir, "kill.json")); err != nil {
		t.Fatal(err)
	}
	recovered.Store(true)
	c.advance(time.Minute)
	c.Apply().Require(t, 0)
	for _, f := range cases {
		c.checkFault(f, first[f.secret()])
	}
	c.nothingToDo()
	counts := map[string]int{}
	for _, f := range cases {
		counts[f.faultScenario.name]++
	}
	t.Logf("%d cases: %v", len(cases), counts)
}

// seedFault makes the secret of a case, as roi_secret would, and returns the id of
// its version.
func (c *cli) seedFault(f faultCase) string {
	c.t.Helper()
	jwt, _ := policy.Builtin("jwt")
	value := secretstore.NewPlaintext(strings.Repeat("First--value--of--", 4))
	records := map[string]policy.Record{"": {Policy: jwt, MadeAt: c.now}}
	if f.json {
		object := &secretstore.Object{}
		object.Set("A", "first A")
		object.Set("B", "first B")
		value = object.Plaintext()
		records = map[string]policy.Record{"A": {Policy: jwt, MadeAt: c.now}, "B": {Policy: jwt, MadeAt: c.now}}
	}
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		c.t.Fatal(err)
	}
	version := secretstore.DeriveVersionID("first", f.secret())
	c.fake.Seed(awsfake.Seed{Name: f.secret(), Tags: tags, Versions: []awsfake.SeedVersion{
		{ID: version, Value: value, Labels: []string{secretstore.Current}},
	}})
	return version
}

func belongsTo(call awsfake.Call, secret string) bool {
	return call.SecretID == secret || strings.Contains(call.SecretID, ":secret:"+secret+"-")
}

func (c *cli) requestsFor(secret string) int {
	n := 0
	for _, call := range c.fake.Calls() {
		if belongsTo(call, secret) {
			n++
		}
	}
	return n
}

func (c *cli) injectFaults(cases []faultCase) {
	c.t.Helper()
	kill := map[string]any{}
	for _, f := range cases {
		fault := awsfake.Fault{Kind: awsfake.FaultKind(f.kind), Nth: f.index, Match: func(call awsfake.Call) bool { return belongsTo(call, f.secret()) }}
		switch f.kind {
		case "none":
		case killedBefore, killedAfter:
			kill[f.secret()] = map[string]any{"call": f.index, "after": f.kind == killedAfter}
		case retried:
			fault.Kind = awsfake.LostResponse
			c.fake.Inject(fault)
		default:
			c.fake.Inject(fault)
		}
	}
	text, err := json.Marshal(kill)
	if err != nil {
		c.t.Fatal(err)
	}
	c.WriteFile("kill.json", string(text))
	c.SetEnv("ROI_TEST_KILL", filepath.Join(c.Dir, "kill.json"))
	c.fake.ResetCalls()
}

// checkFault asserts that a rotation happened once, and that nothing was lost.
func (c *cli) checkFault(f faultCase, first string) {
	c.t.Helper()
	fail := func(format string, arguments ...any) {
		c.t.Helper()
		c.t.Errorf(f.secret()+": "+format, arguments...)
	}
	var keys []string
	if f.json {
		keys = []string{"A"}
	}
	view, err := rotation.Look(c.describe(c.t, f.secret()), keys)
	if err != nil || view.Record == nil {
		fail("no record: %v", err)
		return
	}
	if view.Current() == first || view.Previous() != first || view.Pending() != "" {
		fail("AWSCURRENT, AWSPREVIOUS and AWSPENDING are on %q, %q and %q; the first version was %q", view.Current(), view.Previous(), view.Pending(), first)
	}
	if view.Unfinished() || view.Record.Current != view.Current() {
		fail("the record is %+v", *view.Record)
	}
	if got := c.versions(f.secret()); got != 2+view.Record.Attempt {
		fail("there are %d versions after %d failed attempts", got, view.Record.Attempt)
	}
	if f.json {
		if got := c.changedKeys(f.secret(), first, view.Current()); len(got) != 1 || got[0] != "A" {
			fail("%v changed, want A", got)
		}
	}
}
