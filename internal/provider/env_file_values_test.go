// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// The due date in a header is that of the rotation that changes the value, or else
// that of its policy.
func TestEnvFileDueDates(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	record := func(days, madeDays int) policy.Record {
		return policy.Record{
			Policy: policy.Policy{Category: "jwt", Base: "jwt", Length: 64, Encoding: policy.Base64URL, FirstCharacter: policy.FirstAny, PatternRules: true,
				Rotation: time.Duration(days) * day, Grace: time.Hour, Classification: policy.Secret},
			MadeAt: made.Add(time.Duration(madeDays) * day),
		}
	}
	rotated := func(keys []string, days int) rotation.Record {
		return rotation.Record{Keys: keys, Current: "v2", At: made.Add(10 * day), Previous: "v1", Grace: &rotation.Grace{Period: time.Hour}, Days: days}
	}
	many := []string{
		"A", "B", "KEY_WITH_A_LONG_NAME_1", "KEY_WITH_A_LONG_NAME_2", "KEY_WITH_A_LONG_NAME_3", "KEY_WITH_A_LONG_NAME_4",
		"KEY_WITH_A_LONG_NAME_5", "KEY_WITH_A_LONG_NAME_6", "KEY_WITH_A_LONG_NAME_7", "KEY_WITH_A_LONG_NAME_8",
	}
	manyRecords := map[string]policy.Record{}
	for _, key := range many {
		manyRecords[key] = record(90, 0)
	}
	for name, test := range map[string]struct {
		policies  map[string]policy.Record
		rotations []rotation.Record
		key       string
		days      int // after made; 0 for never
	}{
		"nothing recorded":               {key: "A"},
		"one string, nothing recorded":   {},
		"one string":                     {policies: map[string]policy.Record{"": record(90, 0)}, days: 5 + 90},
		"one string, rotated":            {policies: map[string]policy.Record{"": record(90, 0)}, rotations: []rotation.Record{rotated(nil, 0)}, days: 5 + 90},
		"one string, own interval":       {policies: map[string]policy.Record{"": record(90, 0)}, rotations: []rotation.Record{rotated(nil, 7)}, days: 5 + 7},
		"one string without policy":      {rotations: []rotation.Record{rotated(nil, 7)}, days: 5 + 7},
		"key without rotation":           {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}, key: "A", days: 1 + 90},
		"key that is not recorded":       {policies: map[string]policy.Record{"B": record(30, 2)}, key: "A"},
		"whole JSON secret":              {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}},
		"key of a rotation of all":       {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}, rotations: []rotation.Record{rotated(nil, 0)}, key: "A", days: 10 + 30},
		"key that is named":              {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}, rotations: []rotation.Record{rotated([]string{"A"}, 0)}, key: "A", days: 10 + 90},
		"key beside one that is named":   {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}, rotations: []rotation.Record{rotated([]string{"A"}, 0)}, key: "B", days: 2 + 30},
		"key that is named with another": {policies: map[string]policy.Record{"A": record(90, 1), "B": record(30, 2)}, rotations: []rotation.Record{rotated([]string{"A", "B"}, 0)}, key: "A", days: 10 + 30},
		"key with an interval":           {policies: map[string]policy.Record{"A": record(90, 1)}, rotations: []rotation.Record{rotated([]string{"A"}, 5)}, key: "A", days: 10 + 5},
		"key in a shortened record":      {policies: manyRecords, rotations: []rotation.Record{rotated(many, 20)}, key: "B", days: 10 + 20},
		"never":                          {policies: map[string]policy.Record{"A": record(0, 1)}, key: "A"},
		"never, but with another": {policies: map[string]policy.Record{"A": record(0, 1), "B": record(30, 2)}, rotations: []rotation.Record{rotated([]string{"A", "B"}, 0)},
			key: "A", days: 10 + 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tags, err := policy.EncodeRecords(test.policies)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range test.rotations {
				text, err := r.Encode()
				if err != nil {
					t.Fatal(err)
				}
				maps.Copy(tags, map[string]string{rotation.TagKey(r.Keys): text})
			}
			stored := storedSecret{
				secret: secretstore.Secret{ARN: "arn", Tags: tags, Labels: map[string][]string{"v2": {secretstore.Current}}},
				value:  secretstore.Value{CreatedAt: made.Add(5 * day)},
			}
			want := time.Time{}
			if test.days > 0 {
				want = made.Add(time.Duration(test.days) * day)
			}
			if got := stored.due(test.key); !got.Equal(want) {
				t.Errorf("due at %s, want %s", got, want)
			}
		})
	}
}

