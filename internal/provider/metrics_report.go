// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/boolvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
	"github.com/roi-systems/terraform-provider-roi/internal/report"
)

func publishMetricsAttribute() schema.Attribute {
	return schema.BoolAttribute{
		MarkdownDescription: "Whether to publish `" + metrics.DaysRemaining + "` of each secret in the report that has a due date, as the provider's `metrics` says, which must be set. " +
			"Terraform reads a data source in every plan, so that a plan publishes too, and its credentials need `cloudwatch:PutMetricData`; best in a root module of its own that runs once a day. " +
			"Not with `categories` and `classifications`: a secret is due with the first of all its values. Default: `false`.",
		Optional: true,
		Validators: []validator.Bool{boolvalidator.ConflictsWith(
			path.MatchRoot("categories"), path.MatchRoot("classifications"))},
	}
}

// publishReport publishes when the secrets of a report are due. It counts from the
// present also where the report looks ahead.
func (d *providerData) publishReport(ctx context.Context, made *report.Report) diag.Diagnostics {
	if d.model.Metrics.IsNull() {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("publish_metrics"), "Metrics are not configured",
			"publish_metrics publishes as the provider's argument metrics says, which is not set. Add metrics = {} to the provider, or leave publish_metrics out.")}
	}
	return d.publish(ctx, func(context.Context) ([]metrics.Datum, error) { return d.remaining(made) })
}

// remaining are the days until the secrets of a report are due, of those that ever
// are.
func (d *providerData) remaining(made *report.Report) ([]metrics.Datum, error) {
	environment, err := d.Environment()
	if err != nil {
		return nil, err
	}
	now := d.Clock().Now()
	var data []metrics.Datum
	for _, s := range made.Secrets {
		if !s.DueAt.IsZero() {
			data = append(data, metrics.Remaining(s.Name, string(environment), s.DueAt, now))
		}
	}
	return data, nil
}
