// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/aws-sdk-go-base/v2/useragent"
)

// Config says how to reach AWS. The fields have the names and the meaning of the
// arguments of the hashicorp/aws provider
// (https://registry.terraform.io/providers/hashicorp/aws/latest/docs#argument-reference).
// A field that is left out is taken from the AWS_* environment variables, then
// from the shared configuration files.
//
// It holds credentials. Under every fmt verb and as JSON it prints as its region
// and profile only.
type Config struct {
	Region                 string
	Profile                string
	AccessKey              string
	SecretKey              string
	Token                  string
	SharedConfigFiles      []string
	SharedCredentialsFiles []string

	// AssumeRole is a chain: each role is assumed with the credentials of the
	// one before it.
	AssumeRole                []AssumeRole
	AssumeRoleWithWebIdentity *AssumeRoleWithWebIdentity

	Endpoints            Endpoints
	STSRegion            string
	UseFIPSEndpoint      bool
	UseDualStackEndpoint bool

	// MaxRetries is how often a request is sent at most, as in the AWS provider,
	// whose name for it this is. nil and 0 mean AWS_MAX_ATTEMPTS or max_attempts
	// of the profile, and without those 25.
	MaxRetries *int
	// RetryMode is "standard" or "adaptive".
	RetryMode string
	// TokenBucketRateLimiterCapacity limits the retries of all requests
	// together; 0 is no limit.
	TokenBucketRateLimiterCapacity int

	// HTTPProxy and HTTPSProxy are URLs; "" is no proxy, nil the environment's.
	HTTPProxy  *string
	HTTPSProxy *string
	NoProxy    string
	// CustomCABundle is the path of a PEM file.
	CustomCABundle string
	Insecure       bool

	// At most one of the two account lists is used at a time.
	AllowedAccountIDs   []string
	ForbiddenAccountIDs []string

	SkipCredentialsValidation bool
	SkipRequestingAccountID   bool
	SkipRegionValidation      bool
	// SkipMetadataAPICheck true never asks the EC2 metadata service, false
	// always may, nil leaves it to AWS_EC2_METADATA_DISABLED.
	SkipMetadataAPICheck           *bool
	EC2MetadataServiceEndpoint     string
	EC2MetadataServiceEndpointMode string

	// ProviderVersion, TerraformVersion and UserAgent go into the User-Agent
	// header. An item of UserAgent is "product/version (comment)".
	ProviderVersion  string
	TerraformVersion string
	UserAgent        []string
}

// AssumeRole is a role to assume. See
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
type AssumeRole struct {
	RoleARN           string
	Duration          time.Duration
	ExternalID        string
	Policy            string
	PolicyARNs        []string
	SessionName       string
	SourceIdentity    string
	Tags              map[string]string
	TransitiveTagKeys []string
}

// AssumeRoleWithWebIdentity is a role to assume with an OpenID Connect token. See
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html.
// It prints as its role only.
type AssumeRoleWithWebIdentity struct {
	RoleARN              string
	Duration             time.Duration
	Policy               string
	PolicyARNs           []string
	SessionName          string
	WebIdentityToken     string
	WebIdentityTokenFile string
}

// Endpoints are URLs that replace those of AWS. Without one the SDK looks at
// AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL_KMS and so on, then at
// AWS_ENDPOINT_URL, then at the same in the shared configuration files
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
type Endpoints struct {
	SecretsManager string
	KMS            string
	STS            string
	SSO            string
}

// Format implements fmt.Formatter.
func (c Config) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, c.summary()) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.summary()), nil }

func (c Config) summary() string {
	return fmt.Sprintf("AWS (region %q, profile %q)", c.Region, c.Profile)
}

// Format implements fmt.Formatter.
func (r AssumeRoleWithWebIdentity) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprint(s, r.summary())
}

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (r AssumeRoleWithWebIdentity) MarshalText() ([]byte, error) { return []byte(r.summary()), nil }

func (r AssumeRoleWithWebIdentity) summary() string {
	return fmt.Sprintf("web identity (role %q)", r.RoleARN)
}

