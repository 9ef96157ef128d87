// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// judge judges one secret. versions is asked at most once, and only when what is
// listed does not tell the age of a value.
type judge struct {
	query    Query
	secret   secretstore.ListedSecret
	versions func() ([]secretstore.Version, error)

	current string // the version that is current, where versions told it
	denied  error  // why versions could not be listed
}

// judge returns what is to be reported of the secret; ok is false when the query
// leaves it out. The error is that of the store.
func (j *judge) judge() (s Secret, ok bool, err error) {
	listed := j.secret
	s = Secret{
		ARN: listed.ARN, Name: listed.Name, Owner: listed.OwningService, VersionID: listed.VersionWith(secretstore.Current),
		AccessedAt: seconds(listed.AccessedAt), UnusedSince: j.unusedSince(), Keys: []Key{},
	}
	units, reason := unitsOf(listed.Secret)
	managed, why := j.managed()
	for _, u := range units {
		// Before the filter: values that are rotated together have the interval of
		// the shortest of them.
		u.setInterval()
		u.keys = slices.DeleteFunc(u.keys, func(k Key) bool { return !j.query.wants(k) })
		switch {
		case len(u.keys) == 0:
		case managed != "":
			u.setStatus(managed, why)
		default:
			if err := j.date(&u); err != nil {
				return s, false, err
			}
		}
		s.Keys = append(s.Keys, u.keys...)
	}
	if len(s.Keys) == 0 && j.query.picksValues() {
		return s, false, nil
	}
	s.VersionID = cmp.Or(j.current, s.VersionID)
	// A key that two rotations name is what the more urgent of them says.
	slices.SortFunc(s.Keys, func(a, b Key) int { return cmp.Or(strings.Compare(a.Name, b.Name), rank(a.Status)-rank(b.Status)) })
	s.Keys = slices.CompactFunc(s.Keys, func(a, b Key) bool { return a.Name == b.Name })
	switch {
	case managed != "":
		s.Status, s.Reason = managed, why
	case len(s.Keys) == 0:
		s.Status, s.Reason = Untracked, reason
	default:
		s.sum()
	}
	return s, len(j.query.Statuses) == 0 || slices.Contains(j.query.Statuses, s.Status), nil
}

// managed returns the status of a secret that is not judged, and why.
func (j *judge) managed() (Status, string) {
	switch {
	case !j.secret.DeletedAt.IsZero():
		return Scheduled, ""
	case j.secret.OwningService != "":
		return RotatedElsewhere, "managed by the AWS service " + j.secret.OwningService
	case j.secret.RotationEnabled:
		return RotatedElsewhere, "rotated by AWS Secrets Manager"
	}
	return "", ""
}

// unusedSince is for secrets that somebody may want to delete.
func (j *judge) unusedSince() time.Time {
	since := j.secret.AccessedAt
	if since.IsZero() {
		since = j.secret.CreatedAt
	}
	ours := j.secret.OwningService == "" && j.secret.DeletedAt.IsZero()
	if !ours || !j.secret.AccessKnown || since.IsZero() || j.query.Now.Sub(since) <= j.query.Unused {
		return time.Time{}
	}
	return seconds(since)
}

func (q Query) picksValues() bool { return len(q.Categories) > 0 || len(q.Classifications) > 0 }

func (q Query) wants(k Key) bool {
	return (len(q.Categories) == 0 || slices.Contains(q.Categories, k.Category)) &&
		(len(q.Classifications) == 0 || slices.Contains(q.Classifications, k.Classification))
}

// date judges the values of a unit by their age.
func (j *judge) date(u *unit) error {
	if u.reason != "" {
		u.setStatus(Untracked, u.reason)
		return nil
	}
	if u.version == "" && u.made.IsZero() {
		u.setStatus(Untracked, "it has no current version")
		return nil
	}
	if u.made.IsZero() && u.interval > 0 {
		version, made, err := j.age(u.version)
		switch {
		case errors.Is(err, secretstore.ErrAccessDenied):
			j.denied = err
			u.setStatus(Untracked, "the age of its current version is not known: secretsmanager:ListSecretVersionIds is missing")
			return nil
		case errors.Is(err, errNotListed):
			u.setStatus(Untracked, err.Error())
			return nil
		case err != nil:
			return err
		}
		u.version, u.made = version, seconds(made)
	}
	due := rotation.Schedule{Interval: u.interval}.Due(u.made)
	status := Current
	var days *int
	if !due.IsZero() {
		left := due.Sub(j.query.DueAt)
		days = new(int(math.Floor(left.Hours() / 24)))
		switch {
		case left <= 0:
			status = Overdue
		case left <= j.query.DueWithin:
			status = DueSoon
		}
	}
	u.setStatus(status, u.note)
	for i := range u.keys {
		k := &u.keys[i]
		k.VersionID, k.RotatedAt, k.DueAt, k.DaysLeft = u.version, seconds(u.made), seconds(due), days
		if k.Reason == "" && (status == Overdue || status == DueSoon) {
			k.Reason = k.task()
		}
	}
	return nil
}

// task is what a person has to know about a value that is due and that no apply
// makes anew.
func (k Key) task() string {
	switch {
	case k.Supplied:
		return "the value is supplied: nothing here makes a new one"
	case !k.HasRotation:
		return "it has no roi_secret_rotation"
	}
	return ""
}

var errNotListed = errors.New("the store does not list its current version yet")

// age returns the version that is current and when it was made. A list can be five
// minutes older than the list of versions, which then counts; a version that is not in
// that yet is newer than all that are (errNotListed).
func (j *judge) age(version string) (string, time.Time, error) {
	if version == j.secret.FirstVersion() {
		return version, j.secret.CreatedAt, nil
	}
	versions, err := j.versions()
	if err != nil {
		return "", time.Time{}, err
	}
	listed := slices.IndexFunc(versions, func(v secretstore.Version) bool { return v.ID == version })
	if listed < 0 {
		return "", time.Time{}, errNotListed
	}
	for _, v := range versions {
		if slices.Contains(v.Labels, secretstore.Current) {
			j.current = v.ID
			return v.ID, v.CreatedAt, nil
		}
	}
	return version, versions[listed].CreatedAt, nil
}

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// sum makes a secret what its keys are.
func (s *Secret) sum() {
	urgent := s.Keys[0]
	for _, k := range s.Keys {
		if rank(k.Status) < rank(urgent.Status) || rank(k.Status) == rank(urgent.Status) && urgent.Reason == "" {
			urgent = k
		}
		first := !k.DueAt.IsZero() && (s.DueAt.IsZero() || k.DueAt.Before(s.DueAt))
		oldest := s.DueAt.IsZero() && !k.RotatedAt.IsZero() && (s.RotatedAt.IsZero() || k.RotatedAt.Before(s.RotatedAt))
		if first || oldest {
			s.RotatedAt, s.DueAt, s.DaysLeft = k.RotatedAt, k.DueAt, k.DaysLeft
		}
	}
	s.Status, s.Reason = urgent.Status, urgent.Reason
	if s.Reason != "" && urgent.Name != "" {
		s.Reason = fmt.Sprintf("key %q: %s", urgent.Name, s.Reason)
	}
}
