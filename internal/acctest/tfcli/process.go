// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// commandTimeout ends a command that hangs, so that the test can show what it
// printed until then.
const commandTimeout = 10 * time.Minute

// Result is what came of a command. ExitCode is -1 when it was killed.
type Result struct {
	Command  string
	ExitCode int
	Stdout   string
	Stderr   string
}

// Require ends the test unless the exit code is one of those given. It prints
// what the command printed: the values in a test are made for it.
func (r Result) Require(t testing.TB, exitCodes ...int) {
	t.Helper()
	if !slices.Contains(exitCodes, r.ExitCode) {
		t.Fatalf("%s: exit code %d, want %v\n%s\n%s", r.Command, r.ExitCode, exitCodes, r.Stdout, r.Stderr)
	}
}

// Message returns what the command printed, stdout and stderr, as one line
// without the frames of diagnostics, however wide terraform thought the screen
// to be.
func (r Result) Message() string {
	text := strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(r.Stdout + " " + r.Stderr)
	return strings.Join(strings.Fields(text), " ")
}

// Process is a running terraform command. It has a process group of its own,
// with the providers that it starts.
type Process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	stdout lockedBuffer
	stderr lockedBuffer
	exited chan struct{}
}

func start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, name: name, cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	cmd.WaitDelay = 5 * time.Second
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Wait waits until the command has ended.
func (p *Process) Wait() Result {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(commandTimeout):
		p.Kill()
		p.t.Errorf("%s did not end within %s", p.name, commandTimeout)
	}
	return Result{
		Command:  strings.Join(append([]string{filepath.Base(p.cmd.Path)}, p.cmd.Args[1:]...), " "),
		ExitCode: p.cmd.ProcessState.ExitCode(),
		Stdout:   p.stdout.String(),
		Stderr:   p.stderr.String(),
	}
}

// Running reports whether the command has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Output returns what the command has printed so far, stdout and stderr.
func (p *Process) Output() string { return p.stdout.String() + p.stderr.String() }

// Interrupt asks the command to stop, as Ctrl-C does in a terminal: terraform and
// the provider both get the signal.
func (p *Process) Interrupt() {
	if p.Running() {
		interruptGroup(p.cmd)
	}
}

// Kill ends terraform and its providers at once. It does nothing to a command
// that has ended.
func (p *Process) Kill() {
	if p.Running() {
		killGroup(p.cmd)
		<-p.exited
	}
}

// lockedBuffer can be read while the command writes.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
