// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var listTests = map[string]func(*test){
	"WhatDescribeTells":    testListEntries,
	"ByName":               testListNames,
	"ByTags":               testListTags,
	"ScheduledForDeletion": testListScheduled,
	"MoreThanAPage":        testListPages,
	"InALoop":              testListLoop,
}

// list returns what a filter finds, by name. The store need not be empty: filters
// have a prefix of their own.
func (t *test) list(filter secretstore.ListFilter) map[string]secretstore.ListedSecret {
	t.Helper()
	lister, ok := t.Store.(secretstore.Lister)
	if !ok {
		t.Fatal("the store is not a Lister")
	}
	found := map[string]secretstore.ListedSecret{}
	for secret, err := range lister.List(t.Context(), filter) {
		t.ok("List", err)
		if _, twice := found[secret.Name]; twice {
			t.Errorf("%s is listed twice", secret.Name)
		}
		found[secret.Name] = secret
	}
	return found
}

// finds demands that a filter finds exactly these names.
func (t *test) finds(filter secretstore.ListFilter, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(t.list(filter)))); diff != "" {
		t.Errorf("the list of %+v (-want +got):\n%s", filter, diff)
	}
}

// createAs makes a secret with a name and tags.
func (t *test) createAs(name string, tags map[string]string) {
	t.Helper()
	_, err := t.Store.Create(t.Context(), secretstore.CreateInput{Name: name, Token: newToken(), Value: t.newValue(), Tags: tags})
	t.ok("Create", err)
}

func testListEntries(t *test) {
	input := secretstore.CreateInput{
		Name: newName(), Token: newToken(), Value: t.newValue(), Description: "described", KMSKeyID: t.Keys[0], Tags: map[string]string{"a": "1", "b": "2"},
	}
	_, err := t.Store.Create(t.Context(), input)
	t.ok("Create", err)
	second, _ := t.put(input.Name, secretstore.Pending)
	t.move(input.Name, secretstore.Current, input.Token, second)
	t.move(input.Name, secretstore.Pending, second, "")

	want := t.describe(input.Name)
	got := t.list(secretstore.ListFilter{NamePrefix: input.Name})[input.Name]
	if t.has(DescribeUnlabelled) {
		maps.DeleteFunc(want.Labels, func(_ string, labels []string) bool { return len(labels) == 0 })
	}
	if diff := cmp.Diff(want, got.Secret); diff != "" {
		t.Errorf("Describe and List (-describe +list):\n%s", diff)
	}
	if got.ChangedAt.Before(got.CreatedAt) {
		t.Errorf("it was changed at %s, before it was made at %s", got.ChangedAt, got.CreatedAt)
	}

	t.ok("Tag", t.Store.Tag(t.Context(), input.Name, map[string]string{"b": "changed"}))
	if got := t.list(secretstore.ListFilter{NamePrefix: input.Name})[input.Name]; got.Tags["b"] != "changed" {
		t.Error("a later list does not show a later change")
	}
}

func testListNames(t *test) {
	prefix := newName()
	for _, name := range []string{"/app/a", "/app/b", "/App/c", "/app"} {
		t.createAs(prefix+name, nil)
	}
	t.finds(secretstore.ListFilter{NamePrefix: prefix}, prefix+"/app/a", prefix+"/app/b", prefix+"/App/c", prefix+"/app")
	t.finds(secretstore.ListFilter{NamePrefix: prefix + "/app/"}, prefix+"/app/a", prefix+"/app/b")
	t.finds(secretstore.ListFilter{NamePrefix: prefix + "/A"}, prefix+"/App/c")
	t.finds(secretstore.ListFilter{NamePrefix: prefix + "/nothing"})
	t.finds(secretstore.ListFilter{NamePrefix: strings.TrimPrefix(prefix, "storetest")})
}

func testListTags(t *test) {
	prefix := newName()
	one, two, three := prefix+"/one", prefix+"/two", prefix+"/three"
	t.createAs(one, map[string]string{"team": "blue", "roi:policy": "x", "empty": ""})
	t.createAs(two, map[string]string{"team": "red", "colour": "blue", "team-size": "blue", "not-roi:policy": "x"})
	t.createAs(three, map[string]string{"Team": "blue", "größe": "öfter", "roi": "x"})
	tagged := func(tags ...string) secretstore.ListFilter {
		filter := secretstore.ListFilter{NamePrefix: prefix, Tags: map[string]string{}}
		for i := 0; i < len(tags); i += 2 {
			filter.Tags[tags[i]] = tags[i+1]
		}
		return filter
	}
	// Secret two has the key, and the value on another key.
	t.finds(tagged("team", "blue"), one)
	t.finds(tagged("team", "re"))
	t.finds(tagged("team", "blue", "roi:policy", "x"), one)
	t.finds(tagged("team", "blue", "roi:policy", "y"))
	t.finds(tagged("empty", ""), one)
	t.finds(tagged("größe", "öfter"), three)
	t.finds(tagged("team", "!blue"))
	t.finds(secretstore.ListFilter{NamePrefix: prefix, TagKeyPrefix: "roi:"}, one)
	t.finds(secretstore.ListFilter{NamePrefix: prefix, TagKeyPrefix: "t"}, one, two)
	t.finds(secretstore.ListFilter{NamePrefix: prefix, TagKeyPrefix: "roi:", Tags: map[string]string{"team": "red"}})
}

func testListScheduled(t *test) {
	prefix := newName()
	t.createAs(prefix+"/kept", nil)
	t.createAs(prefix+"/deleted", nil)
	_, err := t.Store.Delete(t.Context(), prefix+"/deleted", 7)
	t.ok("Delete", err)
	t.finds(secretstore.ListFilter{NamePrefix: prefix}, prefix+"/kept")

	found := t.list(secretstore.ListFilter{NamePrefix: prefix, Scheduled: true})
	if len(found) != 2 || found[prefix+"/deleted"].DeletedAt.IsZero() || !found[prefix+"/kept"].DeletedAt.IsZero() {
		t.Errorf("asked for those that are scheduled for deletion: %d secrets, want 2, one of them with the time of its deletion", len(found))
	}
	if t.Advance != nil {
		t.Advance(8 * 24 * time.Hour)
		t.finds(secretstore.ListFilter{NamePrefix: prefix, Scheduled: true}, prefix+"/kept")
	}
}

func testListPages(t *test) {
	prefix := newName()
	var want []string
	for i := range 103 {
		want = append(want, fmt.Sprintf("%s/%03d", prefix, i))
		t.createAs(want[i], nil)
	}
	t.finds(secretstore.ListFilter{NamePrefix: prefix}, want...)
}

// A loop over a list may use the store, and may end early.
func testListLoop(t *test) {
	prefix := newName()
	t.createAs(prefix+"/a", nil)
	t.createAs(prefix+"/b", nil)
	lister, ok := t.Store.(secretstore.Lister)
	if !ok {
		t.Fatal("the store is not a Lister")
	}
	rounds := 0
	for secret, err := range lister.List(t.Context(), secretstore.ListFilter{NamePrefix: prefix}) {
		t.ok("List", err)
		_, err := t.Store.Versions(t.Context(), secret.ARN)
		t.ok("Versions", err)
		rounds++
		break
	}
	if rounds != 1 {
		t.Errorf("%d rounds, want 1", rounds)
	}
}
