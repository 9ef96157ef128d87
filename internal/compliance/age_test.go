// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// keep writes the record of a rotation into the tags of the secret.
func (s *fakeStore) keep(t *testing.T, r rotation.Record) {
	t.Helper()
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s.secret.Tags[rotation.TagKey(r.Keys)] = text
}

func TestValueAge(t *testing.T) {
	t.Parallel()
	const value = "kV7-xQ2_mZ9pLw4TbR8n"
	grace := &rotation.Grace{Period: time.Hour}
	jwt := builtin(t, "jwt", nil)
	for name, test := range map[string]struct {
		keys   map[string]policy.Policy
		change func(*fakeStore)
		key    string
		want   compliance.Status
		reason string
		lists  bool // asks for the versions
	}{
		"one string, a second before it is due": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.versions[0].CreatedAt = now.Add(-90*day + time.Second) }, "",
			compliance.Pass, "the value is of 2031-01-31T12:00:01Z and due on 2031-05-01T12:00:01Z", true,
		},
		"one string that is due": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.versions[0].CreatedAt = now.Add(-90 * day) }, "",
			compliance.Fail, "the value is of 2031-01-31T12:00:00Z and was due on 2031-05-01T12:00:00Z", true,
		},
		"rotation with an interval of its own": {
			map[string]policy.Policy{"": jwt},
			func(s *fakeStore) {
				s.keep(t, rotation.Record{Current: versionID(1), At: now.Add(-30 * day), Previous: versionID(9), Grace: grace, Days: 30})
			},
			"", compliance.Fail, "the value is of 2031-04-01T12:00:00Z and was due on 2031-05-01T12:00:00Z", false,
		},
		"key of a JSON secret, by its record": {
			map[string]policy.Policy{"A": jwt, "B": jwt},
			func(s *fakeStore) {
				s.keep(t, rotation.Record{Keys: []string{"A"}, Current: versionID(1), At: now.Add(-90 * day), Previous: versionID(9), Grace: grace})
				s.record(t, map[string]policy.Record{"A": {Policy: jwt, MadeAt: now.Add(-200 * day)}, "B": {Policy: jwt, MadeAt: now.Add(-89 * day)}})
			},
			"A", compliance.Fail, "the value is of 2031-01-31T12:00:00Z and was due on 2031-05-01T12:00:00Z", false,
		},
		"key of a JSON secret, by its policy": {
			map[string]policy.Policy{"A": jwt, "B": jwt},
			func(s *fakeStore) {
				s.record(t, map[string]policy.Record{"A": {Policy: jwt, MadeAt: now.Add(-200 * day)}, "B": {Policy: jwt, MadeAt: now.Add(-89 * day)}})
			},
			"B", compliance.Pass, "the value is of 2031-02-01T12:00:00Z and due on 2031-05-02T12:00:00Z", false,
		},
		"versions may not be listed": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.errors["Versions"] = failure(secretstore.ErrAccessDenied, arn) }, "",
			compliance.NotEvaluated, "not permitted: secretsmanager:ListSecretVersionIds on " + arn, true,
		},
		"record that cannot be read": {
			map[string]policy.Policy{"A": jwt}, func(s *fakeStore) { s.secret.Tags[rotation.RecordTag] = "v1 nonsense" }, "A",
			compliance.NotEvaluated, `the record of a rotation cannot be read: tag "roi:rotation": "nonsense" is not a part of a record`, false,
		},
		"rotated by AWS": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.secret.RotationEnabled = true }, "",
			compliance.NotEvaluated, "rotated by AWS Secrets Manager", false,
		},
		"scheduled for deletion": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.secret.DeletedAt = now.Add(day) }, "",
			compliance.NotEvaluated, "the secret is scheduled for deletion", false,
		},
		"no current version": {
			map[string]policy.Policy{"": jwt}, func(s *fakeStore) { s.secret.Labels = map[string][]string{} }, "",
			compliance.NotEvaluated, "it has no current version", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, test.keys, value)
			test.change(store)
			checker := store.checker()
			checker.ReadValues = false
			got := result(t, check(t, checker, store.secret), "value_age", test.key)
			if got.Status != test.want || got.Reason != test.reason {
				t.Errorf("got %q, %s\nwant %q, %s", got.Status, got.Reason, test.want, test.reason)
			}
			if slices.Contains(store.calls, "Versions") != test.lists {
				t.Errorf("calls are %v", store.calls)
			}
		})
	}
}

