// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// movingClock is the provider's and the store's time, which a test moves.
type movingClock struct {
	mu   sync.Mutex
	now  time.Time
	fake *awsfake.Server
}

func (c *movingClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movingClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.fake.SetTime(c.now)
}

// rotating is a fake with a provider in this process that live at the same time.
type rotating struct {
	backend
	t     *testing.T
	clock *movingClock
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := fakeBackend(t, awsfake.At(now))
	return &rotating{backend: b, t: t, clock: &movingClock{now: now, fake: b.fake}}
}

func (r *rotating) steps(steps ...resource.TestStep) {
	r.t.Helper()
	resource.UnitTest(r.t, resource.TestCase{
		ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){
			"roi": factory(r.clock),
		},
		Steps: steps,
	})
}

// config is a provider block and more, in development: no KMS key is needed.
func (r *rotating) config(provider string, blocks ...string) string {
	return r.provider(`environment = "development"`, provider) + strings.Join(blocks, "\n")
}

const (
	oneString = `
resource "roi_secret" "test" {
  name     = "app/jwt"
  category = "jwt"
}
`
	jsonSecret = `
resource "roi_secret" "test" {
  name = "app/all"
  keys = {
    JWT     = { category = "jwt" }
    SESSION = { category = "session", rotation_days = 180 }
    ENC     = { category = "encryption" }
  }
  static = { HOST = "db.internal" }
}
`
)

// rotationOf is a rotation of the secret with further arguments.
func rotationOf(name string, arguments ...string) string {
	return fmt.Sprintf("resource \"roi_secret_rotation\" %q {\n  secret_id = roi_secret.test.id\n  %s\n}\n", name, strings.Join(arguments, "\n  "))
}

// dependent is replaced whenever the version changes.
const dependent = `
resource "terraform_data" "dependent" {
  lifecycle { replace_triggered_by = [roi_secret_rotation.test.version_id] }
}
`

func actions(dependentAction, rotationAction plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{
		PreApply: []plancheck.PlanCheck{
			plancheck.ExpectResourceAction("roi_secret_rotation.test", rotationAction),
			plancheck.ExpectResourceAction("terraform_data.dependent", dependentAction),
		},
		PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
	}
}

func (r *rotating) current(id string) string {
	r.t.Helper()
	return r.describe(r.t, id).VersionWith(secretstore.Current)
}

