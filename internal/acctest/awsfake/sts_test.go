// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// as returns clients that sign with another access key.
func (f fixture) as(key, secret, token string) fixture {
	cfg := f.s.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(key, secret, token)
	f.sm, f.sts = secretsmanager.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	return f
}

func (f fixture) whoAmI() (*sts.GetCallerIdentityOutput, error) {
	return f.sts.GetCallerIdentity(f.Context(), &sts.GetCallerIdentityInput{})
}

func TestIdentityRules(t *testing.T) {
	const (
		common = "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"
		role   = "arn:aws:iam::210987654321:role/ci/deploy"
	)
	assume := func(f fixture, edit ...func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("run-1")}
		for _, e := range edit {
			e(in)
		}
		return f.sts.AssumeRole(f.Context(), in)
	}
	signedOff := func(f fixture) fixture {
		cfg := f.s.Config()
		cfg.Credentials = aws.AnonymousCredentials{}
		f.sm, f.sts = secretsmanager.NewFromConfig(cfg), sts.NewFromConfig(cfg)
		return f
	}
	runRules(t, []rule{
		{"the access key decides the account", serviceModel, []Option{AccessKey("AKIAOTHER", "999999999999")}, func(f fixture) {
			out, err := f.whoAmI()
			f.ok(err)
			same(f, "account", *out.Account, DefaultAccount)
			f = f.as("AKIAOTHER", "x", "")
			out, err = f.whoAmI()
			f.ok(err)
			same(f, "account", *out.Account, "999999999999")
			same(f, "ARN", *out.Arn, "arn:aws:iam::999999999999:user/fake")
			f.create("app", "a")
			same(f, "there", f.s.SecretIn("999999999999", DefaultRegion, "app").Name, "app")
			same(f, "not here", f.s.HasSecret("app"), false)
		}},
		{"a role's session is in the role's account, until it ends", serviceModel, nil, func(f fixture) {
			out, err := assume(f, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) })
			f.ok(err)
			same(f, "expires", *out.Credentials.Expiration, f.start.Add(900*time.Second).Truncate(time.Second))
			session := f.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
			who, err := session.whoAmI()
			f.ok(err)
			same(f, "who", *who.Account+" "+*who.Arn, "210987654321 arn:aws:sts::210987654321:assumed-role/deploy/run-1")
			f.s.Advance(900 * time.Second)
			_, err = session.whoAmI()
			f.fails(err, "ExpiredToken", "expired")
			_, err = session.get("app")
			f.fails(err, "ExpiredTokenException", "expired")
		}},
		{"parameters of AssumeRole are recorded", "the fake's own", nil, func(f fixture) {
			_, err := assume(f, func(in *sts.AssumeRoleInput) {
				in.ExternalId, in.SourceIdentity = aws.String("external"), aws.String("source")
				in.Tags = []ststypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
			})
			f.ok(err)
			params := f.s.Calls()[0].Params
			same(f, "params", params["ExternalId"]+params["SourceIdentity"]+params["Tags.member.1.Key"], "externalsourcek")
		}},
		{"wrong roles, names and durations are refused", serviceModel, nil, func(f fixture) {
			for _, edit := range []func(*sts.AssumeRoleInput){
				func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::1:user/x") },
				func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("x") },
				func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) },
			} {
				_, err := assume(f, edit)
				f.fails(err, "ValidationError", "")
			}
		}},
		{"web identity needs no signature", serviceModel, nil, func(f fixture) {
			out, err := signedOff(f).sts.AssumeRoleWithWebIdentity(f.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(role), RoleSessionName: aws.String("run-1"), WebIdentityToken: aws.String("a.b.c"),
			})
			f.ok(err)
			who, err := f.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken).whoAmI()
			f.ok(err)
			same(f, "account", *who.Account, "210987654321")
			for _, call := range f.s.Calls() {
				for _, value := range call.Params {
					same(f, "token recorded", value == "a.b.c", false)
				}
			}
		}},
		{"everything else does", common, nil, func(f fixture) {
			_, err := signedOff(f).whoAmI()
			f.fails(err, "MissingAuthenticationToken", "")
			_, err = signedOff(f).get("app")
			f.fails(err, "MissingAuthenticationTokenException", "")
		}},
		{"the signature names the service", "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html", nil, func(f fixture) {
			_, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{}, secretsmanager.WithSigV4SigningName("kms"))
			f.fails(err, "InvalidSignatureException", "secretsmanager")
		}},
		{"unknown keys can be refused", common, []Option{OnlyKnownKeys(), AccessKey("AKIAKNOWN", DefaultAccount)}, func(f fixture) {
			_, err := f.whoAmI()
			f.fails(err, "InvalidClientTokenId", "")
			_, err = f.get("app")
			f.fails(err, "UnrecognizedClientException", "")
			_, err = f.as("AKIAKNOWN", "x", "").whoAmI()
			f.ok(err)
		}},
		{"denied actions", "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html", nil, func(f fixture) {
			f.create("app", "a")
			f.s.Deny("GetSecretValue", "secretsmanager:Put*")
			_, err := f.get("app")
			f.fails(err, "AccessDeniedException", "is not authorized to perform: secretsmanager:GetSecretValue on resource: app")
			f.fails(f.tryPut("app", token1, "b"), "AccessDeniedException", "PutSecretValue")
			f.describe("app")
			f.s.AllowAll()
			_, err = f.get("app")
			f.ok(err)
		}},
		{"all but some actions", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.s.DenyAllBut("Describe*", "List*")
			f.describe("app")
			f.list()
			_, err := f.describeKey("alias/aws/secretsmanager")
			f.ok(err)
			_, err = f.get("app")
			f.fails(err, "AccessDeniedException", "")
			_, err = assume(f)
			f.fails(err, "AccessDenied", "sts:AssumeRole")
			_, err = f.whoAmI() // service model: no permission is needed
			f.ok(err)
		}},
		{"responses have a request id and the clock's date", "https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonParameters.html", nil, func(f fixture) {
			f.create("app", "a")
			calls := f.s.Calls()
			same(f, "request id", regexp.MustCompile("^[0-9a-f-]{36}$").MatchString(calls[0].RequestID), true)
		}},
	})
}
