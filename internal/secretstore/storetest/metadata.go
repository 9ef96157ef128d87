// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var metadataTests = map[string]func(*test){
	"UpdateDescription": testUpdateDescription,
	"UpdateKey":         testUpdateKey,
	"UpdateNothing":     testUpdateNothing,
	"TagAndUntag":       testTags,
	"TagLimits":         testTagLimits,
	"CreateTagLimits":   testCreateTagLimits,
	"Replicas":          testReplicas,
	"ReplicaKey":        testReplicaKey,
}

func (t *test) update(id string, input secretstore.UpdateInput) {
	t.Helper()
	t.ok("Update", t.Store.Update(t.Context(), id, input))
}

func testUpdateDescription(t *test) {
	input := secretstore.CreateInput{
		Name: newName(), Token: newToken(), Value: t.newValue(), Description: "before", KMSKeyID: t.Keys[0],
	}
	_, err := t.Store.Create(t.Context(), input)
	t.ok("Create", err)
	want := t.describe(input.Name)

	want.Description = "after"
	t.update(input.Name, secretstore.UpdateInput{Description: &want.Description})
	if diff := cmp.Diff(want, t.describe(input.Name)); diff != "" {
		t.Errorf("Update of the description (-want +got):\n%s", diff)
	}
	empty := ""
	t.update(input.Name, secretstore.UpdateInput{Description: &empty})
	if !t.has(KeepDescription) {
		want.Description = ""
	}
	if diff := cmp.Diff(want, t.describe(input.Name)); diff != "" {
		t.Errorf("Update to an empty description (-want +got):\n%s", diff)
	}
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}

func testUpdateKey(t *test) {
	input := secretstore.CreateInput{
		Name: newName(), Token: newToken(), Value: t.newValue(), Description: "kept", KMSKeyID: t.Keys[0],
	}
	_, err := t.Store.Create(t.Context(), input)
	t.ok("Create", err)
	want := t.describe(input.Name)

	want.KMSKeyID = t.Keys[1]
	t.update(input.Name, secretstore.UpdateInput{KMSKeyID: &t.Keys[1]})
	if diff := cmp.Diff(want, t.describe(input.Name)); diff != "" {
		t.Errorf("Update of the key (-want +got):\n%s", diff)
	}
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}

func testUpdateNothing(t *test) {
	_, input := t.create()
	before := t.describe(input.Name)
	t.update(input.Name, secretstore.UpdateInput{})
	if diff := cmp.Diff(before, t.describe(input.Name)); diff != "" {
		t.Errorf("an empty Update changed the secret (-before +after):\n%s", diff)
	}
}

func (t *test) tagged(id string, want map[string]string) {
	t.Helper()
	got := t.describe(id).Tags
	if !maps.Equal(want, got) {
		t.Errorf("tags (-want +got):\n%s", cmp.Diff(want, got))
	}
}

func testTags(t *test) {
	_, input := t.create()
	t.tagged(input.Name, nil)
	t.ok("Tag", t.Store.Tag(t.Context(), input.Name, map[string]string{"a": "1", "b": "2", "A": "upper"}))
	t.tagged(input.Name, map[string]string{"a": "1", "b": "2", "A": "upper"})
	t.ok("Tag", t.Store.Tag(t.Context(), input.Name, map[string]string{"b": "", "roi:x": "letters äé and _.:/=+-@"}))
	t.tagged(input.Name, map[string]string{"a": "1", "b": "", "A": "upper", "roi:x": "letters äé and _.:/=+-@"})
	t.ok("Untag", t.Store.Untag(t.Context(), input.Name, []string{"b", "A", "missing"}))
	t.tagged(input.Name, map[string]string{"a": "1", "roi:x": "letters äé and _.:/=+-@"})
	t.ok("Untag", t.Store.Untag(t.Context(), input.Name, []string{"a", "roi:x"}))
	t.tagged(input.Name, nil)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}

func tags(prefix string, n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint(prefix, i)] = "x"
	}
	return tags
}

// badTags are sets of tags that AWS refuses whatever the secret has.
// Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
func badTags() map[string]map[string]string {
	return map[string]map[string]string{
		"a key of 129 characters":   {strings.Repeat("k", secretstore.MaxTagKeyLength+1): "x"},
		"a value of 257 characters": {"k": strings.Repeat("v", secretstore.MaxTagValueLength+1)},
		"a key that begins aws:":    {"aws:x": "x"},
		"an empty key":              {"": "x"},
	}
}

