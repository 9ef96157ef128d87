// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
)

// awsModel has the names and meaning of the arguments of the hashicorp/aws
// provider: https://registry.terraform.io/providers/hashicorp/aws/latest/docs#argument-reference
type awsModel struct {
	AccessKey                      types.String          `tfsdk:"access_key"`
	AllowedAccountIDs              types.Set             `tfsdk:"allowed_account_ids"`
	AssumeRole                     *assumeRoleModel      `tfsdk:"assume_role"`
	AssumeRoleWithWebIdentity      *webIdentityRoleModel `tfsdk:"assume_role_with_web_identity"`
	CustomCABundle                 types.String          `tfsdk:"custom_ca_bundle"`
	EC2MetadataServiceEndpoint     types.String          `tfsdk:"ec2_metadata_service_endpoint"`
	EC2MetadataServiceEndpointMode types.String          `tfsdk:"ec2_metadata_service_endpoint_mode"`
	Endpoints                      *endpointsModel       `tfsdk:"endpoints"`
	ForbiddenAccountIDs            types.Set             `tfsdk:"forbidden_account_ids"`
	HTTPProxy                      types.String          `tfsdk:"http_proxy"`
	HTTPSProxy                     types.String          `tfsdk:"https_proxy"`
	Insecure                       types.Bool            `tfsdk:"insecure"`
	MaxRetries                     types.Int64           `tfsdk:"max_retries"`
	NoProxy                        types.String          `tfsdk:"no_proxy"`
	Profile                        types.String          `tfsdk:"profile"`
	Region                         types.String          `tfsdk:"region"`
	RetryMode                      types.String          `tfsdk:"retry_mode"`
	SecretKey                      types.String          `tfsdk:"secret_key"`
	SharedConfigFiles              types.List            `tfsdk:"shared_config_files"`
	SharedCredentialsFiles         types.List            `tfsdk:"shared_credentials_files"`
	SkipCredentialsValidation      types.Bool            `tfsdk:"skip_credentials_validation"`
	SkipMetadataAPICheck           types.Bool            `tfsdk:"skip_metadata_api_check"`
	SkipRegionValidation           types.Bool            `tfsdk:"skip_region_validation"`
	SkipRequestingAccountID        types.Bool            `tfsdk:"skip_requesting_account_id"`
	STSRegion                      types.String          `tfsdk:"sts_region"`
	Token                          types.String          `tfsdk:"token"`
	TokenBucketRateLimiterCapacity types.Int64           `tfsdk:"token_bucket_rate_limiter_capacity"`
	UseDualStackEndpoint           types.Bool            `tfsdk:"use_dualstack_endpoint"`
	UseFIPSEndpoint                types.Bool            `tfsdk:"use_fips_endpoint"`
	UserAgent                      types.List            `tfsdk:"user_agent"`
}

type assumeRoleModel struct {
	Duration          types.String `tfsdk:"duration"`
	ExternalID        types.String `tfsdk:"external_id"`
	Policy            types.String `tfsdk:"policy"`
	PolicyARNs        types.Set    `tfsdk:"policy_arns"`
	RoleARN           types.String `tfsdk:"role_arn"`
	SessionName       types.String `tfsdk:"session_name"`
	SourceIdentity    types.String `tfsdk:"source_identity"`
	Tags              types.Map    `tfsdk:"tags"`
	TransitiveTagKeys types.Set    `tfsdk:"transitive_tag_keys"`
}

type webIdentityRoleModel struct {
	Duration             types.String `tfsdk:"duration"`
	Policy               types.String `tfsdk:"policy"`
	PolicyARNs           types.Set    `tfsdk:"policy_arns"`
	RoleARN              types.String `tfsdk:"role_arn"`
	SessionName          types.String `tfsdk:"session_name"`
	WebIdentityToken     types.String `tfsdk:"web_identity_token"`
	WebIdentityTokenFile types.String `tfsdk:"web_identity_token_file"`
}

type endpointsModel struct {
	CloudWatch     types.String `tfsdk:"cloudwatch"`
	KMS            types.String `tfsdk:"kms"`
	SecretsManager types.String `tfsdk:"secretsmanager"`
	SSO            types.String `tfsdk:"sso"`
	STS            types.String `tfsdk:"sts"`
}

