// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// What the policies in examples/ci/iam name.
const (
	shopAccount = "111122223333"
	shopKey     = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

// shop is the account that examples/ci is about.
func newShop(t *testing.T) (backend, time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := fakeBackend(t, awsfake.At(now), awsfake.Account(shopAccount))
	b.fake.AddKey(awsfake.Key{ID: shopKey, Rotation: true, Aliases: []string{"alias/shop"}})
	return b, now
}

// shopModule is a root module of examples/ci over a shop, with credentials in the
// environment, as in CI.
func shopModule(t *testing.T, b backend, now time.Time, name string) *cli {
	t.Helper()
	c := cliOver(t, b, now)
	copyExample(t, filepath.Join("ci", name), c.Dir)
	for variable, value := range shopEnvironment(b) {
		c.SetEnv(variable, value)
	}
	c.Init()
	return c
}

func shopEnvironment(b backend) map[string]string {
	return map[string]string{
		"AWS_REGION": awsfake.DefaultRegion, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-key",
		"AWS_ENDPOINT_URL": b.fake.URL(), "AWS_ENDPOINT_URL_STS": b.fake.URL(), "TF_VAR_kms_key_id": "alias/shop",
		"TF_LOG": "ERROR", // there are many runs
	}
}

// copyExample copies a folder under examples.
func copyExample(t *testing.T, name, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "examples", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// putByHand gives a secret a new value, as a person with the AWS CLI would.
func putByHand(t *testing.T, b backend, id string) {
	t.Helper()
	b.fake.AllowAll()
	_, err := secretsmanager.NewFromConfig(b.fake.Config()).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &id, SecretString: aws.String(uuid.NewString() + uuid.NewString()), ClientRequestToken: aws.String(uuid.NewString()),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A run with a policy attached ends at the first command that does not do what it
// does with all rights; what it says is returned, and "" if there is none.
type policyRun func(t *testing.T, policy string) string

// complaints are what a missing right leads to.
var complaints = regexp.MustCompile(`AccessDenied|not authorized to perform|KMS key is not rotated|KMS key could not be checked|` + notPublished)

func complaint(result tfcli.Result, code int) string {
	if text := result.Message(); result.ExitCode != code || complaints.MatchString(text) {
		return text
	}
	return ""
}

// checkPolicy shows that a policy allows a run, and that it does not without any
// single one of its actions, which the run then names.
func checkPolicy(t *testing.T, name string, parallel bool, run policyRun) {
	t.Helper()
	document := readExample(t, "ci/iam/"+name)
	if text := run(t, document); text != "" {
		t.Fatalf("with %s:\n%s", name, text)
	}
	for _, action := range actionsOf(t, document) {
		t.Run(strings.ReplaceAll(action, ":", " "), func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			text := run(t, withoutAction(t, document, action))
			if text == "" {
				t.Fatalf("the run does not need %s, so it should not be in %s", action, name)
			}
			if !strings.Contains(text, action) {
				t.Errorf("what the run says does not name %s:\n%s", action, text)
			}
		})
	}
}

// iamDocument is a policy whose actions may be a string or a list.
type iamDocument struct {
	Version   string
	Statement []map[string]any
}

func actionsOf(t *testing.T, document string) []string {
	t.Helper()
	var policy iamDocument
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, statement := range policy.Statement {
		actions = append(actions, statementActions(statement)...)
	}
	return actions
}

func statementActions(statement map[string]any) []string {
	switch action := statement["Action"].(type) {
	case string:
		return []string{action}
	case []any:
		var actions []string
		for _, one := range action {
			text, _ := one.(string)
			actions = append(actions, text)
		}
		return actions
	}
	return nil
}

func withoutAction(t *testing.T, document, action string) string {
	t.Helper()
	var policy, rest iamDocument
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatal(err)
	}
	rest.Version = policy.Version
	for _, statement := range policy.Statement {
		actions := slices.DeleteFunc(statementActions(statement), func(a string) bool { return a == action })
		if len(actions) == 0 {
			continue
		}
		statement["Action"] = actions
		rest.Statement = append(rest.Statement, statement)
	}
	text, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A pull request: both root modules are planned, one of whose secrets has a version
// that somebody made by hand.
func TestPlanPolicyIsEnoughAndMinimal(t *testing.T) {
	t.Parallel()
	b, now := newShop(t)
	shop := shopModule(t, b, now, "shop")
	shop.Apply().Require(t, 0)
	putByHand(t, b, "shop/production/jwt")
	report := shopModule(t, b, now, "report")

	checkPolicy(t, "plan.json", false, func(_ *testing.T, policy string) string {
		b.fake.Attach(policy)
		if text := complaint(shop.Plan("-lock=false"), 2); text != "" { // the hand-made version shows
			return text
		}
		return complaint(report.Plan("-lock=false"), 2) // its outputs
	})

	// It is a role for plans.
	b.fake.Attach(readExample(t, "ci/iam/plan.json"))
	result := shop.Apply("-var=incident=INC-1")
	result.Require(t, 1)
	shop.contains(result, "secretsmanager:TagResource")
}

// A merge: secrets are created, changed, replaced and removed, and rotated because
// of an incident.
func TestApplyPolicyIsEnoughAndMinimal(t *testing.T) {
	t.Parallel()
	checkPolicy(t, "apply.json", true, func(t *testing.T, policy string) string {
		b, now := newShop(t)
		shop := shopModule(t, b, now, "shop")
		edit := func(from, to string) {
			t.Helper()
			before, err := os.ReadFile(filepath.Join(shop.Dir, "main.tf"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(before), from) != 1 {
				t.Fatalf("main.tf has %q %d times", from, strings.Count(string(before), from))
			}
			shop.WriteFile("main.tf", strings.Replace(string(before), from, to, 1))
		}
		edit(`category                = "jwt"`, `category = "jwt"`+"\n  tags = { team = \"blue\" }")
		steps := []func() string{
			func() string { return complaint(shop.Apply(), 0) },
			func() string {
				edit(`tags = { team = "blue" }`, `description = "Signs sessions"`)
				edit(`WEBHOOK_SECRET = {`, "PARTNER_SECRET = { category = \"api_key\" }\n    WEBHOOK_SECRET = {")
				return complaint(shop.Apply(), 0)
			},
			func() string {
				putByHand(t, b, "shop/production/jwt")
				b.fake.Attach(policy)
				return complaint(shop.Apply("-var=incident=INC-42"), 0)
			},
			func() string { return complaint(shop.Apply("-var=incident=INC-42", "-replace=roi_secret.jwt"), 0) },
			func() string { return complaint(shop.Destroy(), 0) },
		}
		b.fake.Attach(policy)
		for _, step := range steps {
			if text := step(); text != "" {
				return text
			}
		}
		return ""
	})
}

// The nightly job: it publishes when everything is due and rotates what is.
func TestRotatePolicyIsEnoughAndMinimal(t *testing.T) {
	t.Parallel()
	checkPolicy(t, "rotate.json", true, func(t *testing.T, policy string) string {
		b, now := newShop(t)
		shop := shopModule(t, b, now, "shop")
		shop.Apply().Require(t, 0)
		putByHand(t, b, "shop/production/jwt")
		shop.advance(95 * day)
		report := shopModule(t, b, shop.now, "report")
		b.fake.Attach(policy)
		if text := complaint(report.Plan("-lock=false", "-var=publish_metrics=true"), 2); text != "" {
			return text
		}
		if text := complaint(shop.Apply(), 0); text != "" {
			return text
		}
		shop.advance(2 * time.Hour) // the grace period is over
		if text := complaint(shop.Apply(), 0); text != "" {
			return text
		}
		if shop.versions("shop/production/jwt") != 3 || shop.versions("shop/production/app") != 2 {
			t.Errorf("there are %d and %d versions, want 3 and 2", shop.versions("shop/production/jwt"), shop.versions("shop/production/app"))
		}

		// It can neither change a secret nor write tags other than the records.
		shop.WriteFile("tags_override.tf", `resource "roi_secret" "jwt" { tags = { team = "red" } }`)
		if result := shop.Apply(); complaint(result, 0) == "" || !strings.Contains(result.Message(), "secretsmanager:TagResource") {
			t.Errorf("the role for rotations has changed a tag:\n%s", result.Message())
		}
		return ""
	})
}

// The three policies are for one account, region and key, which the guide says to
// replace.
func TestPoliciesNameOnePlace(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(os.DirFS(filepath.Join("..", "..", "examples", "ci", "iam")), "*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("policies: %v, %v", files, err)
	}
	arn := regexp.MustCompile(`arn:[^"]*`)
	allowed := []string{
		"arn:aws:secretsmanager:" + awsfake.DefaultRegion + ":" + shopAccount + ":secret:shop/*",
		"arn:aws:kms:" + awsfake.DefaultRegion + ":" + shopAccount + ":key/" + shopKey,
	}
	for _, file := range files {
		for _, found := range arn.FindAllString(readExample(t, "ci/iam/"+file), -1) {
			if !slices.Contains(allowed, found) {
				t.Errorf("%s names %s", file, found)
			}
		}
	}
}
