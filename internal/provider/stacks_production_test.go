// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

const productionSecret = "shop/production/app"

// olderAWSProvider is for moto, which does not know the protocol by which later versions
// call CloudWatch.
const olderAWSProvider = `
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}
`

// newProduction is a copy of the stack for production with hashicorp/aws. What differs
// in a test is an override.
func newProduction(t *testing.T, override string) *tfcli.Workspace {
	t.Helper()
	w := tfcli.New(t)
	copyExample(t, "stacks", w.Dir)
	useHashicorpProviders(t, w)
	w.Dir = filepath.Join(w.Dir, "production")
	w.WriteFile("test_override.tf", override)
	if result := w.Run("init", "-input=false", "-no-color"); result.ExitCode != 0 {
		missing(t, "hashicorp/aws is neither in a mirror nor to be had from the registry, so the stack for production was not run with it:\n"+result.Message())
	}
	return w
}

// The stack for production as it is, with hashicorp/aws: what it makes beside the
// secret is there when AWS is asked, fits the secret and its metrics, and goes with a
// destroy. The fake cannot do that, since it has neither IAM nor alarms; moto does not
// encrypt a replica with a key of its own, which TestStackProduction looks at.
func TestStackProductionOnMoto(t *testing.T) {
	t.Parallel()
	account := newMotoAccount(t)
	w := newProduction(t, olderAWSProvider)
	account.use(w)
	oidc := "arn:aws:iam::" + account.id + ":oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
	topic := "arn:aws:sns:eu-central-1:" + account.id + ":on-call"
	w.SetEnv("TF_VAR_image", "registry.shop.example/api:1.0")
	w.SetEnv("TF_VAR_oidc_provider_arn", oidc)
	w.SetEnv("TF_VAR_topic_arn", topic)
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	first, second := account.backend(awsfake.DefaultRegion), account.backend(secondRegion)
	scanner := leak.New(t)
	before := stackValues(t, first, productionSecret, scanner, nil)
	secret := first.describe(t, productionSecret)
	account.checkKeys(t, secret.KMSKeyID)
	role := account.checkRole(t, oidc, secret.ARN, secret.KMSKeyID)
	checkManifests(t, w, role, stackKeys)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	w.Apply().Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	after := stackValues(t, first, productionSecret, scanner, before)
	if diff := cmp.Diff(without(stackKeys, "ENCRYPTION_KEY"), changed(before, after)); diff != "" {
		t.Errorf("rotated after 91 days (-want +got):\n%s", diff)
	}
	if len(changed(after, stackValues(t, second, productionSecret, scanner, before))) > 0 {
		t.Error("the second region has other values")
	}
	w.Plan().Require(t, 0)
	account.checkMonitoring(t, topic)
	w.LeakCheck(scanner)

	w.Destroy().Require(t, 0)
	account.checkGone(t, secret.ARN)
}

// checkKeys asserts that each region has one key, which AWS rotates, and that the
// secret is encrypted with that of the first one.
func (a *motoAccount) checkKeys(t *testing.T, ofSecret string) {
	t.Helper()
	for _, region := range []string{awsfake.DefaultRegion, secondRegion} {
		client := kms.NewFromConfig(a.config(region))
		keys, err := client.ListKeys(t.Context(), &kms.ListKeysInput{})
		if err != nil {
			t.Fatal(err)
		}
		if len(keys.Keys) != 1 {
			t.Fatalf("%s has %d keys, want 1", region, len(keys.Keys))
		}
		key := keys.Keys[0]
		status, err := client.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: key.KeyId})
		if err != nil || !status.KeyRotationEnabled {
			t.Errorf("the key of %s is not rotated (%v)", region, err)
		}
		if region == awsfake.DefaultRegion && *key.KeyArn != ofSecret {
			t.Errorf("the secret has the key %s, want %s", ofSecret, *key.KeyArn)
		}
		if region == secondRegion && a.replicaKeys[region] != *key.KeyArn {
			t.Errorf("the replica was to have the key %q, want %s", a.replicaKeys[region], *key.KeyArn)
		}
	}
}

