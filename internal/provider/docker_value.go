// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// value returns where the value of the next version comes from.
func (r *dockerSecretResource) value(config dockerSecretModel) func(context.Context) (secretstore.Plaintext, error) {
	if config.SecretID.IsNull() {
		return func(context.Context) (secretstore.Plaintext, error) {
			return secretstore.NewPlaintext(config.ValueWO.ValueString()), nil
		}
	}
	return func(ctx context.Context) (secretstore.Plaintext, error) {
		value, err := r.storedValue(ctx, config)
		if err != nil {
			return value, &storedValueError{config.SecretID.ValueString(), err}
		}
		return value, nil
	}
}

// storedValueError is for a value that could not be had from the store.
type storedValueError struct {
	secret string
	err    error
}

func (e *storedValueError) Error() string {
	return fmt.Sprintf("reading the value of %q: %v", e.secret, e.err)
}

func (e *storedValueError) Unwrap() error { return e.err }

var errStaleVersion = errors.New("the store still answers with the version before")

// storedValue reads the current value of the configured secret, or of its key. A
// store may answer with the version before the wanted one for a moment.
func (r *dockerSecretResource) storedValue(ctx context.Context, config dockerSecretModel) (secretstore.Plaintext, error) {
	store, err := r.data.Store(ctx)
	if err != nil {
		return secretstore.Plaintext{}, err
	}
	id := config.SecretID.ValueString()
	for patience := settleTime; ; patience -= settleStep {
		value, err := store.Value(ctx, id, secretstore.VersionRef{})
		if err != nil {
			return secretstore.Plaintext{}, err
		}
		settled, err := isSettled(ctx, store, id, value, config.VersionID.ValueString(), patience > 0)
		if err != nil {
			return secretstore.Plaintext{}, err
		}
		if settled {
			return keyOf(value.Plaintext, config)
		}
		if patience <= 0 {
			return secretstore.Plaintext{}, errStaleVersion
		}
		if err := sleep(ctx, settleStep); err != nil {
			return secretstore.Plaintext{}, err
		}
	}
}

// isSettled reports whether a value is as new as a version. What is current may well
// be newer: another key of the secret was rotated since. A version that is not in
// the list may be too new for it, which is waited for, or gone from the store; in the
// end the description of the secret decides.
func isSettled(ctx context.Context, store secretstore.Store, id string, value secretstore.Value, version string, wait bool) (bool, error) {
	if version == "" || version == value.VersionID {
		return true, nil
	}
	versions, err := store.Versions(ctx, id)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(versions, func(v secretstore.Version) bool { return v.ID == version })
	if i >= 0 {
		return !versions[i].CreatedAt.After(value.CreatedAt), nil
	}
	if wait {
		return false, nil
	}
	secret, err := store.Describe(ctx, id)
	return err == nil && secret.VersionWith(secretstore.Current) == value.VersionID, err
}

// keyOf returns the configured key of a value, or all of it.
func keyOf(value secretstore.Plaintext, config dockerSecretModel) (secretstore.Plaintext, error) {
	if config.Key.IsNull() {
		return value, nil
	}
	key := config.Key.ValueString()
	object, err := secretstore.ParseObject(value.Reveal())
	if err != nil {
		return secretstore.Plaintext{}, err
	}
	text, ok := object.String(key)
	switch {
	case ok:
		return secretstore.NewPlaintext(text), nil
	case object.Has(key):
		return secretstore.Plaintext{}, fmt.Errorf("key %q holds JSON that is not a string", key)
	}
	return secretstore.Plaintext{}, fmt.Errorf("there is no key %q; there are %s", key, strings.Join(slices.Sorted(slices.Values(object.Keys())), ", "))
}
