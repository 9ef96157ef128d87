// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package moto

import "os/exec"

// dieWithParent does nothing: only Linux can tie a process to the one that
// started it. A killed test leaves its server behind.
func dieWithParent(*exec.Cmd) {}
