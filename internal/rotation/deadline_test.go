// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// A rotation whose time is over before its check was healthy is rolled back: a
// value that nobody can use must not stay current.
func TestUnhealthyWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	before := w.mustCreate(o)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	w.check = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := w.rotator().Ask(ctx, w.arn, nil, before.Version, before.Changed, ""); err != nil {
		t.Fatal(err)
	}
	_, err := w.rotator().Run(ctx, w.arn, nil, o.resolve, nil)
	var rolledBack *rotation.RolledBackError
	if !errors.As(err, &rolledBack) || rolledBack.Left != nil {
		t.Fatalf("got %v, want that it was rolled back", err)
	}
	view := w.view()
	if view.Current() != before.Version || view.Previous() != "" || view.Pending() != "" || view.Record.Phase != rotation.Failed {
		t.Errorf("the labels are %v and the phase is %q", view.Secret.Labels, view.Record.Phase)
	}
}

// What was asked of a value that comes from outside cannot be done: it is adopted,
// and the request forgotten.
func TestAskedOfSuppliedIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"": "jwt"})
	o := options{want: ninetyDays()}
	before := w.mustCreate(o)
	o.want.Supplied = true
	out, err := w.replace(o, before.State)
	if err != nil || out.Action != rotation.Adopt || w.versions() != 1 {
		t.Fatalf("a replacement did %q: %v", out.Action, err)
	}
	if record := w.view().Record; record.Phase != rotation.Settled {
		t.Errorf("the phase is %q", record.Phase)
	}
}
