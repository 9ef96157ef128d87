// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func ago(days float64) time.Time { return now.Add(-time.Duration(days * float64(day))) }

// stub is a store that only lists, and notes whose versions it is asked for.
type stub struct {
	secrets  []secretstore.ListedSecret
	versions map[string][]secretstore.Version // by ARN
	failures map[string]error                 // by ARN
	asked    []string
}

func (s *stub) List(_ context.Context, filter secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	return func(yield func(secretstore.ListedSecret, error) bool) {
		for _, secret := range s.secrets {
			if filter.Match(secret.Secret) && !yield(secret, nil) {
				return
			}
		}
	}
}

func (s *stub) Versions(_ context.Context, id string) ([]secretstore.Version, error) {
	s.asked = append(s.asked, id)
	return s.versions[id], s.failures[id]
}

func arnOf(name string) string {
	return "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + name + "-AbCdEf"
}

// elsewhere is the id of a version that this provider did not make.
const elsewhere = "11111111-2222-4333-8444-555555555555"

func derived(what string) string { return secretstore.DeriveVersionID(what) }

// created is the id of the version that roi_secret creates a secret with.
func created(name string) string {
	return secretstore.DeriveVersionID("create", "123456789012", "eu-central-1", name)
}

// secret is one as roi_secret leaves it, made and read a number of days ago.
func secret(name string, days float64, change ...func(*secretstore.ListedSecret)) secretstore.ListedSecret {
	s := secretstore.ListedSecret{
		Secret: secretstore.Secret{
			ARN: arnOf(name), Name: name, CreatedAt: ago(days), Tags: map[string]string{},
			Labels: map[string][]string{created(name): {secretstore.Current}},
		},
		ChangedAt: ago(days), AccessedAt: ago(1), AccessKnown: true,
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

type edit = func(*secretstore.ListedSecret)

func current(version string) edit {
	return func(s *secretstore.ListedSecret) { s.Labels = map[string][]string{version: {secretstore.Current}} }
}

func tag(key, value string) edit {
	return func(s *secretstore.ListedSecret) { s.Tags[key] = value }
}

// policyTags are those of roi_secret: key to category and age in days.
func policyTags(values map[string]any) edit {
	return func(s *secretstore.ListedSecret) {
		records := map[string]policy.Record{}
		for key, value := range values {
			category, days, _ := strings.Cut(fmt.Sprint(value), " ")
			p, ok := policy.Builtin(category)
			if !ok {
				panic("no category " + category)
			}
			var age float64
			if _, err := fmt.Sscan(days, &age); err != nil {
				panic(err)
			}
			records[key] = policy.Record{Policy: p, MadeAt: ago(age)}
		}
		tags, err := policy.EncodeRecords(records)
		if err != nil {
			panic(err)
		}
		maps.Copy(s.Tags, tags)
	}
}

func record(r rotation.Record) edit {
	return func(s *secretstore.ListedSecret) {
		text, err := r.Encode()
		if err != nil {
			panic(err)
		}
		s.Tags[rotation.TagKey(r.Keys)] = text
	}
}

func query() Query {
	return Query{Foreign: true, Now: now, DueAt: now, DueWithin: 7 * day, Unused: 90 * day}
}

func make1(t *testing.T, store *stub, q Query) *Report {
	t.Helper()
	r, err := Make(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// short writes down what a test compares: status, days left, and the keys.
func short(s Secret) string {
	days := func(n *int) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	text := fmt.Sprintf("%s %s", s.Status, days(s.DaysLeft))
	for _, k := range s.Keys {
		text += fmt.Sprintf(" | %s %s %s %s %dd", k.Name, k.Category, k.Status, days(k.DaysLeft), k.RotationDays)
		if k.HasRotation {
			text += " rotation"
		}
	}
	return text
}

func TestJudging(t *testing.T) {
	grace := &rotation.Grace{Period: time.Hour}
	for name, test := range map[string]struct {
		secret   secretstore.ListedSecret
		versions []secretstore.Version
		want     string
		reason   string // a part of it; "" for none
		asks     int
	}{
		"one string, as created": {
			secret: secret("s", 80.5, policyTags(map[string]any{"": "jwt 80.5"})),
			want:   "current 9 |  jwt current 9 90d",
		},
		"due soon": {
			secret: secret("s", 83.5, policyTags(map[string]any{"": "jwt 83.5"})),
			want:   "due_soon 6 |  jwt due_soon 6 90d", reason: "it has no roi_secret_rotation",
		},
		"due soon at this second": {
			secret: secret("s", 83, policyTags(map[string]any{"": "jwt 83"})),
			want:   "due_soon 7 |  jwt due_soon 7 90d", reason: "it has no roi_secret_rotation",
		},
		"due at this second": {
			secret: secret("s", 90, policyTags(map[string]any{"": "jwt 90"})),
			want:   "overdue 0 |  jwt overdue 0 90d", reason: "it has no roi_secret_rotation",
		},
		"a second before": {
			secret: secret("s", 90, policyTags(map[string]any{"": "jwt 90"}), func(s *secretstore.ListedSecret) { s.CreatedAt = s.CreatedAt.Add(time.Second) }),
			want:   "due_soon 0 |  jwt due_soon 0 90d", reason: "it has no roi_secret_rotation",
		},
		"overdue for less than a day": {
			secret: secret("s", 90.5, policyTags(map[string]any{"": "jwt 90.5"})),
			want:   "overdue -1 |  jwt overdue -1 90d", reason: "it has no roi_secret_rotation",
		},
		"a value that is supplied": {
			secret: secret("s", 100, policyTags(map[string]any{"": "external 100"})),
			want:   "overdue -10 |  external overdue -10 90d", reason: "supplied",
		},
		"an older value that was adopted": {
			secret:   secret("s", 300, policyTags(map[string]any{"": "jwt 100"}), current(elsewhere)),
			versions: []secretstore.Version{{ID: elsewhere, CreatedAt: ago(100), Labels: []string{"AWSCURRENT"}}},
			want:     "overdue -10 |  jwt overdue -10 90d", reason: "it has no roi_secret_rotation", asks: 1,
		},
		"a value that changed while the list was read": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 100"}), current(derived("old"))),
			versions: []secretstore.Version{
				{ID: derived("old"), CreatedAt: ago(100), Labels: []string{"AWSPREVIOUS"}}, {ID: elsewhere, CreatedAt: ago(0), Labels: []string{"AWSCURRENT"}},
			},
			want: "current 90 |  jwt current 90 90d", asks: 1,
		},
		"rotated": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(30), Previous: created("s"), Grace: grace})),
			want: "current 60 |  jwt current 60 90d rotation",
		},
		"rotated, with an interval of its own": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(31), Days: 30})),
			want: "overdue -1 |  jwt overdue -1 30d rotation",
		},
		"rotated, with an interval longer than its policy's": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(100), Days: 200})),
			want: "current 100 |  jwt current 100 200d rotation",
		},
		"rotated, and then changed elsewhere": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(elsewhere),
				record(rotation.Record{Current: derived("new"), At: ago(100)})),
			versions: []secretstore.Version{{ID: elsewhere, CreatedAt: ago(10)}},
			want:     "current 80 |  jwt current 80 90d rotation", asks: 1,
		},
		"a rotation that was interrupted": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(derived("a")),
				record(rotation.Record{Current: derived("a"), At: ago(30), Phase: rotation.Begun, Base: derived("a")})),
			want: "current 60 |  jwt current 60 90d rotation", reason: "interrupted",
		},
		"a rotation that failed": {
			secret: secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(derived("a")),
				record(rotation.Record{Current: derived("a"), At: ago(95), Phase: rotation.Failed, Base: derived("a"), Attempt: 1})),
			want: "overdue -5 |  jwt overdue -5 90d rotation", reason: "a rotation failed",
		},
		"keys without a rotation": {
			secret: secret("s", 100, policyTags(map[string]any{"A": "jwt 10", "B": "database 85", "C": "encryption 100"})),
			want:   "due_soon 5 | A jwt current 80 90d | B database due_soon 5 90d | C encryption current 80 180d", reason: `key "B": it has no roi_secret_rotation`,
		},
		"keys of two rotations, and others": {
			secret: secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "B": "database 400", "C": "api_key 400", "E": "encryption 170", "X": "external 20"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(10), Keys: []string{"A"}, Days: 14, Previous: derived("old"), Grace: grace}),
				record(rotation.Record{Current: derived("old"), At: ago(50), Previous: derived("older"), Grace: grace})),
			want: "due_soon 4 | A jwt due_soon 4 14d rotation | B database current 40 90d rotation | C api_key current 40 90d rotation | " +
				"E encryption current 10 180d | X external current 70 90d",
		},
		"values rotated together have the shortest interval": {
			secret: secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "E": "encryption 400"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(10), Keys: []string{"A", "E"}, Previous: derived("old"), Grace: grace})),
			want: "current 80 | A jwt current 80 90d rotation | E encryption current 80 90d rotation",
		},
		"a key that is named twice": {
			secret: secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "B": "jwt 400"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(95), Keys: []string{"A"}, Previous: derived("old"), Grace: grace}),
				record(rotation.Record{Current: derived("new"), At: ago(10), Keys: []string{"A", "B"}, Previous: derived("old"), Grace: grace})),
			want: "overdue -5 | A jwt overdue -5 90d rotation | B jwt current 80 90d rotation",
		},
		"a rotation whose keys changed, and whose old record is still there": {
			secret: secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "B": "jwt 400"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(95), Keys: []string{"A"}, Previous: derived("old"), Grace: grace}),
				record(rotation.Record{Current: derived("new"), At: ago(10), Keys: []string{"A", "B"}, Previous: derived("old"), Grace: grace, From: hashOfTag("A")})),
			want: "current 80 | A jwt current 80 90d rotation | B jwt current 80 90d rotation",
		},
		"a key that was added to a rotation keeps its age": {
			secret: secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "B": "jwt 60"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(10), Oldest: ago(60), Keys: []string{"A", "B"}, Previous: derived("old"), Grace: grace})),
			want: "current 30 | A jwt current 30 90d rotation | B jwt current 30 90d rotation",
		},
		"a rotation whose keys are all gone": {
			secret: secret("s", 400, policyTags(map[string]any{"E": "encryption 100"}), record(rotation.Record{Current: derived("new"), At: ago(10)})),
			want:   "current 80 | E encryption current 80 180d",
		},
		"keys whose names are shortened to hashes": {
			secret: secret("s", 400, policyTags(manyKeys("jwt 400")), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(10), Keys: slices.Sorted(maps.Keys(manyKeys(""))), Previous: derived("old"), Grace: grace})),
			want: "current 80" + strings.Join(manyShort("jwt current 80 90d rotation"), ""),
		},
		"a whole secret rotated without a policy of its own": {
			secret: secret("s", 400, current(derived("new")), record(rotation.Record{Current: derived("new"), At: ago(10), Days: 30})),
			want:   "current 20 |   current 20 30d rotation",
		},
		"a rotation whose interval nobody knows": {
			secret: secret("s", 400, current(derived("new")), record(rotation.Record{Current: derived("new"), At: ago(10)})),
			want:   "untracked - |   untracked - 0d rotation", reason: "set rotation_days",
		},
		"a value that is never due": {
			secret: secret("s", 400, tag(policy.RecordTag, "v1 @2025-01-01T00:00:00Z jwt rotate=0d"), current(elsewhere)),
			want:   "current - |  jwt current - 0d",
		},
		"a secret without a value": {
			secret: secret("s", 400, policyTags(map[string]any{"": "jwt 400"}), func(s *secretstore.ListedSecret) { s.Labels = map[string][]string{} }),
			want:   "untracked - |  jwt untracked - 90d", reason: "no current version",
		},
		"foreign": {
			secret: secret("s", 400, tag("team", "x"), current(elsewhere)),
			want:   "untracked -", reason: "neither a policy nor the record of a rotation",
		},
		"a malformed policy": {
			secret: secret("s", 400, tag(policy.RecordTag, "garbage")),
			want:   "untracked -", reason: `policy cannot be read: tag "roi:policy"`,
		},
		"a policy of a newer version": {
			secret: secret("s", 400, tag(policy.RecordTag, "v9 something")),
			want:   "untracked -", reason: "newer version of the provider",
		},
		"a malformed rotation of a foreign secret": {
			secret: secret("s", 400, tag(rotation.RecordTag, "garbage")),
			want:   "untracked -", reason: `rotation cannot be read: tag "roi:rotation"`,
		},
		"a malformed rotation of one key": {
			secret: secret("s", 100, policyTags(map[string]any{"A": "jwt 100", "B": "jwt 100"}), tag(rotation.TagKey([]string{"B"}), "v1 nonsense"),
				record(rotation.Record{Current: derived("a"), At: ago(10), Keys: []string{"A"}, Previous: derived("old"), Grace: grace})),
			want: "untracked 80 | A jwt current 80 90d rotation | B jwt untracked - 90d", reason: `key "B": the record of a rotation cannot be read`,
		},
		"a record under the tag of another": {
			secret: secret("s", 100, policyTags(map[string]any{"A": "jwt 100"}), tag(rotation.RecordTag+":00000000", "v1 at=20260501T000000Z cur=x keys=A")),
			want:   "untracked - | A jwt untracked - 90d rotation", reason: "cannot be told",
		},
		"managed by an AWS service": {
			secret: secret("s", 400, current(elsewhere), func(s *secretstore.ListedSecret) { s.OwningService = "rds" }),
			want:   "rotated_elsewhere -", reason: "AWS service rds",
		},
		"rotated by AWS": {
			secret: secret("s", 400, policyTags(map[string]any{"": "jwt 400"}), current(elsewhere), func(s *secretstore.ListedSecret) { s.RotationEnabled = true }),
			want:   "rotated_elsewhere - |  jwt rotated_elsewhere - 90d", reason: "AWS Secrets Manager",
		},
		"scheduled for deletion": {
			secret: secret("s", 400, policyTags(map[string]any{"": "jwt 400"}), current(elsewhere), func(s *secretstore.ListedSecret) { s.DeletedAt = ago(1) }),
			want:   "scheduled_for_deletion - |  jwt scheduled_for_deletion - 90d",
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &stub{secrets: []secretstore.ListedSecret{test.secret}, versions: map[string][]secretstore.Version{test.secret.ARN: test.versions}}
			r := make1(t, store, query())
			if len(r.Secrets) != 1 {
				t.Fatalf("%d secrets, want 1", len(r.Secrets))
			}
			got := r.Secrets[0]
			if short(got) != test.want {
				t.Errorf("got  %s\nwant %s", short(got), test.want)
			}
			if !strings.Contains(got.Reason, test.reason) || (test.reason == "") != (got.Reason == "") {
				t.Errorf("the reason is %q, want one with %q", got.Reason, test.reason)
			}
			if len(store.asked) != test.asks {
				t.Errorf("versions were asked for %d times, want %d", len(store.asked), test.asks)
			}
		})
	}
}

