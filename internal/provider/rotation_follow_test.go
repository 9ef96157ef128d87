// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// What a roi_secret is planned to change moves the rotation, and what depends on it,
// in the same plan.
func TestRotationFollowsItsSecretInTheSamePlan(t *testing.T) {
	t.Parallel()
	const follower = `
resource "terraform_data" "follower" {
  input = roi_secret_rotation.test.generation
}
`
	for name, test := range map[string]struct {
		before, after string
		arguments     []string
		days          int
		rotates       bool
	}{
		"a key is added":                {jsonSecret, strings.Replace(jsonSecret, "  keys = {\n", "  keys = {\n    EXTRA   = { category = \"jwt\" }\n", 1), nil, 10, false},
		"a policy is tightened":         {jsonSecret, strings.Replace(jsonSecret, `JWT     = { category = "jwt" }`, `JWT     = { category = "jwt", length = 96 }`, 1), nil, 10, false},
		"the policy of one string is":   {oneString, strings.Replace(oneString, `"jwt"`+"\n}", `"jwt"`+"\n  length = 96\n}", 1), nil, 10, false},
		"an interval becomes shorter":   {oneString, strings.Replace(oneString, `"jwt"`+"\n}", `"jwt"`+"\n  rotation_days = 7\n}", 1), nil, 20, true},
		"a key, and another one is due": {jsonSecret, strings.Replace(jsonSecret, "  keys = {\n", "  keys = {\n    EXTRA   = { category = \"jwt\" }\n", 1), nil, 91, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(test.before, rotationOf("test", test.arguments...), follower)
			id := "app/all"
			if test.before == oneString {
				id = "app/jwt"
			}
			before := c.versions(id)
			c.advance(time.Duration(test.days) * day)
			c.write(test.after, rotationOf("test", test.arguments...), follower)
			change, _ := c.PlanJSON().Change("roi_secret_rotation.test")
			if replaced := len(change.Change.Actions) == 2; replaced != test.rotates {
				t.Errorf("%v is planned", change.Change.Actions)
			}
			c.Apply().Require(t, 0)
			c.nothingToDo()
			current, _, _ := c.labels(id)
			if c.attribute("version_id") != current {
				t.Errorf("version_id is %v, AWSCURRENT on %s", c.attribute("version_id"), current)
			}
			if got, want := c.versions(id)-before, 1; got != want && !(test.rotates && got == 2) {
				t.Errorf("%d versions were made", got)
			}
		})
	}
}

