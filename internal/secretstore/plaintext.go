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
type Plaintext struct {
	data   []byte
	binary bool
}

const redacted = "(secret)"

// NewPlaintext wraps a text value (SecretString in AWS).
func NewPlaintext(value string) Plaintext { return Plaintext{data: []byte(value)} }

// NewBinaryPlaintext wraps a binary value (SecretBinary in AWS).
func NewBinaryPlaintext(value []byte) Plaintext { return Plaintext{data: value, binary: true} }

// Reveal returns the value itself.
func (p Plaintext) Reveal() string { return string(p.data) }

// Binary reports whether the value was stored as SecretBinary.
func (p Plaintext) Binary() bool { return p.binary }

// Len is the size of the value in bytes, which is what the store limits.
func (p Plaintext) Len() int { return len(p.data) }

// Format implements fmt.Formatter.
func (p Plaintext) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

var errMarshal = errors.New("a secret value cannot be marshalled")

// MarshalText implements encoding.TextMarshaler; it always fails.
func (p Plaintext) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalJSON implements json.Marshaler; it always fails.
func (p Plaintext) MarshalJSON() ([]byte, error) { return nil, errMarshal }
