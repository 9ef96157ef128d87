// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Other keys rotate nothing, and there is one record, not one for every set of
// keys that the rotation ever had.
func TestRotationKeysChange(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	first, _, _ := c.labels("app/all")
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	second, _, _ := c.labels("app/all")
	for _, change := range []struct {
		argument string
		keys     []string
	}{
		{`keys = ["JWT", "SESSION"]`, []string{"JWT", "SESSION"}},
		{"", nil},
		{`keys = ["JWT"]`, []string{"JWT"}},
	} {
		c.apply(jsonSecret, rotationOf("test", change.argument))
		current, previous, pending := c.labels("app/all")
		if current != second || previous != first || pending != "" || c.versions("app/all") != 2 {
			t.Errorf("%q: the labels are on %s, %s, %q, of %d versions", change.argument, current, previous, pending, c.versions("app/all"))
		}
		records := c.records("app/all")
		if record, there := records[rotation.TagKey(change.keys)]; !there || len(records) != 1 || record.Current != second || record.Previous != first {
			t.Errorf("%q: the records are %+v", change.argument, records)
		}
		c.nothingToDo()
	}

	// The grace period goes on, and ends.
	c.advance(2 * time.Hour)
	c.Apply().Require(t, 0)
	if _, previous, _ := c.labels("app/all"); previous != "" {
		t.Error("AWSPREVIOUS was not retired")
	}
	c.nothingToDo()
}

// A replacement whose keys differ from those before rotates once.
func TestRotationReplacedWithOtherKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arguments []string // beside the keys
		command   []string
		days      int
		again     bool // whether the new keys come first, and the rotation with the next apply
	}{
		"by hand": {command: []string{"-replace=roi_secret_rotation.test"}},
		"trigger": {arguments: []string{`triggers = { incident = "1" }`}},
		"due":     {days: 91, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret, jwtRotation)
			first, _, _ := c.labels("app/all")
			c.advance(time.Duration(test.days) * day)
			c.write(jsonSecret, rotationOf("test", append(test.arguments, `keys = ["JWT", "SESSION"]`)...))
			result := c.Apply(test.command...)
			if result.ExitCode != 0 {
				t.Errorf("exit code %d:\n%s", result.ExitCode, result.Message())
			}
			if test.again {
				c.Apply().Require(t, 0)
			}
			current, previous, pending := c.labels("app/all")
			if current == first || previous != first || pending != "" || c.versions("app/all") != 2 {
				t.Fatalf("the labels are on %s, %q, %q, of %d versions; the first was %s", current, previous, pending, c.versions("app/all"), first)
			}
			changed := c.changedKeys("app/all", first, current)
			slices.Sort(changed)
			if !slices.Equal(changed, []string{"JWT", "SESSION"}) {
				t.Errorf("%v changed", changed)
			}
			if n := len(c.records("app/all")); n != 1 {
				t.Errorf("there are %d records, want 1", n)
			}
			c.nothingToDo()
		})
	}
}

// A key has one rotation: two resources that name it are an error of the plan,
// whichever of them is there already.
func TestRotationsOverlap(t *testing.T) {
	t.Parallel()
	needsAProcessForEachPlan(t)
	both := rotationOf("test", `keys = ["JWT", "SESSION"]`)
	for name, test := range map[string]struct {
		one, other string
		want       string
	}{
		"same keys":      {both, rotationOf("twin", `keys = ["SESSION", "JWT"]`), `The key "JWT" of the secret`},
		"one key":        {both, rotationOf("twin", `keys = ["SESSION"]`), `The key "SESSION" of the secret`},
		"no keys at all": {rotationOf("test"), rotationOf("twin"), "neither names keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret)
			refused := func(when string) {
				t.Helper()
				c.fake.ResetCalls()
				for _, result := range []tfcli.Result{c.Plan(), c.Apply("-replace=roi_secret_rotation.test"), c.Plan("-refresh=false")} {
					if result.ExitCode != 1 || !strings.Contains(result.Message(), "another roi_secret_rotation") && !strings.Contains(result.Message(), "Another roi_secret_rotation") ||
						!strings.Contains(result.Message(), test.want) {
						t.Errorf("%s: exit code %d:\n%s", when, result.ExitCode, result.Message())
					}
				}
				if wrote(c.fake) {
					t.Errorf("%s: the requests were %s", when, requests(c.fake))
				}
			}
			c.write(jsonSecret, test.one, test.other)
			refused("both are new")
			c.apply(jsonSecret, test.one)
			c.write(jsonSecret, test.one, test.other)
			refused("one is new")
			if name == "one key" {
				return // the record of the one that is removed stays, and names the key
			}
			// The one that takes the place of another is no second one.
			c.apply(jsonSecret, test.other)
			c.nothingToDo()
			c.apply(jsonSecret, test.one, "moved {\n  from = roi_secret_rotation.twin\n  to = roi_secret_rotation.test\n}")
			c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
			c.nothingToDo()
		})
	}
}

