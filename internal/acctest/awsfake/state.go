// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"crypto/rand"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// record is a secret. It is changed by copying: an operation edits a copy and
// commits it, so that a failed one changes nothing and a lagging read can still
// see the state before.
type record struct {
	name        string
	arn         string
	description string
	keyID       string // as given; "" is the key aws/secretsmanager
	versions    map[string]*version
	labels      map[string]string // label to version id: a label is on one version only
	tags        []tag
	policy      string

	created  time.Time
	changed  time.Time
	accessed time.Time

	deleted time.Time // when deletion was asked for; zero: it was not
	purge   time.Time // when the secret goes for good

	owningService string
	rotation      rotation

	primaryRegion string // "" unless there are replicas
	replicas      []*replica

	previous *lagged
}

type version struct {
	id       string
	value    plaintext
	hasValue bool
	created  time.Time
	accessed time.Time
	key      *Key   // that encrypted the value
	keyGiven string // that key as the secret named it; "" is the default key
}

type tag struct {
	Key   string
	Value string
}

func (rec *record) clone() *record {
	c := *rec
	c.versions = make(map[string]*version, len(rec.versions))
	for id, v := range rec.versions {
		copied := *v
		c.versions[id] = &copied
	}
	c.labels = maps.Clone(rec.labels)
	c.tags = slices.Clone(rec.tags)
	c.replicas = make([]*replica, len(rec.replicas))
	for i, rep := range rec.replicas {
		copied := *rep
		c.replicas[i] = &copied
	}
	return &c
}

// labelsOf returns the labels of a version in order (recorded: VersionStages are
// sorted).
func (rec *record) labelsOf(id string) []string {
	var labels []string
	for label, at := range rec.labels {
		if at == id {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

func (rec *record) stages() map[string][]string {
	if len(rec.labels) == 0 {
		return nil
	}
	stages := map[string][]string{}
	for _, id := range rec.labels {
		if stages[id] == nil {
			stages[id] = rec.labelsOf(id)
		}
	}
	return stages
}

func (rec *record) isReplica(region string) bool {
	return rec.primaryRegion != "" && rec.primaryRegion != region
}

// commit makes a changed copy the secret's state.
func (r *request) commit(rec *record) {
	rec.changed = r.at // service model, LastChangedDate: "modified in any way"
	r.collect(rec)
	r.remember(r.here.secrets[rec.name], rec)
	r.here.secrets[rec.name] = rec
	if len(rec.replicas) > 0 {
		r.propagate(r.here, rec)
	}
}

// settle lets happen what AWS does in the background.
func (s *Server) settle() {
	if now := s.now(); !s.nextPurge.IsZero() && !now.Before(s.nextPurge) {
		s.purge(now)
	}
	s.syncReplicas()
}

// purge removes the secrets whose recovery window is over. Service model,
// DeleteSecret: "At the end of the recovery window, Secrets Manager deletes the
// secret permanently".
func (s *Server) purge(now time.Time) {
	s.nextPurge = time.Time{}
	for _, sp := range s.spaces {
		for name, rec := range sp.secrets {
			switch {
			case rec.purge.IsZero():
			case now.Before(rec.purge):
				s.purgeAt(rec.purge)
			default:
				delete(sp.secrets, name)
			}
		}
	}
}

// purgeAt makes settle look at the secrets at a time, or before.
func (s *Server) purgeAt(t time.Time) {
	if s.nextPurge.IsZero() || t.Before(s.nextPurge) {
		s.nextPurge = t
	}
}

// collect drops unlabelled versions above 100, none younger than a day.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
func (r *request) collect(rec *record) {
	const keep = 100
	if len(rec.versions) <= keep {
		return
	}
	var unlabelled []*version
	for _, v := range rec.versions {
		if len(rec.labelsOf(v.id)) == 0 && r.at.Sub(v.created) > 24*time.Hour {
			unlabelled = append(unlabelled, v)
		}
	}
	slices.SortFunc(unlabelled, func(a, b *version) int { return a.created.Compare(b.created) })
	for _, v := range unlabelled {
		if len(rec.versions) <= keep {
			return
		}
		delete(rec.versions, v.id)
	}
}

// hyphenSix matches what looks like the end of a full ARN.
var hyphenSix = regexp.MustCompile("^(.+)-([A-Za-z0-9]{6})$")

// find resolves a SecretId: a name, a full ARN, or an ARN without the hyphen and
// the six characters at its end.
func (r *request) find(id string) (*record, error) {
	if id == "" {
		return nil, validation("SecretId is required")
	}
	notFound := fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.") // recorded
	if !strings.HasPrefix(id, "arn:") {
		if err := checkName("secretId", id, maxSecretID); err != nil {
			return nil, err
		}
		if rec := r.here.secrets[id]; rec != nil {
			return rec, nil
		}
		return nil, notFound
	}
	parts := strings.SplitN(id, ":", 7)
	if len(parts) != 7 || parts[2] != secretsManager || parts[5] != "secret" {
		return nil, validation("%s is not the ARN of a secret", id)
	}
	if parts[4] != r.here.account {
		// Without a resource policy nobody reaches another account's secrets:
		// https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html
		return nil, fail("AccessDeniedException", "User: %s is not authorized to perform: %s:%s on resource: %s because no resource-based policy allows it",
			r.who.arn, r.call.Service, r.call.Op, id)
	}
	if parts[3] != r.here.region {
		return nil, notFound // assumed: a region does not know the secrets of another
	}
	// "If the name ends in a hyphen followed by six characters, those characters
	// cause Secrets Manager to assume that you're specifying a complete ARN":
	// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
	// (recorded: the partial ARN of such a name is not found, its full ARN is).
	if full := hyphenSix.FindStringSubmatch(parts[6]); full != nil {
		if rec := r.here.secrets[full[1]]; rec != nil && rec.arn == id {
			return rec, nil
		}
		return nil, notFound
	}
	if rec := r.here.secrets[parts[6]]; rec != nil {
		return rec, nil
	}
	return nil, notFound
}

// change finds a secret that an operation wants to change and returns a copy.
func (r *request) change(id string) (*record, error) {
	rec, err := r.find(id)
	if err != nil {
		return nil, err
	}
	if rec.isReplica(r.here.region) {
		// Source: https://github.com/lgallard/terraform-aws-secrets-manager/issues/188
		return nil, invalidParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
	}
	if err := rec.live(); err != nil {
		return nil, err
	}
	if rec.owningService != "" {
		// Service model, InvalidRequestException: "The secret is managed by
		// another service, and you must use that service to update it." Assumed
		// to hold for every change, tags included.
		return nil, invalidRequest("The secret is managed by another service (%s), and you must use that service to update it.", rec.owningService)
	}
	return rec.clone(), nil
}

// live fails in the recovery window (service model, InvalidRequestException: "The
// secret is scheduled for deletion"; message recorded).
func (rec *record) live() error {
	if rec.deleted.IsZero() {
		return nil
	}
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

// suffix is the random end of a secret's ARN. Service model, CreateSecret: "The
// ARN includes the name of the secret followed by six random characters".
func suffix() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, 6)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}
