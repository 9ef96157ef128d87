// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// lastValues is how many earlier values PCI DSS 4.0.1 8.3.7 wants compared.
const lastValues = 4

// reuse compares values with those of the four versions before, as far as the store
// still has them. It holds them in memory for that long,
// and keeps none.
func (r *run) reuse(ctx context.Context, s *subject, keys []string, stored content, reason string) error {
	earlier, reason, err := r.earlier(ctx, s, reason)
	if err != nil {
		return err
	}
	for _, key := range keys {
		value, why := stored.value(key)
		switch {
		case reason != "":
			s.add(valueReuse, key, NotEvaluated, "%s", reason)
		case why != "":
			s.add(valueReuse, key, NotEvaluated, "%s", why)
		case len(earlier) == 0:
			s.add(valueReuse, key, Pass, "the store has no earlier version")
		case reused(key, value, earlier):
			s.add(valueReuse, key, Fail, "an earlier version has the same value (%d compared)", len(earlier))
		default:
			s.add(valueReuse, key, Pass, "no earlier version has the same value (%d compared)", len(earlier))
		}
	}
	return nil
}

// earlier reads the versions before the current one, newest first.
func (r *run) earlier(ctx context.Context, s *subject, reason string) ([]content, string, error) {
	if reason != "" {
		return nil, reason, nil
	}
	versions, reason, err := r.versionsOf(ctx, s)
	if err != nil || reason != "" {
		return nil, reason, err
	}
	current, pending := s.secret.VersionWith(secretstore.Current), s.secret.VersionWith(secretstore.Pending)
	var at time.Time
	for _, version := range versions {
		if version.ID == current {
			at = version.CreatedAt
		}
	}
	if at.IsZero() {
		return nil, "the store does not list the current version yet", nil
	}
	var earlier []content
	for _, version := range versions {
		if version.ID == current || version.ID == pending || version.CreatedAt.After(at) {
			continue
		}
		value, err := r.Store.Value(ctx, s.secret.ARN, secretstore.VersionRef{ID: version.ID})
		if errors.Is(err, secretstore.ErrNotFound) {
			continue // it never had a value, or is gone
		}
		if err != nil {
			reason, err = refused("secretsmanager:GetSecretValue", s.secret.ARN, err)
			return nil, reason, err
		}
		if earlier = append(earlier, contentOf(value.Plaintext)); len(earlier) == lastValues {
			break
		}
	}
	return earlier, "", nil
}

// reused looks for a value among earlier ones, newest first. A version of one
// string is made for a new value. A key of a JSON secret is carried from version to
// version: it was used before only if there was another value in between.
func reused(key, value string, earlier []content) bool {
	changed := key == ""
	for _, content := range earlier {
		before, why := content.value(key)
		switch {
		case why != "":
		case subtle.ConstantTimeCompare([]byte(before), []byte(value)) == 0:
			changed = true
		case changed:
			return true
		}
	}
	return false
}
