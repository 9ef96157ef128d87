// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// changedKeys are the keys of a JSON secret that differ between two versions;
// everything else must be the same byte for byte, which the order shows too.
func (c *cli) changedKeys(id, before, after string) []string {
	c.t.Helper()
	was, is := c.object(id, before), c.object(id, after)
	var changed []string
	for _, key := range is.Keys() {
		a, _ := was.String(key)
		b, _ := is.String(key)
		if a != b || !was.Has(key) {
			changed = append(changed, key)
		}
	}
	if len(is.Keys()) < len(was.Keys()) {
		c.t.Errorf("keys are lost: %v, there were %v", is.Keys(), was.Keys())
	}
	return changed
}

func (c *cli) object(id, version string) *secretstore.Object {
	c.t.Helper()
	value, err := c.store.Value(c.t.Context(), id, secretstore.VersionRef{ID: version})
	if err != nil {
		c.t.Fatal(err)
	}
	object, err := secretstore.ParseObject(value.Plaintext.Reveal())
	if err != nil {
		c.t.Fatal(err)
	}
	return object
}

var (
	jwtRotation     = rotationOf("test", `keys = ["JWT"]`)
	sessionRotation = rotationOf("session", `keys = ["SESSION"]`)
)

func TestTwoRotationsOfOneSecret(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation, sessionRotation)
	first, _, _ := c.labels("app/all")

	c.advance(90 * day)
	c.fake.ResetCalls()
	c.Apply().Require(t, 0)
	// Budget: nine for the replacement, one for the refresh of all three.
	if got, want := requests(c.fake), "DescribeSecret 3, GetSecretValue 1, PutSecretValue 1, TagResource 3, UpdateSecretVersionStage 2"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	second, previous, _ := c.labels("app/all")
	if got := c.changedKeys("app/all", first, second); !slices.Equal(got, []string{"JWT"}) || previous != first {
		t.Errorf("after 90 days %v changed, AWSPREVIOUS is on the first version: %t", got, previous == first)
	}
	c.nothingToDo()
	c.advance(2 * time.Hour)
	c.Apply().Require(t, 0)
	if _, previous, _ := c.labels("app/all"); previous != "" {
		t.Error("AWSPREVIOUS was not retired after the grace period")
	}

	c.advance(91 * day) // both are due
	c.Apply().Require(t, 0)
	third, previous, pending := c.labels("app/all")
	changed := c.changedKeys("app/all", second, third)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"JWT", "SESSION"}) || c.versions("app/all") != 4 {
		t.Errorf("with both due %v changed, and there are %d versions, want 4", changed, c.versions("app/all"))
	}
	if previous != second || pending != "" {
		t.Errorf("AWSPREVIOUS is on %s, want the version before both rotations, %s; AWSPENDING on %q", previous, second, pending)
	}
	c.nothingToDo()
}

func TestGraceSurvivesOtherChanges(t *testing.T) {
	t.Parallel()
	const more = `
resource "roi_secret" "test" {
  name = "app/all"
  keys = {
    JWT     = { category = "jwt" }
    SESSION = { category = "session", rotation_days = 180 }
    ENC     = { category = "encryption" }
    ADDED   = { category = "api_key" }
  }
  static = { HOST = "db.internal" }
}
`
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation, sessionRotation)
	first, _, _ := c.labels("app/all")

	// Both by hand in one apply.
	c.Apply("-replace=roi_secret_rotation.test", "-replace=roi_secret_rotation.session").Require(t, 0)
	second, previous, _ := c.labels("app/all")
	changed := c.changedKeys("app/all", first, second)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"JWT", "SESSION"}) || previous != first {
		t.Errorf("%v changed, AWSPREVIOUS is on the first version: %t", changed, previous == first)
	}
	c.nothingToDo()

	// A key that roi_secret adds.
	c.apply(more, jwtRotation, sessionRotation)
	third, previous, pending := c.labels("app/all")
	if got := c.changedKeys("app/all", second, third); !slices.Equal(got, []string{"ADDED"}) || previous != first || pending != "" {
		t.Errorf("%v changed, AWSPREVIOUS is on %s, want %s; AWSPENDING on %q", got, previous, first, pending)
	}
	c.nothingToDo()

	// One that is rotated half an hour later.
	c.advance(30 * time.Minute)
	c.fake.ResetCalls()
	c.Apply("-replace=roi_secret_rotation.session").Require(t, 0)
	if _, previous, _ := c.labels("app/all"); previous == first {
		t.Error("AWSPREVIOUS has the value before the last but one of the key that was rotated again")
	}
	c.nothingToDo()
	c.advance(31 * time.Minute) // the grace period of JWT is over, that of SESSION runs
	c.Apply().Require(t, 0)
	if _, previous, _ := c.labels("app/all"); previous == "" {
		t.Error("AWSPREVIOUS was retired while a record that names it has a grace period that runs")
	}
}

func TestPreviousKeySuffix(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	rotation := rotationOf("test", `keys = ["JWT"]`, `previous_key_suffix = "_OLD"`)
	c.apply(jsonSecret, rotation)
	first, _, _ := c.labels("app/all")
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	second, _, _ := c.labels("app/all")
	want, _ := c.object("app/all", first).String("JWT")
	if got, ok := c.object("app/all", second).String("JWT_OLD"); !ok || got != want {
		t.Errorf("JWT_OLD is there: %t, and is the value before: %t", ok, got == want)
	}
	if got := c.changedKeys("app/all", first, second); !slices.Equal(got, []string{"JWT", "JWT_OLD"}) {
		t.Errorf("%v changed", got)
	}
	c.nothingToDo()
	version := c.attribute("version_id")
	c.advance(2 * time.Hour)
	c.Apply().Require(t, 0)
	current, previous, pending := c.labels("app/all")
	if previous != "" || pending != "" || c.object("app/all", current).Has("JWT_OLD") {
		t.Errorf("after the grace period AWSPREVIOUS is on %q, AWSPENDING on %q, JWT_OLD is there: %t", previous, pending, c.object("app/all", current).Has("JWT_OLD"))
	}
	if c.attribute("version_id") != version {
		t.Error("retiring has changed version_id")
	}
	c.nothingToDo()
}

// Key material is rotated only when it is named, never retired, and kept.
func TestEncryptionKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, rotationOf("test"))
	first, _, _ := c.labels("app/all")
	c.advance(1000 * day)
	c.Apply().Require(t, 0)
	second, _, _ := c.labels("app/all")
	changed := c.changedKeys("app/all", first, second)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"JWT", "SESSION"}) {
		t.Errorf("without keys %v were rotated", changed)
	}
	c.apply(jsonSecret, rotationOf("test"), rotationOf("enc", `keys = ["ENC"]`))
	c.Apply().Require(t, 0)
	third, _, _ := c.labels("app/all")
	if got := c.changedKeys("app/all", second, third); !slices.Equal(got, []string{"ENC"}) {
		t.Errorf("%v were rotated, want ENC", got)
	}
	if got := c.describe(t, "app/all").Labels[second]; !slices.Contains(got, "roi-keep-1") {
		t.Errorf("the version with the earlier key has the labels %v", got)
	}
	c.nothingToDo()
}
