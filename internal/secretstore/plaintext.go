// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"errors"
	"fmt"
)

// Plaintext holds a secret value. It prints as "(secret)" under every fmt verb
// and refuses to be marshalled, so that a value cannot reach a log, an error or
// a file by accident: the only way out is Reveal.
//
// The content is behind a function because fmt cannot call Format on a field that
// is not exported, and follows a pointer under some verbs; of a function it never
// shows more than the address.
type Plaintext struct {
	content func() content
}

type content struct {
	data   string
	binary bool
}

const redacted = "(secret)"

// NewPlaintext wraps a text value (SecretString in AWS).
func NewPlaintext(value string) Plaintext { return newPlaintext(content{data: value}) }

// NewBinaryPlaintext wraps a binary value (SecretBinary in AWS).
func NewBinaryPlaintext(value []byte) Plaintext {
	return newPlaintext(content{data: string(value), binary: true})
}

func newPlaintext(c content) Plaintext { return Plaintext{func() content { return c }} }

func (p Plaintext) get() content {
	if p.content == nil {
		return content{}
	}
	return p.content()
}

// Reveal returns the value itself.
func (p Plaintext) Reveal() string { return p.get().data }

// Binary reports whether the value was stored as SecretBinary.
func (p Plaintext) Binary() bool { return p.get().binary }

// Len is the size of the value in bytes, which is what the store limits.
func (p Plaintext) Len() int { return len(p.get().data) }

// Format implements fmt.Formatter.
func (p Plaintext) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

var errMarshal = errors.New("a secret value cannot be marshalled")

// MarshalText implements encoding.TextMarshaler; it always fails.
func (p Plaintext) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalJSON implements json.Marshaler; it always fails.
func (p Plaintext) MarshalJSON() ([]byte, error) { return nil, errMarshal }