// policyDocument is an IAM policy.
type policyDocument struct {
	Statement []struct {
		Effect    string
		Principal struct{ Federated string }
		Action    any
		Resource  string
		Condition map[string]map[string]string
	}
}

func parsePolicy(t *testing.T, escaped *string) policyDocument {
	t.Helper()
	text, err := url.PathUnescape(aws.ToString(escaped))
	var document policyDocument
	if err == nil {
		err = json.Unmarshal([]byte(text), &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// checkRole asserts that one service account can assume the role, which can read the
// secret and nothing else, and returns the role's ARN.
func (a *motoAccount) checkRole(t *testing.T, oidc, secret, key string) string {
	t.Helper()
	const name = "shop-production-secrets-read"
	client := iam.NewFromConfig(a.config(awsfake.DefaultRegion))
	role, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	issuer := strings.SplitAfter(oidc, "oidc-provider/")[1]
	trust := parsePolicy(t, role.Role.AssumeRolePolicyDocument).Statement
	if len(trust) != 1 || trust[0].Principal.Federated != oidc || trust[0].Action != "sts:AssumeRoleWithWebIdentity" {
		t.Fatalf("the role can be assumed by %+v", trust)
	}
	want := map[string]map[string]string{"StringEquals": {issuer + ":aud": "sts.amazonaws.com", issuer + ":sub": "system:serviceaccount:shop:shop-secrets"}}
	if diff := cmp.Diff(want, trust[0].Condition); diff != "" {
		t.Errorf("conditions of the trust (-want +got):\n%s", diff)
	}

	policies, err := client.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: aws.String(name)})
	if err != nil || len(policies.PolicyNames) != 1 {
		t.Fatalf("the role has the policies %v (%v)", policies, err)
	}
	policy, err := client.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String(name), PolicyName: &policies.PolicyNames[0]})
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, statement := range parsePolicy(t, policy.PolicyDocument).Statement {
		allowed = append(allowed, fmt.Sprint(statement.Effect, " ", statement.Action, " on ", statement.Resource, " if ", statement.Condition))
	}
	wantAllowed := []string{
		"Allow [secretsmanager:GetSecretValue secretsmanager:DescribeSecret] on " + secret + " if map[]",
		"Allow kms:Decrypt on " + key + " if map[StringEquals:map[kms:EncryptionContext:SecretARN:" + secret + "]]",
	}
	if diff := cmp.Diff(wantAllowed, allowed); diff != "" {
		t.Errorf("what the role can do (-want +got):\n%s", diff)
	}
	return *role.Role.Arn
}

// cloudWatch is what the account's CloudWatch answers.
type cloudWatch struct {
	Alarms []struct {
		Name       string   `xml:"AlarmName"`
		Namespace  string   `xml:"Namespace"`
		Metric     string   `xml:"MetricName"`
		Dimensions []named  `xml:"Dimensions>member"`
		Operator   string   `xml:"ComparisonOperator"`
		Threshold  float64  `xml:"Threshold"`
		Actions    []string `xml:"AlarmActions>member"`
	} `xml:"DescribeAlarmsResult>MetricAlarms>member"`
	Dashboards []string `xml:"ListDashboardsResult>DashboardEntries>member>DashboardName"`
	Body       string   `xml:"GetDashboardResult>DashboardBody"`
}

type named struct{ Name, Value string }

// cloudWatch asks by the query protocol. moto does not know the one of today's
// clients, so that on it nothing is published either: TestStackProduction looks at that.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html
func (a *motoAccount) cloudWatch(t *testing.T, action string, parameters url.Values) (answer cloudWatch) {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-08-01"}}
	maps.Copy(form, parameters)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// moto checks no signature.
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260101/%s/monitoring/aws4_request, SignedHeaders=host, Signature=0",
		a.credentials.AccessKeyID, awsfake.DefaultRegion))
	request.Header.Set("X-Amz-Security-Token", a.credentials.SessionToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", action, response.Status)
	}
	if err := xml.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// checkMonitoring asserts that alarms and dashboard are on the metrics of the secret:
