// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"context"
	"iter"
	"strings"
	"time"
)

// A Lister is a Store that can list its secrets.
type Lister interface {
	// List yields the secrets that match a filter, each once, without replicas'
	// states and without values, in no order that can be relied on. It asks for
	// as much as the caller takes; a loop may use the Store. After an error, which
	// is an *Error, nothing more comes.
	//
	// In AWS it takes one request for 100 secrets, more where pages come empty,
	// and may not show what changed in the last five minutes.
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
	List(ctx context.Context, filter ListFilter) iter.Seq2[ListedSecret, error]
}

// ListFilter says which secrets to list: those that match all of it. The zero
// value lists all secrets but those that are scheduled for deletion.
type ListFilter struct {
	NamePrefix   string
	TagKeyPrefix string            // there is a tag whose key begins with it
	Tags         map[string]string // all of these tags, with these values
	Scheduled    bool              // also those that are scheduled for deletion
}

// Match reports whether a secret is one of those to list.
func (f ListFilter) Match(s Secret) bool {
	if !strings.HasPrefix(s.Name, f.NamePrefix) || !f.Scheduled && !s.DeletedAt.IsZero() {
		return false
	}
	for key, value := range f.Tags {
		if got, ok := s.Tags[key]; !ok || got != value {
			return false
		}
	}
	if f.TagKeyPrefix == "" {
		return true
	}
	for key := range s.Tags {
		if strings.HasPrefix(key, f.TagKeyPrefix) {
			return true
		}
	}
	return false
}

// ListedSecret is what a list tells of a secret. Replicas are not told. DeletedAt
// is zero unless deletion is scheduled; which moment it is differs: AWS gives the
// time of the request, unlike Describe.
type ListedSecret struct {
	Secret

	ChangedAt  time.Time // when anything of it last changed, tags too: not the age of its value
	AccessedAt time.Time // the day of the last read in this region; zero: never, or not known
	// AccessKnown says that AccessedAt is kept by the store, so that zero is never.
	AccessKnown bool
}
