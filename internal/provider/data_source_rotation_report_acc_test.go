// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// reportConfig has secrets, a rotation of one of them, and a report on all that
// are under PREFIX.
const reportConfig = tfcli.RequiredProviders + `
resource "roi_secret" "jwt" {
  name     = "PREFIX/jwt"
  category = "jwt"
  tags     = { team = "blue" }
}
resource "roi_secret" "app" {
  name = "PREFIX/app"
  keys = {
    SESSION = { category = "session", rotation_days = 30 }
    DB      = { category = "database" }
    ENC     = { category = "encryption" }
  }
}
resource "roi_secret_rotation" "session" {
  secret_id = roi_secret.app.id
  keys      = ["SESSION"]
}
data "roi_rotation_report" "all" {
  name_prefix     = "PREFIX/"
  include_foreign = true
  depends_on      = [roi_secret.jwt, roi_secret_rotation.session]
}
data "roi_rotation_report" "blue" {
  name_prefix = "PREFIX/"
  tags        = { team = "blue" }
  depends_on  = [roi_secret.jwt]
}
check "rotation" {
  assert {
    condition     = length(data.roi_rotation_report.all.overdue) == 0
    error_message = "Overdue: ${join(", ", data.roi_rotation_report.all.overdue)}."
  }
}
output "counts" { value = data.roi_rotation_report.all.counts }
output "overdue" { value = data.roi_rotation_report.all.overdue }
output "json" { value = data.roi_rotation_report.all.json }
output "markdown" { value = data.roi_rotation_report.all.markdown }
output "blue" { value = data.roi_rotation_report.blue.secrets[*].name }
`

// Through Terraform, over the fake, moto and the embedded store: secrets and
// rotations of this provider and others beside them.
func TestReport(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		prefix := path.Dir(uniqueName(t))
		foreign := "foreign value 7fK2mQ9x"
		for name, tags := range map[string]map[string]string{"foreign": nil, "malformed": {"roi:policy": "v1 nonsense"}, "going": nil} {
			_, err := b.store.Create(t.Context(), secretstore.CreateInput{
				Name: prefix + "/" + name, Token: secretstore.DeriveVersionID(prefix, name), Value: secretstore.NewPlaintext(foreign), Tags: tags,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.store.Delete(t.Context(), prefix+"/going", 7); err != nil {
			t.Fatal(err)
		}
		w := tfcli.New(t)
		configure := func(arguments ...string) {
			w.WriteFile("main.tf", b.provider(append([]string{`environment = "staging"`}, arguments...)...)+strings.ReplaceAll(reportConfig, "PREFIX", prefix))
		}
		configure()
		w.Init()
		w.Apply().Require(t, 0)
		w.Plan().Require(t, 0)

		var counts map[string]int
		w.Output("counts", &counts)
		want := map[string]int{"total": 5, "current": 2, "untracked": 2, "scheduled_for_deletion": 1}
		for name, n := range counts {
			if n != want[name] {
				t.Errorf("%s is %d, want %d", name, n, want[name])
			}
		}
		var blue []string
		if w.Output("blue", &blue); !slices.Equal(blue, []string{prefix + "/jwt"}) {
			t.Errorf("with the tag: %q", blue)
		}
		var document string
		w.Output("json", &document)
		var r reportValues
		if err := json.Unmarshal([]byte(document), &r); err != nil {
			t.Fatal(err)
		}
		due := map[string]string{}
		for _, s := range r.Secrets {
			for _, key := range s.Keys {
				name, _ := key["key"].(string)
				due[path.Base(s.Name)+" "+name] = fmt.Sprint(key["status"], " ", key["days_left"], " ", key["has_rotation"])
			}
		}
		for name, want := range map[string]string{
			"jwt ": "current 89 false", "app SESSION": "current 29 true", "app DB": "current 89 false", "app ENC": "current 179 false",
		} {
			if due[name] != want {
				t.Errorf("%s is %q, want %q", name, due[name], want)
			}
		}

		configure(`rotation = { plan_as_of = "+31d", overdue = "warn" }`)
		result := w.Plan()
		result.Require(t, 2) // an output changes
		if !strings.Contains(result.Message(), "Check block assertion failed") || !strings.Contains(result.Message(), "Overdue: "+prefix+"/app.") {
			t.Errorf("a month later the check does not fail:\n%s", result.Message())
		}
		w.Apply().Require(t, 0)
		var markdown string
		if w.Output("markdown", &markdown); !strings.Contains(markdown, "\n| **overdue** | `"+prefix+"/app` | `SESSION` session |") {
			t.Errorf("the table is\n%s", markdown)
		}

		scanner := leak.New(t, foreign)
		for _, name := range []string{"/jwt", "/app"} {
			value := b.value(t, prefix+name, "")
			scanner.Add(t, value)
			if object, err := secretstore.ParseObject(value); err == nil {
				for _, key := range object.Keys() {
					scanner.Add(t, b.key(t, prefix+name, key))
				}
			}
		}
		w.Show()
		w.PlanJSON()
		w.LeakCheck(scanner)
		if b.fake != nil && !strings.Contains(w.Logs(), "ListSecrets") {
			t.Error("the logs do not show the requests of the report, so searching them proves nothing")
		}
	})
}

// A report in a root module of its own is planned with the right to list alone.
func TestReportIsPlannedWithoutRightsToSecrets(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	w := tfcli.New(t)
	w.WriteFile("main.tf", b.provider()+tfcli.RequiredProviders+`
resource "roi_secret" "jwt" {
  name       = "app/jwt"
  kms_key_id = "alias/app"
  category   = "jwt"
}`)
	w.Init()
	w.Apply().Require(t, 0)

	w = tfcli.New(t)
	w.WriteFile("main.tf", b.provider()+tfcli.RequiredProviders+`
data "roi_rotation_report" "all" {}
output "current" { value = data.roi_rotation_report.all.counts.current }`)
	w.Init()
	b.fake.ResetCalls()
	b.fake.DenyAllBut("ListSecrets")
	w.Apply().Require(t, 0)
	var current int
	if w.Output("current", &current); current != 1 {
		t.Errorf("%d secrets are current, want 1", current)
	}
	if asked := requests(b.fake); asked != "ListSecrets 1" {
		t.Errorf("the requests are %s, want one ListSecrets", asked)
	}
}
