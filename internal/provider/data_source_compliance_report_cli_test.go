// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// An unknown prefix is an empty report and a warning, and a check block can look at
// the totals.
func TestComplianceReportInCheckBlock(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.fake.Seed(awsfake.Seed{Name: "shop/app", Versions: []awsfake.SeedVersion{{Value: secretstore.NewPlaintext("unread"), Labels: []string{secretstore.Current}}}})
	w := tfcli.New(t)
	w.WriteFile("main.tf", b.provider()+tfcli.RequiredProviders+`
variable "prefix" {}
data "roi_compliance_report" "test" {
  name_prefix = var.prefix
}
check "compliance" {
  assert {
    condition     = data.roi_compliance_report.test.totals.fail == 0
    error_message = "${data.roi_compliance_report.test.totals.fail} checks failed."
  }
}
`)
	w.Init()
	flat := func(r tfcli.Result) string {
		return strings.Join(strings.FieldsFunc(r.Stdout+r.Stderr, func(c rune) bool { return c == '│' || c == ' ' || c == '\n' }), " ")
	}
	result := w.Plan("-var=prefix=shop/")
	if result.ExitCode != 0 || !strings.Contains(flat(result), "1 checks failed.") {
		t.Errorf("a failed check: exit code %d\n%s", result.ExitCode, flat(result))
	}
	result = w.Plan("-var=prefix=shpo/")
	if result.ExitCode != 0 || !strings.Contains(flat(result), `Warning: No secret matches`) || strings.Contains(flat(result), "checks failed") {
		t.Errorf("a prefix that matches nothing: exit code %d\n%s", result.ExitCode, flat(result))
	}
}

// The embedded store refuses files that others can use. The report says so instead
// of failing.
func TestComplianceReportOfOpenFiles(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	if _, err := b.store.Create(t.Context(), secretstore.CreateInput{Name: "app", Token: uuid.NewString(), Value: secretstore.NewPlaintext("unread")}); err != nil {
		t.Fatal(err)
	}
	folder := regexp.MustCompile(`path = "([^"]+)"`).FindStringSubmatch(b.config)[1]
	database := filepath.Join(folder, "store.db")
	if err := os.Chmod(database, 0o644); err != nil {
		t.Fatal(err)
	}
	var report compliance.Report
	steps(t, complianceStep(b, "", "", &report), complianceStep(b, "", `secret_ids = ["app"]`, &report))
	if got := found(report, database, "", "file_mode"); got != compliance.Fail || report.Totals.Fail != 1 || report.Totals.Secrets != 0 {
		t.Errorf("file_mode is %q, totals %+v", got, report.Totals)
	}
	if err := os.Chmod(database, 0o600); err != nil {
		t.Fatal(err)
	}
	steps(t, complianceStep(b, "", "", &report))
	if got := found(report, database, "", "file_mode"); got != compliance.Pass || report.Totals.Fail != 0 || report.Totals.Secrets != 1 {
		t.Errorf("file_mode is %q, totals %+v", got, report.Totals)
	}
}

// plan_as_of tells what will have fallen due.
func TestComplianceReportAsOf(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	w := tfcli.New(t)
	w.WriteFile("main.tf", b.provider(`environment = "staging"`)+tfcli.RequiredProviders+`
resource "roi_secret" "test" {
  name     = "app"
  category = "jwt"
}
data "roi_compliance_report" "test" {
  name_prefix = "app"
  depends_on  = [roi_secret.test]
}
output "failed" {
  value = [for r in data.roi_compliance_report.test.results : r.id if r.status == "fail"]
}
`)
	w.Init()
	w.Apply().Require(t, 0)
	for days, want := range map[string][]string{"+89d": {}, "+90d": {"value_age"}} {
		w.SetEnv(envPlanAsOf, days)
		w.Apply("-refresh-only").Require(t, 0)
		var got []string
		w.Output("failed", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("as of %s (-want +got)\n%s", days, diff)
		}
	}
}

// Values are read, and fail their checks: nothing of them is in what Terraform
// leaves behind.
func TestComplianceReportLeaksNoValue(t *testing.T) {
	t.Parallel()
	for _, start := range []func(*testing.T) backend{func(t *testing.T) backend { return fakeBackend(t) }, localBackend} {
		b := start(t)
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			values := []string{"aaa!4321-7fK2mQ9x", "Summer2031-roi_pass-3hL8nW5z", "earlier-Value-77xZ-9Qm2"}
			scanner := leak.New(t, values...)
			records, err := policy.EncodeRecords(map[string]policy.Record{
				"A": {Policy: mustPolicy(t, "jwt"), MadeAt: time.Now()}, "B": {Policy: mustPolicy(t, "external"), MadeAt: time.Now()},
			})
			if err != nil {
				t.Fatal(err)
			}
			first, second := uuid.NewString(), uuid.NewString()
			err = errors.Join(err,
				func() error {
					_, err := b.store.Create(t.Context(), secretstore.CreateInput{
						Name: "app", Token: first, Tags: records, Value: secretstore.NewPlaintext(fmt.Sprintf(`{"A":%q,"B":%q}`, values[2], values[1])),
					})
					return err
				}(),
				b.store.Put(t.Context(), secretstore.PutInput{
					ID: "app", Token: second, Labels: []string{secretstore.Pending}, Value: secretstore.NewPlaintext(fmt.Sprintf(`{"A":%q,"B":%q}`, values[0], values[1])),
				}),
				b.store.MoveLabel(t.Context(), "app", secretstore.Current, first, second),
				b.store.MoveLabel(t.Context(), "app", secretstore.Pending, second, ""),
			)
			if err != nil {
				t.Fatal(err)
			}
			w := tfcli.New(t)
			provider := strings.Replace(b.provider(`environment = "staging"`), "region ", "max_retries = 2\n    region ", 1)
			w.WriteFile("main.tf", provider+tfcli.RequiredProviders+`
data "roi_compliance_report" "test" {
  name_prefix = "app"
  read_values = true
}
output "report" {
  value = data.roi_compliance_report.test
}
`)
			w.Init()
			w.PlanJSON()
			w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
			w.Show()
			var report struct {
				Totals struct{ Fail int }
				SARIF  string
			}
			w.Output("report", &report)
			if report.Totals.Fail < 4 || report.SARIF == "" {
				t.Errorf("%d checks failed: the report says too little to prove anything", report.Totals.Fail)
			}
			if b.fake != nil {
				if b.fake.Count("GetSecretValue") < 2 {
					t.Error("no values were read")
				}
				b.fake.Inject(awsfake.Fault{Kind: awsfake.InternalError, Op: "GetSecretValue", Times: awsfake.Always})
				w.Plan().Require(t, 1)
			}
			w.LeakCheck(scanner)
		})
	}
}
