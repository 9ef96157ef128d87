// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func awsAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach AWS. Names and meaning of the arguments are those of the " +
			"[AWS provider](https://registry.terraform.io/providers/hashicorp/aws/latest/docs#authentication-and-configuration), and credentials are found in the " +
			"same order: these arguments, environment variables, shared credentials and configuration files (with SSO and `credential_process`), container and instance " +
			"roles. AWS is contacted only when something in the configuration uses it.",
		Attributes: map[string]schema.Attribute{
			"access_key": schema.StringAttribute{
				Optional:  true,
				Sensitive: true,
				MarkdownDescription: "Access key id. Default: the environment variable `AWS_ACCESS_KEY_ID`. Needs `secret_key`. Prefer a profile or a role: " +
					"a key in a configuration is soon a key in a repository.",
				Validators: []validator.String{stringvalidator.AlsoRequires(siblings("secret_key")...)},
			},
			"secret_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "Secret access key. Default: the environment variable `AWS_SECRET_ACCESS_KEY`. Needs `access_key`.",
				Validators:          []validator.String{stringvalidator.AlsoRequires(siblings("access_key")...)},
			},
			"token": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "Session token of temporary credentials. Default: the environment variable `AWS_SESSION_TOKEN`. Needs `access_key` and `secret_key`.",
				Validators:          []validator.String{stringvalidator.AlsoRequires(siblings("access_key", "secret_key")...)},
			},
			"region": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Region of the secrets and keys, such as `eu-west-1`. Default: the environment variable `AWS_REGION` or `AWS_DEFAULT_REGION`, " +
					"then the profile's `region`.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"profile": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Profile in the shared configuration and credentials files. Default: the environment variable `AWS_PROFILE`.",
			},
			"shared_config_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Shared configuration files. Default: the environment variable `AWS_CONFIG_FILE` (one file), then `~/.aws/config`.",
			},
			"shared_credentials_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Shared credentials files. Default: the environment variable `AWS_SHARED_CREDENTIALS_FILE` (one file), then `~/.aws/credentials`.",
			},
			"assume_role":                   assumeRoleAttribute(),
			"assume_role_with_web_identity": webIdentityRoleAttribute(),
			"endpoints":                     endpointsAttribute(),
			"allowed_account_ids": schema.SetAttribute{
				ElementType: types.StringType,
				Optional:    true,
				MarkdownDescription: "Accounts (12 digits) that may be used; any other is an error before anything is read or changed. " +
					"Conflicts with `forbidden_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ValueStringsAre(accountIDRule),
					setvalidator.ConflictsWith(siblings("forbidden_account_ids")...),
				},
			},
			"forbidden_account_ids": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Accounts (12 digits) that must not be used. Conflicts with `allowed_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ValueStringsAre(accountIDRule),
					setvalidator.ConflictsWith(siblings("allowed_account_ids")...),
				},
			},
			"max_retries": schema.Int64Attribute{
				Optional: true,
				MarkdownDescription: "How often a request that is throttled or fails for a passing reason is sent at most. `0` is the same as leaving it out. Default: " +
					"the environment variable `AWS_MAX_ATTEMPTS`, then the profile's `max_attempts`, then `25`. A host that cannot be connected to is given up after two.",
				Validators: []validator.Int64{int64validator.AtLeast(0)},
			},
			"retry_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`standard` or `adaptive`. Default: the environment variable `AWS_RETRY_MODE`, then the profile's `retry_mode`, then `standard`.",
				Validators:          []validator.String{stringvalidator.OneOf("standard", "adaptive")},
			},
			"token_bucket_rate_limiter_capacity": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Capacity of the token bucket that limits retries. Default: no limit.",
				Validators:          []validator.Int64{int64validator.AtLeast(0)},
			},
			"custom_ca_bundle": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "File with further root and intermediate certificates in PEM form. Default: the environment variable `AWS_CA_BUNDLE`.",
			},
			"insecure": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Do not verify TLS certificates. Secret values travel over these connections: never use it outside a test. Default: `false`.",
			},
			"http_proxy": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "Proxy for http requests. Default: the environment variable `HTTP_PROXY`.",
				Validators:          []validator.String{proxyRule},
			},
			"https_proxy": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "Proxy for https requests; `\"\"` uses none. Default: the environment variable `HTTPS_PROXY`, then `http_proxy`.",
				Validators:          []validator.String{proxyRule},
			},
			"no_proxy": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Hosts that are reached without a proxy: domains, IP addresses or CIDR ranges, separated by commas, or `*`. " +
					"Default: the environment variable `NO_PROXY`.",
			},
			"use_fips_endpoint": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Use FIPS endpoints. Default: the environment variable `AWS_USE_FIPS_ENDPOINT`, then the profile's `use_fips_endpoint`. " +
					"An endpoint that is set in `endpoints` is used as it is.",
			},
			"use_dualstack_endpoint": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Use endpoints that speak IPv4 and IPv6. Default: the environment variable `AWS_USE_DUALSTACK_ENDPOINT`, then the profile's " +
					"`use_dualstack_endpoint`.",
			},
			"ec2_metadata_service_endpoint": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Address of the instance metadata service. Default: the environment variable `AWS_EC2_METADATA_SERVICE_ENDPOINT`.",
				Validators:          []validator.String{endpointRule},
			},
			"ec2_metadata_service_endpoint_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`IPv4` or `IPv6`. Default: the environment variable `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`.",
				Validators:          []validator.String{stringvalidator.OneOf("IPv4", "IPv6")},
			},
			"skip_metadata_api_check": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "`true` never asks the instance metadata service for credentials. Default: the environment variable `AWS_EC2_METADATA_DISABLED`.",
			},
			"skip_credentials_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Do not check the credentials with STS before the first request. For AWS-like services without STS. Default: `false`.",
			},
			"skip_region_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Accept a `region` that this provider does not know, such as a new one. Default: `false`.",
			},
			"skip_requesting_account_id": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Do not ask for the account id. For AWS-like services without IAM and STS. Default: `false`.",
			},
			"sts_region": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Region of STS. Default: `region`.",
			},
			"user_agent": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Products to add to the User-Agent of every request, such as `[\"billing-pipeline/1.4 (nightly)\"]`.",
				Validators:          []validator.List{listvalidator.ValueStringsAre(stringvalidator.LengthAtLeast(1))},
			},
		},
	}
}

func assumeRoleAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "A role to assume with the credentials found, before anything else is done. For a chain of roles use a profile with `source_profile`.",
		Attributes: map[string]schema.Attribute{
			"role_arn": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "ARN of the role.",
				Validators:          []validator.String{roleARNRule},
			},
			"duration":     roleDurationAttribute(),
			"policy":       sessionPolicyAttribute(),
			"policy_arns":  sessionPolicyARNsAttribute(),
			"session_name": roleSessionNameAttribute(""),
			"external_id": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "External id that the role's trust policy asks for: 2 to 1224 characters.",
				Validators:          []validator.String{externalIDRule},
			},
			"source_identity": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Source identity, which stays with the session and appears in CloudTrail: 2 to 64 characters.",
				Validators:          []validator.String{roleSessionRule},
			},
			"tags": schema.MapAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Session tags.",
			},
			"transitive_tag_keys": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Keys of session tags that are passed on to sessions started from this one.",
			},
		},
	}
}

func webIdentityRoleAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "A role to assume with the token of an OpenID Connect provider, as in CI. Exactly one of `web_identity_token` and `web_identity_token_file` " +
			"is needed, here or in the environment.",
		Attributes: map[string]schema.Attribute{
			"role_arn": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "ARN of the role. Default: the environment variable `AWS_ROLE_ARN`.",
				Validators:          []validator.String{roleARNRule},
			},
			"duration":     roleDurationAttribute(),
			"policy":       sessionPolicyAttribute(),
			"policy_arns":  sessionPolicyARNsAttribute(),
			"session_name": roleSessionNameAttribute(" Default: the environment variable `AWS_ROLE_SESSION_NAME`."),
			"web_identity_token": schema.StringAttribute{
				Optional:  true,
				Sensitive: true,
				MarkdownDescription: "The token. Default: the environment variable `TF_AWS_WEB_IDENTITY_TOKEN`. " +
					"Conflicts with `web_identity_token_file`.",
				Validators: []validator.String{webIdentityTokenRule, stringvalidator.ConflictsWith(siblings("web_identity_token_file")...)},
			},
			"web_identity_token_file": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "File with the token. Default: the environment variable `AWS_WEB_IDENTITY_TOKEN_FILE`. " +
					"Conflicts with `web_identity_token`.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}

func roleDurationAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "How long the session lasts, such as `1h`: from `15m` to the role's own maximum, at most `12h`. Default: `1h`.",
		Validators:          []validator.String{roleDurationRule},
	}
}

func sessionPolicyAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "IAM policy (JSON) that narrows what the session may do.",
		Validators:          []validator.String{jsonRule},
	}
}

func sessionPolicyARNsAttribute() schema.Attribute {
	return schema.SetAttribute{
		ElementType:         types.StringType,
		Optional:            true,
		MarkdownDescription: "ARNs of managed policies that narrow what the session may do.",
		Validators:          []validator.Set{setvalidator.ValueStringsAre(policyARNRule)},
	}
}

func roleSessionNameAttribute(more string) schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Name of the session, which appears in CloudTrail: 2 to 64 characters." + more,
		Validators:          []validator.String{roleSessionRule},
	}
}

func endpointsAttribute() schema.Attribute {
	endpoint := func(service, variable string) schema.Attribute {
		return schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "URL of " + service + ". Default: the environment variable `" + variable + "`, then `AWS_ENDPOINT_URL`, then the Region's own.",
			Validators:          []validator.String{endpointRule},
		}
	}
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Addresses of AWS services other than the Region's own: VPC endpoints, or services that behave like AWS.",
		Attributes: map[string]schema.Attribute{
			"cloudwatch":     endpoint("CloudWatch", "AWS_ENDPOINT_URL_CLOUDWATCH"),
			"kms":            endpoint("KMS", "AWS_ENDPOINT_URL_KMS"),
			"secretsmanager": endpoint("Secrets Manager", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
			"sso":            endpoint("IAM Identity Center", "AWS_ENDPOINT_URL_SSO"),
			"sts":            endpoint("STS", "AWS_ENDPOINT_URL_STS"),
		},
	}
}
