// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"maps"
	"slices"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Describe implements secretstore.Store.
func (s *Store) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	var secret secretstore.Secret
	err := s.view(ctx, "describe secret", id, func(_ *secrets, r *record) error {
		secret = r.describe()
		return nil
	})
	return secret, err
}

func (r *record) describe() secretstore.Secret {
	secret := secretstore.Secret{
		ARN:         r.ARN,
		Name:        r.Name,
		Description: r.Description,
		KMSKeyID:    r.KMSKeyID,
		Tags:        r.Tags,
		Labels:      map[string][]string{},
		CreatedAt:   r.CreatedAt,
		DeletedAt:   r.DeletedAt,
	}
	for id, v := range r.Versions {
		if len(v.Labels) > 0 {
			secret.Labels[id] = v.Labels
		}
	}
	for _, at := range slices.Sorted(maps.Keys(r.Replicas)) {
		secret.PrimaryRegion = region
		secret.Replicas = append(secret.Replicas, secretstore.Replica{
			Region: at, KMSKeyID: r.Replicas[at], Status: secretstore.ReplicaInSync,
		})
	}
	return secret
}

// Versions implements secretstore.Store. It lists the oldest version first.
func (s *Store) Versions(ctx context.Context, id string) ([]secretstore.Version, error) {
	var versions []secretstore.Version
	err := s.view(ctx, "list the versions of secret", id, func(_ *secrets, r *record) error {
		for id, v := range r.Versions {
			versions = append(versions, secretstore.Version{ID: id, Labels: v.Labels, CreatedAt: v.CreatedAt})
		}
		slices.SortFunc(versions, func(a, b secretstore.Version) int { return a.CreatedAt.Compare(b.CreatedAt) })
		return nil
	})
	return versions, err
}

// Value implements secretstore.Store.
func (s *Store) Value(ctx context.Context, id string, at secretstore.VersionRef) (secretstore.Value, error) {
	var value secretstore.Value
	err := s.view(ctx, "read secret", id, func(c *secrets, r *record) error {
		if err := r.live(); err != nil {
			return err
		}
		version, err := r.resolve(at)
		if err != nil {
			return err
		}
		plaintext, err := c.value(r, version)
		if err != nil {
			return err
		}
		v := r.Versions[version]
		value = secretstore.Value{Plaintext: plaintext, VersionID: version, Labels: v.Labels, CreatedAt: v.CreatedAt}
		return nil
	})
	return value, err
}

// resolve returns the id of the version that a reference is for.
func (r *record) resolve(at secretstore.VersionRef) (string, error) {
	if at == (secretstore.VersionRef{}) {
		at.Label = secretstore.Current
	}
	if at.ID == "" {
		if id := r.holder(at.Label); id != "" {
			return id, nil
		}
		return "", fail(secretstore.ErrNotFound, "no version has the label %s", at.Label)
	}
	v := r.Versions[at.ID]
	switch {
	case v == nil:
		return "", fail(secretstore.ErrNotFound, "there is no version %s", at.ID)
	case at.Label != "" && !slices.Contains(v.Labels, at.Label):
		return "", fail(secretstore.ErrInvalid, "version %s does not have the label %s", at.ID, at.Label)
	}
	return at.ID, nil
}
