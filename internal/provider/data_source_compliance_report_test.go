// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// complianceStep reads a report with these arguments into report.
func complianceStep(b backend, before, arguments string, report *compliance.Report) resource.TestStep {
	return resource.TestStep{
		Config: b.provider(`environment = "staging"`) + before + "data \"roi_compliance_report\" \"test\" {\n" + arguments + "\n}\n",
		ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownValue("data.roi_compliance_report.test", tfjsonpath.New("json"), knownvalue.StringFunc(func(text string) error {
				*report = compliance.Report{}
				return json.Unmarshal([]byte(text), report)
			})),
		},
	}
}

// found is the status of a check for a name and a key, "" when there is no result.
func found(report compliance.Report, name, key, check string) compliance.Status {
	i := slices.IndexFunc(report.Results, func(r compliance.Result) bool { return r.Name == name && r.Key == key && r.Check == check })
	if i < 0 {
		return ""
	}
	return report.Results[i].Status
}

func reason(report compliance.Report, name, check string) string {
	i := slices.IndexFunc(report.Results, func(r compliance.Result) bool { return r.Name == name && r.Check == check })
	if i < 0 {
		return "no such result"
	}
	return string(report.Results[i].Status) + ": " + report.Results[i].Reason
}

// What the provider itself makes passes every check of its values on every store,
// and a value that somebody put there by hand does not.
func TestComplianceReport(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		secret := fmt.Sprintf(`
resource "roi_secret" "test" {
  name              = %q
  keys              = { JWT = { category = "jwt" }, DB = { category = "database" }, ENC = { category = "encryption" }, GIVEN = { category = "external" } }
  values_wo         = { GIVEN = "kV7-xQ2_mZ9pLw4TbR8n" }
  values_wo_version = 1
  static            = { HOST = "db.internal" }
}
`, name)
		arguments := fmt.Sprintf("name_prefix = %q\nread_values = true\ndepends_on = [roi_secret.test]", name)
		var first, second, unread compliance.Report
		steps(t, complianceStep(b, secret, arguments, &first))
		if t.Failed() {
			return
		}
		values := 0
		for _, r := range first.Results {
			switch {
			case r.Key != "":
				values++
				if r.Status != compliance.Pass {
					t.Errorf("%s of %s is %s: %s", r.Check, r.Key, r.Status, r.Reason)
				}
			case r.Check == "key_customer_managed":
				if b.name == "local" || r.Status != compliance.Fail {
					t.Errorf("%s is %s: %s", r.Check, r.Status, r.Reason)
				}
			case r.Status != compliance.Pass:
				t.Errorf("%s is %s: %s", r.Check, r.Status, r.Reason)
			}
		}
		if values != 32 || first.Totals.Secrets != 1 {
			t.Errorf("%d results of values in %d secrets, want 32 in 1", values, first.Totals.Secrets)
		}
		for _, key := range []string{"JWT", "DB", "ENC", "GIVEN"} {
			if got := found(first, name, key, "value_length"); got != compliance.Pass {
				t.Errorf("value_length of %s is %q", key, got)
			}
		}

		// The test above has destroyed its secret.
		name = uniqueName(t)
		records, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: mustPolicy(t, "jwt"), MadeAt: time.Now().Add(-100 * day)}})
		if err != nil {
			t.Fatal(err)
		}
		for i, value := range []string{"REPLACE_WITH_SECRET", "abcdabcd", "REPLACE_WITH_SECRET"} {
			token := uuid.NewString()
			if i == 0 {
				_, err = b.store.Create(t.Context(), secretstore.CreateInput{Name: name, Token: token, Value: secretstore.NewPlaintext(value), Tags: records})
			} else {
				err = b.store.Put(t.Context(), secretstore.PutInput{ID: name, Token: token, Value: secretstore.NewPlaintext(value), Labels: []string{secretstore.Pending}})
				if err == nil {
					err = b.store.MoveLabel(t.Context(), name, secretstore.Current, b.describe(t, name).VersionWith(secretstore.Current), token)
				}
				if err == nil {
					err = b.store.MoveLabel(t.Context(), name, secretstore.Pending, token, "")
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		steps(t,
			complianceStep(b, "", fmt.Sprintf("secret_ids = [%q]\nread_values = true", name), &second),
			complianceStep(b, "", fmt.Sprintf("name_prefix = %q", name), &unread),
		)
		for check, want := range map[string]compliance.Status{
			"value_length": compliance.Fail, "value_blocklist": compliance.Fail, "value_reuse": compliance.Fail, "value_patterns": compliance.Pass,
			"value_encoding": compliance.Pass, "value_strength": compliance.Pass, "value_age": compliance.Pass, "no_pending_version": compliance.Pass,
		} {
			if got := found(second, name, "", check); got != want {
				t.Errorf("%s of a placeholder is %q, want %q", check, got, want)
			}
		}
		for _, check := range []string{"value_length", "value_encoding", "value_classes", "value_patterns", "value_blocklist", "value_reuse"} {
			if got := found(unread, name, "", check); got != compliance.NotEvaluated {
				t.Errorf("%s is %q without read_values", check, got)
			}
		}
		files := 0
		for _, r := range second.Results {
			if r.Check == "file_mode" {
				files++
			}
		}
		if (files == 3) != (b.name == "local") {
			t.Errorf("%d files", files)
		}
	})
}

