// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Create implements secretstore.Store. It makes the store's files where they are
// missing.
func (s *Store) Create(ctx context.Context, input secretstore.CreateInput) (secretstore.Created, error) {
	var created secretstore.Created
	err := s.run(ctx, "create secret", input.Name, func(ctx context.Context) error {
		err := errors.Join(checkName(input.Name), checkToken(input.Token), checkValue(input.Value), checkTags(input.Tags), checkReplicas(input.Replicas))
		if err != nil {
			return err
		}
		if err := s.makeDatabase(); err != nil {
			return err
		}
		return s.updateSecrets(ctx, func(c *secrets) error {
			created, err = c.create(input)
			return err
		})
	})
	return created, err
}

func (c *secrets) create(input secretstore.CreateInput) (secretstore.Created, error) {
	var none secretstore.Created
	r, err := c.get(input.Name)
	if err != nil {
		return none, err
	}
	if r != nil {
		if err := r.live(); err != nil {
			return none, err
		}
		if r.Versions[input.Token] == nil {
			return none, fail(secretstore.ErrExists, "a secret of this name is there")
		}
		if err := c.checkReplay(r, input.Token, input.Value); err != nil {
			return none, err
		}
		return secretstore.Created{ARN: r.ARN, VersionID: input.Token, CreatedAt: r.CreatedAt}, nil
	}
	r = &record{
		ARN:         newARN(input.Name),
		Name:        input.Name,
		Description: input.Description,
		KMSKeyID:    input.KMSKeyID,
		Tags:        input.Tags,
		CreatedAt:   c.now,
		Versions:    map[string]*version{input.Token: {Labels: []string{secretstore.Current}, CreatedAt: c.now}},
	}
	r.replicate(input.Replicas)
	if err := c.setValue(r, input.Token, input.Value); err != nil {
		return none, err
	}
	return secretstore.Created{ARN: r.ARN, VersionID: input.Token, CreatedAt: r.CreatedAt}, c.put(r)
}

// checkReplay refuses a token that was used for another content.
func (c *secrets) checkReplay(r *record, token string, value secretstore.Plaintext) error {
	stored, err := c.value(r, token)
	if err != nil {
		return err
	}
	same := subtle.ConstantTimeCompare([]byte(stored.Reveal()), []byte(value.Reveal())) == 1
	if !same || stored.Binary() != value.Binary() {
		return fail(secretstore.ErrExists, "version %s has another value", token)
	}
	return nil
}

// Put implements secretstore.Store.
func (s *Store) Put(ctx context.Context, input secretstore.PutInput) error {
	return s.updateLive(ctx, "put a version into secret", input.ID, func(c *secrets, r *record) error {
		if err := errors.Join(checkToken(input.Token), checkValue(input.Value)); err != nil {
			return err
		}
		if len(input.Labels) == 0 {
			return fail(secretstore.ErrInvalid, "a version needs a label")
		}
		if r.Versions[input.Token] != nil {
			return c.checkReplay(r, input.Token, input.Value)
		}
		if err := c.setValue(r, input.Token, input.Value); err != nil {
			return err
		}
		current := r.holder(secretstore.Current)
		r.Versions[input.Token] = &version{CreatedAt: c.now}
		for _, label := range input.Labels {
			if err := r.label(label, input.Token); err != nil {
				return err
			}
		}
		if slices.Contains(input.Labels, secretstore.Current) && !slices.Contains(input.Labels, secretstore.Previous) {
			r.setLabel(secretstore.Previous, current)
		}
		return c.dropVersions(r)
	})
}

// label gives a label to a version unless that would be one too many.
func (r *record) label(label, to string) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	if r.holder(label) == "" && r.labels() >= secretstore.MaxLabels {
		return fail(secretstore.ErrLimit, "the secret has %d labels, which is the most it can have", secretstore.MaxLabels)
	}
	r.setLabel(label, to)
	return nil
}

// MoveLabel implements secretstore.Store.
func (s *Store) MoveLabel(ctx context.Context, id, label, from, to string) error {
	return s.updateLive(ctx, "move a label of secret", id, func(_ *secrets, r *record) error {
		holder := r.holder(label)
		switch {
		case from == "" && to == "":
			return fail(secretstore.ErrInvalid, "neither a version to take the label from nor one to give it to")
		case holder != from && holder == "":
			return fail(secretstore.ErrConflict, "%s is on no version, not on %s", label, from)
		case holder != from:
			return fail(secretstore.ErrConflict, "%s is on version %s", label, holder)
		case to == "" && label == secretstore.Current:
			return fail(secretstore.ErrInvalid, "%s can be moved but not removed", label)
		case to != "" && r.Versions[to] == nil:
			return fail(secretstore.ErrNotFound, "there is no version %s", to)
		case from == to:
			return nil
		case to == "":
			r.setLabel(label, "")
			return nil
		}
		if err := r.label(label, to); err != nil {
			return err
		}
		if label == secretstore.Current {
			r.setLabel(secretstore.Previous, from)
		}
		return nil
	})
}

