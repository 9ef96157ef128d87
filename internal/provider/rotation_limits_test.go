// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// seedKeys seeds a JSON secret of keys K01, K02, …, of which the first ones have
// a rotation each.
func (c *cli) seedKeys(name string, keys, rotations int) {
	c.t.Helper()
	jwt, _ := policy.Builtin("jwt")
	version := secretstore.DeriveVersionID("seed", name)
	object := &secretstore.Object{}
	policies := map[string]policy.Record{}
	for n := range keys {
		key := fmt.Sprintf("K%02d", n+1)
		object.Set(key, "first "+key)
		policies[key] = policy.Record{Policy: jwt, MadeAt: c.now}
	}
	tags, err := policy.EncodeRecords(policies)
	for n := range rotations {
		named := []string{fmt.Sprintf("K%02d", n+1)}
		var text string
		if err == nil {
			text, err = rotation.Record{Keys: named, Current: version, At: c.now}.Encode()
		}
		if err == nil {
			tags[rotation.TagKey(named)] = text
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.fake.Seed(awsfake.Seed{Name: name, Tags: tags, Versions: []awsfake.SeedVersion{
		{ID: version, Value: object.Plaintext(), Labels: []string{secretstore.Current}},
	}})
}

func (c *cli) records(id string) map[string]rotation.Record {
	c.t.Helper()
	records, err := rotation.DecodeAll(c.describe(c.t, id).Tags)
	if err != nil {
		c.t.Error(err)
	}
	return records
}

// wrote reports whether a request has changed anything.
func wrote(fake *awsfake.Server) bool {
	for _, call := range fake.Calls() {
		switch call.Op {
		case "DescribeSecret", "ListSecretVersionIds", "GetSecretValue", "DescribeKey", "GetKeyRotationStatus", "GetCallerIdentity":
		default:
			return true
		}
	}
	return false
}

// A secret has at most 15 rotations.
func TestTooManyRotations(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.seedKeys("app/many", 17, 15)
	c.write(rotationBlock(`secret_id = "app/many"`, `keys = ["K16"]`))
	c.Init()
	c.fake.ResetCalls()
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "Too many rotations", "With this one the secret", "has 16 rotations, and at most 15 are possible", "Let one rotation have several keys.")
	if wrote(c.fake) {
		t.Errorf("the plan made the requests %s", requests(c.fake))
	}

	// Two that are made at once count both.
	c.seedKeys("app/fewer", 17, 14)
	block := func(name, id, key string) string {
		return strings.Replace(rotationBlock(`secret_id = `+id, fmt.Sprintf("keys = [%q]", key)), `"test"`, fmt.Sprintf("%q", name), 1)
	}
	c.write(block("test", `"app/fewer"`, "K15"), block("other", `"app/fewer"`, "K16"))
	result = c.Plan()
	result.Require(t, 1)
	c.contains(result, "has 16 rotations, and at most 15 are possible")

	// Where the plan does not know that it is the same secret, the apply stops.
	c.write(block("test", `"app/fewer"`, "K15"), block("other", "terraform_data.id.output", "K16"), `resource "terraform_data" "id" { input = "app/fewer" }`)
	c.Plan().Require(t, 2)
	result = c.Apply()
	result.Require(t, 1)
	c.contains(result, "has 16 rotations, and at most 15 are possible")
	if n := len(c.records("app/fewer")); n > 15 {
		t.Errorf("there are %d records", n)
	}
	if c.versions("app/fewer") != 1 {
		t.Error("something was rotated")
	}
}

// A whole replacement of a JSON rotation beside a running grace period.
func TestRotationBudgetBesideGrace(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation, sessionRotation)
	first, _, _ := c.labels("app/all")
	c.Apply("-replace=roi_secret_rotation.session").Require(t, 0)
	c.advance(time.Minute)
	c.fake.ResetCalls()
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	// Ten for the replacement, one for the refresh of all three.
	if got, want := requests(c.fake), "DescribeSecret 3, GetSecretValue 1, PutSecretValue 1, TagResource 3, UpdateSecretVersionStage 3"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	if _, previous, pending := c.labels("app/all"); previous != first || pending != "" {
		t.Errorf("AWSPREVIOUS is on %s, want %s, AWSPENDING on %q", previous, first, pending)
	}
	c.nothingToDo()
}

