// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// rotateOutside is what the console or awscli does.
func (c *cli) rotateOutside(id string, value string) string {
	c.t.Helper()
	version := secretstore.DeriveVersionID("outside", value)
	if err := c.store.Put(c.t.Context(), secretstore.PutInput{
		ID: id, Token: version, Value: secretstore.NewPlaintext(value), Labels: []string{secretstore.Current},
	}); err != nil {
		c.t.Fatal(err)
	}
	return version
}

// Whoever rotates, the due date follows, and nothing is undone.
func TestRotationOutside(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	// replace_triggered_by looks at planned changes only, and a version from outside
	// is none: a reference is what follows it.
	reference := `resource "terraform_data" "dependent" { triggers_replace = roi_secret_rotation.test.version_id }`
	c.apply(oneString, rotationOf("test"), reference)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	c.advance(80 * day)
	outside := c.rotateOutside("app/jwt", strings.Repeat("Outside-", 8))
	c.advance(20 * day) // past the date of the version before
	plan := c.PlanJSON()
	if change, _ := plan.Change("roi_secret_rotation.test"); len(change.Change.Actions) != 1 || change.Change.Actions[0] != "no-op" {
		t.Errorf("%v is planned after a rotation outside, want nothing", change.Change.Actions)
	}
	if change, _ := plan.Change("terraform_data.dependent"); len(change.Change.Actions) != 2 {
		t.Errorf("%v is planned for the dependent, want that it follows", change.Change.Actions)
	}
	c.Apply().Require(t, 0)
	if current, _, _ := c.labels("app/jwt"); current != outside || c.attribute("version_id") != outside {
		t.Errorf("AWSCURRENT is on %s and version_id is %v, want the version from outside, %s", current, c.attribute("version_id"), outside)
	}
	if got, want := c.attribute("rotation_due_at"), c.now.Add(70*day).Format(time.RFC3339); got != want {
		t.Errorf("due at %v, want %s", got, want)
	}
	c.nothingToDo()
	c.advance(70 * day)
	c.Apply().Require(t, 0)
	if _, previous, _ := c.labels("app/jwt"); previous != outside {
		t.Errorf("AWSPREVIOUS is on %s, want the version from outside", previous)
	}
	c.nothingToDo()
}

// A version that has gone from the store is a rotation that happened elsewhere.
// Reference: https://github.com/terraform-aws-modules/terraform-aws-secrets-manager/issues/24.
func TestRotationVersionGone(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"))
	for i := range 102 {
		c.advance(day / 4)
		c.rotateOutside("app/jwt", fmt.Sprintf("%s%03d", strings.Repeat("Outside-", 8), i))
	}
	c.fake.DropDeprecated("app/jwt")
	current, _, _ := c.labels("app/jwt")
	c.nothingToDo()
	c.Apply().Require(t, 0)
	if now, _, _ := c.labels("app/jwt"); now != current || c.attribute("version_id") != current {
		t.Errorf("AWSCURRENT is on %s, want %s, which it was on", now, current)
	}
}

// health is a server that a test makes healthy or not.
type health struct {
	*httptest.Server
	healthy  atomic.Bool
	requests atomic.Int64
}

const bodyOfHealth = "database password is hunter2"

func newHealth(t *testing.T) *health {
	t.Helper()
	h := &health{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.requests.Add(1)
		if !h.healthy.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte(bodyOfHealth))
	}))
	t.Cleanup(h.Close)
	return h
}

// argument is a health check that has failed after the deadline. One that is healthy
// ends before: the deadline leaves a loaded machine the time to be asked three times.
func (h *health) argument(deadline string) string {
	return fmt.Sprintf(`health_check = [{ url = "%s/health?token=t0ken", interval = "50ms", timeout = "2s", healthy_threshold = 3, deadline = %q }]`, h.URL, deadline)
}

