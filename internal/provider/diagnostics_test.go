// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// What ended with the run, or with the time for it, is told apart; and a store that
// does not answer, which Go calls a deadline that is exceeded, from both.
func TestExplainInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, silent := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:1")
	d := &providerData{}
	for want, err := range map[string]error{
		"Interrupted":             fmt.Errorf("describe %q: %w", "app", context.Canceled),
		"Timed out":               fmt.Errorf("describe %q: %w", "app", context.DeadlineExceeded),
		"Store cannot be reached": &secretstore.Error{Op: "describe", ID: "app", Kind: secretstore.ErrUnreachable, Err: silent},
	} {
		for _, got := range []diag.Diagnostic{d.diagnose("read", "app", err), d.diagnoseRotation("rotate", "app", err)} {
			if got.Summary() != want || !strings.HasSuffix(got.Detail(), err.Error()) {
				t.Errorf("%v: %s: %s, want %s", err, got.Summary(), got.Detail(), want)
			}
		}
	}
}
