// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Every case is refused in the plan, so that nothing changes.
func TestSecretBadInput(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	tooLong := strings.Repeat("aB3-", secretstore.MaxValueBytes/4) + "x"
	for name, test := range map[string]struct{ provider, body, message string }{
		"category and keys": {"", `
  name     = "x"
  category = "jwt"
  keys     = { A = { category = "jwt" } }`,
			`category and keys exclude each other with roi_secret.test`},
		"neither category nor keys": {"", `
  name = "x"`,
			`Error: Missing category, keys or value_wo`},
		"value and keys": {"", `
  name             = "x"
  keys             = { A = { category = "jwt" } }
  value_wo         = "y"
  value_wo_version = 1`,
			`Values for keys of a JSON object go into values_wo.`},
		"static without keys": {"", `
  name     = "x"
  category = "jwt"
  static   = { A = "b" }`,
			`static adds keys to a JSON secret, and this secret is one string. Add keys, which may be empty: keys = {}`},
		"policy beside keys": {"", `
  name   = "x"
  length = 70
  keys   = { A = { category = "jwt" } }`,
			`In a JSON secret each key has a policy of its own. Write length inside the entry of keys that it is meant for.`},
		"key twice": {"", `
  name   = "x"
  keys   = { A = { category = "jwt" } }
  static = { A = "b" }`,
			`"A" is in static, in plain text, and among the secret keys. Leave it in one of them.`},
		"value without version": {"", `
  name     = "x"
  value_wo = "y"`,
			`Attribute "value_wo_version" must be specified when "value_wo" is specified`},
		"nothing supplied for external": {"", `
  name     = "x"
  category = "external"`,
			`A value of category "external" comes from outside and is never generated. Supply it: category = "external" value_wo = var.value value_wo_version = 1`},
		"nothing supplied for a key": {"", `
  name = "x"
  keys = { CERT = { category = "tls" } }`,
			`values_wo = { CERT = var.value } values_wo_version = 1`},
		"key name": {"", `
  name = "x"
  keys = { "A B" = { category = "jwt" } }`,
			`must be 1 to 64 characters, each a letter, a digit or one of _ . -`},
		"name characters": {"", `
  name     = "a b"
  category = "jwt"`,
			`must be 1 to 512 characters, each a letter, a digit or one of / _ + = . @ -`},
		"name too long": {"", fmt.Sprintf(`
  name     = "%s"
  category = "jwt"`, strings.Repeat("n", 513)),
			`must be 1 to 512 characters, each a letter, a digit or one of / _ + = . @ -`},
		"recovery window": {"", `
  name                    = "x"
  category                = "jwt"
  recovery_window_in_days = 3`,
			`Attribute recovery_window_in_days value must be between 7 and 30, got: 3`},
		"reserved tag": {"", `
  name     = "x"
  category = "jwt"
  tags     = { "roi:policy" = "x" }`,
			`must not begin with "roi:", where this provider keeps its records`},
		"aws tag": {"", `
  name     = "x"
  category = "jwt"
  tags     = { "AWS:x" = "x" }`,
			`must not begin with "aws:"`},
		"one byte too many": {"", fmt.Sprintf(`
  name             = "x"
  value_wo         = "%s"
  value_wo_version = 1
  pattern_rules    = false`, tooLong),
			`The value of the secret would have 65537 bytes; Secrets Manager takes at most 65536.`},
		"below the floor": {"", `
  name     = "x"
  category = "jwt"
  length   = 32`,
			`length`},
		"unknown category": {"", `
  name     = "x"
  category = "jtw"`,
			`"jtw"`},
		"impossible": {"", `
  name               = "x"
  category           = "database"
  min_special        = 30
  min_digits         = 30`,
			`min_`},
		"weak supplied value": {"", `
  name             = "x"
  category         = "jwt"
  value_wo         = "changeme-changeme"
  value_wo_version = 1`,
			`The value does not satisfy the policy of category "jwt"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environment := test.provider
			if environment == "" {
				environment = `environment = "staging"`
			}
			steps(t, resource.TestStep{
				Config:      b.provider(environment) + "resource \"roi_secret\" \"test\" {" + test.body + "\n}",
				PlanOnly:    true,
				ExpectError: says(test.message),
			})
		})
	}
	t.Cleanup(func() {
		if got := b.fake.Count("CreateSecret"); got != 0 {
			t.Errorf("%d secrets were created", got)
		}
	})
}

func TestSecretLargestValue(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		value := strings.Repeat("aB3-", secretstore.MaxValueBytes/4)
		steps(t, resource.TestStep{
			Config: b.provider(`environment = "staging"`) + fmt.Sprintf(`
resource "roi_secret" "test" {
  name             = %q
  category         = "tls"
  value_wo         = %q
  value_wo_version = 1
}`, name, value),
			ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			Check: do(func() {
				if b.value(t, name, "") != value {
					t.Error("the value was not stored as it is")
				}
			}),
		})
	})
}

// A hundred keys of a hundred different policies beside ten tags.
func TestSecretHundredKeys(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		var keys, tags strings.Builder
		for i := range 100 {
			fmt.Fprintf(&keys, "    APPLICATION_KEY_%03d = { category = \"jwt\", length = %d }\n", i, 64+i)
		}
		for i := range 10 {
			fmt.Fprintf(&tags, "    tag%d = \"%s\"\n", i, strings.Repeat("v", 256))
		}
		steps(t, resource.TestStep{
			Config: b.provider(`environment = "staging"`) + fmt.Sprintf(`
resource "roi_secret" "test" {
  name = %q
  keys = {
%s  }
  tags = {
%s  }
}`, name, keys.String(), tags.String()),
			ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			Check: do(func() {
				if n := len(b.describe(t, name).Tags); n > secretstore.MaxTags-rotation.MaxRecords {
					t.Errorf("%d tags leave no place for %d rotations", n, rotation.MaxRecords)
				}
				if len(b.key(t, name, "APPLICATION_KEY_099")) != 163 {
					t.Error("the last key has another length than its policy says")
				}
			}),
		})
	})
}

func TestSecretTooManyTags(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	var tags strings.Builder
	for i := range 49 {
		fmt.Fprintf(&tags, "    tag%d = \"v\"\n", i)
	}
	config := func(tags string) string {
		return b.provider(`environment = "staging"`) + "resource \"roi_secret\" \"test\" {\n name = \"x\"\n category = \"jwt\"\n tags = {\n" + tags + "}\n}"
	}
	steps(t,
		resource.TestStep{Config: config(tags.String()), PlanOnly: true, ExpectError: says(
			"A secret has at most 50 tags. This one needs 49 of its own and 1 for its policies, and 1 are kept free for its rotations: 51 in all.")},
		resource.TestStep{Config: config(strings.Replace(tags.String(), "    tag0 = \"v\"\n", "", 1)), ConfigPlanChecks: action(plancheck.ResourceActionCreate)},
	)
}

func TestSecretKMSKey(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	aliased := b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	elsewhere := b.fake.AddKey(awsfake.Key{Rotation: true, Region: "eu-west-1"})
	deletion := time.Date(2030, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, test := range map[string]struct{ provider, key, message string }{
		"missing":    {"", `"alias/none"`, `There is no key "alias/none". Nothing was changed.`},
		"disabled":   {"", fmt.Sprintf("%q", b.fake.AddKey(awsfake.Key{State: "Disabled"})), `is disabled: secrets can neither be written nor read with it. Enable it:`},
		"asymmetric": {"", fmt.Sprintf("%q", b.fake.AddKey(awsfake.Key{Usage: "SIGN_VERIFY", Spec: "RSA_2048"})), `has usage SIGN_VERIFY and spec RSA_2048. Secrets Manager needs ENCRYPT_DECRYPT and SYMMETRIC_DEFAULT.`},
		"pending deletion": {"", fmt.Sprintf("%q", b.fake.AddKey(awsfake.Key{State: "PendingDeletion", DeletionDate: deletion})),
			`is scheduled for deletion on 2030-02-03. Whatever it encrypts is lost then.`},
		"default key in production":   {"", `null`, `Without a key of its own the secret would be encrypted with the account's default key alias/aws/secretsmanager, which is managed by AWS.`},
		"aws-managed in production":   {"", fmt.Sprintf("%q", b.fake.AddKey(awsfake.Key{Manager: "AWS"})), `is managed by AWS. Use a customer-managed key, or set in the provider: kms = { require_customer_managed_key = false }`},
		"another region":              {"", fmt.Sprintf("\"arn:aws:kms:eu-west-1:123456789012:key/%s\"", elsewhere), `eu-west-1`},
		"rotation required":           {"kms = { require_key_rotation = true }", fmt.Sprintf("%q", b.fake.AddKey(awsfake.Key{})), `has automatic rotation off, and the provider sets kms = { require_key_rotation = true }.`},
		"hsm required":                {"kms = { require_hsm = true }", `"alias/app"`, `has the origin AWS_KMS, and the provider sets kms = { require_hsm = true }.`},
		"customer-managed in staging": {"environment = \"staging\"\nkms = { require_customer_managed_key = true }", `null`, `KMS key is not customer-managed`},
		"good by alias":               {"", `"alias/app"`, ""},
		"good by id":                  {"", fmt.Sprintf("%q", aliased), ""},
		"default key, allowed":        {"kms = { require_customer_managed_key = false }", `null`, ""},
		"default key in staging":      {`environment = "staging"`, `null`, ""},
		"default key in development":  {`environment = "development"`, `null`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := resource.TestStep{
				Config: b.provider(test.provider) + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n name = \"kms/%s\"\n category = \"jwt\"\n kms_key_id = %s\n}",
					regexp.MustCompile(`[^a-z]`).ReplaceAllString(name, "_"), test.key),
			}
			if test.message != "" {
				step.PlanOnly, step.ExpectError = true, says(test.message)
			} else {
				step.ConfigPlanChecks = action(plancheck.ResourceActionCreate)
			}
			steps(t, step)
		})
	}
}

