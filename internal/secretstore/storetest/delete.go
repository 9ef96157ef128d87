// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var deleteTests = map[string]func(*test){
	"Window":            testDeleteWindow,
	"WindowLimits":      testDeleteWindowLimits,
	"AtOnce":            testDeleteAtOnce,
	"NothingElseWorks":  testScheduledRefusesWrites,
	"NameIsTaken":       testScheduledName,
	"WindowEnds":        testDeleteWindowEnds,
	"Restore":           testRestore,
	"CreateAgainNewARN": testCreateAgain,
}

const day = 24 * time.Hour

func (t *test) schedule(id string, days int) time.Time {
	t.Helper()
	end, err := t.Store.Delete(t.Context(), id, days)
	t.ok("Delete", err)
	return end
}

func testDeleteWindow(t *test) {
	for _, days := range []int{7, 30} {
		created, input := t.create()
		end := t.schedule(input.Name, days)
		t.closeTo("the end of the window", end, created.CreatedAt.Add(time.Duration(days)*day))

		for _, id := range []string{input.Name, created.ARN} {
			secret := t.describe(id)
			t.closeTo("DeletedAt", secret.DeletedAt, end)
			if secret.ARN != created.ARN || secret.VersionWith(secretstore.Current) != input.Token {
				t.Errorf("Describe in the window is %+v, want the secret as it was", secret)
			}
			for _, at := range []secretstore.VersionRef{{}, {ID: input.Token}, {Label: secretstore.Current}} {
				_, err := t.Store.Value(t.Context(), id, at)
				t.refused("Value in the window", err, secretstore.ErrScheduledForDeletion)
			}
		}
	}
}

func testDeleteWindowLimits(t *test) {
	_, input := t.create()
	for _, days := range []int{-1, 1, 6, 31, 365} {
		_, err := t.Store.Delete(t.Context(), input.Name, days)
		t.refused("Delete with a window outside 7 to 30 days", err, secretstore.ErrInvalid)
	}
	if !t.describe(input.Name).DeletedAt.IsZero() {
		t.Error("the secret was scheduled for deletion")
	}
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}

func testDeleteAtOnce(t *test) {
	created, input := t.create()
	end := t.schedule(input.Name, 0)
	t.closeTo("the end of the window", end, created.CreatedAt)
	t.absent(created, input)

	// It also cuts a window short that is running.
	created, input = t.create()
	t.schedule(input.Name, 30)
	t.schedule(created.ARN, 0)
	t.absent(created, input)
}

func (t *test) absent(created secretstore.Created, input secretstore.CreateInput) {
	t.Helper()
	for _, id := range []string{input.Name, created.ARN} {
		_, err := t.Store.Describe(t.Context(), id)
		t.refused("Describe of a deleted secret", err, secretstore.ErrNotFound)
		_, err = t.Store.Value(t.Context(), id, secretstore.VersionRef{ID: input.Token})
		t.refused("Value of a deleted secret", err, secretstore.ErrNotFound)
	}
}

// testScheduledRefusesWrites: in the window a secret can be described, deleted
// and restored, and nothing else.
func testScheduledRefusesWrites(t *test) {
	_, input := t.create()
	t.schedule(input.Name, 7)
	description := "new"
	err := t.Store.Update(t.Context(), input.Name, secretstore.UpdateInput{Description: &description})
	t.refused("Update in the window", err, secretstore.ErrScheduledForDeletion)

	writes := map[string]error{
		"Put": t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: newToken(), Value: t.newValue(), Labels: []string{secretstore.Pending},
		}),
		"MoveLabel": t.Store.MoveLabel(t.Context(), input.Name, "custom", "", input.Token),
		"Tag":       t.Store.Tag(t.Context(), input.Name, map[string]string{"a": "b"}),
		"Untag":     t.Store.Untag(t.Context(), input.Name, []string{"a"}),
	}
	for op, err := range writes {
		if t.has(WriteScheduled) {
			t.ok(op+" in the window", err)
			continue
		}
		t.refused(op+" in the window", err, secretstore.ErrScheduledForDeletion)
	}
	t.ok("Restore", t.Store.Restore(t.Context(), input.Name))
	if !t.has(WriteScheduled) {
		t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
		t.tagged(input.Name, nil)
	}
}

func testScheduledName(t *test) {
	_, input := t.create()
	t.schedule(input.Name, 7)

	other := input
	other.Token = newToken()
	_, err := t.Store.Create(t.Context(), other)
	if t.has(CreateScheduled) {
		t.refused("Create of a scheduled name", err, secretstore.ErrExists)
	} else {
		t.refused("Create of a scheduled name", err, secretstore.ErrScheduledForDeletion)
	}

	_, err = t.Store.Create(t.Context(), input)
	if t.has(CreateScheduled) {
		t.ok("repeated Create of a scheduled name", err)
	} else {
		t.refused("repeated Create of a scheduled name", err, secretstore.ErrScheduledForDeletion)
	}
	if t.describe(input.Name).DeletedAt.IsZero() {
		t.Error("the secret is no longer scheduled for deletion")
	}
}

func testDeleteWindowEnds(t *test) {
	if t.Advance == nil {
		t.skip("its time cannot be moved, and the shortest window is 7 days")
	}
	created, input := t.create()
	t.schedule(input.Name, 7)
	t.Advance(7*day - time.Minute)
	if t.describe(input.Name).DeletedAt.IsZero() {
		t.Error("the secret is no longer scheduled for deletion")
	}
	t.Advance(2 * time.Minute)
	t.absent(created, input)
	err := t.Store.Restore(t.Context(), input.Name)
	t.refused("Restore after the window", err, secretstore.ErrNotFound)

	again, err := t.Store.Create(t.Context(), input)
	t.ok("Create after the window", err)
	if again.ARN == created.ARN {
		t.Error("a new secret has the ARN of the old one")
	}
}

func testRestore(t *test) {
	created, input := t.create()
	second, value := t.put(input.Name, secretstore.Pending)
	before := t.describe(input.Name)
	t.schedule(input.Name, 30)
	t.ok("Restore", t.Store.Restore(t.Context(), created.ARN))

	after := t.describe(input.Name)
	if !after.DeletedAt.IsZero() || after.ARN != before.ARN {
		t.Errorf("after Restore the secret is %+v, want it as it was", after)
	}
	t.labelled(input.Name, before.Labels)
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
	t.holds(input.Name, secretstore.VersionRef{ID: second}, second, value)
	t.put(input.Name, secretstore.Pending)
}

func testCreateAgain(t *test) {
	created, input := t.create()
	t.schedule(input.Name, 0)

	// The token is free again: another content is not that of a replay.
	input.Value = t.newValue()
	again, err := t.Store.Create(t.Context(), input)
	t.ok("Create of a deleted name", err)
	if again.ARN == created.ARN {
		t.Error("a new secret has the ARN of the old one")
	}
	t.holds(again.ARN, secretstore.VersionRef{}, input.Token, input.Value)
	_, err = t.Store.Describe(t.Context(), created.ARN)
	t.refused("Describe of the old ARN", err, secretstore.ErrNotFound)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}
