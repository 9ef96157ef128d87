// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package generate makes secret values. Every value that a policy allows is
// equally likely: characters are drawn independently and uniformly, and a
// candidate that breaks a rule is thrown away as a whole. Placing required
// characters first and shuffling afterwards, or mending a candidate, would make
// some values likelier than others.
package generate

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// ErrSupplied is the error for a policy whose values come from outside.
var ErrSupplied = errors.New("the policy is for supplied values, which are never generated")

// maxCandidates is how many candidates are tried for a value. A policy that
// policy.Resolve lets through accepts at least one in a thousand, so that this
// many rejections in a row have a probability of e^-100.
const maxCandidates = 100_000

// A Generator makes values from one policy. It is safe for concurrent use.
type Generator struct {
	length  int
	first   table
	rest    table
	matcher *policy.Matcher
}

// New prepares a generator, which takes a few microseconds. It fails with
// ErrSupplied, or for a policy that leaves nothing to draw.
func New(p policy.Policy) (*Generator, error) {
	if p.Supplied {
		return nil, ErrSupplied
	}
	first, rest := p.FirstAlphabet(), p.Alphabet()
	if p.Length < 1 || first == "" {
		return nil, fmt.Errorf("the policy of category %q allows no value", p.Category)
	}
	return &Generator{p.Length, newTable(first), newTable(rest), policy.NewMatcher(p)}, nil
}

// Value makes one value. See Generator.Value.
func Value(p policy.Policy) (string, error) {
	g, err := New(p)
	if err != nil {
		return "", err
	}
	return g.Value()
}

// Value makes one value. It fails if no candidate out of 100,000 is allowed, which
// does not happen to a policy that policy.Resolve has returned.
func (g *Generator) Value() (string, error) {
	candidate := make([]byte, g.length)
	for range maxCandidates {
		g.first.fill(candidate[:1])
		g.rest.fill(candidate[1:])
		if g.matcher.Allows(candidate) {
			return string(candidate), nil
		}
	}
	return "", fmt.Errorf("none of %d candidates satisfied the policy", maxCandidates)
}

// A table turns random bytes into characters. Each of n characters stands for
// 256/n bytes, rounded down. The bytes left over stand for 0, which is no
// character, and are skipped.
type table struct {
	character [256]byte
	exact     bool // no byte is skipped
}

func newTable(characters string) table {
	usable := 256 / len(characters) * len(characters)
	t := table{exact: usable == 256}
	for b := range usable {
		t.character[b] = characters[b%len(characters)]
	}
	return t
}

// fill draws the characters of to. Random bytes are read in pieces of at most 256,
// which the kernel never interrupts.
func (t *table) fill(to []byte) {
	var buffer [256]byte
	for len(to) > 0 {
		wanted := len(to)
		if !t.exact {
			wanted += wanted/3 + 4 // most often enough to need no second read
		}
		random := buffer[:min(wanted, len(buffer))]
		rand.Read(random) // never fails: https://pkg.go.dev/crypto/rand#Read
		n := 0
		for _, b := range random {
			if c := t.character[b]; c != 0 {
				to[n] = c
				n++
				if n == len(to) {
					break
				}
			}
		}
		to = to[n:]
	}
}