func mustPolicy(t *testing.T, category string) policy.Policy {
	t.Helper()
	p, ok := policy.Builtin(category)
	if !ok {
		t.Fatalf("no category %s", category)
	}
	return p
}

// What a category demands is never below its own floor, also of a supplied value
// whose encoding could not be generated.
func TestBelowFloor(t *testing.T) {
	t.Parallel()
	supplied := mustPolicy(t, "api_key")
	supplied.Supplied, supplied.Encoding = true, policy.Any
	short := mustPolicy(t, "api_key")
	short.Length = 47
	for _, test := range []struct {
		name        string
		environment policy.Environment
		policy      policy.Policy
		below       bool
	}{
		{"supplied", policy.Production, supplied, false},
		{"too short", policy.Production, short, true},
		{"short enough for development", policy.Development, short, false},
	} {
		if err := belowFloor(test.environment, test.policy); (err != nil) != test.below {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, category := range policy.Categories() {
		if err := belowFloor(policy.Production, mustPolicy(t, category)); err != nil {
			t.Errorf("%s: %v", category, err)
		}
	}
}

// A fleet with all that can be wrong in it, seen with no right to read values.
func TestComplianceReportOfFleet(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t, awsfake.EmptyPages())
	old := b.fake.Now().Add(-100 * day)
	good := b.fake.AddKey(awsfake.Key{Rotation: true})
	disabled := b.fake.AddKey(awsfake.Key{})
	tags := func(p policy.Policy, made time.Time) map[string]string {
		records, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: p, MadeAt: made}})
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
	weak := mustPolicy(t, "jwt")
	weak.Length = 24
	version := func(labels ...string) awsfake.SeedVersion {
		return awsfake.SeedVersion{Value: secretstore.NewPlaintext("unread"), Labels: labels}
	}
	current := []awsfake.SeedVersion{version(secretstore.Current)}
	pending := append(slices.Clone(current), version(secretstore.Pending))
	everyone := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	for _, seed := range []awsfake.Seed{
		{Name: "fleet/good", KMSKeyID: good, Tags: tags(mustPolicy(t, "jwt"), b.fake.Now()), Versions: current},
		{Name: "fleet/overdue", KMSKeyID: good, Tags: tags(mustPolicy(t, "jwt"), old), Versions: current, CreatedAt: old},
		{Name: "fleet/weak", KMSKeyID: good, Tags: tags(weak, b.fake.Now()), Versions: current},
		{Name: "fleet/pending", KMSKeyID: good, Tags: tags(mustPolicy(t, "jwt"), old), Versions: pending, CreatedAt: old},
		{Name: "fleet/open", Policy: everyone, Versions: current},
		{Name: "fleet/disabled", KMSKeyID: disabled, Versions: current},
		{Name: "fleet/owned", OwningService: "rds", Versions: current},
		{Name: "fleet/damaged", Tags: map[string]string{policy.RecordTag: "v1 nonsense"}, Versions: current},
		{Name: "other", Policy: everyone, Versions: current},
	} {
		b.fake.Seed(seed)
	}
	b.fake.ChangeKey(disabled, func(key *awsfake.Key) { key.State = "Disabled" })
	b.fake.Seed(awsfake.Seed{Name: "fleet/leaving", Versions: current})
	if _, err := b.store.Delete(t.Context(), "fleet/leaving", 7); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Replicate(t.Context(), "fleet/good", []secretstore.ReplicaSpec{{Region: "us-east-1"}}, false); err != nil {
		t.Fatal(err)
	}
	b.fake.DenyAllBut("ListSecrets", "DescribeSecret", "ListSecretVersionIds", "GetResourcePolicy", "kms:DescribeKey", "kms:GetKeyRotationStatus")
	b.fake.ResetCalls()

	var report compliance.Report
	steps(t, complianceStep(b, "", `name_prefix = "fleet/"`, &report))
	for _, test := range []struct {
		name, check string
		want        compliance.Status
	}{
		{"fleet/good", "value_age", compliance.Pass},
		{"fleet/good", "policy_floor", compliance.Pass},
		{"fleet/good", "replica_in_sync", compliance.Pass},
		{"fleet/overdue", "value_age", compliance.Fail},
		{"fleet/overdue", "policy_floor", compliance.Pass},
		{"fleet/overdue", "key_customer_managed", compliance.Pass},
		{"fleet/overdue", "key_enabled", compliance.Pass},
		{"fleet/overdue", "key_rotation", compliance.Pass},
		{"fleet/overdue", "resource_policy_not_public", compliance.Pass},
		{"fleet/overdue", "no_pending_version", compliance.Pass},
		{"fleet/overdue", "value_blocklist", compliance.NotEvaluated},
		{"fleet/overdue", "replica_in_sync", ""},
		{"fleet/weak", "policy_floor", compliance.Fail},
		{"fleet/weak", "value_age", compliance.Pass},
		{"fleet/pending", "no_pending_version", compliance.Fail},
		{"fleet/open", "resource_policy_not_public", compliance.Fail},
		{"fleet/open", "key_customer_managed", compliance.Fail},
		{"fleet/open", "policy_recorded", compliance.NotEvaluated},
		{"fleet/open", "value_length", ""},
		{"fleet/disabled", "key_enabled", compliance.Fail},
		{"fleet/disabled", "key_rotation", compliance.Fail},
		{"fleet/owned", "policy_recorded", compliance.NotEvaluated},
		{"fleet/damaged", "policy_recorded", compliance.NotEvaluated},
		{"fleet/leaving", "policy_recorded", ""},
		{"other", "resource_policy_not_public", ""},
	} {
		if got := found(report, test.name, "", test.check); got != test.want {
			t.Errorf("%s of %s is %q, want %q", test.check, test.name, got, test.want)
		}
	}
	if report.Totals.Secrets != 8 {
		t.Errorf("%d secrets, want 8", report.Totals.Secrets)
	}
	if n := b.fake.Count("GetSecretValue"); n != 0 {
		t.Errorf("%d values were read", n)
	}
	// Each key is described once in a plan, and only what is replicated.
	refreshes := b.fake.Count("GetResourcePolicy") / 8
	if got, want := b.fake.Count("DescribeKey"), 2*refreshes; got != want {
		t.Errorf("%d requests for keys in %d refreshes, want %d", got, refreshes, want)
	}
	if got, want := b.fake.Count("DescribeSecret"), refreshes; got != want {
		t.Errorf("%d secrets were described in %d refreshes, want %d", got, refreshes, want)
	}
}

