// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Schema implements datasource.DataSource.
func (r *complianceReport) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	filters := reportArguments()
	resp.Schema = schema.Schema{
		MarkdownDescription: "Checks secrets, their keys, replicas and policies, and says what each result is evidence for: controls of PCI DSS, NIST SP 800-63B-4, SOC 2 and HIPAA. " +
			"It never says that a control is met, and never shows a value.",
		Attributes: map[string]schema.Attribute{
			"name_prefix": filters["name_prefix"],
			"tags":        filters["tags"],
			"categories":  filters["categories"],
			"secret_ids": schema.SetAttribute{
				MarkdownDescription: "Only these secrets, by name or ARN. They are described one by one, so that `secretsmanager:ListSecrets` is not needed. Not together with `name_prefix` or `tags`.",
				Optional:            true,
				ElementType:         types.StringType,
				Validators:          []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.ValueStringsAre(stringvalidator.LengthAtLeast(1))},
			},
			"read_values": schema.BoolAttribute{
				MarkdownDescription: "Whether values are read, in **every plan**, for the checks that need them. That takes `secretsmanager:GetSecretValue` and `kms:Decrypt`, " +
					"and counts as an access to the secret. Without it these checks are `not_evaluated`. Default: `false`.",
				Optional: true,
			},
			"results": schema.ListNestedAttribute{
				MarkdownDescription: "What was found, by secret, key and check. A check that does not apply to a secret is left out.",
				Computed:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: complianceResultAttributes()},
			},
			"totals": schema.SingleNestedAttribute{
				MarkdownDescription: "Numbers of results by status, and of secrets.",
				Computed:            true,
				Attributes: map[string]schema.Attribute{
					"secrets":       schema.Int64Attribute{Computed: true, MarkdownDescription: "Secrets that were looked at."},
					"pass":          schema.Int64Attribute{Computed: true, MarkdownDescription: "Results that passed."},
					"fail":          schema.Int64Attribute{Computed: true, MarkdownDescription: "Results that failed. For a `check` block: `….totals.fail == 0`."},
					"not_evaluated": schema.Int64Attribute{Computed: true, MarkdownDescription: "Results that could not be told, or not with the rights that were given."},
				},
			},
			"markdown": schema.StringAttribute{
				MarkdownDescription: "The report for a person, for example as a comment on a pull request: at most 60,000 bytes, and tables of at most 100 rows.",
				Computed:            true,
			},
			"json": schema.StringAttribute{
				MarkdownDescription: "`totals` and `results` as JSON, under the names that they have here. A `key` that is null here is empty there.",
				Computed:            true,
			},
			"sarif": schema.StringAttribute{
				MarkdownDescription: "The failures as SARIF 2.1.0, for code scanning.",
				Computed:            true,
			},
		},
	}
}

func complianceResultAttributes() map[string]schema.Attribute {
	text := func(what string) schema.StringAttribute {
		return schema.StringAttribute{MarkdownDescription: what, Computed: true}
	}
	return map[string]schema.Attribute{
		"id":      text("The check, see [Checks](#checks)."),
		"subject": text("ARN of the secret or of its replica; path of a file of the embedded store."),
		"name":    text("Name of the secret; path of the file."),
		"key":     text("Key of the JSON secret that the result is about. Null for what concerns all of it."),
		"status":  text("`pass`, `fail` or `not_evaluated`."),
		"reason":  text("What was found, or why nothing could be. It tells nothing of a value but which rule it breaks."),
		"controls": schema.ListAttribute{
			MarkdownDescription: "The controls that the result is evidence for, such as `PCI DSS 4.0.1 8.3.7`. Empty for a check of good practice only.",
			Computed:            true, ElementType: types.StringType,
		},
	}
}
