// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var putTests = map[string]func(*test){
	"TakesLabels":          testPut,
	"Current":              testPutCurrent,
	"NeedsLabels":          testPutNeedsLabels,
	"ReplayChangesNothing": testPutReplay,
	"OtherContentExists":   testPutOtherContent,
	"ValueLimit":           testPutValueLimit,
	"LabelLimit":           testLabelLimit,
}

func testPut(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending, "custom")
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current},
		second:      {secretstore.Pending, "custom"},
	})
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)

	// A label that another version has is moved without a word.
	third, _ := t.put(input.Name, secretstore.Pending)
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current},
		second:      {"custom"},
		third:       {secretstore.Pending},
	})
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)
}

func testPutCurrent(t *test) {
	_, input := t.create()
	t.ok("MoveLabel", t.Store.MoveLabel(t.Context(), input.Name, "custom", "", input.Token))
	second, value := t.put(input.Name, secretstore.Current)
	want := map[string][]string{
		input.Token: {secretstore.Previous, "custom"},
		second:      {secretstore.Current},
	}
	if t.has(PutCurrent) {
		want[input.Token] = []string{secretstore.Previous}
	}
	t.labelled(input.Name, want)
	t.holds(input.Name, secretstore.VersionRef{}, second, value)

	third, _ := t.put(input.Name, secretstore.Current, secretstore.Pending)
	want = map[string][]string{
		input.Token: {"custom"},
		second:      {secretstore.Previous},
		third:       {secretstore.Current, secretstore.Pending},
	}
	if t.has(PutCurrent) {
		delete(want, input.Token)
	}
	t.labelled(input.Name, want)
}

func testPutNeedsLabels(t *test) {
	_, input := t.create()
	err := t.Store.Put(t.Context(), secretstore.PutInput{ID: input.Name, Token: newToken(), Value: t.newValue()})
	t.refused("Put without labels", err, secretstore.ErrInvalid)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}

func testPutReplay(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending)
	replay := func() {
		t.Helper()
		t.ok("Put with the same token and content", t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: second, Value: value, Labels: []string{secretstore.Pending},
		}))
	}

	replay()
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}, second: {secretstore.Pending}})

	t.move(input.Name, secretstore.Pending, second, "")
	replay()
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)

	t.move(input.Name, secretstore.Current, input.Token, second)
	replay()
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Previous}, second: {secretstore.Current}})

	t.move(input.Name, secretstore.Pending, "", second)
	replay()
	want := map[string][]string{input.Token: {secretstore.Previous}, second: {secretstore.Current, secretstore.Pending}}
	if t.has(PendingReplay) {
		want[second] = []string{secretstore.Pending}
	}
	t.labelled(input.Name, want)

	// The first version's token is a token like any other.
	t.ok("Put with the token and content of Create", t.Store.Put(t.Context(), secretstore.PutInput{
		ID: input.Name, Token: input.Token, Value: input.Value, Labels: []string{"custom"},
	}))
	t.labelled(input.Name, want)
}

func testPutOtherContent(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending)
	other := t.newValue()
	overwrite := func(token string) error {
		return t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: token, Value: other, Labels: []string{secretstore.Pending},
		})
	}

	err := overwrite(second)
	if t.has(PendingReplay) {
		t.ok("Put with the token of a pending version and another content", err)
		value = other
	} else {
		t.refused("Put with the token of a pending version and another content", err, secretstore.ErrExists)
	}
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)

	t.refused("Put with the token of Create and another content", overwrite(input.Token), secretstore.ErrExists)
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}, second: {secretstore.Pending}})
}

func testPutValueLimit(t *test) {
	_, input := t.create()
	for what, value := range limitValues() {
		token := newToken()
		t.ok("Put of a "+what+" of 65,536 bytes", t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: token, Value: value.fits, Labels: []string{secretstore.Pending},
		}))
		t.holds(input.Name, secretstore.VersionRef{ID: token}, token, value.fits)

		err := t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: newToken(), Value: value.tooLong, Labels: []string{secretstore.Pending},
		})
		if t.has(NoValueLimit) {
			t.ok("Put of a "+what+" of 65,537 bytes", err)
			continue
		}
		t.refused("Put of a "+what+" of 65,537 bytes", err, secretstore.ErrLimit)
		t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}, token: {secretstore.Pending}})
	}
}

// testLabelLimit: all versions of a secret have at most 20 labels together.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
func testLabelLimit(t *test) {
	_, input := t.create()
	labels := make([]string, 0, secretstore.MaxLabels)
	for i := range secretstore.MaxLabels - 1 { // Current is one of them.
		labels = append(labels, "label-"+string(rune('a'+i)))
	}
	second, _ := t.put(input.Name, labels...)
	before := t.describe(input.Name).Labels

	put := t.Store.Put(t.Context(), secretstore.PutInput{
		ID: input.Name, Token: newToken(), Value: t.newValue(), Labels: []string{"too-many"},
	})
	if t.has(NoLabelLimit) {
		t.ok("Put with the 21st label", put)
		return
	}
	t.refused("Put with the 21st label", put, secretstore.ErrLimit)
	move := t.Store.MoveLabel(t.Context(), input.Name, "too-many", "", second)
	t.refused("MoveLabel with the 21st label", move, secretstore.ErrLimit)
	t.labelled(input.Name, before)

	// A label that moves is not one more.
	third, _ := t.put(input.Name, "label-a")
	t.move(input.Name, "label-b", second, third)
}