// config translates the arguments, all of which are known. What is left out stays
// empty: the AWS client then looks at its own environment variables and files.
func (m awsModel) config(providerVersion, terraformVersion string) (awssm.Config, error) {
	config := awssm.Config{
		Region:                         m.Region.ValueString(),
		Profile:                        m.Profile.ValueString(),
		AccessKey:                      m.AccessKey.ValueString(),
		SecretKey:                      m.SecretKey.ValueString(),
		Token:                          m.Token.ValueString(),
		SharedConfigFiles:              stringElements(m.SharedConfigFiles.Elements()),
		SharedCredentialsFiles:         stringElements(m.SharedCredentialsFiles.Elements()),
		STSRegion:                      m.STSRegion.ValueString(),
		UseFIPSEndpoint:                m.UseFIPSEndpoint.ValueBool(),
		UseDualStackEndpoint:           m.UseDualStackEndpoint.ValueBool(),
		MaxRetries:                     knownInt(m.MaxRetries),
		RetryMode:                      m.RetryMode.ValueString(),
		TokenBucketRateLimiterCapacity: int(m.TokenBucketRateLimiterCapacity.ValueInt64()),
		HTTPProxy:                      m.HTTPProxy.ValueStringPointer(),
		HTTPSProxy:                     m.HTTPSProxy.ValueStringPointer(),
		NoProxy:                        m.NoProxy.ValueString(),
		CustomCABundle:                 m.CustomCABundle.ValueString(),
		Insecure:                       m.Insecure.ValueBool(),
		AllowedAccountIDs:              stringElements(m.AllowedAccountIDs.Elements()),
		ForbiddenAccountIDs:            stringElements(m.ForbiddenAccountIDs.Elements()),
		SkipCredentialsValidation:      m.SkipCredentialsValidation.ValueBool(),
		SkipRequestingAccountID:        m.SkipRequestingAccountID.ValueBool(),
		SkipRegionValidation:           m.SkipRegionValidation.ValueBool(),
		SkipMetadataAPICheck:           m.SkipMetadataAPICheck.ValueBoolPointer(),
		EC2MetadataServiceEndpoint:     m.EC2MetadataServiceEndpoint.ValueString(),
		EC2MetadataServiceEndpointMode: m.EC2MetadataServiceEndpointMode.ValueString(),
		ProviderVersion:                providerVersion,
		TerraformVersion:               terraformVersion,
		UserAgent:                      stringElements(m.UserAgent.Elements()),
	}
	if m.Endpoints != nil {
		config.Endpoints = awssm.Endpoints{
			SecretsManager: m.Endpoints.SecretsManager.ValueString(),
			KMS:            m.Endpoints.KMS.ValueString(),
			STS:            m.Endpoints.STS.ValueString(),
			SSO:            m.Endpoints.SSO.ValueString(),
		}
	}
	if m.AssumeRole != nil {
		config.AssumeRole = []awssm.AssumeRole{m.AssumeRole.config()}
	}
	if m.AssumeRoleWithWebIdentity != nil {
		role, err := m.AssumeRoleWithWebIdentity.config()
		if err != nil {
			return awssm.Config{}, err
		}
		config.AssumeRoleWithWebIdentity = &role
	}
	return config, nil
}

func (m assumeRoleModel) config() awssm.AssumeRole {
	return awssm.AssumeRole{
		RoleARN:           m.RoleARN.ValueString(),
		Duration:          parsedDuration(m.Duration),
		ExternalID:        m.ExternalID.ValueString(),
		Policy:            m.Policy.ValueString(),
		PolicyARNs:        stringElements(m.PolicyARNs.Elements()),
		SessionName:       m.SessionName.ValueString(),
		SourceIdentity:    m.SourceIdentity.ValueString(),
		Tags:              stringMap(m.Tags),
		TransitiveTagKeys: stringElements(m.TransitiveTagKeys.Elements()),
	}
}

// config fills in from the environment what the AWS SDK would only look at
// without this object. A configured token, in either form, wins over both
// variables.
func (m webIdentityRoleModel) config() (awssm.AssumeRoleWithWebIdentity, error) {
	role := awssm.AssumeRoleWithWebIdentity{
		RoleARN:              stringOr(m.RoleARN, os.Getenv("AWS_ROLE_ARN")),
		Duration:             parsedDuration(m.Duration),
		Policy:               m.Policy.ValueString(),
		PolicyARNs:           stringElements(m.PolicyARNs.Elements()),
		SessionName:          stringOr(m.SessionName, os.Getenv("AWS_ROLE_SESSION_NAME")),
		WebIdentityToken:     m.WebIdentityToken.ValueString(),
		WebIdentityTokenFile: m.WebIdentityTokenFile.ValueString(),
	}
	if role.WebIdentityToken == "" && role.WebIdentityTokenFile == "" {
		role.WebIdentityToken = os.Getenv("TF_AWS_WEB_IDENTITY_TOKEN")
		role.WebIdentityTokenFile = os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	switch {
	case role.RoleARN == "":
		return role, webIdentityError("role_arn is set neither here nor in AWS_ROLE_ARN")
	case role.WebIdentityToken == "" && role.WebIdentityTokenFile == "":
		return role, webIdentityError("web_identity_token and web_identity_token_file are set neither here nor in TF_AWS_WEB_IDENTITY_TOKEN and AWS_WEB_IDENTITY_TOKEN_FILE")
	case role.WebIdentityToken != "" && role.WebIdentityTokenFile != "":
		return role, webIdentityError("both TF_AWS_WEB_IDENTITY_TOKEN and AWS_WEB_IDENTITY_TOKEN_FILE are set; say which one counts with web_identity_token or web_identity_token_file")
	}
	return role, nil
}

func webIdentityError(problem string) error {
	return &secretstore.Error{
		Op:   "configure",
		ID:   "aws.assume_role_with_web_identity",
		Kind: secretstore.ErrNoCredentials,
		Err:  errors.New(problem),
	}
}

// parsedDuration relies on the validator: what it refuses reads as 0.
func parsedDuration(v types.String) time.Duration {
	d, _ := time.ParseDuration(v.ValueString())
	return d
}

func stringOr(v types.String, otherwise string) string {
	if v.ValueString() == "" {
		return otherwise
	}
	return v.ValueString()
}
