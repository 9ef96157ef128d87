// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package report judges many secrets at once: what is overdue, what is due soon,
// what nobody reads. It needs what a list of secrets tells, their tags included,
// and asks for more only where the list cannot tell the age of a value. It never
// reads a value and knows nothing of Terraform.
package report

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Status is how a secret, or one of its values, stands.
type Status string

// The statuses, from the most urgent to the least.
const (
	Overdue          Status = "overdue"
	DueSoon          Status = "due_soon"
	Untracked        Status = "untracked" // nothing says when it is due; Reason says why
	Current          Status = "current"
	RotatedElsewhere Status = "rotated_elsewhere"      // by an AWS service or by AWS-managed rotation: not judged
	Scheduled        Status = "scheduled_for_deletion" // not judged
)

// Statuses returns all statuses, from the most urgent to the least.
func Statuses() []Status {
	return []Status{Overdue, DueSoon, Untracked, Current, RotatedElsewhere, Scheduled}
}

// Query says what to report on, and against what to judge it. Secrets and values
// are in the report when they pass all of it.
type Query struct {
	NamePrefix string
	Tags       map[string]string
	// Foreign includes the secrets without a tag of this provider.
	Foreign bool
	// Categories and Classifications, unless empty, leave only values whose recorded
	// policy has one of them, and secrets that have such a value.
	Categories      []string
	Classifications []policy.Classification
	// Statuses, unless empty, leaves only secrets with one of them.
	Statuses []Status

	Now time.Time // the present, for what nobody reads
	// DueAt is the time that due dates are compared with: Now, or another to look
	// ahead.
	DueAt     time.Time
	DueWithin time.Duration // what is due within this time of DueAt is due soon
	Unused    time.Duration // what was not read for longer is unused
}

// Report is the answer to a Query. Secrets are sorted by name; the lists of names
// by urgency: what has been due or unread for longest comes first.
type Report struct {
	Counts  Counts   `json:"counts"`
	Overdue []string `json:"overdue"`
	DueSoon []string `json:"due_soon"`
	Unused  []string `json:"unused"`
	Secrets []Secret `json:"secrets"`

	// Denied are the names of secrets that are untracked because their versions may
	// not be listed; DeniedError is the first refusal.
	Denied      []string `json:"-"`
	DeniedError error    `json:"-"`

	query Query
}

// Counts are numbers of secrets: Total is the sum of those by status.
type Counts struct {
	Total            int `json:"total"`
	Overdue          int `json:"overdue"`
	DueSoon          int `json:"due_soon"`
	Untracked        int `json:"untracked"`
	Current          int `json:"current"`
	RotatedElsewhere int `json:"rotated_elsewhere"`
	Scheduled        int `json:"scheduled_for_deletion"`
	Unused           int `json:"unused"`
}

// Secret is one secret. Its status is that of its most urgent value, and its
// dates are those of the value that is due first. Zero times are not known or do
// not apply; others are UTC and have whole seconds.
type Secret struct {
	ARN        string    `json:"arn"`
	Name       string    `json:"name"`
	Status     Status    `json:"status"`
	Reason     string    `json:"reason,omitempty"`     // why it is untracked, or not judged, or what else to know
	Owner      string    `json:"owner,omitempty"`      // the AWS service that manages it
	VersionID  string    `json:"version_id,omitempty"` // the version that is current
	RotatedAt  time.Time `json:"rotated_at,omitzero"`
	DueAt      time.Time `json:"due_at,omitzero"`
	DaysLeft   *int      `json:"days_left,omitempty"` // whole days of 24 hours to DueAt, rounded down
	AccessedAt time.Time `json:"last_accessed,omitzero"`
	// UnusedSince is the last read, or where there was none the creation, of a
	// secret that was not read for longer than Query.Unused.
	UnusedSince time.Time `json:"unused_since,omitzero"`
	Keys        []Key     `json:"keys"`
}

// Key is one value of a secret: of one key of a JSON secret, or the whole of a
// secret that is one string, whose Name is "". Values that are rotated together
// have the dates of their rotation.
type Key struct {
	Name           string                `json:"key,omitempty"`
	Category       string                `json:"category,omitempty"` // "" without a recorded policy
	Classification policy.Classification `json:"classification,omitempty"`
	RotationDays   int                   `json:"rotation_days,omitempty"` // 0: never due, or not known
	Supplied       bool                  `json:"supplied"`                // comes from outside and is never generated
	HasRotation    bool                  `json:"has_rotation"`            // a roi_secret_rotation keeps a record of it
	VersionID      string                `json:"version_id,omitempty"`    // in which it last changed, where that is known
	RotatedAt      time.Time             `json:"rotated_at,omitzero"`
	DueAt          time.Time             `json:"due_at,omitzero"`
	DaysLeft       *int                  `json:"days_left,omitempty"`
	Status         Status                `json:"status"`
	Reason         string                `json:"reason,omitempty"`
}

