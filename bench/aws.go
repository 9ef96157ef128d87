// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
)

// fakeAWS is the fake of the tests in this process, so that an emulator's time is
// not what is measured.
type fakeAWS struct {
	*awsfake.Server
	bench  *standIn
	opened int // connections before the step
}

const keyAlias = "alias/bench"

func startAWS(latency time.Duration) *fakeAWS {
	bench := &standIn{}
	aws := &fakeAWS{Server: awsfake.Start(bench, awsfake.AllowUnmodelled()), bench: bench}
	aws.AddKey(awsfake.Key{Aliases: []string{keyAlias}, Rotation: true})
	if latency > 0 {
		aws.Inject(awsfake.Fault{Kind: awsfake.Latency, Delay: latency, Times: awsfake.Always})
	}
	return aws
}

func (a *fakeAWS) reset() {
	a.ResetCalls()
	a.opened = a.Connections()
}

func (a *fakeAWS) connectionsSince() int { return a.Connections() - a.opened }

func (a *fakeAWS) stop() {
	for _, clean := range a.bench.cleanups {
		clean()
	}
}

// standIn is the little of a test that the fake needs.
type standIn struct {
	testing.TB
	cleanups []func()
}

func (s *standIn) Helper()                           {}
func (s *standIn) Cleanup(f func())                  { s.cleanups = append(s.cleanups, f) }
func (s *standIn) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (s *standIn) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
