// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestUrgency(t *testing.T) {
	never := tag(policy.RecordTag, "v1 @2026-05-01T00:00:00Z jwt rotate=0d")
	aged := func(name string, days float64) secretstore.ListedSecret {
		return secret(name, days, policyTags(map[string]any{"": fmt.Sprint("jwt ", days)}))
	}
	store := &stub{secrets: []secretstore.ListedSecret{
		secret("never", 10, never), aged("new", 1), aged("old", 50), aged("soon", 84), aged("sooner", 89), aged("late", 91), aged("later", 200), secret("foreign", 10),
		secret("service", 10, func(s *secretstore.ListedSecret) { s.OwningService = "rds" }), secret("going", 10, func(s *secretstore.ListedSecret) { s.DeletedAt = now }),
	}}
	r := make1(t, store, query())
	var got []string
	for _, s := range r.byUrgency() {
		got = append(got, s.Name)
	}
	if diff := cmp.Diff("later late sooner soon foreign old new never service going", strings.Join(got, " ")); diff != "" {
		t.Errorf("by urgency (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"later", "late"}, r.Overdue) + cmp.Diff([]string{"sooner", "soon"}, r.DueSoon); diff != "" {
		t.Errorf("overdue and due soon (-want +got):\n%s", diff)
	}
}

func TestUnused(t *testing.T) {
	read := func(days float64) edit { return func(s *secretstore.ListedSecret) { s.AccessedAt = ago(days) } }
	never := func(s *secretstore.ListedSecret) { s.AccessedAt = time.Time{} }
	store := &stub{secrets: []secretstore.ListedSecret{
		secret("read-90-days-ago", 400, read(90)),
		secret("read-91-days-ago", 400, read(91)),
		secret("never-read", 200, never),
		secret("new", 3, never),
		secret("not-known", 400, never, func(s *secretstore.ListedSecret) { s.AccessKnown = false }),
		secret("of-a-service", 400, never, func(s *secretstore.ListedSecret) { s.OwningService = "rds" }),
		secret("going", 400, never, func(s *secretstore.ListedSecret) { s.DeletedAt = ago(1) }),
		secret("rotated-by-aws", 400, read(100), func(s *secretstore.ListedSecret) { s.RotationEnabled = true }),
	}}
	r := make1(t, store, query())
	if diff := cmp.Diff([]string{"never-read", "rotated-by-aws", "read-91-days-ago"}, r.Unused); diff != "" || r.Counts.Unused != 3 {
		t.Errorf("unused, %d (-want +got):\n%s", r.Counts.Unused, diff)
	}
	for _, s := range r.Secrets {
		if s.Name == "never-read" && !s.UnusedSince.Equal(ago(200)) {
			t.Errorf("never read, and unused since %s, want its creation", s.UnusedSince)
		}
	}
}

