// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"errors"
	"fmt"
)

// What can go wrong in a store, for errors.Is. An Error has exactly one of these
// as its Kind.
var (
	ErrNotFound             = errors.New("not found")
	ErrExists               = errors.New("already exists")
	ErrScheduledForDeletion = errors.New("scheduled for deletion")
	ErrConflict             = errors.New("the label is on another version")
	ErrAccessDenied         = errors.New("access denied")
	ErrNoCredentials        = errors.New("no valid credentials")
	ErrUnreachable          = errors.New("the endpoint cannot be reached")
	ErrThrottled            = errors.New("throttled")
	ErrLimit                = errors.New("limit exceeded")
	ErrKey                  = errors.New("the encryption key cannot be used")
	ErrReplica              = errors.New("not permitted on a replica")
	ErrInvalid              = errors.New("invalid request")
	ErrLocked               = errors.New("locked by another process")
	ErrInternal             = errors.New("internal error of the store")
)

// Error is a failed operation of a store. Kind is one of the errors above, ID the
// secret or key it was about, RequestID the store's own reference, if it has one.
// Err is the original error; its text never holds a secret value.
type Error struct {
	Op        string
	ID        string
	Kind      error
	RequestID string
	Err       error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %q: %v", e.Op, e.ID, e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is and errors.As see the kind and the original error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
