// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// An argument that is known only in the apply must not change there what was
// planned.
func TestRotationUnknownArguments(t *testing.T) {
	t.Parallel()
	const data = `
resource "terraform_data" "input" { input = "VALUE" }
`
	t.Run("dates", func(t *testing.T) {
		t.Parallel()
		for argument, value := range map[string]string{"rotation_days": "7", "rotate_before": "72h"} {
			c := newCLI(t)
			c.apply(oneString, rotationOf("test"))
			c.advance(89 * day)
			c.write(strings.Replace(data, "VALUE", value, 1), oneString, rotationOf("test", argument+" = terraform_data.input.output"))
			result := c.Plan()
			result.Require(t, 1)
			c.contains(result, argument+" is not known yet", "-target")
			c.Apply("-target=terraform_data.input").Require(t, 0)
			c.Apply().Require(t, 0)
			if c.versions("app/jwt") != 2 {
				t.Errorf("%s: there are %d versions, want 2", argument, c.versions("app/jwt"))
			}
			c.nothingToDo()
		}
	})
	t.Run("dates beside triggers", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.apply(oneString, rotationOf("test"), dependent)
		c.apply(strings.Replace(data, "VALUE", "7", 1), oneString,
			rotationOf("test", "rotation_days = terraform_data.input.output", `triggers = { incident = "1" }`), dependent)
		if c.versions("app/jwt") != 2 {
			t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
		}
		c.nothingToDo()
	})
	t.Run("grace period", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		long := rotationOf("test", `grace_period = "48h"`)
		c.apply(oneString, long)
		c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
		c.advance(2 * time.Hour)
		c.apply(strings.Replace(data, "VALUE", "1h", 1), oneString, rotationOf("test", "grace_period = terraform_data.input.output"))
		if _, previous, _ := c.labels("app/jwt"); previous != "" {
			t.Errorf("AWSPREVIOUS is on %s, past its grace period", previous)
		}
		c.nothingToDo()
	})
}

// A replacement with other keys that broke off between its two halves, in the next
// process: the request is under the tag of the keys before.
func TestRotationAskedUnderOtherKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"more keys": {"JWT", "SESSION"}, "disjoint, in one run": {"SESSION"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret, jwtRotation)
			first, _, _ := c.labels("app/all")
			next := rotationOf("test", `keys = ["`+strings.Join(keys, `", "`)+`"]`)
			if len(keys) == 1 {
				c.write(jsonSecret, next)
				c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
			} else {
				record := c.records("app/all")[rotation.TagKey([]string{"JWT"})]
				record.Phase, record.Base = rotation.Asked, first
				text, err := record.Encode()
				if err != nil {
					t.Fatal(err)
				}
				c.tag("app/all", rotation.TagKey([]string{"JWT"}), text)
				c.Run("state", "rm", "roi_secret_rotation.test").Require(t, 0)
				c.apply(jsonSecret, next)
			}
			second, _, _ := c.labels("app/all")
			changed := c.changedKeys("app/all", first, second)
			slices.Sort(changed)
			if records := c.records("app/all"); !slices.Equal(changed, keys) || len(records) != 1 || records[rotation.TagKey(keys)].Current != second {
				t.Errorf("%v changed, want %v; the records are %+v", changed, keys, records)
			}
			c.nothingToDo()
		})
	}
}

func (c *cli) tag(id, key, text string) {
	c.t.Helper()
	if err := c.store.Tag(c.t.Context(), id, map[string]string{key: text}); err != nil {
		c.t.Fatal(err)
	}
}

// -replace of a value that comes from outside rotates nothing, and does no harm.
func TestRotationOfSuppliedValueReplaced(t *testing.T) {
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
	c.fake.ResetCalls()
	result := c.Apply("-replace=roi_secret_rotation.test")
	result.Require(t, 0)
	c.contains(result, "Present version was taken over", "comes from outside", "supply a new one")
	if got := requests(c.fake); c.versions("app/supplied") != 1 || strings.Contains(got, "Tag") {
		t.Errorf("there are %d versions, and the requests were %s", c.versions("app/supplied"), got)
	}
	c.nothingToDo()
}

