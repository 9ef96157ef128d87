// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package docker

import (
	"errors"
	"testing"
)

type process struct{}

func missing() string { return "not Linux" }

func start(...string) (*Daemon, error) { return nil, errors.ErrUnsupported }

func (*process) kill() {}

// Worker starts a daemon that is a worker of a swarm, which it can on Linux only.
func Worker(t testing.TB) *Daemon {
	t.Helper()
	require(t)
	return nil
}
