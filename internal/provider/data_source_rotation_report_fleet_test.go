// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// reported is what a report has to say of one secret.
type reported struct {
	Status   string
	DueAt    string // "" for none
	DaysLeft int    // only beside DueAt
	Unused   bool
	Reason   string // a part of it
}

// due is the expectation for a value of an age that no rotation has recorded.
func due(made time.Time, days int) reported {
	at := made.AddDate(0, 0, days)
	left := at.Sub(testTime.Time)
	r := reported{Status: "current", DueAt: at.Format(time.RFC3339), DaysLeft: int(left / (24 * time.Hour))}
	if left%(24*time.Hour) < 0 {
		r.DaysLeft-- // rounded down
	}
	switch {
	case left <= 0:
		r.Status = "overdue"
	case left <= 7*24*time.Hour:
		r.Status = "due_soon"
	}
	if r.Status != "current" {
		r.Reason = "it has no roi_secret_rotation"
	}
	return r
}

// kindsOfSecret are what a fleet consists of. Each makes secret number i and says
// what has to be reported of it.
var kindsOfSecret = []func(i int) (awsfake.Seed, reported){
	func(i int) (awsfake.Seed, reported) { // as roi_secret makes it
		made := daysBefore(i % 97)
		return ownSeed(made, "jwt"), due(made, 90)
	},
	func(i int) (awsfake.Seed, reported) {
		made := daysBefore(i % 200)
		return ownSeed(made, "encryption"), due(made, 180)
	},
	func(i int) (awsfake.Seed, reported) {
		made := daysBefore(i % 97)
		want := due(made, 90)
		if want.Reason != "" {
			want.Reason = "the value is supplied"
		}
		return ownSeed(made, "external"), want
	},
	func(i int) (awsfake.Seed, reported) { // rotated, and changed for other reasons since
		rotated, id := daysBefore(i%40), fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		seed := ownSeed(daysBefore(500), "database")
		seed.Versions[0].Labels = []string{"AWSPREVIOUS"}
		seed.Versions = append(seed.Versions, awsfake.SeedVersion{ID: id, NoValue: true, Labels: []string{"AWSCURRENT"}, CreatedAt: rotated})
		seed.Tags["roi:rotation"] = "v1 at=" + rotated.Format("20060102T150405Z") + " cur=" + id + " prev=" + id[:35] + "x grace=3600s days=30"
		want := due(rotated, 30)
		want.Reason = ""
		return seed, want
	},
	func(i int) (awsfake.Seed, reported) { // keys of one age each
		made, older := daysBefore(i%50), daysBefore(i%50+45)
		seed := ownSeed(older, "")
		seed.Tags["roi:policy"] = fmt.Sprintf("v1 @%s encryption : KEY / @%s jwt : ONE TWO", older.Format(time.RFC3339), made.Format(time.RFC3339))
		return seed, due(made, 90) // before older plus 180 days
	},
	func(i int) (awsfake.Seed, reported) { // not ours
		return awsfake.Seed{CreatedAt: daysBefore(400), Tags: map[string]string{"team": "blue"}}, reported{Status: "untracked", Reason: "neither a policy"}
	},
	func(i int) (awsfake.Seed, reported) { // not ours, without any tag, and not read for long
		return awsfake.Seed{CreatedAt: daysBefore(400), AccessedAt: daysBefore(91 + i%100)}, reported{Status: "untracked", Unused: true, Reason: "neither a policy"}
	},
	func(i int) (awsfake.Seed, reported) { // not ours, and with a tag of ours all the same
		tag := []string{"", "v1", "v2 later", "v1 @2026-01-01T00:00:00Z nonsense", strings.Repeat("x", 256), "v1 @2026-01-01T00:00:00Z jwt : "}[i/10%6]
		return awsfake.Seed{CreatedAt: daysBefore(400), Tags: map[string]string{"roi:policy": tag}}, reported{Status: "untracked", Reason: `tag "roi:policy"`}
	},
	func(i int) (awsfake.Seed, reported) {
		return awsfake.Seed{OwningService: "rds", CreatedAt: daysBefore(400), AccessedAt: daysBefore(300)}, reported{Status: "rotated_elsewhere", Reason: "the AWS service rds"}
	},
	func(i int) (awsfake.Seed, reported) {
		return awsfake.Seed{RotationEnabled: true, RotationLambda: "arn:aws:lambda:x", CreatedAt: daysBefore(400)}, reported{Status: "rotated_elsewhere", Reason: "AWS Secrets Manager"}
	},
}