func TestValueReuse(t *testing.T) {
	t.Parallel()
	external := builtin(t, "external", nil)
	whole, keyed := map[string]policy.Policy{"": external}, map[string]policy.Policy{"A": external}
	for name, test := range map[string]struct {
		policies map[string]policy.Policy
		versions []string // oldest first, the last is current
		change   func(*fakeStore)
		want     compliance.Status
		reason   string
	}{
		"first value":            {whole, []string{"a"}, nil, compliance.Pass, "the store has no earlier version"},
		"new value":              {whole, []string{"a", "b"}, nil, compliance.Pass, "no earlier version has the same value (1 compared)"},
		"same value again":       {whole, []string{"a", "a"}, nil, compliance.Fail, "an earlier version has the same value (1 compared)"},
		"the fourth before":      {whole, []string{"a", "b", "c", "d", "a"}, nil, compliance.Fail, "an earlier version has the same value (4 compared)"},
		"the fifth before":       {whole, []string{"a", "b", "c", "d", "e", "a"}, nil, compliance.Pass, "no earlier version has the same value (4 compared)"},
		"a version that is gone": {whole, []string{"a", "b", "c", "d", "e", "a"}, func(s *fakeStore) { delete(s.values, versionID(3)) }, compliance.Fail, "an earlier version has the same value (4 compared)"},
		"a later one": {whole, []string{"a", "b", "a"}, func(s *fakeStore) {
			s.secret.Labels = map[string][]string{versionID(1): {secretstore.Current}}
		}, compliance.Pass, "the store has no earlier version"},
		"one that is pending": {whole, []string{"a", "b", "a"}, func(s *fakeStore) {
			s.secret.Labels = map[string][]string{versionID(3): {secretstore.Current}, versionID(1): {secretstore.Pending}}
		}, compliance.Pass, "no earlier version has the same value (1 compared)"},
		"made at one moment": {whole, []string{"a", "a"}, func(s *fakeStore) {
			s.versions[0].CreatedAt = s.versions[1].CreatedAt
		}, compliance.Fail, "an earlier version has the same value (1 compared)"},
		"current version is not listed yet": {whole, []string{"a", "a"}, func(s *fakeStore) {
			s.versions = s.versions[:1]
			s.secret.Labels = map[string][]string{versionID(2): {secretstore.Current}}
		}, compliance.NotEvaluated, "the store does not list the current version yet"},
		"earlier versions may not be read": {whole, []string{"a", "a"}, func(s *fakeStore) {
			s.errors["Value by id"] = failure(secretstore.ErrAccessDenied, arn)
		}, compliance.NotEvaluated, "not permitted: secretsmanager:GetSecretValue on " + arn},
		"versions may not be listed": {whole, []string{"a", "a"}, func(s *fakeStore) {
			s.errors["Versions"] = failure(secretstore.ErrAccessDenied, arn)
		}, compliance.NotEvaluated, "not permitted: secretsmanager:ListSecretVersionIds on " + arn},
		"key that is carried on": {keyed, []string{`{"A":"a","B":"1"}`, `{"A":"a","B":"2"}`}, nil,
			compliance.Pass, "no earlier version has the same value (1 compared)"},
		"key that comes back": {keyed, []string{`{"A":"a"}`, `{"A":"b"}`, `{"A":"a"}`}, nil,
			compliance.Fail, "an earlier version has the same value (2 compared)"},
		"key that was missing": {keyed, []string{`{"A":"a"}`, `{}`, `{"A":"a"}`}, nil,
			compliance.Pass, "no earlier version has the same value (2 compared)"},
		"key that is no string": {keyed, []string{`{"A":1}`, `{"A":1}`}, nil, compliance.NotEvaluated, "the key holds JSON that is not a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, test.policies, test.versions...)
			if test.change != nil {
				test.change(store)
			}
			key := ""
			if _, ok := test.policies["A"]; ok {
				key = "A"
			}
			got := result(t, check(t, store.checker(), store.secret), "value_reuse", key)
			if got.Status != test.want || got.Reason != test.reason {
				t.Errorf("got %q, %s\nwant %q, %s", got.Status, got.Reason, test.want, test.reason)
			}
		})
	}
}
