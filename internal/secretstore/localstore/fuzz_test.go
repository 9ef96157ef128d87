// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// FuzzNameOf: an id is a name, an ARN of this store, or refused as invalid; and the
// name of every ARN that this store makes is found.
func FuzzNameOf(f *testing.F) {
	f.Fuzz(func(t *testing.T, id string) {
		name, err := nameOf(id)
		if err != nil {
			if !errors.Is(err, secretstore.ErrInvalid) || name != "" && name != id {
				t.Errorf("%q: %q, %v", id, name, err)
			}
			return
		}
		if name == "" {
			t.Errorf("%q has no name", id)
		}
		if checkName(id) != nil {
			return
		}
		if name != id {
			t.Errorf("the name %q becomes %q", id, name)
		}
		if got, err := nameOf(newARN(id)); err != nil || got != id {
			t.Errorf("the ARN of %q has the name %q, %v", id, got, err)
		}
	})
}
