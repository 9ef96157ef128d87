// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// The database has three buckets. A record is JSON under the secret's name, a
// value is an age file under the ARN, a zero byte and the version id.
var (
	metaBucket   = []byte("meta")
	recordBucket = []byte("secrets")
	valueBucket  = []byte("values")

	formatKey    = []byte("format")
	recipientKey = []byte("recipient")
)

// format is raised when older versions of this provider would misread the
// database.
const format = "1"

// record is what is known of a secret, without its values.
type record struct {
	ARN         string              `json:"arn"`
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	KMSKeyID    string              `json:"kms_key_id,omitempty"`
	Tags        map[string]string   `json:"tags,omitempty"`
	Replicas    map[string]string   `json:"replicas,omitempty"` // region to key
	CreatedAt   time.Time           `json:"created_at"`
	DeletedAt   time.Time           `json:"deleted_at,omitzero"` // end of the recovery window
	Versions    map[string]*version `json:"versions"`
}

type version struct {
	Labels    []string  `json:"labels,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// holder returns the id of the version that has a label, or "".
func (r *record) holder(label string) string {
	for id, v := range r.Versions {
		if slices.Contains(v.Labels, label) {
			return id
		}
	}
	return ""
}

// setLabel puts a label on one version, taking it from the one that has it. to
// "" takes it away.
func (r *record) setLabel(label, to string) {
	if from := r.Versions[r.holder(label)]; from != nil {
		from.Labels = slices.DeleteFunc(from.Labels, func(l string) bool { return l == label })
	}
	if v := r.Versions[to]; v != nil {
		v.Labels = append(v.Labels, label)
		slices.Sort(v.Labels)
	}
}

// labels counts the labels on all versions.
func (r *record) labels() int {
	n := 0
	for _, v := range r.Versions {
		n += len(v.Labels)
	}
	return n
}

func (r *record) live() error {
	if !r.DeletedAt.IsZero() {
		return fail(secretstore.ErrScheduledForDeletion, "it will be deleted at %s", r.DeletedAt.Format(time.RFC3339))
	}
	return nil
}

// secrets is the content of the database in one transaction.
type secrets struct {
	store *Store
	now   time.Time
	tx    *bbolt.Tx
}

// viewSecrets runs a read-only transaction.
func (s *Store) viewSecrets(ctx context.Context, read func(*secrets) error) error {
	return s.withDatabase(ctx, true, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			c := &secrets{store: s, now: s.now(), tx: tx}
			if tx.Bucket(metaBucket) == nil {
				return notFound() // Nothing was ever written.
			}
			if err := c.checkFormat(); err != nil {
				return err
			}
			return read(c)
		})
	})
}

// updateSecrets runs a read-write transaction. It is durable when no error is returned.
func (s *Store) updateSecrets(ctx context.Context, change func(*secrets) error) error {
	return s.withDatabase(ctx, false, func(db *bbolt.DB) error {
		if err := s.sweep(); err != nil {
			return err
		}
		return db.Update(func(tx *bbolt.Tx) error {
			for _, bucket := range [][]byte{metaBucket, recordBucket, valueBucket} {
				if _, err := tx.CreateBucketIfNotExists(bucket); err != nil {
					return err
				}
			}
			c := &secrets{store: s, now: s.now(), tx: tx}
			if err := c.checkFormat(); err != nil {
				return err
			}
			if err := c.purge(); err != nil {
				return err
			}
			return change(c)
		})
	})
}

func (c *secrets) checkFormat() error {
	meta := c.tx.Bucket(metaBucket)
	got := meta.Get(formatKey)
	if got == nil && c.tx.Writable() {
		return meta.Put(formatKey, []byte(format))
	}
	if string(got) != format {
		return fail(secretstore.ErrInternal, "the store %q has format %q, but this version of the provider only knows %s: use a newer one",
			c.store.database(), got, format)
	}
	return nil
}

// get returns the record of a name, nil if there is none.
func (c *secrets) get(name string) (*record, error) {
	data := c.tx.Bucket(recordBucket).Get([]byte(name))
	if data == nil {
		return nil, nil
	}
	r, err := decode(data)
	if err != nil || c.expired(r) {
		return nil, err
	}
	return r, nil
}

func decode(data []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fail(secretstore.ErrInternal, "a record of the store is damaged: %w", err)
	}
	return r, nil
}

// expired tells whether the recovery window is over. Such a secret is gone for
// every caller; the next write removes it.
func (c *secrets) expired(r *record) bool {
	return !r.DeletedAt.IsZero() && !c.now.Before(r.DeletedAt)
}

// find returns the record that an id, with this name in it, is for.
func (c *secrets) find(name, id string) (*record, error) {
	r, err := c.get(name)
	if err != nil {
		return nil, err
	}
	if r == nil || id != name && id != r.ARN {
		return nil, notFound()
	}
	return r, nil
}

func (c *secrets) put(r *record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.tx.Bucket(recordBucket).Put([]byte(r.Name), data)
}

// remove deletes a secret with its values.
func (c *secrets) remove(r *record) error {
	for id := range r.Versions {
		if err := c.tx.Bucket(valueBucket).Delete(valueKey(r.ARN, id)); err != nil {
			return err
		}
	}
	return c.tx.Bucket(recordBucket).Delete([]byte(r.Name))
}

// purge removes the secrets whose recovery window is over.
func (c *secrets) purge() error {
	var expired []*record
	err := c.tx.Bucket(recordBucket).ForEach(func(_, data []byte) error {
		r, err := decode(data)
		if err == nil && c.expired(r) {
			expired = append(expired, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range expired {
		if err := c.remove(r); err != nil {
			return err
		}
	}
	return nil
}

func valueKey(arn, version string) []byte { return []byte(arn + "\x00" + version) }

// value decrypts one version.
func (c *secrets) value(r *record, version string) (secretstore.Plaintext, error) {
	identity, err := c.store.readIdentity(string(c.tx.Bucket(metaBucket).Get(recipientKey)))
	if err != nil {
		return secretstore.Plaintext{}, err
	}
	return unseal(identity, r.ARN, version, c.tx.Bucket(valueBucket).Get(valueKey(r.ARN, version)))
}

// setValue encrypts the value of a new version. The first one of a database
// decides which identity it belongs to.
func (c *secrets) setValue(r *record, id string, value secretstore.Plaintext) error {
	meta := c.tx.Bucket(metaBucket)
	identity, err := c.store.readIdentity(string(meta.Get(recipientKey)))
	if errors.Is(err, fs.ErrNotExist) {
		identity, err = c.store.makeIdentity()
	}
	if err != nil {
		return err
	}
	if err := meta.Put(recipientKey, []byte(identity.Recipient().String())); err != nil {
		return err
	}
	sealed, err := seal(identity.Recipient(), r.ARN, id, value)
	if err != nil {
		return err
	}
	return c.tx.Bucket(valueBucket).Put(valueKey(r.ARN, id), sealed)
}

// versionLimit and versionAge: Secrets Manager keeps about 100 versions and drops
// those without labels beyond them, but none that is younger than a day.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const (
	versionLimit = 100
	versionAge   = 24 * time.Hour
)

// dropVersions removes the oldest versions without labels beyond the limit.
func (c *secrets) dropVersions(r *record) error {
	ids := slices.SortedFunc(maps.Keys(r.Versions), func(a, b string) int {
		return r.Versions[a].CreatedAt.Compare(r.Versions[b].CreatedAt)
	})
	for _, id := range ids {
		v := r.Versions[id]
		if len(r.Versions) <= versionLimit || c.now.Sub(v.CreatedAt) < versionAge {
			return nil
		}
		if len(v.Labels) > 0 {
			continue
		}
		if err := c.tx.Bucket(valueBucket).Delete(valueKey(r.ARN, id)); err != nil {
			return err
		}
		delete(r.Versions, id)
	}
	return nil
}

// suffixLength is the number of random characters at the end of an ARN, which
// tell a secret from one of the same name that was deleted.
const suffixLength = 6

func newARN(name string) string { return arnPrefix + name + "-" + rand.Text()[:suffixLength] }
