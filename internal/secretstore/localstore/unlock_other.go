// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package localstore

import "os"

// unlock has nothing to do: here the lock goes with the file's last handle.
func unlock(*os.File) {}