func (r *rotating) versions(id string) int {
	r.t.Helper()
	versions, err := r.store.Versions(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(versions)
}

func TestRotationDueReplacesDependents(t *testing.T) {
	t.Parallel()
	r := newRotating(t)
	config := r.config("", oneString, rotationOf("test"), dependent)
	var first string
	r.steps(
		resource.TestStep{Config: config, ConfigPlanChecks: actions(plancheck.ResourceActionCreate, plancheck.ResourceActionCreate)},
		resource.TestStep{
			PreConfig: func() {
				first = r.current("app/jwt")
				r.clock.advance(89 * day)
			},
			Config:           config,
			ConfigPlanChecks: actions(plancheck.ResourceActionNoop, plancheck.ResourceActionNoop),
		},
		resource.TestStep{
			PreConfig:        func() { r.clock.advance(day) },
			Config:           config,
			ConfigPlanChecks: actions(plancheck.ResourceActionReplace, plancheck.ResourceActionReplace),
		},
		resource.TestStep{
			PreConfig: func() {
				secret := r.describe(t, "app/jwt")
				if secret.VersionWith(secretstore.Previous) != first || secret.VersionWith(secretstore.Pending) != "" || r.versions("app/jwt") != 2 {
					t.Errorf("after the rotation: labels %v", secret.Labels)
				}
				r.clock.advance(time.Hour)
			},
			Config:           config,
			ConfigPlanChecks: actions(plancheck.ResourceActionNoop, plancheck.ResourceActionUpdate),
		},
		resource.TestStep{
			PreConfig: func() {
				secret := r.describe(t, "app/jwt")
				if secret.VersionWith(secretstore.Previous) != "" || r.versions("app/jwt") != 2 {
					t.Errorf("after the grace period: labels %v", secret.Labels)
				}
			},
			Config:           config,
			ConfigPlanChecks: actions(plancheck.ResourceActionNoop, plancheck.ResourceActionNoop),
		},
	)
}

const (
	noop    = plancheck.ResourceActionNoop
	create  = plancheck.ResourceActionCreate
	update  = plancheck.ResourceActionUpdate
	replace = plancheck.ResourceActionReplace
)

// What a plan of a replacement does, by what asked for it.
func TestRotationReplacements(t *testing.T) {
	t.Parallel()

	const cbd = "lifecycle { create_before_destroy = true }"
	reference := `
resource "terraform_data" "dependent" { input = roi_secret_rotation.test.version_id }
`
	inherited := `
resource "terraform_data" "dependent" {
  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [roi_secret_rotation.test.version_id]
  }
  input = roi_secret_rotation.test.version_id
}
`
	for _, test := range []struct {
		name          string
		before, after []string // arguments of the rotation
		dependent     string
		taint         bool
		advance       time.Duration
		want          plancheck.ResourceActionType // of the dependent
		rotates       bool
	}{
		{name: "due, reference", dependent: reference, advance: 90 * day, want: update, rotates: true},
		{name: "due, replace_triggered_by", dependent: dependent, advance: 90 * day, want: replace, rotates: true},
		{name: "due, own create_before_destroy", before: []string{cbd}, after: []string{cbd}, dependent: dependent, advance: 90 * day, want: replace, rotates: true},
		{name: "due, inherited create_before_destroy", dependent: inherited, advance: 90 * day, want: plancheck.ResourceActionReplace, rotates: true},
		{name: "due by a shorter interval", after: []string{"rotation_days = 7"}, dependent: dependent, advance: 8 * day, want: replace, rotates: true},
		{name: "due by a lead time", after: []string{`rotate_before = "48h"`}, dependent: dependent, advance: 88 * day, want: replace, rotates: true},
		{name: "trigger", before: []string{`triggers = { incident = "1" }`}, after: []string{`triggers = { incident = "2" }`}, dependent: dependent, advance: day, want: replace, rotates: true},
		{name: "first trigger", after: []string{`triggers = { incident = "1" }`}, dependent: dependent, advance: day, want: replace, rotates: true},
		{name: "trigger, own create_before_destroy", before: []string{cbd}, after: []string{cbd, `triggers = { incident = "1" }`}, dependent: dependent, advance: day, want: replace, rotates: true},
		{name: "trigger and due", after: []string{`triggers = { incident = "1" }`}, dependent: dependent, advance: 91 * day, want: replace, rotates: true},
		{name: "tainted", dependent: dependent, taint: true, advance: day, want: replace, rotates: true},
		{name: "longer interval", after: []string{"rotation_days = 400"}, dependent: dependent, advance: 91 * day, want: noop},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRotating(t)
			action := replace
			if !test.rotates {
				action = update
			}
			second := resource.TestStep{
				PreConfig:        func() { r.clock.advance(test.advance) },
				Config:           r.config("", oneString, rotationOf("test", test.after...), test.dependent),
				ConfigPlanChecks: actions(test.want, action),
			}
			if test.taint {
				second.Taint = []string{"roi_secret_rotation.test"}
			}
			var first string
			r.steps(
				resource.TestStep{
					Config:           r.config("", oneString, rotationOf("test", test.before...), test.dependent),
					ConfigPlanChecks: actions(create, create),
				},
				resource.TestStep{
					PreConfig: func() { first = r.current("app/jwt") },
					Config:    r.config("", oneString, rotationOf("test", test.before...), test.dependent),
				},
				second,
			)
			secret := r.describe(t, "app/jwt")
			want := 1
			if test.rotates {
				want = 2
			}
			if got := r.versions("app/jwt"); got != want {
				t.Errorf("there are %d versions, want %d", got, want)
			}
			if test.rotates && secret.VersionWith(secretstore.Previous) != first || secret.VersionWith(secretstore.Pending) != "" {
				t.Errorf("labels %v, the first version was %s", secret.Labels, first)
			}
		})
	}
}

// The same over every store: one string and a key of a JSON secret.
func TestRotationOverStores(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := b.provider(`environment = "development"`) + strings.NewReplacer("app/jwt", name, "app/all", name+"-json").Replace(
			oneString+rotationOf("test")+dependent+
				strings.ReplaceAll(jsonSecret, `"test"`, `"json"`)+strings.ReplaceAll(rotationOf("json", `keys = ["JWT"]`), "roi_secret.test", "roi_secret.json"))
		var first, firstJSON string
		steps(t,
			resource.TestStep{Config: config, ConfigPlanChecks: actions(create, create)},
			resource.TestStep{
				PreConfig: func() {
					first = b.describe(t, name).VersionWith(secretstore.Current)
					firstJSON = b.describe(t, name+"-json").VersionWith(secretstore.Current)
				},
				Taint:            []string{"roi_secret_rotation.test", "roi_secret_rotation.json"},
				Config:           config,
				ConfigPlanChecks: actions(replace, replace),
			},
		)
		for id, first := range map[string]string{name: first, name + "-json": firstJSON} {
			secret := b.describe(t, id)
			if current := secret.VersionWith(secretstore.Current); current == first || secret.VersionWith(secretstore.Previous) != first || secret.VersionWith(secretstore.Pending) != "" {
				t.Errorf("%s: labels %v, the first version was %s", id, secret.Labels, first)
			}
		}
	})
}
