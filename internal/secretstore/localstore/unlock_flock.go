// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localstore

import (
	"os"
	"syscall"
)

// unlock gives up the lock that bbolt has on a file.
func unlock(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
