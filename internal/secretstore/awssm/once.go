// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"sync/atomic"
)

// once keeps the answer to a question, the error too, so that it is asked once
// however many want to know. sync.Once would not do: here the one who asks may
// give up, and then the next one in line asks again; and those who wait can give
// up as well.
type once[T any] struct {
	asking chan struct{} // holds a token while somebody asks
	answer atomic.Pointer[answer[T]]
}

type answer[T any] struct {
	value T
	err   error
}

func newOnce[T any]() *once[T] { return &once[T]{asking: make(chan struct{}, 1)} }

func (o *once[T]) get(ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	if a := o.answer.Load(); a != nil {
		return a.value, a.err
	}
	select {
	case o.asking <- struct{}{}:
		defer func() { <-o.asking }()
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	if a := o.answer.Load(); a != nil {
		return a.value, a.err
	}
	value, err := ask(ctx)
	if err == nil || ctx.Err() == nil {
		o.answer.Store(&answer[T]{value, err})
	}
	return value, err
}