func TestFilters(t *testing.T) {
	secrets := []secretstore.ListedSecret{
		secret("a/jwt", 100, policyTags(map[string]any{"": "jwt 100"}), tag("team", "blue")),
		secret("a/app", 100, policyTags(map[string]any{"J": "jwt 100", "E": "encryption 100"})),
		secret("b/tls", 10, policyTags(map[string]any{"": "tls 10"}), tag("team", "blue")),
		secret("b/adopted", 10, policyTags(map[string]any{"": "jwt 10"}), current(elsewhere)),
		secret("foreign", 10, tag("team", "blue")),
		secret("half", 10, tag("roi:other", "x")),
	}
	for name, test := range map[string]struct {
		change func(*Query)
		want   []string
		asks   int
	}{
		"all":            {func(*Query) {}, []string{"a/app", "a/jwt", "b/adopted", "b/tls", "foreign", "half"}, 1},
		"not foreign":    {func(q *Query) { q.Foreign = false }, []string{"a/app", "a/jwt", "b/adopted", "b/tls"}, 1},
		"prefix":         {func(q *Query) { q.NamePrefix = "a/" }, []string{"a/app", "a/jwt"}, 0},
		"tags":           {func(q *Query) { q.Tags = map[string]string{"team": "blue"} }, []string{"a/jwt", "b/tls", "foreign"}, 0},
		"category":       {func(q *Query) { q.Categories = []string{"encryption", "tls"} }, []string{"a/app", "b/tls"}, 0},
		"classification": {func(q *Query) { q.Classifications = []policy.Classification{policy.Critical} }, []string{"a/app", "b/tls"}, 0},
		"both, of one value": {func(q *Query) {
			q.Categories, q.Classifications = []string{"jwt"}, []policy.Classification{policy.Critical}
		}, nil, 0},
		"status":  {func(q *Query) { q.Statuses = []Status{Overdue} }, []string{"a/app", "a/jwt"}, 1},
		"nothing": {func(q *Query) { q.NamePrefix = "none" }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := &stub{secrets: secrets, versions: map[string][]secretstore.Version{arnOf("b/adopted"): {{ID: elsewhere, CreatedAt: ago(5)}}}}
			q := query()
			test.change(&q)
			r := make1(t, store, q)
			var got []string
			for _, s := range r.Secrets {
				got = append(got, s.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
			if len(store.asked) != test.asks || r.Counts.Total != len(got) {
				t.Errorf("versions were asked for %d times, want %d; %d in total", len(store.asked), test.asks, r.Counts.Total)
			}
		})
	}
}

// Of a JSON secret only the keys that pass are judged.
func TestFiltersOfValues(t *testing.T) {
	store := &stub{secrets: []secretstore.ListedSecret{secret("s", 100, policyTags(map[string]any{"J": "jwt 100", "E": "encryption 100"}))}}
	q := query()
	q.Categories = []string{"encryption"}
	if got := short(make1(t, store, q).Secrets[0]); got != "current 80 | E encryption current 80 180d" {
		t.Errorf("got %s", got)
	}
}

func TestVersionsThatCannotBeListed(t *testing.T) {
	fails := func(kind error) map[string]error {
		return map[string]error{arnOf("bad"): &secretstore.Error{Op: "list the versions of secret", ID: arnOf("bad"), Kind: kind}}
	}
	jwt := policyTags(map[string]any{"": "jwt 10"})
	secrets := []secretstore.ListedSecret{secret("bad", 10, jwt, current(elsewhere)), secret("good", 10, jwt)}

	r := make1(t, &stub{secrets: secrets, failures: fails(secretstore.ErrAccessDenied)}, query())
	if got := short(r.Secrets[0]); got != "untracked - |  jwt untracked - 90d" || !strings.Contains(r.Secrets[0].Reason, "secretsmanager:ListSecretVersionIds") {
		t.Errorf("denied: %s, %s", got, r.Secrets[0].Reason)
	}
	if !slices.Equal(r.Denied, []string{"bad"}) || !errors.Is(r.DeniedError, secretstore.ErrAccessDenied) || r.Secrets[1].Status != Current {
		t.Errorf("denied: %v, %v, and the other is %s", r.Denied, r.DeniedError, r.Secrets[1].Status)
	}

	r = make1(t, &stub{secrets: secrets, failures: fails(secretstore.ErrNotFound)}, query())
	if len(r.Secrets) != 1 || r.Secrets[0].Name != "good" || r.Counts.Total != 1 {
		t.Errorf("a secret that is gone: %d secrets", len(r.Secrets))
	}

	if _, err := Make(t.Context(), &stub{secrets: secrets, failures: fails(secretstore.ErrThrottled)}, query()); !errors.Is(err, secretstore.ErrThrottled) {
		t.Errorf("throttled: %v", err)
	}
}

// Lists of versions come at most at the documented rate.
func TestVersionsAreAskedForSlowly(t *testing.T) {
	var secrets []secretstore.ListedSecret
	const n = versionRate + 10
	for i := range n {
		secrets = append(secrets, secret(fmt.Sprint("s", i), 10, policyTags(map[string]any{"": "jwt 10"}), current(elsewhere)))
	}
	store := &stub{secrets: secrets}
	start := time.Now()
	make1(t, store, query())
	if took, least := time.Since(start), time.Second*9/versionRate; len(store.asked) != n || took < least {
		t.Errorf("%d requests in %s, want %d in %s or more", len(store.asked), took, n, least)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, store, query()); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}
