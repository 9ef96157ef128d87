// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/report"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var (
	// Names of secrets that AWS services make have an exclamation mark: rds!cluster-….
	namePrefixRule = matching("must be 1 to 512 of the characters A-Z a-z 0-9 / _ + = . @ ! - and begin with another than !", `^[A-Za-z0-9/_+=.@-][A-Za-z0-9/_+=.@!-]*$`).atMost(secretstore.MaxNameLength)
	dueWithinRule  = duration(`must be a duration of 0 or more and at most 1000 days, such as "168h"`, 0, maxRotationTime)
)

// Schema implements datasource.DataSource.
func (r *rotationReport) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := reportArguments()
	maps.Copy(attributes, reportComputed())
	resp.Schema = schema.Schema{
		MarkdownDescription: "What is overdue, what is due soon, and what nobody reads: a report on the secrets of an account and region, or of the embedded store, for `check` blocks, " +
			"`terraform test` and comments on pull requests. It reads lists and tags, never a value.",
		Attributes: attributes,
	}
}

func reportArguments() map[string]schema.Attribute {
	tagText := stringvalidator.RegexMatches(tagCharacters, "may have letters, digits, spaces and _ . : / = + - @ only")
	return map[string]schema.Attribute{
		"name_prefix": schema.StringAttribute{
			MarkdownDescription: "Only secrets whose name begins with this. Case matters. One that no secret has makes an empty report and a warning.",
			Optional:            true,
			Validators:          []validator.String{namePrefixRule},
		},
		"tags": schema.MapAttribute{
			MarkdownDescription: "Only secrets that have all of these tags, with these values.",
			Optional:            true,
			ElementType:         types.StringType,
			Validators: []validator.Map{
				mapvalidator.SizeBetween(1, secretstore.MaxTags),
				mapvalidator.NoNullValues(),
				mapvalidator.KeysAre(tagText, stringvalidator.UTF8LengthBetween(1, secretstore.MaxTagKeyLength)),
				mapvalidator.ValueStringsAre(tagText, stringvalidator.UTF8LengthAtMost(secretstore.MaxTagValueLength)),
			},
		},
		"categories": schema.SetAttribute{
			MarkdownDescription: "Only values of these categories, and secrets that have one: " + categoryList() + ", or what the provider's `policies` define. " +
				"Of a JSON secret only the keys of these categories are judged.",
			Optional:    true,
			ElementType: types.StringType,
			Validators:  []validator.Set{setvalidator.SizeAtLeast(1)},
		},
		"classifications": schema.SetAttribute{
			MarkdownDescription: "Only values of these classifications, and secrets that have one: `public`, `internal`, `secret`, `critical`.",
			Optional:            true,
			ElementType:         types.StringType,
			Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.ValueStringsAre(oneOf(policy.Classifications()))},
		},
		"statuses": schema.SetAttribute{
			MarkdownDescription: "Only secrets with one of these statuses, see `secrets[*].status`. Lists, counts and tables are then about these alone.",
			Optional:            true,
			ElementType:         types.StringType,
			Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.ValueStringsAre(oneOf(report.Statuses()))},
		},
		"include_foreign": schema.BoolAttribute{
			MarkdownDescription: "Whether secrets without tags of this provider are in the report. They are `untracked`, or `rotated_elsewhere`, since nothing says when they are due. Default: `false`.",
			Optional:            true,
		},
		"due_within": schema.StringAttribute{
			MarkdownDescription: "What is due within this time is due soon: a duration from `0s` to 1000 days, such as `720h`. Default: `rotation.warn_before` of the provider, which is `168h`.",
			Optional:            true,
			Validators:          []validator.String{dueWithinRule},
		},
		"unused_days": schema.Int64Attribute{
			MarkdownDescription: fmt.Sprintf("Days of 24 hours without a read after which a secret is unused: 1 to %d. Default: `%d`.", maxUnusedDays, defaultUnusedDays),
			Optional:            true,
			Validators:          []validator.Int64{int64validator.Between(1, maxUnusedDays)},
		},
		"publish_metrics": publishMetricsAttribute(),
	}
}

