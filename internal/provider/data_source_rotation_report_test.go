// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// reportValues are the attributes of a report, as JSON has them.
type reportValues struct {
	Counts   map[string]int
	Overdue  []string
	DueSoon  []string `json:"due_soon"`
	Unused   []string
	Secrets  []reportedSecret
	Markdown string `json:"-"`
}

type reportedSecret struct {
	ARN          string
	Name         string
	Status       string
	Reason       string
	Owner        string
	VersionID    string `json:"version_id"`
	RotatedAt    string `json:"rotated_at"`
	DueAt        string `json:"due_at"`
	DaysLeft     *int   `json:"days_left"`
	LastAccessed string `json:"last_accessed"`
	UnusedSince  string `json:"unused_since"`
	Keys         []map[string]any
}

// reportServer is a provider over a backend, at testTime.
func reportServer(t *testing.T, b backend, more ...object) testServer {
	t.Helper()
	server := newTestServer(t, WithStore(func(secretstore.Store) secretstore.Store { return b.store }))
	config := object{"store": "local"}
	for _, m := range more {
		for name, value := range m {
			config[name] = value
		}
	}
	if texts := server.configure(t, config); texts != nil {
		t.Fatalf("unexpected diagnostics: %q", texts)
	}
	return server
}

func reportType(t *testing.T) tftypes.Type {
	t.Helper()
	var resp datasource.SchemaResponse
	newRotationReport().Schema(t.Context(), datasource.SchemaRequest{}, &resp)
	for _, d := range resp.Schema.ValidateImplementation(t.Context()) {
		t.Errorf("%s", d.Detail())
	}
	return resp.Schema.Type().TerraformType(t.Context())
}

// readReport reads a roi_rotation_report, and returns its attributes and what was
// said.
func (s testServer) readReport(t *testing.T, config object) (map[string]tftypes.Value, []string) {
	t.Helper()
	typ := reportType(t)
	resp, err := s.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
		TypeName: "roi_rotation_report", Config: dynamic(t, typ, terraformValue(t, typ, config)),
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := diagnosticTexts(resp.Diagnostics)
	if resp.State == nil {
		return nil, texts
	}
	state, err := resp.State.Unmarshal(typ)
	if err != nil {
		t.Fatal(err)
	}
	var attributes map[string]tftypes.Value
	if err := state.As(&attributes); err != nil {
		t.Fatal(err)
	}
	return attributes, texts
}

// report reads a report that there is no error about. Its JSON must say the same
// as its attributes.
func (s testServer) report(t *testing.T, config object) (reportValues, []string) {
	t.Helper()
	attributes, texts := s.readReport(t, config)
	return reportOf(t, attributes, texts), texts
}

