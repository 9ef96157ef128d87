// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// providerModel is the provider's configuration. The parts are objects, not
// structs, because any of them may be unknown while a plan is made.
type providerModel struct {
	Environment types.String `tfsdk:"environment"`
	Store       types.String `tfsdk:"store"`
	Tags        types.Map    `tfsdk:"tags"`
	AWS         types.Object `tfsdk:"aws"`
	Local       types.Object `tfsdk:"local"`
	Docker      types.Object `tfsdk:"docker"`
	Rotation    types.Object `tfsdk:"rotation"`
	KMS         types.Object `tfsdk:"kms"`
	Policies    types.Map    `tfsdk:"policies"`
	Metrics     types.Object `tfsdk:"metrics"`
}

type localModel struct {
	Path         types.String `tfsdk:"path"`
	IdentityFile types.String `tfsdk:"identity_file"`
}

type rotationModel struct {
	Overdue    types.String `tfsdk:"overdue"`
	WarnBefore types.String `tfsdk:"warn_before"`
	PlanAsOf   types.String `tfsdk:"plan_as_of"`
}

type kmsModel struct {
	RequireCustomerManagedKey types.Bool `tfsdk:"require_customer_managed_key"`
	RequireKeyRotation        types.Bool `tfsdk:"require_key_rotation"`
	RequireHSM                types.Bool `tfsdk:"require_hsm"`
}

// What the arguments and environment variables may be.
var (
	environments = texts(policy.Environments())
	stores       = []string{storeAWS, storeLocal}
	overdueModes = []string{overdueReplace, overdueError, overdueWarn}
)

const (
	storeAWS   = "aws"
	storeLocal = "local"

	overdueReplace = "replace"
	overdueError   = "error"
	overdueWarn    = "warn"

	defaultWarnBefore = "168h"
)

func providerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "Generates, stores and rotates secrets. No secret value is ever in Terraform's state, plan or logs: values go straight into the store.",
		Attributes: map[string]schema.Attribute{
			"environment": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "`development`, `staging` or `production`: how weak a policy may be, and the defaults of `store` and `kms`. " +
					"Default: the environment variable `ROI_ENVIRONMENT`, then `production`, which is the strictest.",
				Validators: []validator.String{oneOf(environments)},
			},
			"store": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Where secrets are kept: `aws` (AWS Secrets Manager) or `local` (an encrypted file on this machine). " +
					"Default: the environment variable `ROI_STORE`, then `local` in development and `aws` elsewhere.",
				Validators: []validator.String{oneOf(stores)},
			},
			"tags": schema.MapAttribute{
				ElementType: types.StringType,
				Optional:    true,
				MarkdownDescription: "Tags for every secret. A secret's own `tags` win where both name a key. Keys have 1 to 128 characters, values at most 256; " +
					"a secret has at most 50 tags, those of this provider (`roi:…`) included.",
				Validators: tagValidators(),
			},
			"aws":      awsAttribute(),
			"local":    localAttribute(),
			"docker":   dockerAttribute(),
			"rotation": rotationAttribute(),
			"kms":      kmsAttribute(),
			"policies": policiesAttribute(),
			"metrics":  metricsAttribute(),
		},
	}
}

func localAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "The local store: an encrypted file for development and demonstrations, which needs no account. " +
			"Its folder has mode 0700 and its files 0600; wider permissions are refused.",
		Attributes: map[string]schema.Attribute{
			"path": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Folder of the store, relative to the root module. Made when the first secret is created. Default: `" +
					localstore.DefaultPath + "`. Keep it out of version control.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"identity_file": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "File with the [age](https://age-encryption.org) identity that decrypts the store. Made on first use. Default: a file in `path`. " +
					"Without it the secrets cannot be read again.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}

func rotationAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "What plans do about secrets that are due for rotation.",
		Attributes: map[string]schema.Attribute{
			"overdue": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "`replace` plans the rotation; `error` fails the plan and says what is overdue since when, for CI (`terraform destroy` fails then " +
					"too, because it plans first); `warn` says so and changes nothing, for a freeze. Default: `replace`. The environment variable `ROI_ROTATION_OVERDUE` " +
					"overrides this argument.",
				Validators: []validator.String{oneOf(overdueModes)},
			},
			"warn_before": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Warn this long before a secret is due, such as `168h`; `0s` never warns. Default: `" + defaultWarnBefore + "` (7 days).",
				Validators:          []validator.String{nonNegativeDuration},
			},
			"plan_as_of": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Plan as if it were that time, to see what falls due: an RFC 3339 time such as `2027-03-31T00:00:00Z`, or days from now such as " +
					"`+91d`. It is only compared with due dates and never stored. The environment variable `ROI_PLAN_AS_OF` overrides this argument.",
				Validators: []validator.String{planAsOfRule},
			},
		},
	}
}

func kmsAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "What is demanded of the KMS keys that encrypt secrets. A key that falls short is an error of the plan for a new secret or a changed key, " +
			"and a warning for a key that the secret has already.",
		Attributes: map[string]schema.Attribute{
			"require_customer_managed_key": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Refuse `aws/secretsmanager` and other keys that AWS manages. Default: `true` in production, else `false`.",
			},
			"require_key_rotation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Refuse keys without automatic rotation; otherwise that is a warning. Needs `kms:GetKeyRotationStatus`. Default: `false`.",
			},
			"require_hsm": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Refuse keys whose material is not held in a CloudHSM cluster or an external key store of your own. Default: `false`.",
			},
		},
	}
}

func policiesAttribute() schema.Attribute {
	return schema.MapNestedAttribute{
		Optional: true,
		MarkdownDescription: "Policies by category. A built-in category (" + quotedList(policy.Categories()) + ") is changed where arguments are set; " +
			"a new category names the `base` it comes from. A resource's own arguments win over these.",
		NestedObject: schema.NestedAttributeObject{Attributes: policyProviderAttributes()},
		Validators: []validator.Map{mapvalidator.KeysAre(
			matching("must be a category name: 1 to 32 of the characters A-Z a-z 0-9 _ -, the first a letter", `^[A-Za-z][A-Za-z0-9_-]{0,31}$`),
		)},
	}
}

// quotedList is a list of names for a description.
func quotedList(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }
