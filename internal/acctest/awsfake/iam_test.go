// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

const (
	evaluation    = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"
	authorization = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html"
	multiValued   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html"
	keyPolicies   = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"
	denied        = "AccessDeniedException"
)

// statement is a policy of one.
func statement(effect, action, resource string, more ...string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": %q, "Action": %q, "Resource": %q%s}]}`, effect, action, resource, strings.Join(more, ""))
}

func secretPattern(name string) string {
	return "arn:aws:secretsmanager:" + DefaultRegion + ":" + DefaultAccount + ":secret:" + name
}

func TestPolicyEvaluation(t *testing.T) {
	describe := func(f fixture, id string) error {
		_, err := f.sm.DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
		return err
	}
	const action = "secretsmanager:DescribeSecret"
	runRules(t, []rule{
		{"what no policy allows is denied", evaluation, nil, func(f fixture) {
			f.create("app/a", "v")
			f.s.Attach(statement("Allow", "secretsmanager:ListSecrets", "*"))
			f.fails(describe(f, "app/a"), denied, "not authorized to perform: secretsmanager:DescribeSecret")
			f.s.AllowAll()
			f.ok(describe(f, "app/a"))
		}},
		{"a denial wins", evaluation, nil, func(f fixture) {
			f.create("app/a", "v")
			f.create("app/b", "v")
			f.s.Attach(statement("Allow", action, "*"), statement("Deny", action, secretPattern("app/b-*")))
			f.ok(describe(f, "app/a"))
			f.fails(describe(f, "app/b"), denied, "")
		}},
		{"resources are ARNs, also where a request gives a name", authorization, nil, func(f fixture) {
			f.create("app/a", "v")
			f.create("other/a", "v")
			f.s.Attach(statement("Allow", action, secretPattern("app/*")))
			f.ok(describe(f, "app/a"))
			f.ok(describe(f, f.s.Secret("app/a").ARN))
			f.fails(describe(f, "other/a"), denied, "")
			f.fails(describe(f, f.s.Secret("other/a").ARN), denied, "")
			f.fails(describe(f, "app/none"), "ResourceNotFoundException", "")
			f.s.Attach(statement("Allow", action, secretPattern("app/?-??????")))
			f.ok(describe(f, "app/a"))
		}},
		{"a list is of all secrets", authorization, nil, func(f fixture) {
			list := func() error {
				_, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{})
				return err
			}
			f.s.Attach(statement("Allow", "secretsmanager:ListSecrets", secretPattern("*")))
			f.fails(list(), denied, "")
			f.s.Attach(statement("Allow", "secretsmanager:List*", "*"))
			f.ok(list())
		}},
		{"a create with tags needs the right to tag", serviceModel, nil, func(f fixture) {
			f.s.Attach(statement("Allow", "secretsmanager:CreateSecret", secretPattern("app/*")))
			f.ok(f.tryCreateTagged("app/plain"))
			f.fails(f.tryCreateTagged("other/plain"), denied, "")
			f.fails(f.tryCreateTagged("app/tagged", "roi:policy"), denied, "secretsmanager:TagResource")
		}},
		{"keys of tags", multiValued, nil, func(f fixture) {
			f.create("app/a", "v")
			f.s.Attach(statement("Allow", "secretsmanager:TagResource", "*", `, "Condition": {"ForAllValues:StringLike": {"aws:TagKeys": "roi:*"}}`))
			f.ok(f.tag("app/a", "roi:policy", "v1", "roi:rotation", "v1"))
			f.fails(f.tag("app/a", "roi:policy", "v1", "team", "x"), denied, "")
		}},
		{"keys are used through Secrets Manager", keyPolicies, nil, func(f fixture) {
			key := f.s.AddKey(Key{})
			arn := "arn:aws:kms:" + DefaultRegion + ":" + DefaultAccount + ":key/" + key
			rights := func(condition string) []string {
				return []string{
					statement("Allow", "secretsmanager:CreateSecret", "*"),
					statement("Allow", "kms:GenerateDataKey", arn, condition), statement("Allow", "kms:Decrypt", arn, condition),
				}
			}
			create := func(name string) error {
				_, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{
					Name: &name, SecretString: aws.String("v"), KmsKeyId: &key, ClientRequestToken: aws.String(token1),
				})
				return err
			}
			f.s.Attach(rights(`, "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}}`)...)
			f.ok(create("app/a"))
			f.s.Attach(rights(`, "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}`)...)
			f.fails(create("app/b"), denied, "Access to KMS is not allowed")
			f.s.Attach(rights("")[:2]...)
			f.fails(create("app/b"), denied, "Access to KMS is not allowed")
			f.s.Attach(statement("Allow", "kms:DescribeKey", arn))
			_, err := f.kms.DescribeKey(f.Context(), &kms.DescribeKeyInput{KeyId: &key})
			f.ok(err)
			_, err = f.kms.DescribeKey(f.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/secretsmanager")})
			f.fails(err, denied, "")
		}},
		{"a namespace of metrics", "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html", nil, func(f fixture) {
			f.s.Attach(statement("Allow", "cloudwatch:PutMetricData", "*", `, "Condition": {"StringEquals": {"cloudwatch:namespace": "Shop"}}`))
			f.ok(f.publish("Shop", f.datum()))
			f.fails(f.publish("Other", f.datum()), "AccessDenied", "")
		}},
	})
}

func (f fixture) tryCreateTagged(name string, tags ...string) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("v"), ClientRequestToken: aws.String(token1)}
	for _, key := range tags {
		in.Tags = append(in.Tags, smtypes.Tag{Key: &key, Value: aws.String("x")})
	}
	_, err := f.sm.CreateSecret(f.Context(), in)
	return err
}

// A policy that the fake would misread fails the test.
func TestPoliciesThatAreNotModelledFailTheTest(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"no JSON":            "{",
		"NotAction":          `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}]}`,
		"old version":        `{"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}]}`,
		"no statement":       `{"Version": "2012-10-17", "Statement": []}`,
		"no resource":        `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:ListSecrets"}]}`,
		"effect":             statement("allow", "secretsmanager:ListSecrets", "*"),
		"no service":         statement("Allow", "ListSecrets", "*"),
		"misspelt action":    statement("Allow", "secretsmanager:ListSecret", "*"),
		"condition key":      statement("Allow", "secretsmanager:ListSecrets", "*", `, "Condition": {"StringEquals": {"aws:SourceIp": "1.2.3.4"}}`),
		"condition operator": statement("Allow", "secretsmanager:ListSecrets", "*", `, "Condition": {"StringNotEquals": {"aws:TagKeys": "x"}}`),
		"variable":           statement("Allow", "secretsmanager:TagResource", "*", `, "Condition": {"StringEquals": {"aws:TagKeys": "${aws:username}"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() != errFatal {
					t.Fatal("the policy was accepted")
				}
			}()
			Start(&fatal{TB: t}).Attach(document)
		})
	}
}
