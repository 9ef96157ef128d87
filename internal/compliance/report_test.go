// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var update = flag.Bool("update", false, "write the expected reports anew")

// sample is a report with each status, a JSON secret, a foreign one, and names that
// mean something to Markdown, URLs and shells.
func sample(t *testing.T) compliance.Report {
	t.Helper()
	ours := newStore(t, map[string]policy.Policy{"JWT": builtin(t, "jwt", nil), "GIVEN": builtin(t, "external", nil)}, `{"JWT":"short","GIVEN":"Summer2031Summer2031"}`)
	ours.secret.KMSKeyID = "k"
	ours.keys["k"] = goodKey()
	checker := ours.checker()
	checker.Floor = func(p policy.Policy) error {
		if p.Category == "external" {
			return policy.Problems{{Detail: "length = 0 | is <below> the floor."}}
		}
		return nil
	}
	foreign := secretstore.Secret{ARN: strings.ReplaceAll(arn, "shop/app", "/legacy/../x"), Name: "/legacy/../x", CreatedAt: now, Labels: map[string][]string{}}
	damaged := secretstore.Secret{ARN: strings.ReplaceAll(arn, "shop/app", "shop/damaged"), Name: "shop/damaged", Tags: map[string]string{policy.RecordTag: "v9 nonsense"}}
	owned := secretstore.Secret{ARN: strings.ReplaceAll(arn, "shop/app", "rds!db"), Name: "rds!db", OwningService: "rds"}
	results := check(t, checker, ours.secret, foreign, damaged, owned).Results
	files := compliance.Files([]secretstore.File{{Path: ".roi/store.db", Mode: 0o644}})
	return compliance.NewReport(append(results, files...))
}

func TestReportFormats(t *testing.T) {
	t.Parallel()
	report := sample(t)
	for name, got := range map[string]string{
		"report.md":    report.Markdown(),
		"report.json":  indent(t, report.JSON()),
		"report.sarif": indent(t, report.SARIF("1.2.3")),
		"empty.md":     compliance.NewReport(nil).Markdown(),
		"empty.sarif":  indent(t, compliance.NewReport(nil).SARIF("1.2.3")),
	} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs (-want +got); go test -update writes it anew\n%s", file, diff)
		}
	}
}

