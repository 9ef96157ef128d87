// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var readTests = map[string]func(*test){
	"NameAndARNAreTheSame":     testIDs,
	"VersionsOfEveryKind":      testVersions,
	"VersionDates":             testVersionDates,
	"ValueByIDAndLabel":        testValueRefs,
	"ValuesAreKeptByteForByte": testValueBytes,
}

func testIDs(t *test) {
	created, input := t.create()
	if diff := cmp.Diff(t.describe(input.Name), t.describe(created.ARN)); diff != "" {
		t.Errorf("Describe by name and by ARN differ:\n%s", diff)
	}
	second, value := t.put(created.ARN, secretstore.Pending)
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)
	t.holds(created.ARN, secretstore.VersionRef{ID: second}, second, value)
	t.move(created.ARN, secretstore.Current, input.Token, second)
	t.ok("Tag by ARN", t.Store.Tag(t.Context(), created.ARN, map[string]string{"a": "b"}))
	if secret := t.describe(input.Name); secret.VersionWith(secretstore.Current) != second || secret.Tags["a"] != "b" {
		t.Error("what was changed by ARN is not seen by name")
	}
}

func testVersions(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending, "custom")
	t.move(input.Name, secretstore.Pending, second, "")
	t.move(input.Name, "custom", second, "")

	versions, err := t.Store.Versions(t.Context(), input.Name)
	t.ok("Versions", err)
	got := map[string][]string{}
	for _, version := range versions {
		got[version.ID] = slices.Sorted(slices.Values(version.Labels))
	}
	want := map[string][]string{input.Token: {secretstore.Current}, second: nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Versions (-want +got):\n%s", diff)
	}

	// A version without labels stays readable by id until the store drops it.
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)

	labels := t.describe(input.Name).Labels
	if _, listed := labels[second]; listed != t.has(DescribeUnlabelled) {
		t.Errorf("Describe lists a version without labels: %t", listed)
	}
}

func testVersionDates(t *test) {
	created, input := t.create()
	elapsed := 48 * time.Hour
	if t.Advance != nil {
		t.Advance(elapsed)
	} else {
		elapsed = 1100 * time.Millisecond // Some stores keep whole seconds.
		time.Sleep(elapsed)
	}
	second, _ := t.put(input.Name, secretstore.Pending)

	var values [2]time.Time
	for i, id := range []string{input.Token, second} {
		value, err := t.Store.Value(t.Context(), input.Name, secretstore.VersionRef{ID: id})
		t.ok("Value", err)
		values[i] = value.CreatedAt
	}
	t.closeTo("the first value's date", values[0], created.CreatedAt)
	t.closeTo("the second value's date", values[1], created.CreatedAt.Add(elapsed))
	if !values[1].After(values[0]) {
		t.Errorf("the second value's date %s is not after the first's, %s", values[1], values[0])
	}
	t.closeTo("the secret's date", t.describe(input.Name).CreatedAt, created.CreatedAt)

	versions, err := t.Store.Versions(t.Context(), input.Name)
	t.ok("Versions", err)
	for _, version := range versions {
		want := values[0]
		if version.ID == second {
			want = values[1]
		}
		switch {
		case !t.has(VersionDates):
			t.closeTo("the date of a listed version", version.CreatedAt, want)
		case version.ID == input.Token && !version.CreatedAt.After(want):
			t.Errorf("a listed version's date is its own, %s, and not the time of the request", version.CreatedAt)
		}
	}
}

func testValueRefs(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending, "custom")

	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
	t.holds(input.Name, secretstore.VersionRef{Label: secretstore.Current}, input.Token, input.Value)
	t.holds(input.Name, secretstore.VersionRef{ID: input.Token}, input.Token, input.Value)
	t.holds(input.Name, secretstore.VersionRef{Label: secretstore.Pending}, second, value)
	t.holds(input.Name, secretstore.VersionRef{Label: "custom"}, second, value)
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)

	got, err := t.Store.Value(t.Context(), input.Name, secretstore.VersionRef{ID: second})
	t.ok("Value", err)
	if diff := cmp.Diff([]string{secretstore.Pending, "custom"}, slices.Sorted(slices.Values(got.Labels))); diff != "" {
		t.Errorf("the value's labels (-want +got):\n%s", diff)
	}

	// "Both empty means Current" has to hold after Current was moved, too.
	t.move(input.Name, secretstore.Current, input.Token, second)
	t.holds(input.Name, secretstore.VersionRef{}, second, value)

	for what, at := range map[string]secretstore.VersionRef{
		"a missing label":        {Label: "missing"},
		"a missing version":      {ID: newToken()},
		"a label as a version":   {ID: secretstore.Current},
		"a version as a label":   {Label: input.Token},
		"a label in lower case":  {Label: "awscurrent"},
		"part of a version's id": {ID: input.Token[:35]},
	} {
		_, err := t.Store.Value(t.Context(), input.Name, at)
		t.refused("Value of "+what, err, secretstore.ErrNotFound, secretstore.ErrInvalid)
	}
	_, err = t.Store.Value(t.Context(), input.Name, secretstore.VersionRef{Label: "missing"})
	t.refused("Value of a missing label", err, secretstore.ErrNotFound)
	_, err = t.Store.Value(t.Context(), input.Name, secretstore.VersionRef{ID: newToken()})
	t.refused("Value of a missing version", err, secretstore.ErrNotFound)
}

func testValueBytes(t *test) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for what, value := range map[string]secretstore.Plaintext{
		"JSON":           secretstore.NewPlaintext(`{"b": 1,  "a":"\u00e9\/","b2":1e400}`),
		"unicode":        secretstore.NewPlaintext("äé\u0301漢字🔑\u2028\ufeff"),
		"control":        secretstore.NewPlaintext("\ttab\r\nline \x00 nul \x7f"),
		"white space":    secretstore.NewPlaintext("  \n padded \n\n"),
		"markup":         secretstore.NewPlaintext(`<a href="x?y=1&z=2">%41 ${HOME} %{if} \u0041</a>`),
		"one byte":       secretstore.NewPlaintext("x"),
		"binary":         secretstore.NewBinaryPlaintext(every),
		"binary text":    secretstore.NewBinaryPlaintext([]byte("plain")),
		"binary nul":     secretstore.NewBinaryPlaintext([]byte{0}),
		"base64 as text": secretstore.NewPlaintext("AAECAw=="),
	} {
		t.Run(what, func(tt *testing.T) {
			t := &test{T: tt, Fixture: t.Fixture}
			input := secretstore.CreateInput{Name: newName(), Token: newToken(), Value: value}
			_, err := t.Store.Create(t.Context(), input)
			t.ok("Create", err)
			t.holds(input.Name, secretstore.VersionRef{}, input.Token, value)

			_, other := t.create()
			token := newToken()
			t.ok("Put", t.Store.Put(t.Context(), secretstore.PutInput{ID: other.Name, Token: token, Value: value, Labels: []string{secretstore.Pending}}))
			t.holds(other.Name, secretstore.VersionRef{Label: secretstore.Pending}, token, value)
		})
	}
}