// secrets are the parts of the configuration that no error may show.
func (c *Config) secrets() []string {
	all := []string{c.SecretKey, c.Token}
	if c.AssumeRoleWithWebIdentity != nil {
		all = append(all, c.AssumeRoleWithWebIdentity.WebIdentityToken)
	}
	for _, proxy := range []*string{c.HTTPProxy, c.HTTPSProxy} {
		if proxy == nil {
			continue
		}
		u, err := url.Parse(*proxy)
		if err != nil {
			// Which part of it is the password cannot be told.
			all = append(all, *proxy)
			continue
		}
		if password, ok := u.User.Password(); ok {
			all = append(all, password)
		}
	}
	return all
}

// configurationAttempts limits how often STS is asked while credentials are being
// found. With static keys and a role to assume, aws-sdk-go-base would try as
// often as for any request, even when nothing listens at the address. It is the
// SDK's own default, which all other ways to find credentials have.
const configurationAttempts = 3

// base translates the configuration for aws-sdk-go-base.
func (c *Config) base() (*awsbase.Config, error) {
	b := &awsbase.Config{
		AccessKey:                      c.AccessKey,
		AllowedAccountIds:              c.AllowedAccountIDs,
		CallerDocumentationURL:         "https://registry.terraform.io/providers/roi-systems/roi/latest/docs",
		CallerName:                     "Terraform provider roi",
		CustomCABundle:                 c.CustomCABundle,
		EC2MetadataServiceEndpoint:     c.EC2MetadataServiceEndpoint,
		EC2MetadataServiceEndpointMode: c.EC2MetadataServiceEndpointMode,
		ForbiddenAccountIds:            c.ForbiddenAccountIDs,
		HTTPProxy:                      c.HTTPProxy,
		HTTPProxyMode:                  awsbase.HTTPProxyModeLegacy,
		HTTPSProxy:                     c.HTTPSProxy,
		Insecure:                       c.Insecure,
		NoProxy:                        c.NoProxy,
		Profile:                        c.Profile,
		Region:                         c.Region,
		SecretKey:                      c.SecretKey,
		SharedConfigFiles:              c.SharedConfigFiles,
		SharedCredentialsFiles:         c.SharedCredentialsFiles,
		SkipCredsValidation:            c.SkipCredentialsValidation,
		SkipRequestingAccountId:        c.SkipRequestingAccountID,
		SsoEndpoint:                    c.Endpoints.SSO,
		StsEndpoint:                    c.Endpoints.STS,
		StsRegion:                      c.STSRegion,
		Token:                          c.Token,
		TokenBucketRateLimiterCapacity: c.TokenBucketRateLimiterCapacity,
		UseDualStackEndpoint:           c.UseDualStackEndpoint,
		UseFIPSEndpoint:                c.UseFIPSEndpoint,
		UserAgent:                      c.userAgent(),

		// Its log holds request and response bodies, and so secret values, and
		// external ids of roles. Without a logger there is none; without its
		// middleware nothing prepares one.
		Logger:           nil,
		SuppressDebugLog: true,
	}
	if n := aws.ToInt(c.MaxRetries); n > 0 {
		b.MaxRetries = min(n, configurationAttempts)
	}
	if c.RetryMode != "" {
		mode, err := aws.ParseRetryMode(c.RetryMode)
		if err != nil {
			return nil, err
		}
		b.RetryMode = mode
	}
	if skip := c.SkipMetadataAPICheck; skip != nil {
		b.EC2MetadataServiceEnableState = imds.ClientEnabled
		if *skip {
			b.EC2MetadataServiceEnableState = imds.ClientDisabled
		}
	}
	for _, r := range c.AssumeRole {
		b.AssumeRole = append(b.AssumeRole, awsbase.AssumeRole(r))
	}
	if r := c.AssumeRoleWithWebIdentity; r != nil {
		role := awsbase.AssumeRoleWithWebIdentity(*r)
		b.AssumeRoleWithWebIdentity = &role
	}
	return b, nil
}

func (c *Config) userAgent() awsbase.UserAgentProducts {
	products := awsbase.UserAgentProducts{
		{Name: "Terraform", Version: c.TerraformVersion, Comment: "+https://www.terraform.io"},
		{Name: "terraform-provider-roi", Version: c.ProviderVersion, Comment: "+https://registry.terraform.io/providers/roi-systems/roi"},
	}
	return append(products, useragent.FromSlice(c.UserAgent)...)
}
