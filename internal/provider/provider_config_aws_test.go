// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
)

// awsConfig returns what the AWS client is made from.
func awsConfig(t *testing.T, config object) (awssm.Config, error) {
	t.Helper()
	data := configuredData(t, object{"aws": config})
	model, err := nestedModel[awsModel](data.model.AWS, "aws")
	if err != nil {
		t.Fatal(err)
	}
	return model.config(data.version, data.terraformVersion)
}

func TestAWSConfig(t *testing.T) {
	clearEnvironment(t)

	got, err := awsConfig(t, object{
		"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "token": "token-example",
		"allowed_account_ids": []any{"123456789012"},
		"assume_role": object{
			"duration": "45m", "external_id": "external", "policy": "{}", "policy_arns": []any{"arn:aws:iam::aws:policy/A"},
			"role_arn": "arn:aws:iam::123456789012:role/r", "session_name": "session", "source_identity": "me", "tags": object{"a": "b"},
			"transitive_tag_keys": []any{"a"},
		},
		"assume_role_with_web_identity": object{
			"duration": "1h", "policy": "{}", "policy_arns": []any{"arn:aws:iam::aws:policy/B"}, "role_arn": "arn:aws:iam::123456789012:role/w",
			"session_name": "web", "web_identity_token": "jwt-example",
		},
		"custom_ca_bundle": "ca.pem", "ec2_metadata_service_endpoint": "http://127.0.0.1:1338", "ec2_metadata_service_endpoint_mode": "IPv4",
		"endpoints":   object{"kms": "http://kms.example", "secretsmanager": "http://sm.example", "sso": "http://sso.example", "sts": "http://sts.example"},
		"http_proxy":  "http://proxy.example",
		"https_proxy": "", "insecure": true, "max_retries": 3, "no_proxy": "localhost", "profile": "p", "region": "eu-central-1", "retry_mode": "adaptive",
		"shared_config_files": []any{"c1", "c2"}, "shared_credentials_files": []any{"s"}, "skip_credentials_validation": true,
		"skip_metadata_api_check": false, "skip_region_validation": true, "skip_requesting_account_id": true, "sts_region": "us-east-1",
		"token_bucket_rate_limiter_capacity": 7, "use_dualstack_endpoint": true, "use_fips_endpoint": true, "user_agent": []any{"ci/1"},
	})
	if err != nil {
		t.Fatal(err)
	}

	// The secret parts are compared by themselves: a difference must not print them.
	secrets := []string{got.SecretKey, got.Token, got.AssumeRoleWithWebIdentity.WebIdentityToken}
	if !slices.Equal(secrets, []string{"secret-example", "token-example", "jwt-example"}) {
		t.Error("the secret parts of the configuration do not arrive")
	}
	got.SecretKey, got.Token, got.AssumeRoleWithWebIdentity.WebIdentityToken = "", "", ""

	want := awssm.Config{
		Region: "eu-central-1", Profile: "p", AccessKey: "AKIDEXAMPLE",
		SharedConfigFiles: []string{"c1", "c2"}, SharedCredentialsFiles: []string{"s"},
		AssumeRole: []awssm.AssumeRole{{
			RoleARN: "arn:aws:iam::123456789012:role/r", Duration: 45 * time.Minute, ExternalID: "external", Policy: "{}",
			PolicyARNs: []string{"arn:aws:iam::aws:policy/A"}, SessionName: "session", SourceIdentity: "me",
			Tags: map[string]string{"a": "b"}, TransitiveTagKeys: []string{"a"},
		}},
		AssumeRoleWithWebIdentity: &awssm.AssumeRoleWithWebIdentity{
			RoleARN: "arn:aws:iam::123456789012:role/w", Duration: time.Hour, Policy: "{}", PolicyARNs: []string{"arn:aws:iam::aws:policy/B"}, SessionName: "web",
		},
		Endpoints: awssm.Endpoints{
			SecretsManager: "http://sm.example", KMS: "http://kms.example", STS: "http://sts.example", SSO: "http://sso.example",
		},
		STSRegion: "us-east-1", UseFIPSEndpoint: true, UseDualStackEndpoint: true, MaxRetries: new(3), RetryMode: "adaptive",
		TokenBucketRateLimiterCapacity: 7, HTTPProxy: new("http://proxy.example"), HTTPSProxy: new(""), NoProxy: "localhost", CustomCABundle: "ca.pem",
		Insecure: true, AllowedAccountIDs: []string{"123456789012"}, SkipCredentialsValidation: true, SkipRequestingAccountID: true,
		SkipRegionValidation: true, SkipMetadataAPICheck: new(false), EC2MetadataServiceEndpoint: "http://127.0.0.1:1338",
		EC2MetadataServiceEndpointMode: "IPv4", ProviderVersion: "test", TerraformVersion: "1.11.0", UserAgent: []string{"ci/1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestAWSConfigOfNothing(t *testing.T) {
	clearEnvironment(t)

	want := awssm.Config{ProviderVersion: "test", TerraformVersion: "1.11.0"}
	for name, config := range map[string]object{
		"no object":    nil,
		"empty object": {"region": nil},
	} {
		got, err := awsConfig(t, config)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := awsConfig(t, object{"forbidden_account_ids": []any{"210987654321"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"210987654321"}, got.ForbiddenAccountIDs); diff != "" {
		t.Errorf("forbidden accounts (-want +got):\n%s", diff)
	}
}

func TestWebIdentityFromEnvironment(t *testing.T) {
	const role, otherRole = "arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/b"
	for name, test := range map[string]struct {
		config    object
		variables map[string]string
		want      awssm.AssumeRoleWithWebIdentity
		err       string
	}{
		"all from the environment": {
			config:    object{"duration": "1h"},
			variables: map[string]string{"AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "ci", "AWS_WEB_IDENTITY_TOKEN_FILE": "file"},
			want:      awssm.AssumeRoleWithWebIdentity{RoleARN: role, SessionName: "ci", WebIdentityTokenFile: "file", Duration: time.Hour},
		},
		"arguments win": {
			config:    object{"role_arn": role, "session_name": "mine", "web_identity_token_file": "mine"},
			variables: map[string]string{"AWS_ROLE_ARN": otherRole, "AWS_ROLE_SESSION_NAME": "ci", "TF_AWS_WEB_IDENTITY_TOKEN": "ignored"},
			want:      awssm.AssumeRoleWithWebIdentity{RoleARN: role, SessionName: "mine", WebIdentityTokenFile: "mine"},
		},
		"no role": {
			config: object{"web_identity_token_file": "file"},
			err:    `configure "aws.assume_role_with_web_identity": no valid credentials: role_arn is set neither here nor in AWS_ROLE_ARN`,
		},
		"no token": {
			config: object{"role_arn": role},
			err: `configure "aws.assume_role_with_web_identity": no valid credentials: web_identity_token and web_identity_token_file ` +
				`are set neither here nor in TF_AWS_WEB_IDENTITY_TOKEN and AWS_WEB_IDENTITY_TOKEN_FILE`,
		},
		"two tokens": {
			config:    object{"role_arn": role},
			variables: map[string]string{"TF_AWS_WEB_IDENTITY_TOKEN": "t", "AWS_WEB_IDENTITY_TOKEN_FILE": "file"},
			err: `configure "aws.assume_role_with_web_identity": no valid credentials: both TF_AWS_WEB_IDENTITY_TOKEN and AWS_WEB_IDENTITY_TOKEN_FILE are set; ` +
				`say which one counts with web_identity_token or web_identity_token_file`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.variables {
				t.Setenv(variable, value)
			}
			got, err := awsConfig(t, object{"assume_role_with_web_identity": test.config})
			if test.err != "" {
				if err == nil || err.Error() != test.err || !errors.Is(err, secretstore.ErrNoCredentials) {
					t.Errorf("got error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(*got.AssumeRoleWithWebIdentity, test.want) {
				t.Errorf("got %+v, want %+v", *got.AssumeRoleWithWebIdentity, test.want)
			}
		})
	}
}
