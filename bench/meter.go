// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a command of Terraform took.
type usage struct {
	Wall      time.Duration `json:"wall"`
	Core      time.Duration `json:"core,omitempty"`      // CPU of terraform
	Providers time.Duration `json:"providers,omitempty"` // CPU of the processes that it started and waited for
	// Anonymous is the most anonymous memory, in bytes, that all providers had at one
	// time. Resident memory would count the mapped binary, which the kernel can drop.
	Anonymous int64 `json:"anonymous,omitempty"`
}

const (
	sampleEvery = 20 * time.Millisecond
	tick        = time.Second / 100 // USER_HZ, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
)

// meter runs a command and measures it, whatever it exits with.
func meter(cmd *exec.Cmd) (usage, error) {
	var use usage
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return use, err
	}
	pid := cmd.Process.Pid
	done := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		ticker := time.NewTicker(sampleEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				use.Anonymous = max(use.Anonymous, anonymous(descendants(pid)))
			}
		}
	})

	// A process that has ended but was not waited for can still be asked for its
	// times, and for those of its children.
	err := unix.EINTR
	for err == unix.EINTR { //nolint:errorlint // A bare errno.
		err, _ = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil).(unix.Errno)
	}
	use.Wall = time.Since(begun)
	close(done)
	sampler.Wait()
	var statErr error
	use.Core, use.Providers, statErr = times(pid)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return use, err
	}
	return use, statErr
}

// times returns the CPU time of a process, and that of its children that it has
// waited for.
func times(pid int) (own, children time.Duration, err error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, 0, err
	}
	const utime = 14 - 3
	var ticks [4]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(fields[utime+i], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ticks[i] = time.Duration(n) * tick
	}
	return ticks[0] + ticks[1], ticks[2] + ticks[3], nil
}

// stat returns what the kernel says of a process, from the third field on.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The second field is the name in parentheses and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 44-2 {
		return nil, fmt.Errorf("unexpected: %s", text)
	}
	return fields, nil
}

// descendants are the processes that a process started, directly or not. Those that
// end meanwhile may be missing.
func descendants(of int) []int {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields, err := stat(pid); err == nil {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	found := children[of]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// anonymous is the anonymous resident memory of processes in bytes.
func anonymous(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kB * 1024
			}
		}
	}
	return sum
}
