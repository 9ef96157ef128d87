// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// fleet has a secret of every kind, in no order.
func fleet() *stub {
	grace := &rotation.Grace{Period: time.Hour}
	return &stub{
		secrets: []secretstore.ListedSecret{
			secret("shop/current", 10, policyTags(map[string]any{"": "jwt 10"})),
			secret("shop/app", 120, policyTags(map[string]any{"JWT_SECRET": "jwt 120", "DB_PASSWORD": "database 120", "ENCRYPTION_KEY": "encryption 120"}), current(derived("new")),
				record(rotation.Record{Current: derived("new"), At: ago(86), Keys: []string{"DB_PASSWORD"}, Previous: derived("old"), Grace: grace})),
			secret("shop/many", 200, policyTags(manyKeys("jwt 100"))),
			secret("shop/partner", 95, policyTags(map[string]any{"": "external 95"}), func(s *secretstore.ListedSecret) { s.AccessedAt = ago(93) }),
			secret("rds!cluster-1", 400, func(s *secretstore.ListedSecret) { s.OwningService, s.AccessedAt = "rds", time.Time{} }),
			secret("legacy/lambda", 400, func(s *secretstore.ListedSecret) { s.RotationEnabled = true }),
			secret("legacy/odd_*name*|`x`", 400, tag("roi:policy", "see @admin, www.example.com and https://example.com/a_b")),
			secret("legacy/unread", 400, func(s *secretstore.ListedSecret) { s.AccessedAt = time.Time{} }),
			secret("shop/gone", 400, policyTags(map[string]any{"": "jwt 400"}), func(s *secretstore.ListedSecret) { s.DeletedAt = ago(2) }),
		},
	}
}

func TestMarkdown(t *testing.T) {
	golden(t, "report.md", make1(t, fleet(), query()).Markdown())
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(make1(t, fleet(), query()))
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", indented.String()+"\n")
}

// The same secrets at the same time make the same report, whatever the order in
// which they are listed.
func TestReportIsStable(t *testing.T) {
	first := make1(t, fleet(), query())
	for range 5 {
		store := fleet()
		store.secrets = append(store.secrets[3:], store.secrets[:3]...)
		if again := make1(t, store, query()); again.Markdown() != first.Markdown() || cmp.Diff(first.Secrets, again.Secrets) != "" {
			t.Fatal("the report depends on more than the secrets")
		}
	}
}

func TestMarkdownOfNothing(t *testing.T) {
	if got := make1(t, &stub{}, query()).Markdown(); got != "### Rotation of secrets\n\nNo secret matches.\n" {
		t.Errorf("got %q", got)
	}
	text, err := json.Marshal(make1(t, &stub{}, query()))
	if err != nil || !strings.Contains(string(text), `"overdue":[],"due_soon":[],"unused":[],"secrets":[]`) {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestDueInWords(t *testing.T) {
	for hours, want := range map[int]string{
		-49: "2026-05-30 (2 days ago)", -25: "2026-05-31 (1 day ago)", -24: "2026-05-31 (1 day ago)", -23: "2026-05-31 (less than a day ago)",
		0: "2026-06-01 (less than a day ago)", 23: "2026-06-02 (in less than a day)", 24: "2026-06-02 (in 1 day)", 48: "2026-06-03 (in 2 days)",
	} {
		r := Report{query: query()}
		if got := r.due(Secret{DueAt: now.Add(time.Duration(hours) * time.Hour)}); got != want {
			t.Errorf("in %d hours: %s, want %s", hours, got, want)
		}
	}
}

func TestMarkdownIsShort(t *testing.T) {
	var many stub
	for i := range 2000 {
		age := 10
		if i%10 == 0 {
			age = 100
		}
		many.secrets = append(many.secrets, secret(fmt.Sprintf("s%04d", i), float64(age), policyTags(map[string]any{"": fmt.Sprint("jwt ", age)})))
	}
	got := make1(t, &many, query()).Markdown()
	if rows := strings.Count(got, "\n| "); rows != 1+maxRows {
		t.Errorf("%d rows, want %d and the head", rows, maxRows)
	}
	if !strings.HasSuffix(got, "\n… and 1900 secrets more: **100 overdue**, 1800 current.\n") {
		t.Errorf("it ends with %q", got[len(got)-100:])
	}

	// Names and reasons can be long.
	many = stub{}
	for i := range 100 {
		many.secrets = append(many.secrets, secret(strings.Repeat("n", 500)+fmt.Sprint(i), 10, tag("roi:policy", strings.Repeat("v", 200)+" "+strings.Repeat("@", 50))))
	}
	got = make1(t, &many, query()).Markdown()
	if len(got) > maxMarkdownBytes+200 || !utf8.ValidString(got) || !strings.Contains(got, "more: ") {
		t.Errorf("%d bytes", len(got))
	}
}