// Only versions that are new to the file have to be waited for.
func TestEnvFileNewVersions(t *testing.T) {
	t.Parallel()
	entry := func(secret, version string) envEntryModel {
		return envEntryModel{SecretID: optionalString(secret), VersionID: optionalString(version)}
	}
	got := newVersions([]envEntryModel{
		entry("app", "v3"), entry("app", "v2"), entry("app", "v3"), entry("other", "v4"), entry("app", ""), entry("", ""), entry("app", "v1"),
	}, "app", map[string]bool{"v1": true})
	if want := []string{"v3", "v2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// staleStore answers as before the last change, for a number of reads of the
// current version. It does not find the newest one by its id either, unless byID.
type staleStore struct {
	secretstore.Store
	old, newest string
	byID        bool
	left        atomic.Int32
}

func (s *staleStore) Value(ctx context.Context, id string, at secretstore.VersionRef) (secretstore.Value, error) {
	stale := s.left.Load() > 0
	if at == (secretstore.VersionRef{}) && s.left.Add(-1) >= 0 {
		at.ID = s.old
	}
	if stale && at.ID == s.newest && !s.byID {
		return secretstore.Value{}, &secretstore.Error{Op: "read", ID: id, Kind: secretstore.ErrNotFound}
	}
	return s.Store.Value(ctx, id, at)
}

func (s *staleStore) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	secret, err := s.Store.Describe(ctx, id)
	if s.left.Load() > 0 {
		secret.Labels = map[string][]string{s.old: {secretstore.Current}}
	}
	return secret, err
}

// Right after a rotation the service may still answer with the value before.
func TestEnvFileReadsTheVersionThatIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stale  int32
		byID   bool
		named  func(old, newest string) []string
		isOld  bool
		within time.Duration
	}{
		"the answer is fresh":             {named: func(_, newest string) []string { return []string{newest} }, within: time.Second},
		"it is not found for a while":     {stale: 2, named: func(_, newest string) []string { return []string{newest} }, within: 4 * time.Second},
		"it is not current for a while":   {stale: 2, byID: true, named: func(_, newest string) []string { return []string{newest} }, within: 4 * time.Second},
		"another is named too":            {stale: 2, byID: true, named: func(old, newest string) []string { return []string{old, newest} }, within: 4 * time.Second},
		"an older one is named":           {named: func(old, _ string) []string { return []string{old} }, within: time.Second},
		"one that is gone is named":       {named: func(string, string) []string { return []string{"gone"} }, within: 10 * time.Second},
		"none is named":                   {stale: 2, named: func(string, string) []string { return nil }, isOld: true, within: time.Second},
		"it is current for good, by all":  {stale: 1000, named: func(_, newest string) []string { return []string{newest} }, isOld: true, within: 10 * time.Second},
		"only the description is current": {stale: 1, named: func(string, string) []string { return nil }, within: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := localBackend(t)
			old, newest := secretstore.DeriveVersionID("old"), secretstore.DeriveVersionID("newest")
			if _, err := b.store.Create(t.Context(), secretstore.CreateInput{Name: "app", Token: old, Value: secretstore.NewPlaintext("old")}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // one is to be older than the other
			if err := b.store.Put(t.Context(), secretstore.PutInput{ID: "app", Token: newest, Value: secretstore.NewPlaintext("newest"), Labels: []string{secretstore.Pending}}); err != nil {
				t.Fatal(err)
			}
			if err := b.store.MoveLabel(t.Context(), "app", secretstore.Current, old, newest); err != nil {
				t.Fatal(err)
			}
			store := &staleStore{Store: b.store, old: old, newest: newest, byID: test.byID}
			store.left.Store(test.stale)
			r := envFileResource{data: &providerData{clock: clock.System{}, store: store}}
			began := time.Now()
			stored, err := r.readSecret(t.Context(), "app", test.named(old, newest))
			if err != nil {
				t.Fatal(err)
			}
			if isOld := stored.value.VersionID == old; isOld != test.isOld {
				t.Errorf("read the old version: %t", isOld)
			}
			if took := time.Since(began); took > test.within {
				t.Errorf("took %s", took)
			}
		})
	}
}
