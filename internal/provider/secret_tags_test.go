// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// On the way from some tags to others there are never too many, and when each value
// was made is never forgotten, so that the way can break off anywhere.
func TestTagSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.IntRange(1, 40).Draw(t, "keys")
		tags := func(name string) map[string]string {
			records := map[string]policy.Record{}
			for i := range keys {
				p, _ := policy.Builtin(rapid.SampledFrom([]string{"jwt", "session", "database", "api_key"}).Draw(t, name))
				p.Length = rapid.IntRange(64, 70).Draw(t, name+" length")
				records[fmt.Sprintf("A_KEY_WITH_A_LONG_NAME_%02d", i)] = policy.Record{Policy: p, MadeAt: time.Unix(int64(1e9+i), 0).UTC()}
			}
			tags, err := policy.EncodeRecords(records)
			if err != nil {
				t.Skip("they do not fit into tags")
			}
			for i := range rapid.IntRange(0, secretstore.MaxTags-len(tags)).Draw(t, name+" of its own") {
				tags[fmt.Sprintf("%s-%d", rapid.SampledFrom([]string{"team", name}).Draw(t, "tag"), i)] = name
			}
			return tags
		}
		present, wanted := tags("before"), tags("after")
		var surplus []string
		for _, key := range sortedKeys(present) {
			if _, stays := wanted[key]; !stays {
				surplus = append(surplus, key)
			}
		}
		now := maps.Clone(present)
		for i, step := range tagSteps(present, wanted, surplus) {
			maps.Copy(now, step.set)
			for _, key := range step.remove {
				delete(now, key)
			}
			if len(now) > secretstore.MaxTags || len(step.set) > 0 && len(step.remove) > 0 {
				t.Fatalf("step %d leaves %d tags, or is two", i, len(now))
			}
			records, err := policy.DecodeRecords(now)
			if err != nil || len(records) != keys {
				t.Fatalf("after step %d there are records of %d of %d keys (%v)", i, len(records), keys, err)
			}
		}
		if !maps.Equal(now, wanted) {
			t.Fatalf("the tags are %v, not %v", now, wanted)
		}
	})
}