// hashOfTag is how a record names the tag of a rotation of keys: the first five
// characters of a digest.
func hashOfTag(keys ...string) string {
	sum := sha256.Sum256([]byte(rotation.TagKey(keys)))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:5]
}

// manyKeys are more than a record can name in full.
func manyKeys(value string) map[string]any {
	keys := map[string]any{}
	for i := range 20 {
		keys[fmt.Sprintf("A_RATHER_LONG_NAME_%02d", i)] = value
	}
	return keys
}

func manyShort(each string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(manyKeys(""))) {
		all = append(all, " | "+key+" "+each)
	}
	return all
}

// A rotation of a whole JSON secret and roi_secret_rotation agree on the dates.
func TestDatesAreThoseOfTheRotation(t *testing.T) {
	grace := &rotation.Grace{Period: time.Hour}
	s := secret("s", 400, policyTags(map[string]any{"A": "jwt 400", "B": "jwt 3"}), current(derived("newest")),
		record(rotation.Record{Current: derived("new"), At: ago(50), Previous: derived("old"), Grace: grace}))
	view, err := rotation.Look(s.Secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := view.State().Made
	got := make1(t, &stub{secrets: []secretstore.ListedSecret{s}}, query()).Secrets[0]
	if !want.Equal(ago(50)) || !got.RotatedAt.Equal(want) || !got.DueAt.Equal(want.Add(90*day)) || got.VersionID != derived("newest") {
		t.Errorf("rotated at %s, due at %s, version %s", got.RotatedAt, got.DueAt, got.VersionID)
	}
}

// What the versions say is newer than the list.
func TestVersionsAreNewerThanTheList(t *testing.T) {
	s := secret("s", 300, policyTags(map[string]any{"": "jwt 100"}), current(derived("old")))
	store := &stub{secrets: []secretstore.ListedSecret{s}, versions: map[string][]secretstore.Version{
		s.ARN: {{ID: elsewhere, CreatedAt: ago(1), Labels: []string{"AWSCURRENT"}}, {ID: derived("old"), CreatedAt: ago(100), Labels: []string{"AWSPREVIOUS"}}},
	}}
	if got := make1(t, store, query()).Secrets[0]; got.VersionID != elsewhere || got.Keys[0].VersionID != elsewhere || !got.RotatedAt.Equal(ago(1)) {
		t.Errorf("version %s, rotated at %s", got.VersionID, got.RotatedAt)
	}
}

// A version that is not listed yet is no reason to call a value overdue.
func TestVersionThatIsNotListedYet(t *testing.T) {
	s := secret("s", 300, policyTags(map[string]any{"": "jwt 300"}), current(elsewhere))
	store := &stub{secrets: []secretstore.ListedSecret{s}, versions: map[string][]secretstore.Version{
		s.ARN: {{ID: derived("old"), CreatedAt: ago(300), Labels: []string{"AWSCURRENT"}}},
	}}
	if got := make1(t, store, query()).Secrets[0]; got.Status != Untracked || got.Reason != "the store does not list its current version yet" {
		t.Errorf("%s, %s", got.Status, got.Reason)
	}
}

func TestOldestOfWhatIsNeverDue(t *testing.T) {
	s := secret("s", 300, tag(policy.RecordTag, "v1 @2026-02-01T00:00:00Z jwt rotate=0d : A / @2026-01-01T00:00:00Z jwt rotate=0d : B / @2026-03-01T00:00:00Z jwt rotate=0d : C"))
	if got := make1(t, &stub{secrets: []secretstore.ListedSecret{s}}, query()).Secrets[0]; !got.RotatedAt.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || !got.DueAt.IsZero() {
		t.Errorf("rotated at %s, due at %s", got.RotatedAt, got.DueAt)
	}
}

func TestLookingAhead(t *testing.T) {
	store := &stub{secrets: []secretstore.ListedSecret{secret("s", 10, policyTags(map[string]any{"": "jwt 10"}))}}
	q := query()
	q.DueAt, q.Unused = now.Add(75*day), 30*day
	got := make1(t, store, q).Secrets[0]
	if short(got) != "due_soon 5 |  jwt due_soon 5 90d" {
		t.Errorf("75 days ahead it is %s", short(got))
	}
	if !got.UnusedSince.IsZero() {
		t.Error("a secret that was read yesterday is unused, since a later time was asked about")
	}
}