func reportComputed() map[string]schema.Attribute {
	names := func(what string) schema.ListAttribute {
		return schema.ListAttribute{MarkdownDescription: what, Computed: true, ElementType: types.StringType}
	}
	return map[string]schema.Attribute{
		"secrets": schema.ListNestedAttribute{
			MarkdownDescription: "The secrets, by name.",
			Computed:            true,
			NestedObject:        schema.NestedAttributeObject{Attributes: reportSecretAttributes()},
		},
		"overdue":  names("Names of the secrets that are overdue, the one that has been due for longest first. For a `check` block: `length(….overdue) == 0`."),
		"due_soon": names("Names of the secrets that are due within `due_within`, the one that is due first leading."),
		"unused":   names("Names of the secrets that nobody has read for more than `unused_days`, the one that was read longest ago first."),
		"counts": schema.SingleNestedAttribute{
			MarkdownDescription: "Numbers of secrets. `total` is the sum of those by status.",
			Computed:            true,
			Attributes:          reportCountAttributes(),
		},
		"markdown": schema.StringAttribute{
			MarkdownDescription: "A summary and a table, the most urgent secret first, for a comment on a pull request. At most 100 secrets and 60,000 bytes: what is left out is the least urgent, and is counted.",
			Computed:            true,
		},
		"json": schema.StringAttribute{
			MarkdownDescription: "`counts`, `overdue`, `due_soon`, `unused` and `secrets` as JSON, under the names that they have here. What is null here is left out there.",
			Computed:            true,
		},
	}
}

func reportCountAttributes() map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{
		"total":  schema.Int64Attribute{Computed: true, MarkdownDescription: "All secrets in the report."},
		"unused": schema.Int64Attribute{Computed: true, MarkdownDescription: "Those in `unused`."},
	}
	for _, status := range report.Statuses() {
		attributes[string(status)] = schema.Int64Attribute{Computed: true, MarkdownDescription: "Those with status `" + string(status) + "`."}
	}
	return attributes
}

const statusDescription = "`overdue`, `due_soon`, `untracked` (nothing says when it is due), `current`, `rotated_elsewhere` (by an AWS service or by AWS-managed rotation: not judged) " +
	"or `scheduled_for_deletion` (not judged)."

func reportSecretAttributes() map[string]schema.Attribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{MarkdownDescription: what, Computed: true}
	}
	return map[string]schema.Attribute{
		"arn":        text("ARN of the secret."),
		"name":       text("Name of the secret."),
		"status":     text("That of its most urgent key: " + statusDescription),
		"reason":     text("Why it is untracked or not judged, or what else to know. Null where the status says all."),
		"owner":      text("The AWS service that manages the secret, such as `rds`. Null for secrets of your own."),
		"version_id": text("The version that has `AWSCURRENT`."),
		"rotated_at": text("When the value that is due first was made (RFC 3339, UTC)."),
		"due_at":     text("When the first of its values is due (RFC 3339, UTC), without the lead time of `rotate_before`. Null when none ever is."),
		"days_left":  daysLeftAttribute(),
		"last_accessed": text("When the secret was last read in this region (RFC 3339, UTC), to the day. Null when it never was, and on the embedded store, which does not record it. " +
			"What this provider reads in an apply counts as a read."),
		"unused_since": text("`last_accessed`, or where there is none the creation, of a secret that nobody has read for more than `unused_days`. Null for others, and for those that an AWS service owns."),
		"keys": schema.ListNestedAttribute{
			MarkdownDescription: "Its values, by key: one for each key of a JSON secret with a policy or a rotation, one without a `key` for a secret that is one string.",
			Computed:            true,
			NestedObject:        schema.NestedAttributeObject{Attributes: reportKeyAttributes()},
		},
	}
}

func daysLeftAttribute() schema.Int64Attribute {
	return schema.Int64Attribute{
		MarkdownDescription: "Days of 24 hours until `due_at`, rounded down: negative when overdue. It changes every day.",
		Computed:            true,
	}
}

func reportKeyAttributes() map[string]schema.Attribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{MarkdownDescription: what, Computed: true}
	}
	return map[string]schema.Attribute{
		"key":            text("Key of the JSON secret. Null for a secret that is one string."),
		"category":       text("Category of its recorded policy. Null without one."),
		"classification": text("Classification of its recorded policy. Null without one."),
		"rotation_days": schema.Int64Attribute{
			MarkdownDescription: "Interval in days: that of its rotation, or else of its policy. Null when it is never due, or not known.",
			Computed:            true,
		},
		"supplied":     schema.BoolAttribute{MarkdownDescription: "Whether the value comes from outside and is never generated.", Computed: true},
		"has_rotation": schema.BoolAttribute{MarkdownDescription: "Whether a `roi_secret_rotation` keeps a record of it.", Computed: true},
		"version_id":   text("The version in which it last changed, where that is recorded."),
		"rotated_at":   text("When it was made (RFC 3339, UTC); of values that are rotated together, the oldest."),
		"due_at":       text("When it is due (RFC 3339, UTC), without the lead time of `rotate_before`."),
		"days_left":    daysLeftAttribute(),
		"status":       text(statusDescription),
		"reason":       text("Why it is untracked or not judged, or what else to know."),
	}
}
