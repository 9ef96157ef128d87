// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"strings"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var unknownTests = map[string]func(*test){
	"Secret": testUnknownSecret,
}

func testUnknownSecret(t *test) {
	created, input := t.create()
	name := newName()
	for _, id := range []string{
		name,
		strings.Replace(created.ARN, input.Name, name, 1),
		created.ARN[:len(created.ARN)-6] + "AAAAAA", // the suffix of another secret
	} {
		_, err := t.Store.Versions(t.Context(), id)
		if t.has(VersionsOfUnknown) {
			t.refused("Versions", err, secretstore.ErrInternal)
		} else {
			t.refused("Versions", err, secretstore.ErrNotFound)
		}

		description := "new"
		_, describe := t.Store.Describe(t.Context(), id)
		_, value := t.Store.Value(t.Context(), id, secretstore.VersionRef{})
		_, remove := t.Store.Delete(t.Context(), id, 7)
		for op, err := range map[string]error{
			"Describe": describe,
			"Value":    value,
			"Delete":   remove,
			"Put": t.Store.Put(t.Context(), secretstore.PutInput{
				ID: id, Token: newToken(), Value: t.newValue(), Labels: []string{secretstore.Pending},
			}),
			"MoveLabel":      t.Store.MoveLabel(t.Context(), id, "custom", "", input.Token),
			"Update":         t.Store.Update(t.Context(), id, secretstore.UpdateInput{Description: &description}),
			"Tag":            t.Store.Tag(t.Context(), id, map[string]string{"a": "b"}),
			"Untag":          t.Store.Untag(t.Context(), id, []string{"a"}),
			"Replicate":      t.Store.Replicate(t.Context(), id, []secretstore.ReplicaSpec{{Region: t.Regions[0]}}, false),
			"RemoveReplicas": t.Store.RemoveReplicas(t.Context(), id, []string{t.Regions[0]}),
			"Restore":        t.Store.Restore(t.Context(), id),
		} {
			t.refused(op, err, secretstore.ErrNotFound)
		}
	}
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}
