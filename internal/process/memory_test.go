// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package process

import (
	"os"
	"os/exec"
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
		{nil, smallLimit},
		{[]uint64{12 * MiB, 30 * MiB}, smallLimit},
		{[]uint64{90 * MiB, 40 * MiB, 70 * MiB}, 64 * MiB},
	} {
		if got := limitFor(test.left); got != test.want {
			t.Errorf("after %v the limit is %d, want %d", test.left, got, test.want)
		}
	}
}

func TestMemoryLimitIsRaised(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
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

// The limit of the user is read by the runtime when a process starts.
func TestMemoryLimitOfTheUserStays(t *testing.T) {
	const limit, child = 1 << 30, "ROI_TEST_MEMORY_LIMIT"
	if os.Getenv(child) != "" {
		LimitMemory()
		runtime.GC()
		if got := debug.SetMemoryLimit(-1); got != limit {
			t.Errorf("the limit is %d, want %d", got, limit)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryLimitOfTheUserStays$")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB", child+"=1")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
