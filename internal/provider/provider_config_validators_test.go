// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type object = map[string]any

func TestProviderConfigProblems(t *testing.T) {
	t.Parallel()

	server := newTestServer(t)
	for name, test := range map[string]struct {
		config object
		want   []string
	}{
		"nothing": {},
		"everything": {config: object{
			"environment": "staging",
			"store":       "aws",
			"tags":        object{"team": "Zahlungen/ß", "empty": ""},
			"aws": object{
				"region": "eu-central-1", "access_key": "a", "secret_key": "b", "token": "c",
				"assume_role": object{
					"role_arn": "arn:aws-us-gov:iam::123456789012:role/path/deploy", "duration": "15m", "session_name": "a.b@c",
					"external_id": "a:/b", "policy": "{}", "policy_arns": []any{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
				},
				"assume_role_with_web_identity": object{"web_identity_token": "1234", "duration": "12h"},
				"endpoints":                     object{"kms": "http://127.0.0.1:4566", "sts": "https://sts.example/path"},
				"allowed_account_ids":           []any{"123456789012"},
				"http_proxy":                    "http://user:pass@proxy.example:3128",
				"https_proxy":                   "",
				"max_retries":                   0,
				"retry_mode":                    "adaptive",
			},
			"local":    object{"path": "secrets", "identity_file": "key.txt"},
			"docker":   object{"host": "ssh://deploy@swarm.example", "cert_path": "/certs"},
			"rotation": object{"overdue": "warn", "warn_before": "0s", "plan_as_of": "+91d"},
			"kms":      object{"require_hsm": true},
			"policies": object{"partner_token": object{"base": "api_key", "length": 64, "grace_period": "1h30m", "rotation_days": 1000}},
		}},
		"everything unknown": {config: object{
			"environment": unknown, "store": unknown, "tags": unknown, "aws": unknown, "local": unknown, "docker": unknown,
			"rotation": unknown, "kms": unknown, "policies": unknown,
		}},
		"environment": {
			config: object{"environment": "prod"},
			want:   []string{`environment: Invalid Attribute Value Match: Attribute environment value must be one of: ["development" "staging" "production"], got: "prod"`},
		},
		"store": {
			config: object{"store": "vault"},
			want:   []string{`store: Invalid Attribute Value Match: Attribute store value must be one of: ["aws" "local"], got: "vault"`},
		},
		"reserved tag": {
			config: object{"tags": object{"roi:x": "y"}},
			want:   []string{`tags["roi:x"]: Invalid Attribute Value: Attribute tags["roi:x"] must not begin with "roi:", where this provider keeps its records, got: "roi:x"`},
		},
		"null tag": {
			config: object{"tags": object{"a": nil}},
			want:   []string{`tags: Null Map Value: This attribute contains a null value.`},
		},
		"overdue": {
			config: object{"rotation": object{"overdue": "fail"}},
			want:   []string{`rotation.overdue: Invalid Attribute Value Match: Attribute rotation.overdue value must be one of: ["replace" "error" "warn"], got: "fail"`},
		},
		"warn_before": {
			config: object{"rotation": object{"warn_before": "7d"}},
			want:   []string{`rotation.warn_before: Invalid Attribute Value: Attribute rotation.warn_before must be a duration of 0 or more, such as "90m" or "168h", got: "7d"`},
		},
		"negative warn_before": {
			config: object{"rotation": object{"warn_before": "-1h"}},
			want:   []string{`rotation.warn_before: Invalid Attribute Value: Attribute rotation.warn_before must be a duration of 0 or more, such as "90m" or "168h", got: "-1h"`},
		},
		"plan_as_of": {
			config: object{"rotation": object{"plan_as_of": "91d"}},
			want: []string{`rotation.plan_as_of: Invalid Attribute Value: Attribute rotation.plan_as_of must be an RFC 3339 time such as "2027-03-31T00:00:00Z" ` +
				`or a number of days from now such as "+91d", at most 3650, got: "91d"`},
		},
		"empty plan_as_of": {
			config: object{"rotation": object{"plan_as_of": ""}},
			want: []string{`rotation.plan_as_of: Invalid Attribute Value: Attribute rotation.plan_as_of must be an RFC 3339 time such as "2027-03-31T00:00:00Z" ` +
				`or a number of days from now such as "+91d", at most 3650, got: ""`},
		},
		"both account lists": {
			config: object{"aws": object{"allowed_account_ids": []any{"123456789012"}, "forbidden_account_ids": []any{"210987654321"}}},
			want: []string{
				`aws.allowed_account_ids: Invalid Attribute Combination: Attribute "aws.forbidden_account_ids" cannot be specified when "aws.allowed_account_ids" is specified`,
				`aws.forbidden_account_ids: Invalid Attribute Combination: Attribute "aws.allowed_account_ids" cannot be specified when "aws.forbidden_account_ids" is specified`,
			},
		},
		"account id": {
			config: object{"aws": object{"allowed_account_ids": []any{"1234"}}},
			want: []string{`aws.allowed_account_ids[…]: Invalid Attribute Value: Attribute aws.allowed_account_ids[Value("1234")] ` +
				`must be an AWS account id of 12 digits, got: "1234"`},
		},
		"access key alone": {
			config: object{"aws": object{"access_key": "AKIDEXAMPLE"}},
			want:   []string{`aws.access_key: Invalid Attribute Combination: Attribute "aws.secret_key" must be specified when "aws.access_key" is specified`},
		},
		"token alone": {
			config: object{"aws": object{"token": "t"}},
			want: []string{
				`aws.token: Invalid Attribute Combination: Attribute "aws.access_key" must be specified when "aws.token" is specified`,
				`aws.token: Invalid Attribute Combination: Attribute "aws.secret_key" must be specified when "aws.token" is specified`,
			},
		},
		"both token sources": {
			config: object{"aws": object{"assume_role_with_web_identity": object{
				"role_arn": "arn:aws:iam::123456789012:role/ci", "web_identity_token": "1234", "web_identity_token_file": "f"}}},
			want: []string{`aws.assume_role_with_web_identity.web_identity_token: Invalid Attribute Combination: ` +
				`Attribute "aws.assume_role_with_web_identity.web_identity_token_file" cannot be specified when "aws.assume_role_with_web_identity.web_identity_token" is specified`},
		},
		"role arn": {
			config: object{"aws": object{"assume_role": object{"role_arn": "arn:aws:iam::123456789012:user/me"}}},
			want: []string{`aws.assume_role.role_arn: Invalid Attribute Value: Attribute aws.assume_role.role_arn ` +
				`must be the ARN of an IAM role, such as "arn:aws:iam::123456789012:role/NAME", got: "arn:aws:iam::123456789012:user/me"`},
		},
		"role session": {
			config: object{"aws": object{"assume_role": object{
				"role_arn": "arn:aws:iam::123456789012:role/ci", "duration": "10m", "session_name": "my session", "external_id": "x", "policy": "no json"}}},
			want: []string{
				`aws.assume_role.duration: Invalid Attribute Value: Attribute aws.assume_role.duration must be a duration between "15m" and "12h", got: "10m"`,
				`aws.assume_role.external_id: Invalid Attribute Value: Attribute aws.assume_role.external_id must be 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -, got: "x"`,
				`aws.assume_role.policy: Invalid Attribute Value: Attribute aws.assume_role.policy must be a JSON document`,
				`aws.assume_role.session_name: Invalid Attribute Value: Attribute aws.assume_role.session_name must be 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -, got: "my session"`,
			},
		},
		"policy arn": {
			config: object{"aws": object{"assume_role": object{"role_arn": "arn:aws:iam::123456789012:role/ci", "policy_arns": []any{"ReadOnlyAccess"}}}},
			want: []string{`aws.assume_role.policy_arns[…]: Invalid Attribute Value: Attribute aws.assume_role.policy_arns[Value("ReadOnlyAccess")] ` +
				`must be the ARN of an IAM policy, such as "arn:aws:iam::aws:policy/ReadOnlyAccess", got: "ReadOnlyAccess"`},
		},
		"endpoint": {
			config: object{"aws": object{"endpoints": object{"sts": "sts.example"}}},
			want: []string{`aws.endpoints.sts: Invalid Attribute Value: Attribute aws.endpoints.sts must be an http or https URL without a user name or password, ` +
				`such as "https://vpce-0abc.secretsmanager.eu-west-1.vpce.amazonaws.com"`},
		},
		"docker host and context": {
			config: object{"docker": object{"host": "unix:///run/docker.sock", "context": "prod"}},
			want:   []string{`docker.host: Invalid Attribute Combination: Attribute "docker.context" cannot be specified when "docker.host" is specified`},
		},
		"docker host": {
			config: object{"docker": object{"host": "swarm.example:2376"}},
			want: []string{`docker.host: Invalid Attribute Value: Attribute docker.host must begin with unix://, tcp://, http://, https://, npipe:// or ssh://, ` +
				`as in "ssh://deploy@swarm.example", and have no password`},
		},
		"docker certificate alone": {
			config: object{"docker": object{"cert_material": "-----BEGIN CERTIFICATE-----"}},
			want:   []string{`docker.cert_material: Invalid Attribute Combination: Attribute "docker.key_material" must be specified when "docker.cert_material" is specified`},
		},
		"category name": {
			config: object{"policies": object{"1jwt": object{"length": 96}}},
			want: []string{`policies["1jwt"]: Invalid Attribute Value: Attribute policies["1jwt"] must be a category name: 1 to 32 of the characters A-Z a-z 0-9 _ -, ` +
				`the first a letter, got: "1jwt"`},
		},
		"policy arguments": {
			config: object{"policies": object{"jwt": object{
				"base": "jason", "length": 0, "encoding": "base32", "min_lower": -1, "first_character": "digit", "rotation_days": 1001, "grace_period": "-1h",
				"classification": "top", "min_entropy_bits": -1, "special_characters": strings.Repeat("!", 129)}}},
			want: []string{
				`policies["jwt"].base: Invalid Attribute Value Match: Attribute policies["jwt"].base value must be one of: ["jwt" "session" "database" "cache" "api_key" "webhook" "encryption" "external" "tls"], got: "jason"`,
				`policies["jwt"].classification: Invalid Attribute Value Match: Attribute policies["jwt"].classification value must be one of: ["public" "internal" "secret" "critical"], got: "top"`,
				`policies["jwt"].encoding: Invalid Attribute Value Match: Attribute policies["jwt"].encoding value must be one of: ["base64url" "base64" "hex" "alphanumeric" "ascii" "any"], got: "base32"`,
				`policies["jwt"].first_character: Invalid Attribute Value Match: Attribute policies["jwt"].first_character value must be one of: ["any" "letter"], got: "digit"`,
				`policies["jwt"].grace_period: Invalid Attribute Value: Attribute policies["jwt"].grace_period must be a duration of 0 or more, such as "90m" or "168h", got: "-1h"`,
				`policies["jwt"].length: Invalid Attribute Value: Attribute policies["jwt"].length value must be between 1 and 65536, got: 0`,
				`policies["jwt"].min_entropy_bits: Invalid Attribute Value: Attribute policies["jwt"].min_entropy_bits value must be between 0 and 65536, got: -1`,
				`policies["jwt"].min_lower: Invalid Attribute Value: Attribute policies["jwt"].min_lower value must be between 0 and 65536, got: -1`,
				`policies["jwt"].rotation_days: Invalid Attribute Value: Attribute policies["jwt"].rotation_days value must be between 1 and 1000, got: 1001`,
				`policies["jwt"].special_characters: Invalid Attribute Value Length: Attribute policies["jwt"].special_characters string length must be at most 128, got: 129`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, server.validate(t, test.config)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

// A rejected secret must not be shown: what is wrong with it may be a typing
// error in an otherwise real one.
func TestRejectedSecretsAreNotShown(t *testing.T) {
	t.Parallel()

	const planted = "pl4nted"
	server := newTestServer(t)
	for name, config := range map[string]object{
		"token too short":   {"aws": object{"assume_role_with_web_identity": object{"web_identity_token": planted[:3]}}},
		"token too long":    {"aws": object{"assume_role_with_web_identity": object{"web_identity_token": strings.Repeat(planted, 3000)}}},
		"http proxy":        {"aws": object{"http_proxy": "user:" + planted + "@proxy.example"}},
		"https proxy":       {"aws": object{"https_proxy": "http://user:" + planted + "%zz@proxy.example"}},
		"endpoint":          {"aws": object{"endpoints": object{"sts": "https://user:" + planted + "@sts.example"}}},
		"docker host":       {"docker": object{"host": "ssh://user:" + planted + "@swarm.example"}},
		"no docker host":    {"docker": object{"host": "user:" + planted + "@swarm.example"}},
		"key material":      {"docker": object{"key_material": planted, "cert_material": "-----BEGIN CERTIFICATE-----"}},
		"key in wrong spot": {"docker": object{"ca_material": planted}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			texts := server.validate(t, config)
			if len(texts) == 0 {
				t.Fatal("the value was accepted")
			}
			for _, text := range texts {
				if strings.Contains(text, planted[:3]) {
					t.Error("a diagnostic shows the value")
				}
			}
		})
	}
}