func reportOf(t *testing.T, attributes map[string]tftypes.Value, texts []string) (r reportValues) {
	t.Helper()
	if attributes == nil {
		t.Fatalf("no report: %q", texts)
	}
	text, err := json.Marshal(plain(t, attributes["secrets"]))
	if err == nil {
		err = json.Unmarshal(text, &r.Secrets)
	}
	if err == nil {
		var document string
		if err = attributes["json"].As(&document); err == nil {
			sameJSON(t, document, attributes)
			secrets := r.Secrets
			err = json.Unmarshal([]byte(document), &r)
			r.Secrets = secrets
		}
	}
	if err == nil {
		err = attributes["markdown"].As(&r.Markdown)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sameJSON(t *testing.T, document string, attributes map[string]tftypes.Value) {
	t.Helper()
	same := map[string]any{}
	for _, name := range []string{"counts", "overdue", "due_soon", "unused", "secrets"} {
		same[name] = plain(t, attributes[name])
	}
	var got any
	if err := json.Unmarshal([]byte(document), &got); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(same)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(again) {
		t.Error("json and the attributes differ")
	}
}

// plain makes a value what json.Unmarshal would, without what is null.
func plain(t *testing.T, v tftypes.Value) any {
	t.Helper()
	var err error
	defer func() {
		if err != nil {
			t.Fatal(err)
		}
	}()
	switch {
	case v.IsNull():
		return nil
	case v.Type().Is(tftypes.String):
		var s string
		err = v.As(&s)
		return s
	case v.Type().Is(tftypes.Bool):
		var b bool
		err = v.As(&b)
		return b
	case v.Type().Is(tftypes.Number):
		n := new(big.Float)
		err = v.As(&n)
		return json.Number(n.Text('f', -1))
	case v.Type().Is(tftypes.Object{}):
		var attributes map[string]tftypes.Value
		err = v.As(&attributes)
		result := map[string]any{}
		for name, attribute := range attributes {
			if !attribute.IsNull() {
				result[name] = plain(t, attribute)
			}
		}
		return result
	}
	var elements []tftypes.Value
	err = v.As(&elements)
	result := []any{}
	for _, element := range elements {
		result = append(result, plain(t, element))
	}
	return result
}

func TestReportBadInput(t *testing.T) {
	clearEnvironment(t)
	server := reportServer(t, localBackend(t), object{"policies": object{"partner_token": object{"base": "api_key"}}})
	typ := reportType(t)
	for name, test := range map[string]struct {
		config object
		want   string
	}{
		"category":           {object{"categories": []any{"jwt", "jwtt"}}, `categories: Unknown category: There is no category "jwtt". Known are: jwt, session,`},
		"no category":        {object{"categories": []any{}}, "at least 1"},
		"classification":     {object{"classifications": []any{"top-secret"}}, `must be one of: ["public" "internal" "secret" "critical"], got: "top-secret"`},
		"status":             {object{"statuses": []any{"late"}}, `must be one of: ["overdue" "due_soon"`},
		"prefix":             {object{"name_prefix": "arn:aws:x"}, "name_prefix must be 1 to 512 of the characters"},
		"empty prefix":       {object{"name_prefix": ""}, "name_prefix must be 1 to 512 of the characters"},
		"negated prefix":     {object{"name_prefix": "!a"}, "begin with another than !"},
		"duration":           {object{"due_within": "7d"}, `due_within must be a duration of 0 or more and at most 1000 days, such as "168h", got: "7d"`},
		"duration, long":     {object{"due_within": "24001h"}, "at most 1000 days"},
		"days":               {object{"unused_days": 0}, "unused_days value must be between 1 and 3650, got: 0"},
		"characters in tags": {object{"tags": object{"a": "b!"}}, "may have letters, digits"},
		"a tag without key":  {object{"tags": object{"": "b"}}, "between 1 and 128"},
		"known category":     {object{"categories": []any{"partner_token"}}, ""},
		"prefix of services": {object{"name_prefix": "rds!cluster-"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := server.ValidateDataResourceConfig(t.Context(), &tfprotov6.ValidateDataResourceConfigRequest{
				TypeName: "roi_rotation_report", Config: dynamic(t, typ, terraformValue(t, typ, test.config)),
			})
			if err != nil {
				t.Fatal(err)
			}
			texts := diagnosticTexts(resp.Diagnostics)
			if len(texts) == 0 {
				var attributes map[string]tftypes.Value
				if attributes, texts = server.readReport(t, test.config); attributes["markdown"].IsKnown() && !attributes["markdown"].IsNull() {
					texts = nil
				}
			}
			if got := strings.Join(texts, "\n"); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReportOfNothing(t *testing.T) {
	clearEnvironment(t)
	for _, b := range []backend{fakeBackend(t), localBackend(t)} {
		t.Run(b.name, func(t *testing.T) {
			got, texts := reportServer(t, b).report(t, object{"name_prefix": "nothing/"})
			if len(texts) != 1 || !strings.Contains(texts[0], `name_prefix: No secret matches`) || !strings.Contains(texts[0], `begins with "nothing/"`) {
				t.Errorf("it said %q", texts)
			}
			if got.Counts["total"] != 0 || len(got.Counts) != 8 || got.Markdown != "### Rotation of secrets\n\nNo secret matches.\n" {
				t.Errorf("the report is %+v", got)
			}
		})
	}
}

func TestReportOfAStoreThatCannotList(t *testing.T) {
	clearEnvironment(t)
	_, texts := reportServer(t, backend{store: stubStore{}}).readReport(t, object{})
	if len(texts) != 1 || !strings.Contains(texts[0], "Store cannot be listed") {
		t.Errorf("it said %q", texts)
	}
}

// The least rights, and what is said without them.
func TestReportRights(t *testing.T) {
	clearEnvironment(t)
	b := fakeBackend(t, awsfake.At(testTime.Time))
	own := ownSeed(daysBefore(10), "jwt")
	own.Name = "own"
	own.Versions[0].ID = secretstore.DeriveVersionID("create", awsfake.DefaultAccount, awsfake.DefaultRegion, "own")
	b.fake.Seed(own)
	adopted := ownSeed(daysBefore(10), "jwt")
	adopted.Name = "adopted"
	b.fake.Seed(adopted)
	server := reportServer(t, b)

	b.fake.DenyAllBut("DescribeSecret", "DescribeKey", "GetSecretValue")
	attributes, texts := server.readReport(t, object{})
	if said := strings.Join(texts, "\n"); len(texts) != 1 || !strings.Contains(said, "Listing secrets is denied") || !strings.Contains(said, "secretsmanager:ListSecrets") ||
		!strings.Contains(said, `Resource is "*"`) || !attributes["markdown"].IsNull() {
		t.Errorf("without the right to list it said %q", texts)
	}

	b.fake.DenyAllBut("ListSecrets")
	got, texts := server.report(t, object{})
	if said := strings.Join(texts, "\n"); len(texts) != 1 || !strings.Contains(said, "Age of secrets is not known") ||
		!strings.Contains(said, ": adopted.") || !strings.Contains(said, "secretsmanager:ListSecretVersionIds") {
		t.Errorf("with the right to list alone it said %q", texts)
	}
	if got.Secrets[0].Status != "untracked" || got.Secrets[1].Status != "current" {
		t.Errorf("with the right to list alone: %s and %s", got.Secrets[0].Status, got.Secrets[1].Status)
	}

	b.fake.DenyAllBut("ListSecrets", "ListSecretVersionIds")
	got, texts = server.report(t, object{})
	if len(texts) != 0 || got.Counts["current"] != 2 {
		t.Errorf("with both rights: %v, %q", got.Counts, texts)
	}
}

func TestReportBeforeTheProviderIsKnown(t *testing.T) {
	clearEnvironment(t)
	b := localBackend(t)
	for argument, config := range map[string]object{
		"rotation.warn_before": {"rotation": object{"warn_before": unknown}},
		"policies":             {"policies": unknown},
	} {
		server := reportServer(t, b, config)
		_, texts := server.readReport(t, object{"categories": []any{"jwt"}})
		if said := strings.Join(texts, "\n"); !strings.Contains(said, "the provider argument "+argument+" depends on") || !strings.Contains(said, "-target") {
			t.Errorf("%s: it said %q", argument, texts)
		}
	}
}

// Due dates are compared with plan_as_of, and warn_before says what is soon.
func TestReportLooksAhead(t *testing.T) {
	clearEnvironment(t)
	b := fakeBackend(t, awsfake.At(testTime.Time))
	seed := ownSeed(testTime.AddDate(0, 0, -30), "jwt")
	seed.Name = "s"
	b.fake.Seed(seed)
	for _, test := range []struct {
		provider, config object
		status           string
		days             int
	}{
		{nil, nil, "current", 60},
		{object{"rotation": object{"plan_as_of": "+60d"}}, nil, "overdue", 0},
		{object{"rotation": object{"plan_as_of": "+59d"}}, nil, "due_soon", 1},
		{object{"rotation": object{"warn_before": "1440h"}}, nil, "due_soon", 60},
		{object{"rotation": object{"warn_before": "1440h"}}, object{"due_within": "1h"}, "current", 60},
		{nil, object{"due_within": "1440h"}, "due_soon", 60},
	} {
		got, _ := reportServer(t, b, test.provider).report(t, test.config)
		if s := got.Secrets[0]; s.Status != test.status || *s.DaysLeft != test.days {
			t.Errorf("%v %v: %s, %d days left; want %s, %d", test.provider, test.config, s.Status, *s.DaysLeft, test.status, test.days)
		}
	}
}
