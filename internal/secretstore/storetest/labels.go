// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var labelTests = map[string]func(*test){
	"Promotion":               testPromotion,
	"RollbackMarksTheBad":     testRollback,
	"AddsAndRemoves":          testAddAndRemoveLabel,
	"IsCompareAndSwap":        testCompareAndSwap,
	"CurrentCannotBeRemoved":  testRemoveCurrent,
	"ToMissingVersion":        testMoveToMissingVersion,
	"NeedsOneVersion":         testMoveNowhere,
	"SameLabelAgainIsNoMove":  testMoveToHolder,
	"PreviousIsALabelLikeAny": testMovePrevious,
}

func testPromotion(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending)
	t.move(input.Name, secretstore.Current, input.Token, second)

	t.onVersion(input.Name, secretstore.Current, second)
	t.onVersion(input.Name, secretstore.Previous, input.Token)
	t.holds(input.Name, secretstore.VersionRef{}, second, value)
	t.holds(input.Name, secretstore.VersionRef{Label: secretstore.Previous}, input.Token, input.Value)

	third, _ := t.put(input.Name, secretstore.Pending)
	t.move(input.Name, secretstore.Current, second, third)
	t.onVersion(input.Name, secretstore.Current, third)
	t.onVersion(input.Name, secretstore.Previous, second)
	t.holds(input.Name, secretstore.VersionRef{ID: input.Token}, input.Token, input.Value)
}

// onVersion demands that a label is on a version. Whether Pending stays on a
// version that becomes Current is not sure in AWS, so that the tests of moves
// look at single labels:
// https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas/issues/168.
func (t *test) onVersion(id, label, want string) {
	t.Helper()
	if got := t.describe(id).VersionWith(label); got != want {
		t.Errorf("%s is on version %q, want %q", label, got, want)
	}
}

// testRollback: a rollback is a move like any other, so that Previous ends up on
// the version that was found to be bad, and has to be taken from it.
func testRollback(t *test) {
	_, input := t.create()
	bad, _ := t.put(input.Name, "candidate")
	t.move(input.Name, secretstore.Current, input.Token, bad)
	t.move(input.Name, secretstore.Current, bad, input.Token)
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current},
		bad:         {secretstore.Previous, "candidate"},
	})
	t.move(input.Name, secretstore.Previous, bad, "")
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current},
		bad:         {"candidate"},
	})
}

func testAddAndRemoveLabel(t *test) {
	_, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending)
	t.move(input.Name, "roi-keep-1", "", input.Token)
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current, "roi-keep-1"},
		second:      {secretstore.Pending},
	})
	t.move(input.Name, "roi-keep-1", input.Token, second)
	t.move(input.Name, secretstore.Pending, second, "")
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Current},
		second:      {"roi-keep-1"},
	})
	t.move(input.Name, "roi-keep-1", second, "")
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)
	_, err := t.Store.Value(t.Context(), input.Name, secretstore.VersionRef{Label: "roi-keep-1"})
	t.refused("Value of a removed label", err, secretstore.ErrNotFound)

	// A version that has lost its labels can be given one again.
	t.move(input.Name, secretstore.Pending, "", second)
	t.onVersion(input.Name, secretstore.Pending, second)
}

func testCompareAndSwap(t *test) {
	_, input := t.create()
	second, _ := t.put(input.Name, secretstore.Pending)
	third, _ := t.put(input.Name, "custom")
	before := t.describe(input.Name).Labels

	for what, from := range map[string]string{"another version": second, "a missing version": newToken()} {
		err := t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, from, third)
		t.refused("MoveLabel of Current from "+what, err, secretstore.ErrConflict)
		err = t.Store.MoveLabel(t.Context(), input.Name, "custom", from, "")
		t.refused("removal of a label from "+what, err, secretstore.ErrConflict)
	}
	err := t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, third, second)
	t.refused("MoveLabel of Current from a version that has another label", err, secretstore.ErrConflict)
	err = t.Store.MoveLabel(t.Context(), input.Name, "nowhere", input.Token, second)
	t.refused("MoveLabel of a label that is nowhere", err, secretstore.ErrConflict)
	err = t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, "", second)
	t.refused("MoveLabel of Current from nowhere", err, secretstore.ErrConflict)
	t.labelled(input.Name, before)

	err = t.Store.MoveLabel(t.Context(), input.Name, "custom", "", second)
	if t.has(AddLabel) {
		t.ok("MoveLabel from nowhere of a label that is somewhere", err)
		before[second] = append(before[second], "custom")
	} else {
		t.refused("MoveLabel from nowhere of a label that is somewhere", err, secretstore.ErrConflict)
	}
	t.labelled(input.Name, before)
}

func testRemoveCurrent(t *test) {
	_, input := t.create()
	err := t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, input.Token, "")
	if t.has(RemoveCurrent) {
		t.ok("removal of Current", err)
		t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Previous}})
		return
	}
	t.refused("removal of Current", err, secretstore.ErrInvalid)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}

func testMoveToMissingVersion(t *test) {
	_, input := t.create()
	t.move(input.Name, "custom", "", input.Token)
	err := t.Store.MoveLabel(t.Context(), input.Name, "custom", input.Token, newToken())
	t.refused("MoveLabel to a missing version", err, secretstore.ErrNotFound)
	if t.has(MoveToUnknown) {
		t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
		return
	}
	err = t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, input.Token, newToken())
	t.refused("MoveLabel of Current to a missing version", err, secretstore.ErrNotFound)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current, "custom"}})
}

func testMoveNowhere(t *test) {
	_, input := t.create()
	for _, label := range []string{"custom", secretstore.Current} {
		err := t.Store.MoveLabel(t.Context(), input.Name, label, "", "")
		t.refused("MoveLabel from nowhere to nowhere", err, secretstore.ErrInvalid)
	}
	err := t.Store.MoveLabel(t.Context(), input.Name, "", "", input.Token)
	t.refused("MoveLabel without a label", err, secretstore.ErrInvalid)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}

// testMoveToHolder: AWS takes a label that is given to the version which has it
// as done, other stores as a conflict. Either way nothing changes.
func testMoveToHolder(t *test) {
	_, input := t.create()
	second, _ := t.put(input.Name, "custom")
	t.move(input.Name, secretstore.Current, input.Token, second)
	before := t.describe(input.Name).Labels
	if err := t.Store.MoveLabel(t.Context(), input.Name, "custom", "", second); err != nil {
		t.refused("MoveLabel from nowhere to the version that has it", err, secretstore.ErrConflict)
	}
	after := t.describe(input.Name).Labels
	for _, labels := range after {
		slices.Sort(labels)
	}
	if t.has(AddLabel) {
		after[second] = slices.Compact(after[second])
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("labels (-before +after):\n%s", diff)
	}
}

// testMovePrevious: while a grace period runs, a later promotion may have to
// give Previous back to the version that began it.
func testMovePrevious(t *test) {
	_, input := t.create()
	second, _ := t.put(input.Name, "a")
	third, _ := t.put(input.Name, "b")
	t.move(input.Name, secretstore.Current, input.Token, second)
	t.move(input.Name, secretstore.Current, second, third)
	t.move(input.Name, secretstore.Previous, second, input.Token)
	t.labelled(input.Name, map[string][]string{
		input.Token: {secretstore.Previous},
		second:      {"a"},
		third:       {secretstore.Current, "b"},
	})
	t.holds(input.Name, secretstore.VersionRef{Label: secretstore.Previous}, input.Token, input.Value)
}
