// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package localstore is a store of secrets in a folder of this machine, for
// development and for trying the provider out: no account, no service, no
// network. Secrets are in one database file. Names, tags, labels and dates are
// readable in it, values are encrypted with age (https://age-encryption.org) to
// an identity in a second file.
//
// The encryption keeps values out of backups and searches of the database file.
// It does not protect them from somebody who can read both files, nor from
// somebody who can write the database: who has the identity, or its public half,
// can make values of their own.
//
// The database is opened, locked and closed for each operation, so that several
// processes can share it, and is never left half-written: an operation that
// returned without an error is on disk.
package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ secretstore.Store = (*Store)(nil)

// DefaultPath is the store's folder where Config names none.
const DefaultPath = ".roi"

// lockTimeout is how long an operation waits for other processes.
const lockTimeout = 30 * time.Second

// Every store has the same scope: its ARNs mean something in its folder only.
const (
	partition = "roi"
	account   = "000000000000"
	region    = "local"

	arnPrefix = "arn:" + partition + ":secretsmanager:" + region + ":" + account + ":secret:"
)

// Config says where a store is.
type Config struct {
	// Path is the store's folder, default DefaultPath. It is made by the first
	// Create, with mode 0700.
	Path string

	// IdentityFile holds the age identity (X25519) that values are encrypted
	// to, default identity.txt in Path. It is made by the first Create where it
	// does not exist, with mode 0600.
	IdentityFile string
}

// Store implements secretstore.Store. It is safe for concurrent use, also by
// several processes.
type Store struct {
	path         string
	identityFile string
	clock        clock.Clock
	lockTimeout  time.Duration

	// turn holds one token. Operations of this Store wait for it in their order
	// rather than for the lock of the file, which is polled.
	turn chan struct{}
}

// New returns a store. It touches no file.
func New(config Config, clock clock.Clock) *Store {
	if config.Path == "" {
		config.Path = DefaultPath
	}
	if config.IdentityFile == "" {
		config.IdentityFile = filepath.Join(config.Path, identityName)
	}
	s := &Store{
		path:         config.Path,
		identityFile: config.IdentityFile,
		clock:        clock,
		lockTimeout:  lockTimeout,
		turn:         make(chan struct{}, 1),
	}
	s.turn <- struct{}{}
	return s
}

// Scope implements secretstore.Store.
func (s *Store) Scope(context.Context) (secretstore.Scope, error) {
	return secretstore.Scope{Partition: partition, Account: account, Region: region}, nil
}

// now is without the monotonic reading, which would make a time differ from what
// is read back.
func (s *Store) now() time.Time { return s.clock.Now().UTC().Round(0) }

// fail makes an error of the store. Op and ID are filled in by view and update.
func fail(kind error, format string, args ...any) error {
	return &secretstore.Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// notFound is the error for a missing secret; the operation and the id already
// say all there is to say.
func notFound() error { return &secretstore.Error{Kind: secretstore.ErrNotFound} }

// view runs a read-only operation. A store that does not exist is an empty one,
// and is not made.
func (s *Store) view(ctx context.Context, op, id string, read func(*secrets, *record) error) error {
	return s.run(ctx, op, id, func(ctx context.Context) error {
		name, err := nameOf(id)
		if err != nil {
			return err
		}
		return s.viewSecrets(ctx, func(secrets *secrets) error {
			r, err := secrets.find(name, id)
			if err != nil {
				return err
			}
			return read(secrets, r)
		})
	})
}

// update changes one secret. When change returns an error nothing is changed.
func (s *Store) update(ctx context.Context, op, id string, change func(*secrets, *record) error) error {
	return s.run(ctx, op, id, func(ctx context.Context) error {
		name, err := nameOf(id)
		if err != nil {
			return err
		}
		return s.updateSecrets(ctx, func(secrets *secrets) error {
			r, err := secrets.find(name, id)
			if err != nil {
				return err
			}
			return change(secrets, r)
		})
	})
}

// run waits for this operation's turn, does it, and completes its error.
func (s *Store) run(ctx context.Context, op, id string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, s.lockTimeout, errLockTimeout)
	defer cancel()
	err := context.Cause(limited)
	if err == nil {
		select {
		case <-s.turn:
			err = do(limited)
			s.turn <- struct{}{}
		case <-limited.Done():
			err = context.Cause(limited)
		}
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s %q: %w", op, id, ctx.Err())
	}
	return s.complete(op, id, err)
}

func (s *Store) complete(op, id string, err error) error {
	var known *secretstore.Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, errLockTimeout):
		known = &secretstore.Error{Kind: secretstore.ErrLocked, Err: fmt.Errorf(
			"the embedded store %q is in use by another process and was not released within %s: "+
				"wait for the other run to end, then try again", s.database(), s.lockTimeout)}
	case errors.Is(err, os.ErrPermission):
		known = &secretstore.Error{Kind: secretstore.ErrAccessDenied, Err: err}
	case errors.As(err, new(damagedError)),
		errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		known = &secretstore.Error{Kind: secretstore.ErrInternal, Err: fmt.Errorf(
			"%q is damaged or not a store of this provider; restore it from a backup, with the identity %q that its values are encrypted to: %w",
			s.database(), s.identityFile, err)}
	default:
		known = &secretstore.Error{Kind: secretstore.ErrInternal, Err: err}
	}
	known.Op, known.ID = op, id
	return known
}

// nameOf returns the name of the secret that an id, a name or an ARN, is for.
func nameOf(id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, checkName(id)
	}
	name, ours := strings.CutPrefix(id, arnPrefix)
	switch {
	case ours && len(name) > suffixLength+1:
		return name[:len(name)-suffixLength-1], nil
	case !ours && !strings.HasPrefix(id, "arn:"+partition+":"):
		return "", fail(secretstore.ErrInvalid, `the secret is in AWS, but the provider's store is the embedded one (store = "local")`)
	}
	return "", fail(secretstore.ErrInvalid, "not the ARN of a secret in the embedded store")
}
