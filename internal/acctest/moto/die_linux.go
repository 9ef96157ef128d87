// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package moto

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the server when the test process ends, also
// when that was killed or ran into its own timeout.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
