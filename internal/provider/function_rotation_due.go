// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/function"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

var _ function.Function = (*rotationDueFunction)(nil)

func newRotationDueFunction() function.Function { return &rotationDueFunction{} }

// rotationDueFunction is the function rotation_due.
type rotationDueFunction struct{}

// Metadata implements function.Function.
func (*rotationDueFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "rotation_due"
}

// Definition implements function.Function.
func (*rotationDueFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "When a value is due for rotation",
		MarkdownDescription: "Returns when a value is due for rotation (RFC 3339, UTC), by the rule that `roi_secret_rotation` follows: so many days of 24 hours after it was made, less the lead time. " +
			"It is for what this provider does not rotate itself: a certificate, a token of a partner, a key that another tool made.\n\n" +
			"The function does not read the clock, as no function may. To ask whether something is due, compare with the time of the plan: " +
			"`timecmp(plantimestamp(), provider::roi::rotation_due(…)) >= 0`.",
		Parameters: []function.Parameter{
			function.StringParameter{
				Name:                "rotated_at",
				MarkdownDescription: "When the value was made or last rotated (RFC 3339), such as `2027-01-31T12:00:00Z`.",
			},
			function.Int64Parameter{
				Name:                "rotation_days",
				MarkdownDescription: fmt.Sprintf("Days until it is due: 1 to %d.", rotation.MaxDays),
			},
		},
		VariadicParameter: function.StringParameter{
			Name:                "rotate_before",
			MarkdownDescription: "Lead time, such as `72h`: due that much earlier. At most one, shorter than the interval. Default: none.",
		},
		Return: function.StringReturn{},
	}
}

// Run implements function.Function.
func (*rotationDueFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var (
		rotatedAt string
		days      int64
		leads     []string
	)
	if resp.Error = req.Arguments.Get(ctx, &rotatedAt, &days, &leads); resp.Error != nil {
		return
	}
	made, err := time.Parse(time.RFC3339, rotatedAt)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, fmt.Sprintf("rotated_at = %q is not an RFC 3339 time, such as \"2027-01-31T12:00:00Z\"", rotatedAt))
		return
	}
	if days < 1 || days > rotation.MaxDays {
		resp.Error = function.NewArgumentFuncError(1, fmt.Sprintf("rotation_days = %d is not between 1 and %d", days, rotation.MaxDays))
		return
	}
	schedule := rotation.Schedule{Interval: time.Duration(days) * rotation.Day}
	if len(leads) > 1 {
		resp.Error = function.NewArgumentFuncError(3, "there is at most one lead time, the third argument")
		return
	}
	for _, lead := range leads {
		schedule.Lead, err = time.ParseDuration(lead)
		if err != nil || schedule.Lead < 0 || schedule.Lead >= schedule.Interval {
			resp.Error = function.NewArgumentFuncError(2, fmt.Sprintf(
				"rotate_before = %q is not a duration such as \"72h\" that is 0 or more and shorter than the rotation interval of %d days", lead, days))
			return
		}
	}
	resp.Error = resp.Result.Set(ctx, timestamp(schedule.Due(made)))
}