// Update implements secretstore.Store. The key is kept and described, but not
// used.
func (s *Store) Update(ctx context.Context, id string, input secretstore.UpdateInput) error {
	return s.updateLive(ctx, "update secret", id, func(_ *secrets, r *record) error {
		if input.Description != nil {
			r.Description = *input.Description
		}
		if input.KMSKeyID != nil {
			r.KMSKeyID = *input.KMSKeyID
		}
		return nil
	})
}

// Tag implements secretstore.Store.
func (s *Store) Tag(ctx context.Context, id string, tags map[string]string) error {
	return s.updateLive(ctx, "tag secret", id, func(_ *secrets, r *record) error {
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		maps.Copy(r.Tags, tags)
		return checkTags(r.Tags)
	})
}

// Untag implements secretstore.Store.
func (s *Store) Untag(ctx context.Context, id string, keys []string) error {
	return s.updateLive(ctx, "untag secret", id, func(_ *secrets, r *record) error {
		for _, key := range keys {
			delete(r.Tags, key)
		}
		return nil
	})
}

// Replicate implements secretstore.Store. Replicas are kept and described, always
// as in sync, but nothing is copied.
func (s *Store) Replicate(ctx context.Context, id string, replicas []secretstore.ReplicaSpec, _ bool) error {
	return s.updateLive(ctx, "replicate secret", id, func(_ *secrets, r *record) error {
		if err := checkReplicas(replicas); err != nil {
			return err
		}
		r.replicate(replicas)
		return nil
	})
}

func (r *record) replicate(replicas []secretstore.ReplicaSpec) {
	if r.Replicas == nil {
		r.Replicas = map[string]string{}
	}
	for _, replica := range replicas {
		r.Replicas[replica.Region] = replica.KMSKeyID
	}
}

// RemoveReplicas implements secretstore.Store.
func (s *Store) RemoveReplicas(ctx context.Context, id string, regions []string) error {
	return s.updateLive(ctx, "remove replicas of secret", id, func(_ *secrets, r *record) error {
		for _, region := range regions {
			delete(r.Replicas, region)
		}
		return nil
	})
}

// Delete implements secretstore.Store. As in Secrets Manager, deleting at once
// what does not exist succeeds.
func (s *Store) Delete(ctx context.Context, id string, recoveryWindowDays int) (time.Time, error) {
	const op = "delete secret"
	end := s.now()
	err := s.update(ctx, op, id, func(c *secrets, r *record) error {
		switch {
		case recoveryWindowDays != 0 && (recoveryWindowDays < 7 || recoveryWindowDays > 30):
			return fail(secretstore.ErrInvalid, "the recovery window must be 0 or 7 to 30 days, got %d", recoveryWindowDays)
		case len(r.Replicas) > 0:
			return fail(secretstore.ErrInvalid, "a secret that has replicas cannot be deleted: remove them first")
		case recoveryWindowDays == 0:
			return c.remove(r)
		}
		if err := r.live(); err != nil {
			return err
		}
		end = c.now.Add(time.Duration(recoveryWindowDays) * 24 * time.Hour)
		r.DeletedAt = end
		return c.put(r)
	})
	if errors.Is(err, secretstore.ErrNotFound) && recoveryWindowDays == 0 {
		return end, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return end, nil
}

// Restore implements secretstore.Store. Restoring a secret that is not scheduled
// for deletion changes nothing.
func (s *Store) Restore(ctx context.Context, id string) error {
	return s.update(ctx, "restore secret", id, func(c *secrets, r *record) error {
		r.DeletedAt = time.Time{}
		return c.put(r)
	})
}

// updateLive changes a secret that is not scheduled for deletion.
func (s *Store) updateLive(ctx context.Context, op, id string, change func(*secrets, *record) error) error {
	return s.update(ctx, op, id, func(c *secrets, r *record) error {
		if err := r.live(); err != nil {
			return err
		}
		if err := change(c, r); err != nil {
			return err
		}
		return c.put(r)
	})
}