// A rotation that fails its health check is rolled back, is retried as a
// replacement, and is never promoted later.
func TestRotationHealthCheck(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	h := newHealth(t)
	rotated := rotationOf("test", h.argument("5s"))
	c.apply(oneString, rotated, dependent)
	first, _, _ := c.labels("app/jwt")
	c.advance(91 * day)

	result := c.Apply()
	result.Require(t, 1)
	c.contains(result, "Rotation failed its health check and was rolled back", "status 500, expected 200",
		"is marked as failed", "AWSCURRENT is on "+first+" again", "AWSPREVIOUS is taken from", "AWSPENDING is taken from")
	for _, secret := range []string{"hunter2", "t0ken"} {
		if strings.Contains(result.Stdout+result.Stderr, secret) {
			t.Errorf("the output shows %q", secret)
		}
	}
	current, previous, pending := c.labels("app/jwt")
	if current != first || previous != "" || pending != "" {
		t.Errorf("after the rollback the labels are on %q, %q, %q; before they were on %q and none", current, previous, pending, first)
	}
	failed := c.failedVersion("app/jwt", first)

	plan := c.PlanJSON()
	if change, _ := plan.Change("roi_secret_rotation.test"); len(change.Change.Actions) != 2 {
		t.Errorf("%v is planned for the rotation, want a replacement", change.Change.Actions)
	}
	// The first apply had destroyed the old dependent already.
	if change, _ := plan.Change("terraform_data.dependent"); !slices.Contains(change.Change.Actions, "create") {
		t.Errorf("%v is planned for the dependent, want that it follows", change.Change.Actions)
	}
	h.healthy.Store(true)
	c.Apply().Require(t, 0)
	current, previous, pending = c.labels("app/jwt")
	if current == first || current == failed || previous != first || pending != "" {
		t.Errorf("after the retry the labels are on %q, %q, %q; first %q, failed %q", current, previous, pending, first, failed)
	}
	if c.versions("app/jwt") != 3 || c.attribute("version_id") != current {
		t.Errorf("there are %d versions, want the first, the failed and the new one", c.versions("app/jwt"))
	}
	c.nothingToDo()
}

func (c *cli) failedVersion(id string, not ...string) string {
	c.t.Helper()
	versions, err := c.store.Versions(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, v := range versions {
		if len(v.Labels) == 0 && v.ID != not[0] {
			return v.ID
		}
	}
	c.t.Fatal("no version without labels")
	return ""
}

// A rotation by somebody else is never overwritten.
func TestRotationForeign(t *testing.T) {
	t.Parallel()
	external := rotationBlock(`secret_id = "app/other"`, `category = "jwt"`)
	value := secretstore.NewPlaintext(strings.Repeat("Foreign-", 8))
	for name, test := range map[string]struct {
		seed    awsfake.Seed
		rotates bool // whether it is known only when it is to be rotated
		want    string
	}{
		"rotation by AWS": {
			seed: awsfake.Seed{RotationEnabled: true, RotationLambda: "arn:aws:lambda:eu-central-1:123456789012:function:rotate", RotationDays: 30},
			want: "rotated by AWS Secrets Manager with arn:aws:lambda:eu-central-1:123456789012:function:rotate",
		},
		"owning service": {seed: awsfake.Seed{OwningService: "rds"}, want: "managed by the AWS service rds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			test.seed.Name = "app/other"
			test.seed.Versions = []awsfake.SeedVersion{{Value: value, Labels: []string{secretstore.Current}}}
			c.fake.Seed(test.seed)
			c.write(external)
			c.Init()
			result := c.Plan()
			result.Require(t, 1)
			c.contains(result, "Secret is changed by someone else", test.want)
			if got := requests(c.fake); strings.Contains(got, "Tag") || strings.Contains(got, "Put") {
				t.Errorf("requests: %s", got)
			}
		})
	}
	t.Run("pending", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.apply(oneString, rotationOf("test"))
		foreign := uuid.NewString() // as the console and awscli make it
		if err := c.store.Put(t.Context(), secretstore.PutInput{ID: "app/jwt", Token: foreign, Value: value, Labels: []string{secretstore.Pending}}); err != nil {
			t.Fatal(err)
		}
		c.nothingToDo() // it is nobody's business until the value is due
		c.advance(91 * day)
		result := c.Plan()
		result.Require(t, 1)
		c.contains(result, "being changed by someone else: version "+foreign+" has AWSPENDING")
		result = c.Apply("-replace=roi_secret_rotation.test")
		result.Require(t, 1)
		if _, _, pending := c.labels("app/jwt"); pending != foreign || c.versions("app/jwt") != 2 {
			t.Errorf("AWSPENDING is on %s, and there are %d versions", pending, c.versions("app/jwt"))
		}
	})
}