func testTagLimits(t *test) {
	_, input := t.create()
	want := tags("first", secretstore.MaxTags-1)
	// The limits count characters, not bytes.
	want[strings.Repeat("é", secretstore.MaxTagKeyLength)] = strings.Repeat("é", secretstore.MaxTagValueLength)
	t.ok("Tag with 50 tags", t.Store.Tag(t.Context(), input.Name, want))
	t.tagged(input.Name, want)
	want["first0"] = "changed"
	t.ok("Tag of a tag that is there", t.Store.Tag(t.Context(), input.Name, map[string]string{"first0": "changed"}))
	t.tagged(input.Name, want)

	tooMany := t.Store.Tag(t.Context(), input.Name, map[string]string{"first1": "changed", "one more": "x"})
	if t.has(NoTagRules) {
		t.ok("Tag with the 51st tag", tooMany)
	} else {
		t.refused("Tag with the 51st tag", tooMany, secretstore.ErrLimit, secretstore.ErrInvalid)
		t.tagged(input.Name, want)
	}

	_, input = t.create()
	for what, bad := range badTags() {
		err := t.Store.Tag(t.Context(), input.Name, bad)
		if t.has(NoTagRules) {
			t.ok("Tag with "+what, err)
			continue
		}
		t.refused("Tag with "+what, err, secretstore.ErrLimit, secretstore.ErrInvalid)
		t.tagged(input.Name, nil)
	}
}

func testCreateTagLimits(t *test) {
	input := secretstore.CreateInput{Name: newName(), Token: newToken(), Value: t.newValue(), Tags: tags("t", secretstore.MaxTags)}
	_, err := t.Store.Create(t.Context(), input)
	t.ok("Create with 50 tags", err)
	t.tagged(input.Name, input.Tags)

	sets := badTags()
	sets["51 tags"] = tags("t", secretstore.MaxTags+1)
	for what, bad := range sets {
		input := secretstore.CreateInput{Name: newName(), Token: newToken(), Value: t.newValue(), Tags: bad}
		_, err := t.Store.Create(t.Context(), input)
		if t.has(NoTagRules) {
			t.ok("Create with "+what, err)
			continue
		}
		t.refused("Create with "+what, err, secretstore.ErrLimit, secretstore.ErrInvalid)
		_, err = t.Store.Describe(t.Context(), input.Name)
		t.refused("Describe after that", err, secretstore.ErrNotFound)
	}
}

func testReplicas(t *test) {
	_, input := t.create()
	specs := []secretstore.ReplicaSpec{{Region: t.Regions[0]}, {Region: t.Regions[1]}}
	t.ok("Replicate", t.Store.Replicate(t.Context(), input.Name, specs[:1], false))
	t.replicated(input.Name, specs[:1])
	t.ok("Replicate to one more region", t.Store.Replicate(t.Context(), input.Name, specs[1:], true))
	t.replicated(input.Name, specs)

	for _, days := range []int{7, 0} {
		_, err := t.Store.Delete(t.Context(), input.Name, days)
		t.refused("Delete of a secret with replicas", err, secretstore.ErrInvalid)
	}
	if secret := t.describe(input.Name); !secret.DeletedAt.IsZero() {
		t.Error("a secret with replicas was scheduled for deletion")
	}

	t.ok("RemoveReplicas", t.Store.RemoveReplicas(t.Context(), input.Name, []string{t.Regions[0]}))
	t.replicated(input.Name, specs[1:])
	t.ok("RemoveReplicas", t.Store.RemoveReplicas(t.Context(), input.Name, []string{t.Regions[1]}))
	t.replicated(input.Name, nil)

	scope, err := t.Store.Scope(t.Context())
	t.ok("Scope", err)
	err = t.Store.Replicate(t.Context(), input.Name, []secretstore.ReplicaSpec{{Region: scope.Region}}, false)
	t.refused("Replicate to the secret's own region", err, secretstore.ErrInvalid)
}

func testReplicaKey(t *test) {
	if t.ReplicaKey == "" {
		t.skip("the fixture names no key for a replica")
	}
	specs := []secretstore.ReplicaSpec{{Region: t.Regions[1], KMSKeyID: t.ReplicaKey}}
	created := secretstore.CreateInput{Name: newName(), Token: newToken(), Value: t.newValue(), Replicas: specs}
	_, err := t.Store.Create(t.Context(), created)
	t.ok("Create with a replica with a key", err)
	_, replicated := t.create()
	t.ok("Replicate with a key", t.Store.Replicate(t.Context(), replicated.Name, specs, false))

	if t.has(ReplicaKeys) {
		specs[0].KMSKeyID = ""
	}
	t.replicated(created.Name, specs)
	t.replicated(replicated.Name, specs)
}

// replicated demands that a secret has exactly these replicas, in sync before
// long.
func (t *test) replicated(id string, want []secretstore.ReplicaSpec) {
	t.Helper()
	var got []secretstore.Replica
	for range 50 {
		got = t.describe(id).Replicas
		if inSync(got) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !inSync(got) {
		t.Errorf("the replicas are not in sync: %+v", got)
	}
	keys := map[string]string{}
	for _, replica := range got {
		keys[replica.Region] = replica.KMSKeyID
	}
	wantKeys := map[string]string{}
	for _, spec := range want {
		wantKeys[spec.Region] = spec.KMSKeyID
	}
	if diff := cmp.Diff(wantKeys, keys); diff != "" || len(got) != len(want) {
		t.Errorf("regions and keys of %d replicas (-want +got):\n%s", len(got), diff)
	}
}

func inSync(replicas []secretstore.Replica) bool {
	for _, replica := range replicas {
		if replica.Status != secretstore.ReplicaInSync {
			return false
		}
	}
	return true
}