// A rotation that was interrupted in its health check is repaired by the apply in
// which another one of the secret is due. Both are planned, and the other waits.
func TestRotationRepairedBesideAnother(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	h := newHealth(t)
	slow := rotationOf("test", `keys = ["JWT"]`, h.argument("10m"))
	c.apply(jsonSecret, slow, sessionRotation)
	first, _, _ := c.labels("app/all")
	process := c.Start("apply", "-input=false", "-no-color", "-auto-approve", "-replace=roi_secret_rotation.test")
	for begun := time.Now(); h.requests.Load() < 3; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the health check was not asked:\n%s", process.Output())
		}
	}
	process.Interrupt()
	process.Wait().Require(t, 1)
	h.healthy.Store(true)
	const wait = `
resource "terraform_data" "wait" {
  provisioner "local-exec" { command = "sleep 3" }
}
`
	// The repair comes later, so that the other one certainly has to wait.
	later := strings.Replace(slow, "secret_id", "depends_on = [terraform_data.wait]\n  secret_id", 1)
	c.write(jsonSecret, wait, later, rotationOf("session", `keys = ["SESSION"]`, `triggers = { incident = "1" }`))
	c.Apply().Require(t, 0)
	current, _, pending := c.labels("app/all")
	changed := c.changedKeys("app/all", first, current)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"JWT", "SESSION"}) || pending != "" || c.versions("app/all") != 3 {
		t.Errorf("%v changed in %d versions; AWSPENDING is on %q", changed, c.versions("app/all"), pending)
	}
	c.nothingToDo()
}

// Keys that make the value overdue rotate it in the same apply.
func TestRotationOverdueByItsKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, sessionRotation)
	c.advance(100 * day) // JWT is due after 90 days, SESSION after 180
	c.write(jsonSecret, rotationOf("session", `keys = ["JWT", "SESSION"]`))
	if change, _ := c.PlanJSON().Change("roi_secret_rotation.session"); len(change.Change.Actions) != 2 {
		t.Errorf("%v is planned, want a replacement", change.Change.Actions)
	}
	c.Apply().Require(t, 0)
	if c.versions("app/all") != 2 {
		t.Errorf("there are %d versions, want 2", c.versions("app/all"))
	}
	c.nothingToDo()
}

// Retiring makes no value: a policy that allows none does not stop it, and the plan
// says that the next rotation will be.
func TestRotationRetiresBelowFloor(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	jwt, _ := policy.Builtin("jwt")
	c.seedFault(faultCase{faultScenario: faultScenario{name: "floor"}, kind: "none"})
	const id = "fault/floor/0/none/s"
	block := rotationBlock(`secret_id = "` + id + `"`)
	c.apply(block)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	c.advance(2 * time.Hour)
	jwt.Length = 8
	tags, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: jwt, MadeAt: c.now}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.Tag(t.Context(), id, tags); err != nil {
		t.Fatal(err)
	}
	result := c.Apply()
	result.Require(t, 0)
	c.contains(result, "Secret cannot be rotated", "Recorded policy is below the floor")
	if _, previous, _ := c.labels(id); previous != "" {
		t.Errorf("AWSPREVIOUS is on %s, past its grace period", previous)
	}
	c.nothingToDo()
	result = c.Apply("-replace=roi_secret_rotation.test")
	result.Require(t, 1)
	c.contains(result, "Recorded policy is below the floor")
}

// What the warning of a rotation promises.
func TestRotationWarnings(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test", `grace_period = "0s"`))
	c.advance(84 * day)
	for mode, want := range map[string]string{"warn": "Every plan after that warns", "error": "Every plan after that fails", "": "The first plan after that replaces it"} {
		c.SetEnv("ROI_ROTATION_OVERDUE", mode)
		result := c.Plan()
		result.Require(t, 0)
		c.contains(result, "Secret is due soon", want)
	}
	c.SetEnv("ROI_ROTATION_OVERDUE", "")
	c.advance(7 * day)
	result := c.Plan()
	result.Require(t, 2)
	c.contains(result, "Secret will be rotated", "It has no grace period")
}

// A rotation that its health checks could use up would not be rolled back in time.
func TestRotationDeadlinesFitTimeout(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	check := `{ url = "https://api.example.com/health" }`
	c.write(oneString, rotationOf("test", "health_check = ["+check+", "+check+"]", `timeouts = { create = "4m" }`))
	c.Init()
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "Health checks may take too long", "4m0s")
	c.write(oneString, rotationOf("test", "health_check = ["+check+", "+check+"]", `timeouts = { create = "5m" }`))
	c.Plan().Require(t, 2)
}