// Store is what a report needs of a store.
type Store interface {
	secretstore.Lister
	Versions(ctx context.Context, id string) ([]secretstore.Version, error)
}

// versionRate is how many lists of versions are asked for in a second. Secrets
// Manager allows 50 of ListSecrets and ListSecretVersionIds together, to everybody
// in the account and region.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
const versionRate = 25

// Make lists the secrets that a query is about and judges them. It takes one
// request for 100 secrets, and one more for each value of which the list cannot
// tell the age: the whole value of a secret that has a policy, whose current
// version neither roi_secret created nor a rotation recorded.
func Make(ctx context.Context, store Store, q Query) (*Report, error) {
	filter := secretstore.ListFilter{NamePrefix: q.NamePrefix, Tags: q.Tags, Scheduled: true}
	if !q.Foreign {
		filter.TagKeyPrefix = tagPrefix
	}
	// All pages come before the first version is asked for: the token of a page may
	// not wait that long.
	var listed []secretstore.ListedSecret
	for secret, err := range store.List(ctx, filter) {
		if err != nil {
			return nil, err
		}
		if q.Foreign || tracked(secret.Tags) {
			listed = append(listed, secret)
		}
	}
	r := &Report{query: q, Overdue: []string{}, DueSoon: []string{}, Unused: []string{}, Secrets: []Secret{}}
	limit := rate.NewLimiter(versionRate, versionRate)
	for _, secret := range listed {
		judge := judge{query: q, secret: secret, versions: func() ([]secretstore.Version, error) {
			if err := limit.Wait(ctx); err != nil {
				return nil, err
			}
			return store.Versions(ctx, secret.ARN)
		}}
		judged, ok, err := judge.judge()
		switch {
		case errors.Is(err, secretstore.ErrNotFound):
			continue // deleted since: a list can be five minutes old
		case err != nil:
			return nil, err
		case !ok:
			continue
		}
		if judge.denied != nil {
			r.Denied = append(r.Denied, secret.Name)
			r.DeniedError = cmp.Or(r.DeniedError, judge.denied)
		}
		r.Secrets = append(r.Secrets, judged)
	}
	r.sum()
	return r, nil
}

// tagPrefix is what the keys of all tags of this provider begin with.
const tagPrefix = "roi:"

func tracked(tags map[string]string) bool {
	for key := range tags {
		if policy.IsRecordTag(key) || rotation.IsTag(key) {
			return true
		}
	}
	return false
}

// sum fills in what follows from the secrets.
func (r *Report) sum() {
	slices.SortFunc(r.Secrets, func(a, b Secret) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ARN, b.ARN)) })
	r.Counts = Counts{Total: len(r.Secrets)}
	for _, s := range r.Secrets {
		switch s.Status {
		case Overdue:
			r.Counts.Overdue++
		case DueSoon:
			r.Counts.DueSoon++
		case Untracked:
			r.Counts.Untracked++
		case Current:
			r.Counts.Current++
		case RotatedElsewhere:
			r.Counts.RotatedElsewhere++
		case Scheduled:
			r.Counts.Scheduled++
		}
	}
	for _, s := range r.byUrgency() {
		switch s.Status {
		case Overdue:
			r.Overdue = append(r.Overdue, s.Name)
		case DueSoon:
			r.DueSoon = append(r.DueSoon, s.Name)
		}
	}
	unused := slices.DeleteFunc(slices.Clone(r.Secrets), func(s Secret) bool { return s.UnusedSince.IsZero() })
	slices.SortStableFunc(unused, func(a, b Secret) int { return a.UnusedSince.Compare(b.UnusedSince) })
	for _, s := range unused {
		r.Unused = append(r.Unused, s.Name)
	}
	r.Counts.Unused = len(unused)
}

// byUrgency returns the secrets, the most urgent first. What is never due comes
// after what is.
func (r *Report) byUrgency() []Secret {
	due := func(s Secret) int64 {
		if s.DueAt.IsZero() {
			return math.MaxInt64
		}
		return s.DueAt.Unix()
	}
	return slices.SortedStableFunc(slices.Values(r.Secrets), func(a, b Secret) int {
		return cmp.Or(rank(a.Status)-rank(b.Status), cmp.Compare(due(a), due(b)))
	})
}

// rank is the place of a status among Statuses.
func rank(s Status) int { return slices.Index(Statuses(), s) }