// AWS may answer with another name of the key than it was given.
func TestSecretKMSKeyByAnotherName(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t, awsfake.AliasARNs())
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	second := b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/second"}})
	config := func(key string) string {
		return b.provider() + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n name = \"kms\"\n category = \"jwt\"\n kms_key_id = %q\n}", key)
	}
	changed := do(func() {
		if got := b.describe(t, "kms").KMSKeyID; !strings.HasSuffix(got, second) {
			t.Errorf("the key is %s", got)
		}
	})
	steps(t,
		resource.TestStep{Config: config("alias/app"), ConfigPlanChecks: action(plancheck.ResourceActionCreate)},
		resource.TestStep{Config: config(second), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: changed},
	)
}

// Whoever may not ask for keys changes them all the same, and sees no drift.
func TestSecretKMSKeyThatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t, awsfake.AliasARNs())
	first := b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	second := b.fake.AddKey(awsfake.Key{Rotation: true})
	replicaFirst := b.fake.AddKey(awsfake.Key{Region: "eu-west-1", Aliases: []string{"alias/copy"}})
	replicaSecond := b.fake.AddKey(awsfake.Key{Region: "eu-west-1"})
	b.fake.Deny("DescribeKey")
	b.fake.Deny("GetKeyRotationStatus")
	config := func(key, replicaKey, more string) string {
		return b.provider() + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n name = \"kms\"\n category = \"jwt\"\n recovery_window_in_days = 0\n kms_key_id = %q\n"+
			" replicas = [{ region = \"eu-west-1\", kms_key_id = %q }]\n%s\n}", key, replicaKey, more)
	}
	has := func(key, replicaKey string) resource.TestCheckFunc {
		return do(func() {
			secret := b.describe(t, "kms")
			if got := secret.KMSKeyID; !strings.HasSuffix(got, key) {
				t.Errorf("the key is %s, not %s", got, key)
			}
			if got := secret.Replicas; len(got) != 1 || !strings.HasSuffix(got[0].KMSKeyID, replicaKey) {
				t.Errorf("the replica's key is not %s: %+v", replicaKey, got)
			}
		})
	}
	steps(t,
		resource.TestStep{Config: config("alias/app", "alias/copy", ""), Check: has("alias/app", "alias/copy")},
		resource.TestStep{Config: config(second, replicaSecond, ""), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: has(second, replicaSecond)},
		resource.TestStep{Config: config("alias/app", "alias/copy", ""), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: has("alias/app", "alias/copy")},
		resource.TestStep{Config: config("alias/app", "alias/copy", " description = \"other\""), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: has("alias/app", "alias/copy")},
		resource.TestStep{Config: config(first, replicaFirst, " description = \"other\""), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: has(first, replicaFirst)},
		resource.TestStep{ // and a plan does not show that it cannot tell
			PreConfig: func() {
				alias := "alias/app"
				if err := b.store.Update(t.Context(), b.describe(t, "kms").ARN, secretstore.UpdateInput{KMSKeyID: &alias}); err != nil {
					t.Fatal(err)
				}
			},
			Config:   config(first, replicaFirst, " description = \"other\""),
			PlanOnly: true,
		},
	)
}
