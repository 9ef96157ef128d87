// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package tfcli

import (
	"errors"
	"os"
	"os/exec"
)

// Process groups and /proc are used on Linux only. Elsewhere a killed terraform
// leaves its provider behind, which ends by itself when its pipe is closed.

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func interruptGroup(cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Interrupt) }

func ended(int) bool { return false }

// ProviderPID returns the process id of the provider that the command runs now.
// It can be told on Linux only.
func (p *Process) ProviderPID() (int, error) {
	return 0, errors.Join(errNoProvider, errors.ErrUnsupported)
}