// A right that is missing leaves open what needs it, and nothing else.
func TestComplianceReportWithoutRights(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	key := b.fake.AddKey(awsfake.Key{Rotation: true})
	records, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: mustPolicy(t, "jwt"), MadeAt: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	arn := b.fake.Seed(awsfake.Seed{Name: "app", KMSKeyID: key, Tags: records, Versions: []awsfake.SeedVersion{
		{Value: secretstore.NewPlaintext("unread"), Labels: []string{secretstore.Current}},
	}})
	const denied = "not_evaluated: not permitted: "
	for action, want := range map[string]map[string]string{
		"secretsmanager:GetResourcePolicy":    {"resource_policy_not_public": denied + "secretsmanager:GetResourcePolicy on " + arn},
		"secretsmanager:ListSecretVersionIds": {"value_age": denied + "secretsmanager:ListSecretVersionIds on " + arn, "value_reuse": denied + "secretsmanager:ListSecretVersionIds on " + arn},
		"secretsmanager:GetSecretValue":       {"value_length": denied + "secretsmanager:GetSecretValue on " + arn, "value_reuse": denied + "secretsmanager:GetSecretValue on " + arn},
		"kms:Decrypt":                         {"value_length": denied + "kms:Decrypt on the key of " + arn},
		"kms:DescribeKey":                     {"key_enabled": denied + "kms:DescribeKey on " + key, "key_rotation": denied + "kms:DescribeKey on " + key},
		"kms:GetKeyRotationStatus":            {"key_rotation": denied + "kms:GetKeyRotationStatus on arn:aws:kms:eu-central-1:123456789012:key/" + key},
	} {
		b.fake.AllowAll()
		b.fake.Deny(action)
		var report compliance.Report
		steps(t, complianceStep(b, "", `secret_ids = ["app"]`+"\nread_values = true", &report))
		for check, text := range want {
			if got := reason(report, "app", check); got != text {
				t.Errorf("without %s, %s is\n%s, want\n%s", action, check, got, text)
			}
		}
		for _, check := range []string{"policy_floor", "no_pending_version", "value_strength"} {
			if got := found(report, "app", "", check); got != compliance.Pass {
				t.Errorf("without %s, %s is %q", action, check, got)
			}
		}
	}

	b.fake.AllowAll()
	b.fake.Deny("ListSecrets")
	read := func(arguments string) string {
		return b.provider() + "data \"roi_compliance_report\" \"test\" {\n" + arguments + "\n}\n"
	}
	steps(t, resource.TestStep{Config: read(""), ExpectError: says(`these credentials may not list secrets. Allow the action secretsmanager:ListSecrets`)})
	var report compliance.Report
	steps(t, complianceStep(b, "", fmt.Sprintf(`secret_ids = ["app", %q]`, arn), &report))
	looked := 0
	for _, r := range report.Results {
		if r.Check == "policy_recorded" {
			looked++
		}
	}
	if looked != 1 {
		t.Errorf("a secret that is named by name and ARN is looked at %d times", looked)
	}
	b.fake.Deny("DescribeSecret")
	steps(t, resource.TestStep{Config: read(`secret_ids = ["app"]`), ExpectError: says(`secretsmanager:DescribeSecret`)})

	b.fake.AllowAll()
	b.fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "GetResourcePolicy", Times: awsfake.Always})
	steps(t, resource.TestStep{
		Config:      strings.Replace(read(""), "region ", "max_retries = 1\n    region ", 1),
		ExpectError: says(`Error: Requests are throttled`),
	})
}

func TestComplianceReportBadInput(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	for arguments, message := range map[string]string{
		`categories = ["jwt", "jtw"]`:                  `There is no category "jtw". Known are: jwt, session,`,
		`categories = []`:                              `Attribute categories set must contain at least 1 elements`,
		`name_prefix = "a b"`:                          `must be 1 to 512 of the characters`,
		`secret_ids = []`:                              `Attribute secret_ids set must contain at least 1 elements`,
		"secret_ids = [\"a\"]\nname_prefix = \"a\"":    `secret_ids names the secrets to look at, and name_prefix looks for them`,
		"secret_ids = [\"a\"]\ntags = { team = \"a\"}": `secret_ids names the secrets to look at, and tags looks for them`,
		`secret_ids = ["missing"]`:                     `Cannot look at the secret "missing"`,
		`tags = {}`:                                    `Attribute tags map must contain at least 1 elements`,
	} {
		steps(t, resource.TestStep{
			Config:      b.provider() + "data \"roi_compliance_report\" \"test\" {\n" + arguments + "\n}\n",
			ExpectError: says(message),
		})
	}
}
