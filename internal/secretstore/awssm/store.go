// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package awssm is the store of secrets over AWS Secrets Manager, and over KMS
// for the keys. Credentials, endpoints and retries are those of the hashicorp/aws
// provider, through the library that it is made with.
package awssm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var (
	_ secretstore.Store        = (*Store)(nil)
	_ secretstore.KeyDescriber = (*Store)(nil)
)

// Store implements secretstore.Store and secretstore.KeyDescriber. It is safe for
// concurrent use.
type Store struct {
	config  *Config
	session *once[*session]
	settle  time.Duration

	mu      sync.Mutex
	written map[string]bool        // names and ARNs of secrets that this Store wrote
	kms     map[string]*kms.Client // by region
	keys    map[keyRef]*once[secretstore.Key]
}

// New returns a Store that is not connected yet: credentials are looked for, and
// the account is checked, when it is first used. What comes out is kept, a
// failure too: with the same configuration the next request would fail alike.
func New(config Config) *Store {
	return &Store{
		config:  &config,
		session: newOnce[*session](),
		settle:  settleTime,
		written: map[string]bool{},
		kms:     map[string]*kms.Client{},
		keys:    map[keyRef]*once[secretstore.Key]{},
	}
}

// Format implements fmt.Formatter. It keeps the configuration's secrets out.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.config.summary()) }

// Scope implements secretstore.Store. It asks STS at most once.
func (s *Store) Scope(ctx context.Context) (secretstore.Scope, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return secretstore.Scope{}, s.fail(ctx, opScope, s.config.Region, 1, err)
	}
	return conn.scope, nil
}

func (s *Store) connect(ctx context.Context) (*session, error) {
	return s.session.get(ctx, func(ctx context.Context) (*session, error) { return open(ctx, s.config) })
}

// Call does one operation of another service, with the credentials, the retries
// and the log of this Store. name and id are for errors, as in name "id", and
// action is the IAM action that the operation needs. An error is an *Error of
// secretstore, or that of a caller who gave up.
func (s *Store) Call(ctx context.Context, name, id, action string, do func(context.Context, aws.Config) error) error {
	conn, err := s.connect(ctx)
	attempts := 1
	if err == nil {
		ctx = countAttempts(ctx)
		err = do(ctx, conn.config)
		attempts = attemptsOf(ctx)
	}
	return s.fail(ctx, operation{name: name, action: action}, id, attempts, err)
}

// run does one operation on a secret. The values are those that the request
// carries: no error may hold them.
func (s *Store) run(ctx context.Context, op operation, id string, do func(context.Context, *session) error, values ...string) error {
	if err := s.local(op, id, s.config.Region, ""); err != nil {
		return err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return s.fail(ctx, op, id, 1, err)
	}
	if err := s.local(op, id, conn.scope.Region, conn.scope.Account); err != nil {
		return err
	}
	ctx = countAttempts(ctx)
	err = do(ctx, conn)
	if op.settles && isNotFound(err) && s.wrote(id) {
		err = s.untilSettled(ctx, id, err, func() error { return do(ctx, conn) })
	}
	return s.fail(ctx, op, id, attemptsOf(ctx), err, values...)
}

// local refuses the ARN of a secret that cannot be in this store. Secrets
// Manager would say no more than that it does not exist.
func (s *Store) local(op operation, id, region, account string) error {
	if !strings.HasPrefix(id, "arn:") {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return &secretstore.Error{Op: op.name, ID: id, Kind: secretstore.ErrInvalid, Err: fmt.Errorf(format, args...)}
	}
	parsed, err := arn.Parse(id)
	switch {
	case err != nil || parsed.Service != "secretsmanager" || !strings.HasPrefix(parsed.Resource, "secret:"):
		return refuse("not the ARN of a secret")
	case region != "" && parsed.Region != region:
		return refuse("the secret is in region %s, but the provider is configured for %s", parsed.Region, region)
	case account != "" && parsed.AccountID != account:
		return refuse("the secret is in account %s, but the credentials are of account %s", parsed.AccountID, account)
	}
	return nil
}

// fail turns an error of the SDK into one of the store. A caller that gave up
// gets its own error back.
func (s *Store) fail(ctx context.Context, op operation, id string, attempts int, err error, values ...string) error {
	if err == nil {
		return nil
	}
	if canceled(ctx, err) {
		return fmt.Errorf("%s %q: %w", op.name, id, ctx.Err())
	}
	f := understand(op, id, attempts, err)
	// What is cut first would leave half a secret.
	text := firstLine(secretstore.Redact(f.text, append(values, s.config.secrets()...)...))
	if f.attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", f.attempts)
	}
	return &secretstore.Error{Op: op.name, ID: id, Kind: f.kind, RequestID: f.requestID, Err: errors.New(text)}
}
