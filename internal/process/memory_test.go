// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package process

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestMemoryLimitFollowsWhatIsKept(t *testing.T) {
	const MiB = 1 << 20
	for _, test := range []struct {
		left []uint64
		want int64
	}{
		{nil, smallHeap},
		{[]uint64{12 * MiB, 30 * MiB}, smallHeap},
		{[]uint64{90 * MiB, 40 * MiB, 70 * MiB}, 64 * MiB},
	} {
		if got := limitFor(test.left); got != test.want {
			t.Errorf("after %v the limit is %d, want %d", test.left, got, test.want)
		}
	}
}

func TestMemoryLimitIsRaised(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	LimitMemory()
	kept := make([]byte, 100<<20)
	for deadline := time.Now().Add(10 * time.Second); debug.SetMemoryLimit(-1) < 124<<20; {
		if time.Now().After(deadline) {
			t.Fatalf("the limit is %d while 100 MiB are kept", debug.SetMemoryLimit(-1))
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	runtime.KeepAlive(kept)
}
