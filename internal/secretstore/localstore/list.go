// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"iter"
	"maps"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ secretstore.Lister = (*Store)(nil)

// List implements secretstore.Lister. The list is that of one moment: it is made
// before the first secret is yielded, so that the loop may use the store. Reads
// are not recorded here, and of changes only those that make a version.
func (s *Store) List(ctx context.Context, filter secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	return func(yield func(secretstore.ListedSecret, error) bool) {
		all, err := s.list(ctx, filter)
		if err != nil {
			yield(secretstore.ListedSecret{}, err)
			return
		}
		for _, secret := range all {
			if !yield(secret, nil) {
				return
			}
		}
	}
}

func (s *Store) list(ctx context.Context, filter secretstore.ListFilter) ([]secretstore.ListedSecret, error) {
	var all []secretstore.ListedSecret
	err := s.run(ctx, "list secrets", "*", func(ctx context.Context) error {
		return s.viewSecrets(ctx, func(c *secrets) error {
			return c.tx.Bucket(recordBucket).ForEach(func(_, data []byte) error {
				r, err := decode(data)
				if err != nil || c.expired(r) {
					return err
				}
				if secret := r.describe(); filter.Match(secret) {
					secret.Replicas = nil
					all = append(all, secretstore.ListedSecret{Secret: secret, ChangedAt: r.changed()})
				}
				return nil
			})
		})
	})
	if errors.Is(err, secretstore.ErrNotFound) {
		return nil, nil // Nothing was ever written.
	}
	return all, err
}

// changed is when the newest version was made.
func (r *record) changed() time.Time {
	last := r.CreatedAt
	for v := range maps.Values(r.Versions) {
		if v.CreatedAt.After(last) {
			last = v.CreatedAt
		}
	}
	return last
}
