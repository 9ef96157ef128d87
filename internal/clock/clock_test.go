// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package clock_test

import (
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

func TestSystemIsThePresentInUTC(t *testing.T) {
	t.Parallel()
	before := time.Now()
	now := clock.System{}.Now()
	if now.Before(before) || time.Since(now) < 0 || now.Location() != time.UTC {
		t.Errorf("the time is %s, want one after %s in UTC", now, before)
	}
}
