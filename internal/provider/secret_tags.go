// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// syncTags writes the tags that differ and removes those that should not be
// there. Tags under "roi:" that others own stay. Records are written before old
// ones go, so that none is lost in between.
func (r *secretResource) syncTags(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) error {
	tags, err := r.tagsAfter(ctx, store, secret, want, made)
	if err != nil {
		return err
	}
	for _, step := range tagSteps(secret.Tags, tags, surplusTags(secret, tags)) {
		if len(step.set) > 0 {
			err = store.Tag(ctx, secret.ARN, step.set)
		} else if len(step.remove) > 0 {
			err = store.Untag(ctx, secret.ARN, step.remove)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tagStep is one request: tags to set, or tags to remove.
type tagStep struct {
	set    map[string]string
	remove []string
}

// tagSteps are the steps from the tags that a secret has to those that it is to have,
// without the surplus. No step makes them more than a secret can have, and none takes
// away a record before what it says stands elsewhere.
func tagSteps(present, wanted map[string]string, surplus []string) []tagStep {
	set, changed, added := map[string]string{}, map[string]string{}, map[string]string{}
	for key, value := range wanted {
		before, there := present[key]
		switch {
		case !there:
			added[key] = value
		case before != value:
			changed[key] = value
		}
	}
	maps.Copy(set, changed)
	maps.Copy(set, added)
	if len(present)+len(added) <= secretstore.MaxTags {
		return []tagStep{{set: set}, {remove: surplus}}
	}
	records := slices.DeleteFunc(slices.Clone(surplus), func(key string) bool { return !policy.IsRecordTag(key) })
	others := slices.DeleteFunc(slices.Clone(surplus), policy.IsRecordTag)
	if len(present)-len(others)+len(added) <= secretstore.MaxTags {
		return []tagStep{{remove: others}, {set: set}, {remove: records}}
	}
	// Tags with records are in the way: there are fewer of them than before, and those
	// that stay are there already.
	return []tagStep{{remove: others}, {set: changed}, {remove: records}, {set: added}}
}

// surplusTags are the tags of a secret that this resource owns and that are not
// wanted.
func surplusTags(secret secretstore.Secret, wanted map[string]string) []string {
	var surplus []string
	for _, key := range sortedKeys(secret.Tags) {
		_, isWanted := wanted[key]
		own := !isReservedTag(key) || policy.IsRecordTag(key) || key == recreateTag
		if !isWanted && own && !strings.HasPrefix(key, awsTagPrefix) {
			surplus = append(surplus, key)
		}
	}
	return surplus
}

// tagsAfter are the tags that the secret is to have, when these keys have been
// written.
func (r *secretResource) tagsAfter(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) (map[string]string, error) {
	records, err := r.recordsAfter(ctx, store, secret, want, made)
	if err != nil {
		return nil, err
	}
	tags, err := policy.EncodeRecords(records)
	if err != nil {
		return nil, err
	}
	maps.Copy(tags, want.tags)
	foreign := 0
	for key := range secret.Tags {
		if _, wanted := tags[key]; !wanted && !slices.Contains(surplusTags(secret, tags), key) {
			foreign++
		}
	}
	if total := len(tags) + foreign; total > secretstore.MaxTags {
		return nil, &secretstore.Error{Op: "tag", ID: secret.ARN, Kind: secretstore.ErrLimit, Err: fmt.Errorf(
			"it would have %d tags, at most %d are possible: %d with policies, %d of its own, %d that others keep there",
			total, secretstore.MaxTags, len(tags)-len(want.tags), len(want.tags), foreign)}
	}
	return tags, nil
}

// recordsAfter says when each value was made: just now, as recorded before, or
// else when the version that was current was made.
func (r *secretResource) recordsAfter(ctx context.Context, store secretstore.Store, secret secretstore.Secret, want wanted, made madeNow) (map[string]policy.Record, error) {
	before, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		before = nil // foreign or damaged: as if there were none
	}
	records := want.records(made.at)
	var versionMade time.Time
	for key, record := range records {
		if slices.Contains(made.keys, key) {
			continue
		}
		if old, there := before[key]; there {
			record.MadeAt = old.MadeAt
		} else {
			if versionMade.IsZero() {
				if versionMade, err = r.versionMade(ctx, store, secret, secret.VersionWith(secretstore.Current)); err != nil {
					return nil, err
				}
			}
			record.MadeAt = versionMade
		}
		records[key] = record
	}
	return records, nil
}

// versionMade is when a version was made, or the secret, if it has none.
func (r *secretResource) versionMade(ctx context.Context, store secretstore.Store, secret secretstore.Secret, version string) (time.Time, error) {
	if version == "" {
		return secret.CreatedAt, nil
	}
	return rotation.Rotator{Store: store, Clock: r.data.Clock(), Sleep: sleep}.Created(ctx, secret, version)
}
