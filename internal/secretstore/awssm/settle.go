// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Secrets Manager is eventually consistent: a secret that was just created may
// not be found (https://github.com/hashicorp/terraform-provider-aws/issues/18406).
// So "not found" is not believed at once for a secret that this process wrote.
const (
	settleTime     = 5 * time.Second
	firstSettleGap = 100 * time.Millisecond
	lastSettleGap  = time.Second
)

func isNotFound(err error) bool {
	var notFound *types.ResourceNotFoundException
	return errors.As(err, &notFound)
}

func (s *Store) markWritten(ids ...*string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if id != nil {
			s.written[*id] = true
		}
	}
}

func (s *Store) forgetWritten(ids ...*string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if id != nil {
			delete(s.written, *id)
		}
	}
}

func (s *Store) wrote(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written[id]
}

// untilSettled repeats an operation that found nothing until it finds something,
// fails otherwise, or has had its time.
func (s *Store) untilSettled(ctx context.Context, id string, err error, again func() error) error {
	over := time.NewTimer(s.settle)
	defer over.Stop()
	for gap := firstSettleGap; isNotFound(err); gap = min(2*gap, lastSettleGap) {
		next := time.NewTimer(gap)
		select {
		case <-next.C:
			err = again()
		case <-over.C:
			next.Stop()
			s.forgetWritten(&id)
			return err
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		}
	}
	return err
}