// rotation.overdue = "error" fails every plan before anything is written.
func TestRotationOverdueError(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"))
	c.advance(91 * day)
	c.SetEnv("ROI_ROTATION_OVERDUE", "error")
	arn := c.describe(t, "app/jwt").ARN
	message := "The value of " + arn + ` has been overdue for rotation since 2027-02-21T12:00:00Z, and the provider sets rotation.overdue = "error". ` +
		`Apply with rotation = { overdue = "replace" } in the provider, or ROI_ROTATION_OVERDUE=replace, to rotate it; a destroy needs that as well.`
	for _, command := range [][]string{
		{"plan", "-input=false", "-no-color", "-detailed-exitcode"}, {"apply", "-auto-approve", "-input=false", "-no-color"},
		{"apply", "-auto-approve", "-input=false", "-no-color", "-replace=roi_secret_rotation.test"}, {"destroy", "-auto-approve", "-input=false", "-no-color"},
	} {
		c.fake.ResetCalls()
		result := c.Run(command...)
		if result.ExitCode != 1 {
			t.Errorf("%v: exit code %d", command, result.ExitCode)
		}
		c.contains(result, "Error: Secret is overdue", message)
		if wrote(c.fake) {
			t.Errorf("%v made the requests %s", command, requests(c.fake))
		}
	}

	// A rotation that is new finds a value that is due.
	other := cliOver(t, c.backend, c.now)
	other.SetEnv("ROI_ROTATION_OVERDUE", "error")
	other.write(rotationBlock(`secret_id = "app/jwt"`))
	other.Init()
	c.fake.ResetCalls()
	result := other.Apply()
	result.Require(t, 1)
	other.contains(result, "Error: Secret is overdue", `has been overdue for rotation since 2027-02-21T12:00:00Z, and the provider sets rotation.overdue = "error".`)
	if wrote(c.fake) {
		t.Errorf("a create made the requests %s", requests(c.fake))
	}

	c.SetEnv("ROI_ROTATION_OVERDUE", "replace")
	c.Destroy().Require(t, 0)
}

// The name for previous values may be taken by a key that only the secret knows.
func TestSuffixCollidesWithRecordedKey(t *testing.T) {
	t.Parallel()
	const secret = `
resource "roi_secret" "test" {
  name = "app/all"
  keys = {
    JWT     = { category = "jwt" }
    JWT_OLD = { category = "api_key" }
    SESSION = { category = "session" }
  }
  static = { SESSION_WAS = "db.internal" }
}
`
	c := newCLI(t)
	c.apply(secret)
	first, _, _ := c.labels("app/all")
	const message = `With previous_key_suffix = "_OLD" the previous value of "JWT" would be stored under "JWT_OLD", which is a key of its own. Choose another suffix.`
	for _, keys := range []string{`keys = ["JWT"]`, ""} {
		c.write(secret, rotationOf("test", keys, `previous_key_suffix = "_OLD"`))
		result := c.Plan()
		if result.ExitCode != 1 || !strings.Contains(result.Message(), message) {
			t.Errorf("a new rotation with %q: exit code %d:\n%s", keys, result.ExitCode, result.Message())
		}
	}
	// A change in place.
	c.apply(secret, rotationOf("test", `keys = ["JWT"]`))
	c.write(secret, rotationOf("test", `keys = ["JWT"]`, `previous_key_suffix = "_OLD"`))
	result := c.Plan()
	if result.ExitCode != 1 || !strings.Contains(result.Message(), message) {
		t.Errorf("a suffix that is added in place: exit code %d:\n%s", result.ExitCode, result.Message())
	}
	// A static value has no policy.
	c.apply(secret)
	c.apply(secret, rotationOf("session", `keys = ["SESSION"]`, `previous_key_suffix = "_WAS"`))
	c.contains(c.Apply("-replace=roi_secret_rotation.session"), `has a key "SESSION_WAS" already`, "choose another suffix")
	current, _, _ := c.labels("app/all")
	was, _ := c.object("app/all", first).String("SESSION_WAS")
	if is, _ := c.object("app/all", current).String("SESSION_WAS"); is != was {
		t.Error("the previous value was stored over a static value")
	}
}
