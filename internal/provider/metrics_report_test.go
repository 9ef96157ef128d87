// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
)

const publishedReport = `
data "roi_rotation_report" "all" {
  include_foreign = true
  publish_metrics = true
}
output "days_left" { value = { for s in data.roi_rotation_report.all.secrets : s.name => s.days_left } }
`

// A report publishes what is due and nothing else, in a plan too, and the same
// numbers as a rotation of the secret does.
func TestMetricsOfAReport(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	c.fake.Seed(awsfake.Seed{Name: "foreign", Versions: []awsfake.SeedVersion{{Labels: []string{"AWSCURRENT"}}}})
	rotated := rotationOf("session", `keys = ["SESSION"]`, "rotation_days = 10")
	c.apply(jsonSecret, rotated)
	c.wantMetrics("DaysRemaining app/all 9 None")
	c.advance(12*day + time.Hour) // more than the time that the test itself takes

	report := &measured{cli: cliOver(t, c.backend, c.now), published: c.published}
	report.write(publishedReport)
	report.Init()
	report.Plan().Require(t, 2)
	report.wantMetrics("DaysRemaining app/all -3 None")
	report.SetEnv("ROI_PLAN_AS_OF", "+30d") // what is published is of the present
	report.Plan().Require(t, 2)
	report.wantMetrics("DaysRemaining app/all -3 None")
	report.SetEnv("ROI_PLAN_AS_OF", "")
	report.Apply().Require(t, 0)
	report.wantMetrics("DaysRemaining app/all -3 None")
	var days map[string]*int
	report.Output("days_left", &days)
	if days["foreign"] != nil || days["app/all"] == nil || *days["app/all"] != -3 {
		t.Errorf("days_left are %v", days)
	}

	c.published = report.published
	c.apply(jsonSecret, rotated)
	c.wantMetrics("Success app/all 1 Count", "DaysRemaining app/all 9 None")

	c.fake.Deny("cloudwatch:PutMetricData")
	result := report.Plan()
	result.Require(t, 2)
	c.contains(result, notPublished, "the action cloudwatch:PutMetricData")
}

func TestMetricsOfAReportNeedTheProvidersArgument(t *testing.T) {
	t.Parallel()
	server := reportServer(t, fakeBackend(t))
	_, texts := server.readReport(t, object{"publish_metrics": true})
	want := []string{"publish_metrics: Metrics are not configured: publish_metrics publishes as the provider's argument metrics says, which is not set. " +
		"Add metrics = {} to the provider, or leave publish_metrics out."}
	if diff := cmp.Diff(want, withoutWarnings(texts)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	if _, texts := server.readReport(t, object{"publish_metrics": false}); len(withoutWarnings(texts)) > 0 {
		t.Errorf("a report that publishes nothing: %q", texts)
	}
}

// withoutWarnings leaves out that no secret matches.
func withoutWarnings(texts []string) []string {
	var rest []string
	for _, text := range texts {
		if !strings.Contains(text, "No secret matches") {
			rest = append(rest, text)
		}
	}
	return rest
}

// A part of the values of a secret would publish another number of the same metric.
func TestMetricsAreOfWholeSecrets(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]string{"categories": `["jwt"]`, "classifications": `["critical"]`} {
		c := newMeasured(t)
		c.write(strings.Replace(publishedReport, "include_foreign = true", name+" = "+filter, 1))
		c.Init()
		result := c.Run("validate", "-no-color")
		result.Require(t, 1)
		c.contains(result, "Invalid Attribute Combination", name)
	}
}
