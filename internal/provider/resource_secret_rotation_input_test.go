// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Bad input is refused by the plan, which names the argument and the limit.
func TestRotationBadInput(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, strings.ReplaceAll(jsonSecret, `"test"`, `"json"`)+`
resource "roi_secret" "supplied" {
  name             = "app/supplied"
  value_wo         = "Supplied-by-h4nd_Qm7sWv2Zx9Kd4Rf6tYp3"
  value_wo_version = 1
}
`)
	c.fake.Seed(awsfake.Seed{Name: "app/other", Versions: []awsfake.SeedVersion{
		{Value: secretstore.NewPlaintext("anything"), Labels: []string{secretstore.Current}},
	}})
	secrets := oneString + strings.ReplaceAll(jsonSecret, `"test"`, `"json"`)
	for _, test := range []struct {
		name      string
		arguments []string
		secret    string // default: the one string
		want      []string
	}{
		{"rotation_days 0", []string{"rotation_days = 0"}, "", []string{"Attribute rotation_days value must be between 1 and 1000, got: 0"}},
		{"rotation_days over 1000", []string{"rotation_days = 1001"}, "", []string{"Attribute rotation_days value must be between 1 and 1000, got: 1001"}},
		{"rotate_before", []string{"rotation_days = 7", `rotate_before = "168h"`}, "", []string{
			`rotate_before = "168h" must be shorter than the rotation interval of 7 days`}},
		{"rotate_before longer than the policy's interval", []string{`rotate_before = "2161h"`}, "", []string{
			`rotate_before = "2161h" must be shorter than the rotation interval of 90 days`}},
		{"rotate_before negative", []string{`rotate_before = "-1h"`}, "", []string{`Attribute rotate_before must be a duration of 0 or more`}},
		{"grace_period", []string{"rotation_days = 1", `grace_period = "25h"`}, "", []string{
			`grace_period = "25h" must not be longer than the rotation interval of 1 days`}},
		{"unknown key", []string{`keys = ["MISSING"]`}, "app/all", []string{`has no key "MISSING" with a policy. It has: ENC, JWT, SESSION.`}},
		{"keys of one string", []string{`keys = ["JWT"]`}, "", []string{"is one string and has no keys. Leave keys out."}},
		{"no keys", []string{`keys = []`}, "app/all", []string{"Attribute keys set must contain at least 1 elements, got: 0"}},
		{"name of a key", []string{`keys = ["A B"]`}, "app/all", []string{"must be 1 to 64 characters, each a letter, a digit or one of _ . -"}},
		{"previous_key_suffix between named keys", []string{`keys = ["JWT", "JWT_OLD"]`, `previous_key_suffix = "_OLD"`}, "app/all", []string{
			`With previous_key_suffix = "_OLD" the previous value of "JWT" would be stored under "JWT_OLD", which is a key of its own.`}},
		{"previous_key_suffix for one string", []string{`previous_key_suffix = "_OLD"`}, "", []string{"previous_key_suffix needs a JSON secret"}},
		{"previous_key_suffix malformed", []string{`previous_key_suffix = " OLD"`}, "app/all", []string{"must be 1 to 32 characters, each a letter, a digit or one of _ . -"}},
		{"no policy", nil, "app/other", []string{"carries no policy in its tags", "Manage it with a roi_secret, or set category here."}},
		{"policy below the floor", []string{`category = "jwt"`, "length = 15"}, "app/other", []string{"Policy below the floor", "length = 15 is below the floor of 16 characters"}},
		{"category beside a policy", []string{`category = "jwt"`}, "", []string{"Secret has a policy of its own"}},
		{"policy without category", []string{"length = 40"}, "", []string{"length needs category"}},
		{"grace period of key material", []string{`keys = ["ENC"]`, `grace_period = "1h"`}, "app/all", []string{`of category "encryption" has encrypted must stay readable`}},
		{"health check URL", []string{`health_check = [{ url = "ftp://user:hunter2@example.com" }]`}, "", []string{
			"Attribute health_check[0].url must be an http or https URL without a user name or password"}},
		{"health check timeout", []string{`health_check = [{ url = "https://example.com", timeout = "0s" }]`}, "", []string{
			`Attribute health_check[0].timeout must be a duration of more than 0 and at most "1h"`}},
	} {
		secret := test.secret
		if secret == "" {
			secret = "app/jwt"
		}
		c.write(secrets, rotationBlock(append([]string{`secret_id = "` + secret + `"`}, test.arguments...)...))
		result := c.Plan()
		if result.ExitCode != 1 {
			t.Errorf("%s: exit code %d:\n%s", test.name, result.ExitCode, result.Message())
		}
		for _, want := range test.want {
			if !strings.Contains(result.Message(), want) {
				t.Errorf("%s: got\n%s\nwant %q", test.name, result.Message(), want)
			}
		}
		if strings.Contains(result.Message(), "hunter2") {
			t.Errorf("%s: the message shows a password", test.name)
		}
	}

	for value, want := range map[string]string{
		"soon":    `"soon"`,
		"+99999d": `"+99999d"`,
	} {
		c.write(secrets)
		c.SetEnv("ROI_PLAN_AS_OF", value)
		result := c.Plan()
		result.Require(t, 1)
		c.contains(result, "The environment variable ROI_PLAN_AS_OF must be an RFC 3339 time", want)
	}
}

