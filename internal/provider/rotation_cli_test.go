// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// clockProvider is the provider at a time of its own, built once.
var clockProvider = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "roi-clock-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "terraform-provider-roi")
	if err := tfcli.Build("testdata/clockprovider", path); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	clockProviderFolder = folder
	return path, nil
})

var clockProviderFolder string

// cli runs Terraform and the provider as processes, over a fake at the same time.
type cli struct {
	backend
	*tfcli.Workspace
	t     *testing.T
	now   time.Time
	ready bool
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return cliOver(t, fakeBackend(t, awsfake.At(now)), now)
}

func cliOver(t *testing.T, b backend, now time.Time) *cli {
	t.Helper()
	path, err := clockProvider()
	if err != nil {
		t.Fatal(err)
	}
	c := &cli{backend: b, Workspace: tfcli.New(t, tfcli.Provider(path), tfcli.Env("ROI_TEST_NOW", now.Format(time.RFC3339))), t: t, now: now}
	return c
}

func (c *cli) advance(d time.Duration) {
	c.now = c.now.Add(d)
	c.fake.SetTime(c.now)
	c.SetEnv("ROI_TEST_NOW", c.now.Format(time.RFC3339))
}

// write writes the configuration.
func (c *cli) write(blocks ...string) {
	c.t.Helper()
	c.WriteFile("main.tf", tfcli.RequiredProviders+c.provider(`environment = "development"`)+strings.Join(blocks, "\n"))
}

// apply writes the configuration and applies it.
func (c *cli) apply(blocks ...string) tfcli.Result {
	c.t.Helper()
	c.write(blocks...)
	if !c.ready {
		c.Init()
		c.ready = true
	}
	result := c.Apply()
	result.Require(c.t, 0)
	return result
}

// nothingToDo asserts that the next plan is empty.
func (c *cli) nothingToDo() {
	c.t.Helper()
	c.Plan().Require(c.t, 0)
}

// attribute returns an attribute of the rotation in state.
func (c *cli) attribute(name string) any {
	c.t.Helper()
	rotation, ok := c.Show().Resource("roi_secret_rotation.test")
	if !ok {
		c.t.Fatal("no roi_secret_rotation.test in state")
	}
	var values map[string]any
	text, err := json.Marshal(rotation.Values)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return values[name]
}

func (c *cli) labels(id string) (current, previous, pending string) {
	c.t.Helper()
	secret := c.describe(c.t, id)
	return secret.VersionWith(secretstore.Current), secret.VersionWith(secretstore.Previous), secret.VersionWith(secretstore.Pending)
}

func (c *cli) versions(id string) int {
	c.t.Helper()
	versions, err := c.store.Versions(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(versions)
}

func (c *cli) contains(result tfcli.Result, texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(result.Message(), text) {
			c.t.Errorf("%s did not say %q:\n%s", result.Command, text, result.Message())
		}
	}
}

func TestRotationByHand(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"), dependent)
	first, _, _ := c.labels("app/jwt")
	c.fake.ResetCalls()
	c.advance(day)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	// One DescribeSecret is that of the refresh.
	if got, want := requests(c.fake), "DescribeSecret 3, PutSecretValue 1, TagResource 3, UpdateSecretVersionStage 2"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	second, previous, pending := c.labels("app/jwt")
	if second == first || previous != first || pending != "" || c.versions("app/jwt") != 2 {
		t.Errorf("after -replace: current is as before: %t, previous %s, pending %q", second == first, previous, pending)
	}
	if got := c.attribute("version_id"); got != second {
		t.Errorf("version_id is %v, AWSCURRENT is on %s", got, second)
	}
	c.nothingToDo()

	// A plain destroy and re-adding rotates nothing.
	c.apply(oneString)
	c.apply(oneString, rotationOf("test"))
	if current, previous, _ := c.labels("app/jwt"); current != second || previous != first {
		t.Errorf("after removing and adding the rotation the labels have moved")
	}
	c.nothingToDo()
}

// With create_before_destroy the create comes first and cannot know of -replace.
func TestRotationByHandCreatedFirst(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test", "lifecycle { create_before_destroy = true }"))
	result := c.Apply("-replace=roi_secret_rotation.test")
	result.Require(t, 0)
	c.contains(result, "Present version was taken over", "change triggers")
	if c.versions("app/jwt") != 1 {
		t.Errorf("there are %d versions, want 1", c.versions("app/jwt"))
	}
	c.nothingToDo()
}

