// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package scratch

import "syscall"

// ended reports whether no process has this id.
func ended(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