// A key that roi_secret has removed can be taken from a rotation that is due.
func TestRotationOfARemovedKey(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	without := strings.Replace(jsonSecret, "    SESSION = { category = \"session\", rotation_days = 180 }\n", "", 1)
	c.write(without, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	c.Apply() // the rotation may complain: it names a key that goes
	c.advance(91 * day)
	c.write(without, jwtRotation)
	c.Apply().Require(t, 0)
	c.nothingToDo()
	if _, previous, _ := c.labels("app/all"); previous == "" {
		t.Error("the value that was due was not rotated")
	}
}

// A replacement that was killed between its halves is finished by the next apply.
func TestRotationAskedAndKilled(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"))
	first, _, _ := c.labels("app/jwt")
	record := c.records("app/jwt")[rotation.RecordTag]
	record.Phase, record.Base = rotation.Asked, first
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c.tag("app/jwt", rotation.RecordTag, text)

	c.SetEnv("ROI_ROTATION_OVERDUE", "warn")
	c.nothingToDo() // a freeze
	c.apply(oneString, rotationOf("test", `grace_period = "2h"`))
	if got := c.records("app/jwt")[rotation.RecordTag].Phase; got != rotation.Asked {
		t.Errorf("a change in place made the record %q", got)
	}
	c.SetEnv("ROI_ROTATION_OVERDUE", "")
	c.Apply().Require(t, 0)
	if current, previous, _ := c.labels("app/jwt"); current == first || previous != first || c.versions("app/jwt") != 2 {
		t.Errorf("the labels are on %s and %s, of %d versions", current, previous, c.versions("app/jwt"))
	}
	c.nothingToDo()
}

// An apply under plan_as_of says so, also when all that it does is to retire.
func TestRetiringAsOfAnotherTimeWarns(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test", `grace_period = "720h"`))
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	c.SetEnv("ROI_PLAN_AS_OF", "+31d")
	result := c.Apply()
	result.Require(t, 0)
	c.contains(result, "Applied as of another time", "whose grace period is over")
	if _, previous, _ := c.labels("app/jwt"); previous != "" {
		t.Error("AWSPREVIOUS was not retired")
	}
}

// Keys cannot go from one rotation to another while their previous values are stored
// under names of their own, which nobody would remove then.
func TestRotationKeysWithPreviousValuesStay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, after string }{
		"taken out":       {`keys = ["JWT", "SESSION"]`, rotationOf("test", `keys = ["SESSION"]`, `previous_key_suffix = "_OLD"`)},
		"named elsewhere": {"", rotationOf("test", `previous_key_suffix = "_OLD"`) + rotationOf("other", `keys = ["JWT"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret, rotationOf("test", test.before, `previous_key_suffix = "_OLD"`))
			c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
			c.write(jsonSecret, test.after)
			result := c.Plan()
			result.Require(t, 1)
			c.contains(result, "Previous value is still stored", `as "JWT_OLD"`, "Wait until the grace period is over and apply")
			// Afterwards it can.
			c.advance(2 * time.Hour)
			c.apply(jsonSecret, rotationOf("test", test.before, `previous_key_suffix = "_OLD"`))
			c.apply(jsonSecret, test.after)
			c.nothingToDo()
			current, _, _ := c.labels("app/all")
			if c.object("app/all", current).Has("JWT_OLD") {
				t.Error("the previous value is still there")
			}
		})
	}
}

// A key that is removed in a grace period takes its previous value along, and the name
// of that is not to be had by another one.
func TestPreviousValueOfARemovedKey(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	jwt := rotationOf("test", `keys = ["JWT"]`, `previous_key_suffix = "_OLD"`)
	c.apply(jsonSecret, jwt)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	has := func(key string) bool {
		current, _, _ := c.labels("app/all")
		return c.object("app/all", current).Has(key)
	}
	if !has("JWT_OLD") {
		t.Fatal("the rotation did not keep the previous value")
	}

	c.write(strings.Replace(jsonSecret, "HOST =", "JWT_OLD = \"mine\", HOST =", 1), jwt)
	c.contains(c.Apply(), "Key holds a previous value", `under "JWT_OLD"`)
	if c.versions("app/all") != 2 {
		t.Error("a key was added where a previous value is")
	}

	c.write(strings.Replace(jsonSecret, "JWT ", "API ", 1), rotationOf("test", `keys = ["SESSION"]`))
	c.Apply() // the rotation may complain: it named a key that goes
	if has("JWT") || has("JWT_OLD") || !has("API") {
		t.Error("the previous value of a key that was removed is still there, or the new key is not")
	}
	c.Apply().Require(t, 0)
	c.advance(2 * time.Hour)
	c.Apply().Require(t, 0)
	c.nothingToDo()
}

// A rotation that broke off has to be finished with the keys that it was made for.
func TestRotationInterruptedAndKeysChanged(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	first, _, _ := c.labels("app/all")
	record := c.records("app/all")[rotation.TagKey([]string{"JWT"})]
	record.Phase, record.Base, record.Previous, record.Grace = rotation.Begun, first, "", nil
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tag := rotation.TagKey([]string{"JWT"})
	c.tag("app/all", tag, text)
	next := record.NextVersion(c.describe(t, "app/all").ARN, tag, first)
	c.pend("app/all", next)
	c.write(jsonSecret, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "Key is being rotated", "take the change of keys back, apply")
	c.apply(jsonSecret, jwtRotation)
	if current, previous, pending := c.labels("app/all"); current != next || previous != first || pending != "" {
		t.Errorf("the labels are on %s, %s, %q", current, previous, pending)
	}
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	c.nothingToDo()
}

// A rotation that failed is still overdue where the configuration asks for an error.
func TestFailedRotationIsOverdue(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	h := newHealth(t)
	c.apply(oneString, rotationOf("test", h.argument("5s")))
	c.advance(91 * day)
	c.Apply().Require(t, 1)
	c.SetEnv("ROI_ROTATION_OVERDUE", "error")
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "Secret is overdue")
}

// Keys that move on from rotation to rotation in one apply leave each with a record.
func TestRotationsShiftKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	secret := strings.Replace(jsonSecret, "  keys = {\n", "  keys = {\n    EXTRA   = { category = \"jwt\" }\n", 1)
	c.apply(secret, rotationOf("test", `keys = ["SESSION"]`), rotationOf("other", `keys = ["JWT"]`))
	c.advance(10 * day)
	c.apply(secret, rotationOf("test", `keys = ["JWT"]`), rotationOf("other", `keys = ["EXTRA"]`))
	c.nothingToDo()
	records := c.records("app/all")
	for _, key := range []string{"EXTRA", "JWT"} {
		if record := records[rotation.TagKey([]string{key})]; record.Current == "" {
			t.Errorf("the rotation of %s has no record", key)
		}
	}
	if c.versions("app/all") != 1 {
		t.Error("something was rotated")
	}
}