func TestRotationPlannedBeforeAppliedAfter(t *testing.T) {
	t.Parallel()
	t.Run("saved plan of a rotation, a day later", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.apply(oneString, rotationOf("test"), dependent)
		c.advance(90 * day)
		c.Plan("-out=saved").Require(t, 2)
		c.advance(day)
		c.Apply("saved").Require(t, 0)
		if c.versions("app/jwt") != 2 {
			t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
		}
		c.nothingToDo()
	})
	t.Run("change planned before the due date, applied after it", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.apply(oneString, rotationOf("test"), dependent)
		c.advance(89 * day)
		c.write(oneString, rotationOf("test", `grace_period = "2h"`), dependent)
		c.Plan("-out=saved").Require(t, 2)
		c.advance(2 * day)
		c.Apply("saved").Require(t, 0)
		if c.versions("app/jwt") != 1 {
			t.Errorf("there are %d versions, want 1", c.versions("app/jwt"))
		}
		c.Plan().Require(t, 2)
		c.Apply().Require(t, 0)
		if c.versions("app/jwt") != 2 {
			t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
		}
		c.nothingToDo()
	})
	t.Run("retirement planned before the end of the grace period is over for another", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.apply(oneString, rotationOf("test"))
		c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
		c.advance(2 * time.Hour)
		c.Plan("-out=saved").Require(t, 2)
		c.advance(90 * day)
		c.Apply("saved").Require(t, 0)
		if _, previous, _ := c.labels("app/jwt"); previous != "" {
			t.Errorf("AWSPREVIOUS is still on %s", previous)
		}
	})
}

func TestRotationOverdueModes(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"), dependent)
	c.advance(84 * day)
	result := c.Plan()
	result.Require(t, 0)
	c.contains(result, "Secret is due soon", "is due for rotation at 2027-02-21T12:00:00Z")

	c.advance(6 * day)
	c.SetEnv("ROI_ROTATION_OVERDUE", "warn")
	result = c.Plan()
	result.Require(t, 0)
	c.contains(result, "Secret is overdue", "has been overdue for rotation since 2027-02-21T12:00:00Z")

	c.SetEnv("ROI_ROTATION_OVERDUE", "error")
	for _, command := range [][]string{{"plan", "-input=false"}, {"destroy", "-auto-approve", "-input=false"}} {
		result = c.Run(command...)
		result.Require(t, 1)
		c.contains(result, "Secret is overdue", "since 2027-02-21T12:00:00Z", "ROI_ROTATION_OVERDUE=replace")
	}

	c.SetEnv("ROI_ROTATION_OVERDUE", "")
	result = c.Plan()
	result.Require(t, 2)
	c.contains(result, "Secret will be rotated", "it has been due since 2027-02-21T12:00:00Z")
	if c.versions("app/jwt") != 1 {
		t.Error("a plan has rotated")
	}
}

func TestRotationPlanAsOf(t *testing.T) {
	t.Parallel()
	for _, lifecycle := range []string{"", "lifecycle { create_before_destroy = true }"} {
		t.Run(lifecycle, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(oneString, rotationOf("test", lifecycle), dependent)
			c.advance(time.Hour)
			c.SetEnv("ROI_PLAN_AS_OF", "+91d")
			plan := c.PlanJSON()
			for _, address := range []string{"roi_secret_rotation.test", "terraform_data.dependent"} {
				if change, _ := plan.Change(address); len(change.Change.Actions) != 2 {
					t.Errorf("%s: %v is planned as of 91 days later, want a replacement", address, change.Change.Actions)
				}
			}
			result := c.Apply()
			result.Require(t, 0)
			c.contains(result, "Applied as of another time")
			c.SetEnv("ROI_PLAN_AS_OF", "")
			// The provider's clock goes on, by some seconds.
			text, _ := c.attribute("rotated_at").(string)
			if at, err := time.Parse(time.RFC3339, text); err != nil || at.Sub(c.now) > time.Minute || at.Before(c.now) {
				t.Errorf("rotated_at is %q, want about %v: what is stored comes from the real clock", text, c.now)
			}
			if c.versions("app/jwt") != 2 {
				t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
			}
			c.nothingToDo()
			c.SetEnv("ROI_PLAN_AS_OF", "+1d")
			if change, _ := c.PlanJSON().Change("roi_secret_rotation.test"); !slices.Equal(change.Change.Actions, []string{"update"}) {
				t.Errorf("%v is planned past the grace period, want an update that retires the previous version", change.Change.Actions)
			}
		})
	}
}

// A describe-only role can plan an overdue rotation.
func TestRotationPlanNeedsDescribeOnly(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"), dependent)
	c.advance(91 * day)
	c.fake.DenyAllBut("secretsmanager:DescribeSecret", "kms:DescribeKey")
	c.fake.ResetCalls()
	c.Plan().Require(t, 2)
	if got, want := requests(c.fake), "DescribeSecret 1"; got != want {
		t.Errorf("a refresh of both resources and the plan made the requests %s, want %s", got, want)
	}
}

// pend makes a version with the present content and AWSPENDING.
func (c *cli) pend(id, version string) {
	c.t.Helper()
	current, err := c.store.Value(c.t.Context(), id, secretstore.VersionRef{})
	if err == nil {
		err = c.store.Put(c.t.Context(), secretstore.PutInput{ID: id, Token: version, Value: current.Plaintext, Labels: []string{secretstore.Pending}})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
