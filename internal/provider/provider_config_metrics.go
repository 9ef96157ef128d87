// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

type metricsModel struct {
	Namespace types.String `tfsdk:"namespace"`
}

var namespaceRule = stringRule{
	must: fmt.Sprintf("must be 1 to %d of the characters A-Z a-z 0-9 . - _ / # : and begin neither with a colon nor with AWS/", metrics.MaxNamespaceLength),
	ok:   func(s string) bool { return metrics.CheckNamespace(s) == nil },
}

func metricsAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Publish in Amazon CloudWatch what becomes of rotations: `" + metrics.RotationSuccess + "` and `" + metrics.RotationFailure + "` (1 for each rotation of a " +
			"`roi_secret_rotation` in an apply) and `" + metrics.DaysRemaining + "` (whole days until the secret is due, negative when it is overdue; of several values the one that is due first), " +
			"with the dimensions `" + metrics.DimensionSecret + "` (its name) and `" + metrics.DimensionEnvironment + "`. `{}` is enough; without this argument nothing is published. " +
			"It needs `cloudwatch:PutMetricData` and the credentials of `aws`, with `store = \"local\"` too. That a value could not be published is a warning, and holds an apply up by at most ten seconds.",
		Attributes: map[string]schema.Attribute{
			"namespace": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: fmt.Sprintf("Namespace of the metrics: 1 to %d of the characters `A-Z a-z 0-9 . - _ / # :`, not beginning with `AWS/`. Default: `%s`. "+
					"With another one the metrics begin anew, and alarms have to follow.", metrics.MaxNamespaceLength, metrics.DefaultNamespace),
				Validators: []validator.String{namespaceRule},
			},
		},
	}
}
