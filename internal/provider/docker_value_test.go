// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// laggingStore answers with an older version for a number of reads, and for another
// number lists no other. Its description of the secret is never behind.
type laggingStore struct {
	secretstore.Store
	lag, listLag int
	reads        int
	value        secretstore.Plaintext // of the current version
}

var (
	olderVersion   = secretstore.Version{ID: "older", CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	currentVersion = secretstore.Version{ID: "current", CreatedAt: olderVersion.CreatedAt.Add(time.Hour)}
)

func (l *laggingStore) Value(context.Context, string, secretstore.VersionRef) (secretstore.Value, error) {
	l.reads++
	if l.reads <= l.lag {
		return secretstore.Value{Plaintext: secretstore.NewPlaintext("older value"), VersionID: olderVersion.ID, CreatedAt: olderVersion.CreatedAt}, nil
	}
	return secretstore.Value{Plaintext: l.value, VersionID: currentVersion.ID, CreatedAt: currentVersion.CreatedAt}, nil
}

func (l *laggingStore) Versions(context.Context, string) ([]secretstore.Version, error) {
	if l.reads <= l.listLag {
		return []secretstore.Version{olderVersion}, nil
	}
	return []secretstore.Version{olderVersion, currentVersion}, nil
}

func (l *laggingStore) Describe(context.Context, string) (secretstore.Secret, error) {
	return secretstore.Secret{Labels: map[string][]string{currentVersion.ID: {secretstore.Current}}}, nil
}

func TestStoredValueOfDockerSecret(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lag, listLag   int
		key, versionID string
		value          string
		want           string // the value
		err            string
		reads          int
	}{
		"at once":                    {versionID: "current", value: "current value", want: "current value", reads: 1},
		"late":                       {lag: 2, versionID: "current", value: "current value", want: "current value", reads: 3},
		"late, as is the list":       {lag: 2, listLag: 2, versionID: "current", value: "current value", want: "current value", reads: 3},
		"late, the list later":       {lag: 1, listLag: 3, versionID: "current", value: "current value", want: "current value", reads: 2},
		"never, nor in the list":     {lag: 1000, listLag: 1000, versionID: "current", value: "current value", err: "store still answers with the version before", reads: 11},
		"never":                      {lag: 1000, versionID: "current", value: "current value", err: "store still answers with the version before", reads: 11},
		"older version named":        {versionID: "older", value: "current value", want: "current value", reads: 1},
		"version that is gone":       {versionID: "gone", value: "current value", want: "current value", reads: 11},
		"no version named":           {lag: 1, value: "current value", want: "older value", reads: 1},
		"key":                        {versionID: "current", key: "A", value: `{"A":"value of A","B":"other"}`, want: "value of A", reads: 1},
		"missing key":                {versionID: "current", key: "C", value: `{"B":"other","A":"value of A"}`, err: `there is no key "C"; there are A, B`, reads: 1},
		"key that is not a string":   {versionID: "current", key: "A", value: `{"A":[1]}`, err: `key "A" holds JSON that is not a string`, reads: 1},
		"key of what is not an JSON": {versionID: "current", key: "A", value: "current value", err: secretstore.ErrNotObject.Error(), reads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &laggingStore{lag: test.lag, listLag: test.listLag, value: secretstore.NewPlaintext(test.value)}
			r := &dockerSecretResource{data: &providerData{store: store}}
			value, err := r.storedValue(t.Context(), dockerSecretModel{
				SecretID: types.StringValue("s"), Key: optionalString(test.key), VersionID: optionalString(test.versionID),
			})
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
			if value.Reveal() != test.want {
				t.Error("got another value")
			}
			if store.reads != test.reads {
				t.Errorf("%d reads, want %d", store.reads, test.reads)
			}
			if err != nil && (strings.Contains(err.Error(), "value of A") || strings.Contains(err.Error(), "other")) {
				t.Error("the error holds a value")
			}
		})
	}
}

// What the store says is explained in its own words.
func TestExplainStoredValue(t *testing.T) {
	t.Parallel()
	denied := &secretstore.Error{Op: "read", ID: "s", Kind: secretstore.ErrAccessDenied}
	for _, test := range []struct {
		err     error
		summary string
	}{
		{&storedValueError{"s", denied}, "Access denied"},
		{&storedValueError{"s", errStaleVersion}, "Store is behind"},
		{&storedValueError{"s", errors.New("there is no key")}, "Secret operation failed"},
	} {
		if got := explainDocker("Cannot create it", test.err); got.Summary() != test.summary || !strings.Contains(got.Detail(), "Nothing was changed in Docker") {
			t.Errorf("%v: %s: %s", test.err, got.Summary(), got.Detail())
		}
	}
}