// Rotations that exchange their keys overlap in no plan.
func TestRotationsExchangeKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT"]`), rotationOf("other"))
	c.apply(jsonSecret, rotationOf("test"), rotationOf("other", `keys = ["JWT"]`))
	c.nothingToDo()
	if n := len(c.records("app/all")); n != 2 || c.versions("app/all") != 1 {
		t.Errorf("there are %d records and %d versions", n, c.versions("app/all"))
	}
}

// A key can be named by a rotation in the apply that adds it to the secret.
func TestRotationOfAKeyThatIsBeingAdded(t *testing.T) {
	t.Parallel()
	added := strings.Replace(jsonSecret, "  keys = {\n", "  keys = {\n    EXTRA   = { category = \"jwt\", rotation_days = 30 }\n", 1)
	for name, after := range map[string][]string{
		"new rotation":     {jwtRotation, rotationOf("extra", `keys = ["EXTRA"]`)},
		"rotation changed": {rotationOf("test", `keys = ["EXTRA", "JWT"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret, jwtRotation)
			c.advance(10 * day)
			c.apply(append([]string{added}, after...)...)
			c.nothingToDo()
			if c.versions("app/all") != 2 {
				t.Errorf("there are %d versions, want the first one and the one with the key", c.versions("app/all"))
			}
			c.advance(31 * day)
			plan := c.PlanJSON()
			address := "roi_secret_rotation.extra"
			if name == "rotation changed" {
				address = "roi_secret_rotation.test"
			}
			if change, _ := plan.Change(address); len(change.Change.Actions) != 2 {
				t.Errorf("%s after 31 days: %v", address, change.Change.Actions)
			}
			// A key that nobody adds is still unknown.
			c.write(added, rotationOf("test", `keys = ["MORE", "JWT"]`))
			c.contains(c.Plan(), "Unknown key", `has no key "MORE"`)
		})
	}
}

// A key that comes to a rotation is as old as it was.
func TestRotationIsGivenAnOldKey(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	c.advance(80 * day)
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	second, _, _ := c.labels("app/all")
	due := c.attribute("rotation_due_at")
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	c.nothingToDo()
	// The clock of the provider ran on until it made the key.
	if got, _ := c.attribute("rotation_due_at").(string); got == due || !strings.HasPrefix(got, "2027-02-21T12:0") {
		t.Errorf("due at %v, before %v", got, due)
	}
	// Already due, it is rotated in the apply that names it.
	c.apply(jsonSecret, jwtRotation)
	c.advance(30 * day)
	c.write(jsonSecret, rotationOf("test", `keys = ["JWT", "SESSION"]`))
	change, _ := c.PlanJSON().Change("roi_secret_rotation.test")
	if !slices.Equal(change.Change.Actions, []string{"delete", "create"}) {
		t.Errorf("planned: %v", change.Change.Actions)
	}
	c.Apply().Require(t, 0)
	if current, previous, _ := c.labels("app/all"); current == second || previous != second {
		t.Errorf("the labels are on %s and %s", current, previous)
	}
	c.nothingToDo()
}

// A rotation of values of which some are never generated could not rotate any.
func TestRotationOfSuppliedAndGeneratedKeys(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	secret := strings.Replace(jsonSecret, "  static = {", "  values_wo         = { PARTNER = \"Vq7-xk2_Lm9.Tz4+Rb8=Wd3\" }\n  values_wo_version = 1\n  static = {", 1)
	c.apply(secret)
	c.write(secret, rotationOf("test", `keys = ["JWT", "PARTNER"]`))
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "Supplied and generated keys in one rotation", "PARTNER come from outside", "the generated ones, JWT")
	c.apply(secret, jwtRotation, rotationOf("other", `keys = ["PARTNER"]`))
	c.nothingToDo()
}

// An apply that breaks off between writing the record of the new keys and removing
// that of the earlier ones is finished by the next.
func TestRotationKeysChangeInterrupted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after   string // the keys
		command []string
		rotates bool
	}{
		"in place":             {`keys = ["JWT", "SESSION"]`, nil, false},
		"in place, to all":     {"", nil, false},
		"replaced by hand":     {`keys = ["JWT", "SESSION"]`, []string{"-replace=roi_secret_rotation.test"}, true},
		"all replaced by hand": {"", []string{"-replace=roi_secret_rotation.test"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(jsonSecret, jwtRotation)
			first, _, _ := c.labels("app/all")
			c.advance(time.Hour)
			c.write(jsonSecret, rotationOf("test", test.after))
			c.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "UntagResource"})
			c.Apply(test.command...).Require(t, 1)
			if n := len(c.records("app/all")); n != 2 {
				t.Fatalf("there are %d records, want the new one and the one before", n)
			}
			c.Apply().Require(t, 0)
			current, previous, pending := c.labels("app/all")
			if rotated := current != first && previous == first && c.versions("app/all") == 2; rotated != test.rotates || pending != "" {
				t.Errorf("the labels are on %s, %q, %q, of %d versions", current, previous, pending, c.versions("app/all"))
			}
			if n := len(c.records("app/all")); n != 1 {
				t.Errorf("there are %d records, want 1", n)
			}
			c.nothingToDo()
		})
	}
}

// A key that roi_secret makes anew is a rotation of it: the dates follow, and
// nothing is rotated because of that.
func TestRotationFollowsTightenedPolicy(t *testing.T) {
	t.Parallel()
	const tightened = `
resource "roi_secret" "test" {
  name = "app/all"
  keys = {
    JWT     = { category = "jwt", length = 96 }
    SESSION = { category = "session", rotation_days = 180 }
    ENC     = { category = "encryption" }
  }
  static = { HOST = "db.internal" }
}
`
	c := newCLI(t)
	both := rotationOf("test", `keys = ["JWT", "SESSION"]`)
	c.apply(jsonSecret, both)
	c.advance(time.Minute) // each process begins at the same second, and one may take longer
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	second, _, _ := c.labels("app/all")
	rotated := c.attribute("rotated_at")

	c.advance(10 * day)
	c.apply(tightened, both)
	third, _, pending := c.labels("app/all")
	if got := c.changedKeys("app/all", second, third); !slices.Equal(got, []string{"JWT"}) || pending != "" || c.versions("app/all") != 3 {
		t.Fatalf("%v changed, and there are %d versions", got, c.versions("app/all"))
	}
	c.nothingToDo()
	c.Apply().Require(t, 0) // takes over what the refresh has seen
	generation, _ := c.attribute("generation").(float64)
	made := time.Unix(int64(generation), 0)
	if c.attribute("version_id") != third || made.Sub(c.now) > time.Minute || made.Before(c.now) {
		t.Errorf("version_id is %v of %v, want %s of about %v", c.attribute("version_id"), made, third, c.now)
	}
	if got := c.attribute("rotated_at"); got != rotated {
		t.Errorf("rotated_at is %v, want that of the oldest value, %v", got, rotated)
	}
	c.nothingToDo()

	// SESSION is as old as before, so the rotation is due when it was; until then
	// the grace period ends.
	c.advance(79 * day)
	c.Apply().Require(t, 0)
	c.nothingToDo()
	c.advance(day + time.Hour)
	c.Apply().Require(t, 0)
	fourth, previous, pending := c.labels("app/all")
	changed := c.changedKeys("app/all", third, fourth)
	slices.Sort(changed)
	if !slices.Equal(changed, []string{"JWT", "SESSION"}) || previous != third || pending != "" || c.versions("app/all") != 4 {
		t.Errorf("%v changed, AWSPREVIOUS is on the version before: %t, and there are %d versions", changed, previous == third, c.versions("app/all"))
	}
	if c.attribute("version_id") != fourth {
		t.Errorf("version_id is %v, want %s", c.attribute("version_id"), fourth)
	}
	c.nothingToDo()
}

// A record that was damaged or removed by hand rotates nothing. The first is
// said, and is written anew by the next change.
func TestRotationRecordDamaged(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	first, _, _ := c.labels("app/all")
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	second, _, _ := c.labels("app/all")
	tag := rotation.TagKey([]string{"JWT"})
	if err := c.store.Tag(t.Context(), "app/all", map[string]string{tag: "v1 by hand"}); err != nil {
		t.Fatal(err)
	}
	result := c.Plan()
	result.Require(t, 0)
	c.contains(result, "Record of a rotation cannot be read", "If it is the one of this rotation, the next change writes it anew.", tag)
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT"]`, `grace_period = "2h"`))
	if record := c.records("app/all")[tag]; record.Current != second {
		t.Errorf("the record is %+v", record)
	}
	c.nothingToDo()
	if current, previous, _ := c.labels("app/all"); current != second || previous != first || c.versions("app/all") != 2 {
		t.Error("a damaged record has rotated or retired something")
	}

	if err := c.store.Untag(t.Context(), "app/all", []string{tag}); err != nil {
		t.Fatal(err)
	}
	c.nothingToDo()
	c.Apply().Require(t, 0)
	if c.versions("app/all") != 2 {
		t.Error("a record that is missing has rotated something")
	}
	c.advance(91 * day)
	c.Apply().Require(t, 0)
	if current, previous, _ := c.labels("app/all"); current == second || previous != second || c.versions("app/all") != 3 {
		t.Errorf("when due, without a record: there are %d versions, and AWSPREVIOUS is on %s", c.versions("app/all"), previous)
	}
	c.nothingToDo()
}

// A version whose description is older than what this provider wrote itself is not
// a rotation made elsewhere, until it has been read for five seconds.
func TestRotationReadsStaleDescriptions(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(oneString, rotationOf("test"), dependent)
	first, _, _ := c.labels("app/jwt")
	drain := func() {
		c.fake.SetLag(awsfake.Lag{})
		for range 5 {
			c.describe(t, "app/jwt")
		}
	}
	c.fake.SetLag(awsfake.Lag{Reads: 3})
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	drain()
	second, previous, pending := c.labels("app/jwt")
	if second == first || previous != first || pending != "" || c.versions("app/jwt") != 2 {
		t.Fatalf("with lag: the labels are on %s, %s, %q, of %d versions", second, previous, pending, c.versions("app/jwt"))
	}
	c.nothingToDo()

	// The answer from before AWSCURRENT was moved.
	move := func(from, to string) {
		t.Helper()
		if err := c.store.MoveLabel(t.Context(), "app/jwt", secretstore.Current, from, to); err != nil {
			t.Fatal(err)
		}
	}
	move(second, first)
	c.fake.SetLag(awsfake.Lag{Reads: 4})
	move(first, second)
	c.fake.SetLag(awsfake.Lag{})
	c.fake.ResetCalls()
	plan := c.PlanJSON()
	for _, address := range []string{"roi_secret_rotation.test", "terraform_data.dependent"} {
		if change, _ := plan.Change(address); !slices.Equal(change.Change.Actions, []string{"no-op"}) {
			t.Errorf("%s: %v is planned because of a stale answer", address, change.Change.Actions)
		}
	}
	if got, want := requests(c.fake), "DescribeSecret 5"; got != want {
		t.Errorf("requests: %s, want %s: four stale answers, and the true one", got, want)
	}
	c.Apply().Require(t, 0)
	if c.attribute("version_id") != second || c.versions("app/jwt") != 2 {
		t.Errorf("version_id is %v, want %s", c.attribute("version_id"), second)
	}

	// It stays so: somebody has put the value before back.
	move(second, first)
	c.fake.ResetCalls()
	c.Apply().Require(t, 0)
	if got, want := requests(c.fake), "DescribeSecret 11"; got != want {
		t.Errorf("requests: %s, want %s: once, and every half second for five", got, want)
	}
	if c.attribute("version_id") != first || c.versions("app/jwt") != 2 {
		t.Errorf("version_id is %v, want %s", c.attribute("version_id"), first)
	}
	c.nothingToDo()
}