// CloudWatch finds a metric by its exact dimensions.
func (a *motoAccount) checkMonitoring(t *testing.T, topic string) {
	t.Helper()
	got := map[string]string{}
	for _, alarm := range a.cloudWatch(t, "DescribeAlarms", nil).Alarms {
		slices.SortFunc(alarm.Dimensions, func(a, b named) int { return strings.Compare(b.Name, a.Name) })
		got[alarm.Name] = fmt.Sprint(alarm.Namespace, " ", alarm.Metric, " ", alarm.Dimensions, " ", alarm.Operator, " ", alarm.Threshold, " ", alarm.Actions)
	}
	const on = " [{" + metrics.DimensionSecret + " " + productionSecret + "} {" + metrics.DimensionEnvironment + " production}] "
	want := map[string]string{
		"shop-production-secret-due":             metrics.DefaultNamespace + " " + metrics.DaysRemaining + on + "LessThanThreshold 7 [" + topic + "]",
		"shop-production-secret-rotation-failed": metrics.DefaultNamespace + " " + metrics.RotationFailure + on + "GreaterThanThreshold 0 [" + topic + "]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alarms (-want +got):\n%s", diff)
	}

	var body struct {
		Widgets []struct {
			Properties struct {
				Region  string
				Metrics [][]string
			}
		}
	}
	text := a.cloudWatch(t, "GetDashboard", url.Values{"DashboardName": {"shop-production-secrets"}}).Body
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	var shown, wantShown [][]string
	for _, widget := range body.Widgets {
		for _, metric := range widget.Properties.Metrics {
			shown = append(shown, append([]string{widget.Properties.Region}, metric...))
		}
	}
	for _, name := range []string{metrics.DaysRemaining, metrics.RotationSuccess, metrics.RotationFailure} {
		wantShown = append(wantShown, []string{
			awsfake.DefaultRegion, metrics.DefaultNamespace, name, metrics.DimensionSecret, productionSecret, metrics.DimensionEnvironment, "production",
		})
	}
	if diff := cmp.Diff(wantShown, shown); diff != "" {
		t.Errorf("the dashboard shows (-want +got):\n%s", diff)
	}
}

// checkGone asserts that nothing is left but what AWS keeps for a while: the secret
// and its keys, which are scheduled for deletion.
func (a *motoAccount) checkGone(t *testing.T, secret string) {
	t.Helper()
	if a.backend(awsfake.DefaultRegion).describe(t, secret).DeletedAt.IsZero() {
		t.Error("the secret is not scheduled for deletion")
	}
	_, err := iam.NewFromConfig(a.config(awsfake.DefaultRegion)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("shop-production-secrets-read")})
	var gone *iamtypes.NoSuchEntityException
	if !errors.As(err, &gone) {
		t.Errorf("the role is there after the destroy (%v)", err)
	}
	if alarms := a.cloudWatch(t, "DescribeAlarms", nil).Alarms; len(alarms) > 0 {
		t.Errorf("after the destroy there are alarms: %v", alarms)
	}
	if dashboards := a.cloudWatch(t, "ListDashboards", nil).Dashboards; len(dashboards) > 0 {
		t.Errorf("after the destroy there are dashboards: %v", dashboards)
	}
	for _, region := range []string{awsfake.DefaultRegion, secondRegion} {
		client := kms.NewFromConfig(a.config(region))
		keys, err := client.ListKeys(t.Context(), &kms.ListKeysInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys.Keys {
			described, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key.KeyId})
			if err != nil || described.KeyMetadata.DeletionDate == nil {
				t.Errorf("the key of %s is not scheduled for deletion (%v)", region, err)
			}
		}
	}
}
