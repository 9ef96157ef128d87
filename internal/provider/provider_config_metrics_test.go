// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

func TestMetricsConfigProblems(t *testing.T) {
	t.Parallel()
	server := newTestServer(t)
	problem := func(value string) []string {
		return []string{`metrics.namespace: Invalid Attribute Value: Attribute metrics.namespace must be 1 to 255 of the characters A-Z a-z 0-9 . - _ / # : ` +
			`and begin neither with a colon nor with AWS/, got: "` + value + `"`}
	}
	for name, test := range map[string]struct {
		config object
		want   []string
	}{
		"empty":       {config: object{"metrics": object{}}},
		"namespace":   {config: object{"metrics": object{"namespace": "Shop/Security"}}},
		"unknown":     {config: object{"metrics": unknown}},
		"of AWS":      {config: object{"metrics": object{"namespace": "AWS/SecretsManager"}}, want: problem("AWS/SecretsManager")},
		"with spaces": {config: object{"metrics": object{"namespace": "Shop Security"}}, want: problem("Shop Security")},
		"endpoint":    {config: object{"aws": object{"endpoints": object{"cloudwatch": "http://127.0.0.1:4566"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, server.validate(t, test.config)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// metricsConfig is a provider whose metrics go to a fake.
func metricsConfig(fake *awsfake.Server, metrics any) object {
	url := fake.URL()
	return object{"environment": "staging", "metrics": metrics, "aws": object{
		"region": awsfake.DefaultRegion, "access_key": "AKIDEXAMPLE", "secret_key": "not-a-real-key", "endpoints": object{"cloudwatch": url, "sts": url, "secretsmanager": url},
	}}
}

func TestPublishMetrics(t *testing.T) {
	clearEnvironment(t)
	fake := awsfake.Start(t)
	one := []metrics.Datum{metrics.Rotated("app/jwt", "staging", fake.Now())}

	t.Run("nothing without the argument", func(t *testing.T) {
		if diags := configuredData(t, metricsConfig(fake, nil)).publishMetrics(t.Context(), one); len(diags) > 0 || len(fake.Calls()) > 0 {
			t.Errorf("%d diagnostics and %d requests, want none", len(diags), len(fake.Calls()))
		}
	})
	t.Run("no request for no value", func(t *testing.T) {
		if diags := configuredData(t, metricsConfig(fake, object{})).publishMetrics(t.Context(), nil); len(diags) > 0 || len(fake.Calls()) > 0 {
			t.Errorf("%d diagnostics and %d requests, want none", len(diags), len(fake.Calls()))
		}
	})
	t.Run("nothing after an interrupt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if diags := configuredData(t, metricsConfig(fake, object{})).publishMetrics(ctx, one); len(diags) > 0 || len(fake.Calls()) > 0 {
			t.Errorf("%d diagnostics and %d requests, want none", len(diags), len(fake.Calls()))
		}
	})
	t.Run("an argument that is not known is a warning", func(t *testing.T) {
		data := configuredData(t, metricsConfig(fake, object{"namespace": unknown}))
		for range 2 { // it may be known for another resource
			diags := data.publishMetrics(t.Context(), one)
			if diags.HasError() || len(diags) != 1 || !strings.Contains(diags[0].Detail(), "metrics.namespace is not known before apply") {
				t.Errorf("got %v, want a warning that names metrics.namespace", diags)
			}
		}
	})
	t.Run("the default namespace", func(t *testing.T) {
		if diags := configuredData(t, metricsConfig(fake, object{})).publishMetrics(t.Context(), one); len(diags) > 0 {
			t.Fatal(diags)
		}
		if published := fake.Metrics(); len(published) != 1 || published[0].Namespace != "ROI-Systems/Security" {
			t.Errorf("published: %v", published)
		}
	})
}
