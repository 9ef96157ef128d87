// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/storetest"
)

// manualClock is a clock that only moves when it is told to.
type manualClock struct {
	mutex sync.Mutex
	now   time.Time
}

func newClock() *manualClock {
	return &manualClock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)}
}

func (c *manualClock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *manualClock) Advance(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		clock := newClock()
		return storetest.Fixture{
			Store:      New(Config{Path: filepath.Join(t.TempDir(), "store")}, clock),
			Advance:    clock.Advance,
			Keys:       [2]string{"alias/one", "alias/two"},
			Regions:    [2]string{"elsewhere", "nowhere"},
			ReplicaKey: "alias/three",
		}
	})
}
