// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var now = time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// fakeStore answers what a Checker asks, from memory.
type fakeStore struct {
	secretstore.Store

	secret   secretstore.Secret // what Describe tells
	versions []secretstore.Version
	values   map[string]secretstore.Plaintext // by version
	keys     map[string]secretstore.Key
	policy   string

	errors map[string]error // by operation

	mutex sync.Mutex // a Checker asks for several secrets at a time
	calls []string
}

func (s *fakeStore) answer(call string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls = append(s.calls, call)
	return s.errors[call]
}

func (s *fakeStore) Describe(context.Context, string) (secretstore.Secret, error) {
	return s.secret, s.answer("Describe")
}

func (s *fakeStore) Versions(context.Context, string) ([]secretstore.Version, error) {
	return slices.Clone(s.versions), s.answer("Versions")
}

func (s *fakeStore) Value(_ context.Context, id string, ref secretstore.VersionRef) (secretstore.Value, error) {
	call := "Value"
	if ref.ID != "" {
		call = "Value by id"
	} else {
		ref.ID = s.secret.VersionWith(secretstore.Current)
	}
	if err := s.answer(call); err != nil {
		return secretstore.Value{}, err
	}
	value, ok := s.values[ref.ID]
	if !ok {
		return secretstore.Value{}, failure(secretstore.ErrNotFound, id)
	}
	return secretstore.Value{Plaintext: value, VersionID: ref.ID}, nil
}

func (s *fakeStore) DescribeKey(_ context.Context, id, region string) (secretstore.Key, error) {
	if err := s.answer("DescribeKey"); err != nil {
		return secretstore.Key{}, err
	}
	key, ok := s.keys[region+id]
	if !ok {
		return secretstore.Key{}, failure(secretstore.ErrNotFound, id)
	}
	return key, nil
}

func (s *fakeStore) ResourcePolicy(context.Context, string) (string, error) {
	return s.policy, s.answer("ResourcePolicy")
}

func failure(kind error, id string) error {
	return &secretstore.Error{Op: "test", ID: id, Kind: kind}
}

const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/app-AbCdEf"

// versionID is a version id that a test can name.
func versionID(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

// newStore holds one secret with versions made a day apart, the last of them
// today and current. policies are those that its tags record, made now.
func newStore(t *testing.T, policies map[string]policy.Policy, values ...string) *fakeStore {
	t.Helper()
	s := &fakeStore{
		secret: secretstore.Secret{ARN: arn, Name: "shop/app", CreatedAt: now.Add(-1000 * day), Tags: map[string]string{}, Labels: map[string][]string{}},
		values: map[string]secretstore.Plaintext{},
		keys:   map[string]secretstore.Key{},
		errors: map[string]error{},
	}
	for i, value := range values {
		id := versionID(i + 1)
		s.versions = append(s.versions, secretstore.Version{ID: id, CreatedAt: now.Add(-day * time.Duration(len(values)-1-i))})
		s.values[id] = secretstore.NewPlaintext(value)
	}
	s.secret.Labels[versionID(len(values))] = []string{secretstore.Current}
	records := map[string]policy.Record{}
	for key, p := range policies {
		records[key] = policy.Record{Policy: p, MadeAt: now}
	}
	s.record(t, records)
	return s
}

func (s *fakeStore) record(t *testing.T, records map[string]policy.Record) {
	t.Helper()
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range tags {
		s.secret.Tags[key] = value
	}
}

// checker reads values and knows no floor.
func (s *fakeStore) checker() compliance.Checker {
	return compliance.Checker{
		Store: s, Keys: s, Policies: s, Now: now, ReadValues: true,
		Floor: func(policy.Policy) error { return nil },
	}
}

func check(t *testing.T, c compliance.Checker, secrets ...secretstore.Secret) compliance.Report {
	t.Helper()
	report, err := c.Check(t.Context(), secrets)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// result is the only result of a check for a key, or the zero Result.
func result(t *testing.T, report compliance.Report, check, key string) compliance.Result {
	t.Helper()
	var found compliance.Result
	for _, r := range report.Results {
		if r.Check == check && r.Key == key {
			if found.Check != "" {
				t.Fatalf("two results of %s for key %q", check, key)
			}
			found = r
		}
	}
	return found
}

func builtin(t *testing.T, category string, change func(*policy.Policy)) policy.Policy {
	t.Helper()
	p, ok := policy.Builtin(category)
	if !ok {
		t.Fatalf("no category %s", category)
	}
	if change != nil {
		change(&p)
	}
	return p
}
