// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"errors"
	"fmt"
	"slices"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Values say what a rotation puts into a new version.
type Values struct {
	// Policies are those of the keys to be changed; that of a secret which is one
	// string has the key "".
	Policies map[string]policy.Policy
	// Suffix, unless empty, is put behind the name of a key to keep its previous
	// value in the same version.
	Suffix string
	// Unknown says that nothing is recorded of the secret, so that its value has
	// to be looked at: a JSON object is never overwritten by one string.
	Unknown bool
}

// ErrLooksLikeJSON is for a secret that would be replaced by one string.
var ErrLooksLikeJSON = errors.New("the value is a JSON object, and no keys are named: a rotation of the whole secret would replace it by one string")

func (w Values) json() bool {
	_, whole := w.Policies[""]
	return !whole
}

// readsCurrent reports whether the present value is needed.
func (w Values) readsCurrent() bool { return w.json() || w.Unknown }

// protectStored reports whether one of the values protects stored data, so that
// what it was must stay readable.
func (w Values) protectStored() bool {
	for _, p := range w.Policies {
		if p.GraceNeverEnds {
			return true
		}
	}
	return false
}

// keys returns the names of the keys that change, nil for one string.
func (w Values) keys() []string {
	var keys []string
	for key := range w.Policies {
		if key != "" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// next makes the value of a new version. stale is the suffix of previous values
// that the present one holds. No error holds a value.
func (w Values) next(current secretstore.Value, stale string) (secretstore.Plaintext, error) {
	if !w.json() {
		if w.Unknown {
			if _, err := secretstore.ParseObject(current.Plaintext.Reveal()); !errors.Is(err, secretstore.ErrNotObject) {
				return secretstore.Plaintext{}, ErrLooksLikeJSON
			}
		}
		value, err := generate.Value(w.Policies[""])
		return secretstore.NewPlaintext(value), err
	}
	object, err := secretstore.ParseObject(current.Plaintext.Reveal())
	if err != nil {
		return secretstore.Plaintext{}, err
	}
	for _, key := range w.keys() {
		if !object.Has(key) {
			return secretstore.Plaintext{}, fmt.Errorf("the JSON object has no key %q", key)
		}
		value, err := generate.Value(w.Policies[key])
		if err != nil {
			return secretstore.Plaintext{}, err
		}
		if stale != "" {
			object.Delete(key + stale)
		}
		if w.Suffix != "" {
			if object.Has(key + w.Suffix) {
				return secretstore.Plaintext{}, fmt.Errorf("the JSON object has a key %q already, which is not a previous value of this rotation: choose another suffix", key+w.Suffix)
			}
			before, isString := object.String(key)
			if !isString {
				return secretstore.Plaintext{}, fmt.Errorf("the key %q does not hold a string, so that its previous value cannot be kept under %q", key, key+w.Suffix)
			}
			object.Set(key+w.Suffix, before)
		}
		object.Set(key, value)
	}
	text := object.Plaintext()
	if text.Len() > secretstore.MaxValueBytes {
		return secretstore.Plaintext{}, fmt.Errorf("the new value would have %d bytes, at most %d are possible", text.Len(), secretstore.MaxValueBytes)
	}
	return text, nil
}
