// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// learn adds every value that any version of a secret has.
func (c *cli) learn(scanner *leak.Scanner, id string) {
	c.t.Helper()
	versions, err := c.store.Versions(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, version := range versions {
		value, err := c.store.Value(c.t.Context(), id, secretstore.VersionRef{ID: version.ID})
		if err != nil {
			c.t.Fatal(err)
		}
		scanner.Add(c.t, value.Plaintext.Reveal())
		object, err := secretstore.ParseObject(value.Plaintext.Reveal())
		if err != nil {
			continue
		}
		for _, key := range object.Keys() {
			if s, _ := object.String(key); key != "HOST" {
				scanner.Add(c.t, s)
			}
		}
	}
}

// No value is left behind by rotations that succeed, fail, are rolled back,
// interrupted by errors of the store, or retired.
func TestRotationLeaksNothing(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	h := newHealth(t)
	h.healthy.Store(true)
	blocks := []string{
		jsonSecret, jwtRotation, rotationOf("session", `keys = ["SESSION"]`, `previous_key_suffix = "_OLD"`), rotationOf("enc", `keys = ["ENC"]`),
		strings.NewReplacer(`"test"`, `"one"`).Replace(oneString),
		strings.NewReplacer("roi_secret.test.id", "roi_secret.one.id").Replace(rotationOf("one", h.argument("5s"))),
	}
	c.apply(blocks...)
	c.advance(200 * day)
	c.PlanJSON()
	c.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	c.advance(2 * time.Hour)
	c.Apply().Require(t, 0)
	h.healthy.Store(false)
	c.Apply("-replace=roi_secret_rotation.one").Require(t, 1)
	h.healthy.Store(true)
	c.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "UpdateSecretVersionStage"})
	c.Apply().Require(t, 1)
	c.Apply().Require(t, 0)
	c.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "PutSecretValue"})
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 1)
	c.Apply().Require(t, 0)
	c.Show()
	scanner := leak.New(t)
	c.learn(scanner, "app/jwt")
	c.learn(scanner, "app/all")
	c.LeakCheck(scanner)
	for _, line := range []string{"rotation: put AWSPENDING", "rotation: move AWSCURRENT", "rotation: check health", "rotation: put AWSCURRENT back"} {
		if !strings.Contains(c.Logs(), line) {
			t.Errorf("the log does not have the step %q", line)
		}
	}
	c.nothingToDo()
}

// Ctrl-C stops between two steps, and the next apply finishes what was begun.
func TestRotationInterrupted(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	h := newHealth(t)
	c.apply(oneString, rotationOf("test", h.argument("10m")))
	first, _, _ := c.labels("app/jwt")
	process := c.Start("apply", "-input=false", "-no-color", "-auto-approve", "-replace=roi_secret_rotation.test")
	for begun := time.Now(); h.requests.Load() < 3; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the health check was not asked:\n%s", process.Output())
		}
	}
	process.Interrupt()
	result := process.Wait()
	result.Require(t, 1)
	c.contains(result, "Interrupted", "what was begun is then finished")
	second, previous, pending := c.labels("app/jwt")
	if second == first || previous != first || pending != second {
		t.Errorf("the labels are on %q, %q, %q: the rotation was to stop in its health check", second, previous, pending)
	}
	h.healthy.Store(true)
	c.Apply().Require(t, 0)
	if current, previous, pending := c.labels("app/jwt"); current != second || previous != first || pending != "" || c.versions("app/jwt") != 2 {
		t.Errorf("after the next apply the labels are on %q, %q, %q; it was to finish %q", current, previous, pending, second)
	}
	c.nothingToDo()
}