// adoptedEvery and deletedEvery are further kinds: values that are older than
// their tags, and secrets in their recovery window.
const (
	adoptedEvery = 50
	deletedEvery = 40
)

func daysBefore(n int) time.Time { return testTime.AddDate(0, 0, -n).Add(-time.Hour) }

// ownSeed is a secret with a policy, "" for none.
func ownSeed(made time.Time, category string) awsfake.Seed {
	seed := awsfake.Seed{CreatedAt: made, Tags: map[string]string{}, Versions: []awsfake.SeedVersion{{NoValue: true, Labels: []string{"AWSCURRENT"}}}}
	if category != "" {
		seed.Tags["roi:policy"] = "v1 @" + made.Format(time.RFC3339) + " " + category
	}
	return seed
}

// seedFleet makes n secrets, and returns what has to be reported of each, and of
// how many the list cannot tell the age.
func seedFleet(t *testing.T, b backend, n int) (want map[string]reported, untold int) {
	t.Helper()
	want = map[string]reported{}
	for i := range n {
		name := fmt.Sprintf("fleet/%04d", (i*7919)%n)
		seed, expected := kindsOfSecret[i%len(kindsOfSecret)](i)
		if i%adoptedEvery == 0 {
			adopted := daysBefore(i % 150)
			seed, expected = ownSeed(daysBefore(1), "api_key"), due(adopted, 90)
			seed.CreatedAt = daysBefore(600)
			seed.Versions[0].ID, seed.Versions[0].CreatedAt = fmt.Sprintf("11111111-0000-4000-8000-%012d", i), adopted
			untold++
		} else if len(seed.Versions) > 0 {
			seed.Versions[0].ID = secretstore.DeriveVersionID("create", awsfake.DefaultAccount, awsfake.DefaultRegion, name)
		}
		seed.Name = name
		if seed.AccessedAt.IsZero() {
			seed.AccessedAt = daysBefore(i % 90)
		}
		b.fake.Seed(seed)
		if i%deletedEvery == 1 {
			if _, err := b.store.Delete(t.Context(), name, 7); err != nil {
				t.Fatal(err)
			}
			expected = reported{Status: "scheduled_for_deletion"}
		}
		want[name] = expected
	}
	return want, untold
}