func indent(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// The order of secrets, of replies and of a map changes nothing.
func TestReportIsStable(t *testing.T) {
	t.Parallel()
	first := sample(t)
	for range 5 {
		if diff := cmp.Diff(first, sample(t)); diff != "" {
			t.Fatal(diff)
		}
	}
	backwards := slices.Clone(first.Results)
	slices.Reverse(backwards)
	if diff := cmp.Diff(first, compliance.NewReport(backwards)); diff != "" {
		t.Error(diff)
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	report := sample(t)
	want := compliance.Totals{Secrets: 4}
	for _, r := range report.Results {
		switch r.Status {
		case compliance.Pass:
			want.Pass++
		case compliance.Fail:
			want.Fail++
		case compliance.NotEvaluated:
			want.NotEvaluated++
		default:
			t.Errorf("unknown status %q", r.Status)
		}
	}
	if report.Totals != want {
		t.Errorf("totals are %+v, want %+v", report.Totals, want)
	}
}

// SARIF is valid against the schema of the standard, and has what GitHub wants of
// each alert beyond that.
// Source: https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
func TestSARIF(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	report := sample(t)
	for name, text := range map[string]string{
		"failures": report.SARIF("1.2.3"),
		"empty":    compliance.NewReport(nil).SARIF("dev"),
	} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID         string
						Properties struct{ Tags []string }
					}
				}
			}
			Results []struct {
				RuleID    string `json:"ruleId"`
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(report.SARIF("1.2.3")), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if len(run.Results) != report.Totals.Fail || len(run.Results) == 0 {
		t.Errorf("%d alerts for %d failures", len(run.Results), report.Totals.Fail)
	}
	marks := map[string]bool{}
	for _, alert := range run.Results {
		if run.Tool.Driver.Rules[alert.RuleIndex].ID != alert.RuleID {
			t.Errorf("%s points at another rule", alert.RuleID)
		}
		mark := alert.PartialFingerprints["primaryLocationLineHash"]
		if !regexp.MustCompile(`^[0-9a-f]{16}:1$`).MatchString(mark) || marks[mark] {
			t.Errorf("%s has the fingerprint %q, which is malformed or another's", alert.RuleID, mark)
		}
		marks[mark] = true
		if alert.Message.Text == "" || len(alert.Locations) != 1 || alert.Level == "" {
			t.Errorf("%s lacks a message, a level or its one location", alert.RuleID)
			continue
		}
		uri := alert.Locations[0].PhysicalLocation.ArtifactLocation.URI
		if !strings.HasPrefix(uri, "secrets/") || slices.ContainsFunc(strings.Split(uri, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
			t.Errorf("%s has the location %q, which is not below secrets/", alert.RuleID, uri)
		}
	}
	for _, rule := range run.Tool.Driver.Rules {
		if n := len(rule.Properties.Tags); n > 10 {
			t.Errorf("%s has %d tags, and GitHub shows 10", rule.ID, n)
		}
	}
}

// A fingerprint is made of names only: another value, another reason and another
// day leave an alert the same.
func TestFingerprintIsOfNamesOnly(t *testing.T) {
	t.Parallel()
	mark := func(r compliance.Result) string {
		match := regexp.MustCompile(`"primaryLocationLineHash":"([^"]+)"`).FindStringSubmatch(compliance.NewReport([]compliance.Result{r}).SARIF("dev"))
		if match == nil {
			t.Fatal("no fingerprint")
		}
		return match[1]
	}
	base := compliance.Result{Check: "value_length", Subject: arn, Name: "shop/app", Key: "A", Status: compliance.Fail, Reason: "one"}
	other := base
	other.Reason, other.Controls = "two", []string{"x"}
	if mark(base) != mark(other) {
		t.Error("another reason makes another alert")
	}
	for _, change := range []func(*compliance.Result){
		func(r *compliance.Result) { r.Check = "value_reuse" }, func(r *compliance.Result) { r.Subject += "x" }, func(r *compliance.Result) { r.Key = "B" },
	} {
		other := base
		change(&other)
		if mark(base) == mark(other) {
			t.Errorf("%+v has the same fingerprint", other)
		}
	}
}

// No value is in any form of the report, nor its length where that differs from
// what a policy says.
func TestReportHoldsNoValue(t *testing.T) {
	t.Parallel()
	values := []string{"aaa!4321", "Summer2031Summer2031x", "earlier-Value-77xZ"}
	store := newStore(t, map[string]policy.Policy{"A": builtin(t, "jwt", nil), "B": builtin(t, "external", nil)},
		fmt.Sprintf(`{"A":%q,"B":"x"}`, values[2]), fmt.Sprintf(`{"A":%q,"B":%q}`, values[0], values[1]))
	report := check(t, store.checker(), store.secret)
	if report.Totals.Fail < 4 {
		t.Fatalf("only %d checks failed, so that little is said of the values", report.Totals.Fail)
	}
	text := report.JSON() + report.Markdown() + report.SARIF("dev") + fmt.Sprintf("%+v", report)
	for i, value := range values {
		if strings.Contains(text, value) {
			t.Errorf("value %d is in the report", i)
		}
	}
	if match := regexp.MustCompile(`\b(8|21|18) (characters|bytes)`).FindString(text); match != "" {
		t.Errorf("a length is in the report: %s", match)
	}
}

// A table for a comment is cut, and says so.
func TestMarkdownIsBounded(t *testing.T) {
	t.Parallel()
	var results []compliance.Result
	for i := range 150 {
		name := fmt.Sprintf("shop/%03d", i)
		results = append(results, compliance.Result{Check: "key_enabled", Subject: name, Name: name, Status: compliance.Fail, Reason: "there is no key"})
	}
	text := compliance.NewReport(results).Markdown()
	if !strings.Contains(text, "`shop/099`") || strings.Contains(text, "`shop/100`") || !strings.Contains(text, "and 50 more") {
		t.Errorf("the table of 150 failures is not cut after 100:\n%s", text)
	}

	// Names and reasons can be long: a comment takes 65,536 characters.
	for i := range results {
		results[i].Name, results[i].Reason = fmt.Sprintf("%03d%s", i, strings.Repeat("n", 500)), fmt.Sprintf("%03d %s", i, strings.Repeat("r", 500))
		if i%2 == 0 {
			results[i].Status = compliance.NotEvaluated
		}
	}
	text = compliance.NewReport(results).Markdown()
	if len(text) > 60_000 || strings.Count(text, "more, which are in the JSON") != 2 || !strings.HasSuffix(text, "is met.\n") {
		t.Errorf("%d bytes, and it ends with %q", len(text), text[len(text)-100:])
	}
}

// What somebody has written into a tag neither mentions nor links anything.
func TestMarkdownKeepsText(t *testing.T) {
	t.Parallel()
	text := compliance.NewReport([]compliance.Result{{
		Check: "policy_recorded", Name: "shop/<app>", Subject: "s", Status: compliance.NotEvaluated, Reason: `"@everyone" see https://example.com *now*`,
	}}).Markdown()
	for _, live := range []string{"@everyone", "https://", " *now*", "&lt;app&gt;"} {
		if strings.Contains(text, live) {
			t.Errorf("%q is in the report as it is:\n%s", live, text)
		}
	}
}

func TestCategories(t *testing.T) {
	t.Parallel()
	store := newStore(t, map[string]policy.Policy{"A": builtin(t, "jwt", nil), "B": builtin(t, "cache", nil)}, `{"A":"a","B":"b"}`)
	foreign := secretstore.Secret{ARN: arn + "2", Name: "foreign"}
	checker := store.checker()
	checker.Categories = []string{"cache", "session"}
	report := check(t, checker, store.secret, foreign)
	if got := result(t, report, "value_length", "B"); got.Status != compliance.Fail {
		t.Errorf("the key of a category asked for is %q", got.Status)
	}
	if got := result(t, report, "value_length", "A"); got.Check != "" {
		t.Error("the key of another category is in the report")
	}
	if got := result(t, report, "key_customer_managed", ""); got.Subject != arn {
		t.Error("the secret of the key is not in the report")
	}
	if report.Totals.Secrets != 1 {
		t.Errorf("%d secrets, want 1: one without a value of the category does not count", report.Totals.Secrets)
	}
}

// However many checks want to know them, the versions of a secret are listed once,
// and its current value is read once.
func TestStoreIsAskedOnce(t *testing.T) {
	t.Parallel()
	store := newStore(t, map[string]policy.Policy{"": builtin(t, "external", nil)}, "first", "second", "third")
	store.secret.Labels[versionID(2)] = []string{secretstore.Pending}
	check(t, store.checker(), store.secret)
	counts := map[string]int{}
	for _, call := range store.calls {
		counts[call]++
	}
	if diff := cmp.Diff(map[string]int{"ResourcePolicy": 1, "Versions": 1, "Value": 1, "Value by id": 1}, counts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Requests stay below what AWS allows for an account, whatever the number of
// secrets and workers.
func TestRequestsArePaced(t *testing.T) {
	t.Parallel()
	policies := pacedStore{newStore(t, nil, "value"), make(chan struct{}, 1000)}
	checker := policies.checker()
	checker.Store, checker.Policies = policies, policies
	var secrets []secretstore.Secret
	for i := range 21 {
		secret := policies.secret
		secret.ARN += fmt.Sprint(i)
		secret.Labels = map[string][]string{versionID(1): {secretstore.Current}, versionID(2): {secretstore.Pending}}
		secrets = append(secrets, secret)
	}
	begin := time.Now()
	check(t, checker, secrets...)
	// 21 lists of versions at 20 in a second.
	if took := time.Since(begin); took < time.Second {
		t.Errorf("%d requests took %s", len(policies.requests), took)
	}
	if n := len(policies.requests); n != 42 {
		t.Errorf("%d requests, want 42", n)
	}
	begin = time.Now()
	for i := range secrets {
		secrets[i].Labels = map[string][]string{}
	}
	check(t, checker, secrets...)
	// 21 resource policies at 40 in a second.
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("21 resource policies took %s", took)
	}
}

// pacedStore counts requests from many workers.
type pacedStore struct {
	*fakeStore
	requests chan struct{}
}

func (s pacedStore) Versions(context.Context, string) ([]secretstore.Version, error) {
	s.requests <- struct{}{}
	return nil, nil
}

func (s pacedStore) ResourcePolicy(context.Context, string) (string, error) {
	s.requests <- struct{}{}
	return "", nil
}

// The table of the documentation is that of the checks.
func TestDocumentationNamesEveryCheck(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "templates", "data-sources", "compliance_report.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.*) \\| .*\\| (.*) \\|$").FindAllStringSubmatch(string(text), -1)
	var got, want [][]string
	for _, row := range rows {
		got = append(got, row[1:])
	}
	for _, check := range compliance.Checks() {
		controls := strings.Join(check.Controls, ", ")
		if controls == "" {
			controls = "–"
		}
		want = append(want, []string{check.ID, check.Title, controls})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
