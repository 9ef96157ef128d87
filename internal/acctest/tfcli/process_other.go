// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package tfcli

import (
	"os"
	"os/exec"
)

// Process groups are used on Linux only. Elsewhere a killed terraform
// leaves its provider behind, which ends by itself when its pipe is closed.

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func interruptGroup(cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Interrupt) }