// rotationBlock is a rotation of a secret that is not in the configuration.
func rotationBlock(arguments ...string) string {
	return "resource \"roi_secret_rotation\" \"test\" {\n  " + strings.Join(arguments, "\n  ") + "\n}\n"
}

// A secret that was made by other means.
func TestRotationAdoptsAndImports(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	made := c.now.Add(-40 * day)
	first := secretstore.DeriveVersionID("seed")
	arn := c.fake.Seed(awsfake.Seed{Name: "app/other", CreatedAt: made, Versions: []awsfake.SeedVersion{
		{ID: first, Value: secretstore.NewPlaintext(strings.Repeat("Foreign-", 8)), Labels: []string{secretstore.Current}},
	}})
	block := rotationBlock(fmt.Sprintf("secret_id = %q", arn), `category = "jwt"`)
	c.fake.ResetCalls()
	c.apply(block)
	// A description for the plan, one for the plan in the apply, one afresh.
	if got, want := requests(c.fake), "DescribeSecret 3, ListSecretVersionIds 3, TagResource 1"; got != want {
		t.Errorf("adopting made the requests %s, want %s", got, want)
	}
	if c.attribute("version_id") != first || c.attribute("rotated_at") != made.Format(time.RFC3339) {
		t.Errorf("adopted version %v of %v", c.attribute("version_id"), c.attribute("rotated_at"))
	}
	c.nothingToDo()

	// Imported elsewhere: by name, where the configuration has the ARN.
	for _, id := range []string{"app/other", arn} {
		other := cliOver(t, c.backend, c.now)
		other.write(block)
		other.Init()
		other.Import("roi_secret_rotation.test", id).Require(t, 0)
		other.Apply().Require(t, 0)
		if other.attribute("version_id") != first || c.versions("app/other") != 1 {
			t.Error("an import has rotated")
		}
		other.nothingToDo()
	}
	c.advance(50 * day)
	c.Apply().Require(t, 0)
	if _, previous, _ := c.labels("app/other"); previous != first {
		t.Errorf("after 90 days AWSPREVIOUS is on %s", previous)
	}
	c.nothingToDo()
}

func TestRotationImportKeepsTriggersAndKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	block := rotationBlock(`secret_id = "app/all"`, `keys = ["SESSION", "JWT"]`, `triggers = { incident = "1" }`)
	c.apply(jsonSecret)
	c.apply(jsonSecret, block)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	c.advance(2 * day)
	c.Apply().Require(t, 0)

	other := cliOver(t, c.backend, c.now)
	other.write(block)
	other.Init()
	other.Import("roi_secret_rotation.test", "app/all,JWT,SESSION").Require(t, 0)
	other.Apply().Require(t, 0)
	if c.versions("app/all") != 2 {
		t.Errorf("there are %d versions, want 2: an import rotates nothing", c.versions("app/all"))
	}
	other.nothingToDo()
	changed := strings.Replace(block, `incident = "1"`, `incident = "2"`, 1)
	other.write(changed)
	other.Apply().Require(t, 0)
	if c.versions("app/all") != 3 {
		t.Errorf("there are %d versions, want 3: a trigger was changed", c.versions("app/all"))
	}

	wrong := other.Run("import", "-input=false", "roi_secret_rotation.other", "app/all,")
	wrong.Require(t, 1)
}

// A rotation that was recorded with the secret survives the loss of its state.
func TestRotationRecordIsReadable(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	secret := c.describe(t, "app/all")
	text := secret.Tags[rotation.TagKey([]string{"JWT"})]
	current := secret.VersionWith(secretstore.Current)
	if want := "v1 at=20261123T120000Z cur=" + current + " keys=JWT"; !strings.HasPrefix(text, "v1 at=20261123T1200") || !strings.HasSuffix(text, " cur="+current+" keys=JWT") {
		t.Errorf("the record is %q, want about %q", text, want)
	}
}
