// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package process

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
)

// smallLimit is what the provider stays within, in bytes, while what it keeps allows
// that: a plan of 50 secrets does. What it makes for each call, and drops, is a
// multiple of what it keeps, and ten calls run at a time; without a limit the heap
// grows to twice as much before it is collected (bench/README.md).
const smallLimit = 38 << 20

// room is what may come on top of what is kept, in bytes: with less the collector
// takes as much CPU as all else.
const room = 24 << 20

// LimitMemory sets the runtime's soft limit, on all memory that it manages and not on
// the heap alone, and raises it with what is kept: close to a limit the collector
// would do nothing but run. A limit that the user set with GOMEMLIMIT stays.
// Source: https://pkg.go.dev/runtime#hdr-Environment_Variables
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(limitFor(nil))
	watch(nil)
}

// watch looks at what the last collections have left.
func watch(left []uint64) {
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		left = append(left, live[0].Value.Uint64())
		left = left[max(0, len(left)-8):]
		debug.SetMemoryLimit(limitFor(left))
		watch(left)
	})
}

// limitFor is the limit after collections that have left so many bytes. The least
// of them is what is kept: the others have what was made while they ran as well.
func limitFor(left []uint64) int64 {
	if len(left) == 0 {
		return smallLimit
	}
	kept := int64(slices.Min(left)) //nolint:gosec // No heap has 2⁶³ bytes.
	return max(smallLimit, kept+room)
}