// compareReport compares what is reported of each secret.
func compareReport(t *testing.T, got reportValues, want map[string]reported) {
	t.Helper()
	if len(got.Secrets) != len(want) {
		t.Errorf("%d secrets are reported, want %d", len(got.Secrets), len(want))
	}
	counts, wrong := map[string]int{"rotated_elsewhere": 0}, 0
	for _, s := range got.Secrets {
		expected := want[s.Name]
		found := reported{Status: s.Status, DueAt: s.DueAt, Unused: s.UnusedSince != ""}
		if s.DaysLeft != nil {
			found.DaysLeft = *s.DaysLeft
		}
		if strings.Contains(s.Reason, expected.Reason) && (s.Reason == "") == (expected.Reason == "") {
			found.Reason = expected.Reason
		} else {
			found.Reason = s.Reason
		}
		counts[s.Status]++
		if diff := cmp.Diff(expected, found); diff != "" {
			if wrong++; wrong < 5 {
				t.Errorf("%s (-want +got):\n%s", s.Name, diff)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d secrets are reported wrong", wrong, len(want))
	}
	counts["total"], counts["unused"] = len(got.Secrets), len(got.Unused)
	if diff := cmp.Diff(counts, got.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if !slices.Equal(slices.Sorted(slices.Values(got.Overdue)), namesWith(got, "overdue")) || !slices.Equal(slices.Sorted(slices.Values(got.DueSoon)), namesWith(got, "due_soon")) {
		t.Error("the lists of what is overdue and due soon are not those of the statuses")
	}
}

func namesWith(r reportValues, status string) []string {
	var names []string
	for _, s := range r.Secrets {
		if s.Status == status {
			names = append(names, s.Name)
		}
	}
	return names
}

// A fleet of 2,000 secrets: each is reported right, with one request for a hundred
// of them and one for each of which the list cannot tell the age, and in little
// memory. Empty pages cost requests of their own, which only AWS decides.
func TestReportOfAFleet(t *testing.T) {
	const secrets = 2000
	for name, options := range map[string][]awsfake.Option{"full pages": nil, "empty pages": {awsfake.EmptyPages()}} {
		t.Run(name, func(t *testing.T) {
			b := fakeBackend(t, append(options, awsfake.At(testTime.Time))...)
			want, untold := seedFleet(t, b, secrets)
			server := reportServer(t, b)
			b.fake.ResetCalls()

			peak := watchMemory(t)
			attributes, texts := server.readReport(t, object{"include_foreign": true, "name_prefix": "fleet/"})
			if used := peak(); used > 100<<20 {
				t.Errorf("the report takes %d MB of memory, want at most 100", used>>20)
			} else {
				t.Logf("the report takes %d MB of memory, that of the fake included", used>>20)
			}

			got := reportOf(t, attributes, texts)
			compareReport(t, got, want)
			lists, pages := secrets/100, 1
			if options != nil {
				lists, pages = lists+2, 3 // an empty page before, and one behind
			}
			if asked := requests(b.fake); asked != fmt.Sprintf("ListSecretVersionIds %d, ListSecrets %d", pages*untold, lists) {
				unusual := map[string]int{}
				for _, call := range b.fake.Calls() {
					unusual[fmt.Sprintf("%s of %q with status %d, fault %q", call.Op, call.SecretID, call.Status, call.Fault)]++
				}
				maps.DeleteFunc(unusual, func(_ string, n int) bool { return n == pages })
				t.Errorf("the requests are %s, want %d and %d; not as often as the others are %v", asked, pages*untold, lists, unusual)
			}
			if got := strings.Count(got.Markdown, "\n| "); got != 101 {
				t.Errorf("the table has %d rows, want 100 and its head", got)
			}
		})
	}
}

// Without the foreign secrets AWS filters, and fewer pages come.
func TestReportOfOwnSecretsTakesFewerRequests(t *testing.T) {
	b := fakeBackend(t, awsfake.At(testTime.Time))
	want, _ := seedFleet(t, b, 600)
	tagged := 0
	for _, secret := range b.fake.Secrets() {
		if secret.Tags["roi:policy"] == "" && secret.Tags["roi:rotation"] == "" && !hasKey(secret.Tags, "roi:policy") {
			delete(want, secret.Name)
		} else {
			tagged++
		}
	}
	b.fake.ResetCalls()
	got, _ := reportServer(t, b).report(t, object{})
	compareReport(t, got, want)
	if lists := (tagged + 99) / 100; b.fake.Count("ListSecrets") != lists || lists > 4 {
		t.Errorf("%d ListSecrets for %d secrets, want %d", b.fake.Count("ListSecrets"), tagged, lists)
	}
}

func hasKey(tags map[string]string, key string) bool {
	_, ok := tags[key]
	return ok
}

// A list can be five minutes old. The report says what the list says, and for a
// secret that is gone meanwhile, nothing.
func TestReportOfALaggingList(t *testing.T) {
	b := fakeBackend(t, awsfake.At(testTime.Time))
	want, _ := seedFleet(t, b, 2000)
	server := reportServer(t, b)
	b.fake.SetListLag(5 * time.Minute)

	names := map[string]string{} // one of each kind
	for name, r := range want {
		names[r.Status] = name
	}
	if _, err := b.store.Delete(t.Context(), names["overdue"], 7); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Untag(t.Context(), names["current"], []string{"roi:policy", "roi:rotation"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Create(t.Context(), secretstore.CreateInput{
		Name: "fleet/new", Token: secretstore.DeriveVersionID("new"), Value: secretstore.NewPlaintext("x"),
	}); err != nil {
		t.Fatal(err)
	}
	got, _ := server.report(t, object{"include_foreign": true})
	compareReport(t, got, want)

	b.fake.Advance(5 * time.Minute)
	want[names["overdue"]] = reported{Status: "scheduled_for_deletion"}
	want[names["current"]] = reported{Status: "untracked", Reason: "neither a policy"}
	want["fleet/new"] = reported{Status: "untracked", Reason: "neither a policy"}
	got, _ = server.report(t, object{"include_foreign": true})
	compareReport(t, got, want)
}

// watchMemory returns a function that stops watching and returns by how much the
// heap had grown at most.
func watchMemory(t *testing.T) func() uint64 {
	t.Helper()
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, done, result := stats.HeapAlloc, make(chan struct{}), make(chan uint64)
	go func() {
		var stats runtime.MemStats
		var peak uint64
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapAlloc)
			select {
			case <-done:
				result <- peak - min(before, peak)
				return
			case <-ticker.C:
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}
