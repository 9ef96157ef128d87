// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// smallHeap is what the provider stays within, in bytes, while what it keeps allows
// that: a plan of 500 secrets does. What it makes for each call, and drops, is a
// multiple of what it keeps, and ten calls run at a time; without a limit the heap
// grows to twice as much before it is collected (bench/README.md).
const smallHeap = 38 << 20

// limitMemory sets the runtime's soft limit, and raises it with what is kept: close
// to a limit the collector would do nothing but run.
func limitMemory() {
	debug.SetMemoryLimit(limitFor(0))
	watch()
}

// watch looks at what is kept after each collection.
func watch() {
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) {
		kept := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(kept)
		debug.SetMemoryLimit(limitFor(kept[0].Value.Uint64()))
		watch()
	})
}

// limitFor is the limit for an amount that is kept, both in bytes.
func limitFor(kept uint64) int64 {
	return max(smallHeap, int64(2*kept)) //nolint:gosec // No heap has 2⁶² bytes.
}
