// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Seed is a secret that is there before the code under test comes. Empty Account
// and Region are the Server's; a zero CreatedAt is now.
type Seed struct {
	Name            string
	Account         string
	Region          string
	Description     string
	KMSKeyID        string
	Tags            map[string]string
	Versions        []SeedVersion
	CreatedAt       time.Time
	AccessedAt      time.Time
	OwningService   string // an AWS service that manages the secret
	RotationEnabled bool   // AWS-managed rotation
	RotationLambda  string
	RotationDays    int64
	Policy          string
}

// SeedVersion is one version of a Seed. An empty ID is a random UUID; a zero
// CreatedAt is that of the secret.
type SeedVersion struct {
	ID        string
	Value     secretstore.Plaintext
	NoValue   bool // an id that AWSPENDING is on before a value was put
	Labels    []string
	CreatedAt time.Time
}

// Seed adds a secret without a request, in place of one of that name, and returns
// its ARN.
func (s *Server) Seed(seed Seed) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	here := s.space(orDefault(seed.Account, s.account), orDefault(seed.Region, s.region))
	r := &request{Server: s, call: &Call{Service: secretsManager}, here: here, at: s.now()}
	key, err := r.encryptionKey(seed.KMSKeyID)
	if err != nil {
		s.t.Fatalf("awsfake: seed %s: %v", seed.Name, err)
	}
	if seed.CreatedAt.IsZero() {
		seed.CreatedAt = r.at
	}
	rec := &record{
		name: seed.Name, arn: here.arn(secretsManager, "secret:"+seed.Name+"-"+suffix()), description: seed.Description,
		keyID: seed.KMSKeyID, versions: map[string]*version{}, labels: map[string]string{}, policy: seed.Policy,
		created: seed.CreatedAt, changed: seed.CreatedAt, accessed: seed.AccessedAt, owningService: seed.OwningService,
	}
	for _, name := range slices.Sorted(maps.Keys(seed.Tags)) {
		rec.tags = append(rec.tags, tag{name, seed.Tags[name]})
	}
	for _, v := range seed.Versions {
		v.ID = orDefault(v.ID, uuid.NewString())
		if v.CreatedAt.IsZero() {
			v.CreatedAt = seed.CreatedAt
		}
		rec.versions[v.ID] = &version{id: v.ID, value: v.Value, hasValue: !v.NoValue, created: v.CreatedAt, key: key, keyGiven: seed.KMSKeyID}
		for _, label := range v.Labels {
			if rec.labels[label] != "" {
				s.t.Fatalf("awsfake: seed %s: the label %s is on two versions", seed.Name, label)
			}
			rec.labels[label] = v.ID
			if label == labelCurrent && seed.RotationEnabled {
				rec.rotation.last = v.CreatedAt
			}
		}
	}
	if seed.RotationEnabled {
		rec.rotation.configured, rec.rotation.enabled, rec.rotation.lambda = true, true, seed.RotationLambda
		if seed.RotationDays > 0 {
			rec.rotation.rules = &rotationRules{AutomaticallyAfterDays: &seed.RotationDays}
		}
	}
	here.secrets[rec.name] = rec
	return rec.arn
}

// Secret is a secret as it is in the Server, without any lag.
type Secret struct {
	ARN           string
	Name          string
	Description   string
	KMSKeyID      string // as given; "" is the default key
	Tags          map[string]string
	Versions      map[string]Version // unlabelled ones too
	Labels        map[string]string  // label to version id
	CreatedAt     time.Time
	ChangedAt     time.Time
	AccessedAt    time.Time
	DeletedAt     time.Time // when the deletion was asked for; zero: it was not
	PurgeAt       time.Time // the end of the recovery window
	OwningService string
	Rotation      bool // AWS-managed rotation is on
	PrimaryRegion string
	Replicas      []Replica
	Policy        string
}

// Version is one version of a Secret.
type Version struct {
	ID        string
	Value     secretstore.Plaintext
	HasValue  bool
	Labels    []string
	CreatedAt time.Time
	KeyID     string // id of the KMS key that encrypted it
}

// Replica is one region that a Secret is replicated to.
type Replica struct {
	Region   string
	KMSKeyID string
	Status   string
	Message  string
}

// Current returns the version labelled AWSCURRENT, or the zero value.
func (s Secret) Current() Version { return s.Versions[s.Labels[labelCurrent]] }

// Secret returns a secret of the Server's own account and region. Asking for one
// that is not there fails the test; see HasSecret.
func (s *Server) Secret(name string) Secret {
	s.t.Helper()
	return s.SecretIn(s.account, s.region, name)
}

// HasSecret reports whether a secret is there, deleted ones in their recovery
// window included.
func (s *Server) HasSecret(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.space(s.account, s.region).secrets[name] != nil
}

// SecretIn returns a secret of any account and region.
func (s *Server) SecretIn(account, region, name string) Secret {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	rec := s.space(account, region).secrets[name]
	if rec == nil {
		s.t.Fatalf("awsfake: there is no secret %q in %s of %s", name, region, account)
	}
	return rec.snapshot()
}

// DropDeprecated removes the versions of a secret that have no label, as AWS may
// in the background, and returns how many there were. Service model,
// DescribeSecret: "Versions that don't have staging labels are considered
// deprecated and Secrets Manager can delete them".
func (s *Server) DropDeprecated(name string) int {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.space(s.account, s.region).secrets[name]
	if rec == nil {
		s.t.Fatalf("awsfake: there is no secret %q", name)
	}
	dropped := 0
	for id := range rec.versions {
		if len(rec.labelsOf(id)) == 0 {
			delete(rec.versions, id)
			dropped++
		}
	}
	return dropped
}

// Secrets returns all secrets of all accounts and regions, by ARN.
func (s *Server) Secrets() []Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var all []Secret
	for _, sp := range s.spaces {
		for _, rec := range sp.secrets {
			all = append(all, rec.snapshot())
		}
	}
	slices.SortFunc(all, func(a, b Secret) int { return cmp.Compare(a.ARN, b.ARN) })
	return all
}

func (rec *record) snapshot() Secret {
	s := Secret{
		ARN: rec.arn, Name: rec.name, Description: rec.description, KMSKeyID: rec.keyID,
		Tags: map[string]string{}, Versions: map[string]Version{}, Labels: maps.Clone(rec.labels),
		CreatedAt: rec.created, ChangedAt: rec.changed, AccessedAt: rec.accessed, DeletedAt: rec.deleted, PurgeAt: rec.purge,
		OwningService: rec.owningService, Rotation: rec.rotation.enabled, PrimaryRegion: rec.primaryRegion, Policy: rec.policy,
	}
	for _, t := range rec.tags {
		s.Tags[t.Key] = t.Value
	}
	for id, v := range rec.versions {
		copied := Version{ID: id, Value: v.value, HasValue: v.hasValue, Labels: rec.labelsOf(id), CreatedAt: v.created}
		if v.key != nil {
			copied.KeyID = v.key.ID
		}
		s.Versions[id] = copied
	}
	for _, rep := range rec.replicas {
		s.Replicas = append(s.Replicas, Replica{rep.region, rep.keyID, rep.status, rep.message})
	}
	return s
}