// A key has one rotation.
func TestRotationOverlap(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	c.write(jsonSecret, jwtRotation, rotationOf("other", `keys = ["JWT", "SESSION"]`))
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, `The key "JWT" of the secret`, "is named by another rotation")
}

// A supplied value is tracked, and never made up.
func TestRotationOfSuppliedValue(t *testing.T) {
	t.Parallel()
	const supplied = `
resource "roi_secret" "test" {
  name             = "app/supplied"
  value_wo         = "Supplied-by-h4nd_Qm7sWv2Zx9Kd4Rf6tYp3"
  value_wo_version = 1
}
`
	c := newCLI(t)
	c.apply(supplied, rotationOf("test"))
	first, _, _ := c.labels("app/supplied")
	c.advance(91 * day)
	result := c.Plan()
	result.Require(t, 0)
	c.contains(result, "Secret is overdue", "It comes from outside and is never made up")
	c.SetEnv("ROI_ROTATION_OVERDUE", "error")
	c.contains(c.Plan(), "Its value comes from outside", "supply a new one in its roi_secret")
	c.SetEnv("ROI_ROTATION_OVERDUE", "")
	c.write(supplied, rotationOf("test", `triggers = { incident = "1" }`))
	result = c.Plan()
	result.Require(t, 1)
	c.contains(result, "Supplied value cannot be rotated")
	c.apply(strings.NewReplacer("h4nd", "h3art", "version = 1", "version = 2").Replace(supplied), rotationOf("test"))
	c.Apply().Require(t, 0)
	second, _, _ := c.labels("app/supplied")
	if second == first || c.attribute("version_id") != second || c.attribute("overdue") != false {
		t.Errorf("after a new value version_id is %v and overdue %v; AWSCURRENT is on %s", c.attribute("version_id"), c.attribute("overdue"), second)
	}
	c.nothingToDo()
}

// A create that will rotate says so in the plan.
func TestRotationOnCreate(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(strings.Replace(oneString, `"jwt"`, `"database"`, 1))
	c.write(strings.Replace(oneString, `"jwt"`, `"database"`, 1), rotationOf("test", "rotate_on_create = true"))
	result := c.Plan()
	result.Require(t, 2)
	c.contains(result, "Secret will be rotated", "rotate_on_create is set", "Target must take over the new value")
	c.Apply().Require(t, 0)
	if c.versions("app/jwt") != 2 {
		t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
	}
	c.nothingToDo()
	result = c.Apply("-replace=roi_secret_rotation.test")
	result.Require(t, 0)
	if c.versions("app/jwt") != 3 {
		t.Errorf("there are %d versions after -replace, want 3", c.versions("app/jwt"))
	}
}
