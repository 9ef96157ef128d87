// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package moto runs moto_server, an emulator of AWS written in Python by others
// (https://github.com/getmoto/moto), for tests that want a second opinion.
package moto

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"time"
)

// startTimeout is how long the server may take to answer. It needs about three
// seconds on an idle machine; most of that is importing Python modules.
const startTimeout = 2 * time.Minute

// answerTimeout is how long one answer may take until the server is asked again.
const answerTimeout = 5 * time.Second

var shared struct {
	sync.Mutex
	server *server
	err    error
}

// Start returns the URL of a moto_server without a final slash. The first call
// starts it on a free loopback port, later ones share it, so that tests must use
// names of their own. TestMain has to call Stop.
//
// Without moto_server on the PATH the test fails where the environment has
// CI=true and is skipped elsewhere.
func Start(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		const message = "moto_server is not on the PATH, so the AWS calls of this test were not checked against moto; " +
			"to install it: python3 -m venv VENV && VENV/bin/pip install -r tools/requirements.txt, with VENV/bin on the PATH"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}

	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start(path)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.url
}

// Stop ends the server if one was started. A later Start starts another.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.stop()
	}
	shared.server, shared.err = nil, nil
}

type server struct {
	url    string
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process has been waited for
}

// listening is what the server logs when its socket is open. Letting it choose
// the port (-p 0) leaves no moment in which another process can take it.
var listening = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)\D`)

func start(path string) (*server, error) {
	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", "0")
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	dieWithParent(cmd)
	output := &output{url: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second

	s := &server{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go s.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("failed to start moto_server: %w", err)
	}

	timeout := time.After(startTimeout)
	select {
	case s.url = <-output.url:
	case <-s.exited:
		return nil, fmt.Errorf("moto_server ended at once:\n%s", output)
	case <-timeout:
		s.stop()
		return nil, fmt.Errorf("moto_server did not listen within %s:\n%s", startTimeout, output)
	}
	client := http.Client{Timeout: answerTimeout}
	for {
		response, err := client.Get(s.url + "/moto-api/data.json")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s, nil
			}
			err = errors.New(response.Status)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-s.exited:
			return nil, fmt.Errorf("moto_server ended at once:\n%s", output)
		case <-timeout:
			s.stop()
			return nil, fmt.Errorf("moto_server was not ready within %s: %w", startTimeout, err)
		}
	}
}

// run starts the process and waits for it on one thread. The kernel ends the
// child when the thread that made it ends, not the process, so that thread must
// last: https://github.com/golang/go/issues/27505.
func (s *server) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := s.cmd.Start()
	started <- err
	if err == nil {
		_ = s.cmd.Wait()
	}
	close(s.exited)
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// output takes what the server logs. It looks for the URL and keeps the end of
// the rest for an error message.
type output struct {
	url chan string // room for one

	mutex sync.Mutex
	found bool
	last  []byte
}

const keptOutput = 4096

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.last = append(o.last, p...)
	if !o.found {
		if match := listening.FindSubmatch(o.last); match != nil {
			o.found = true
			o.url <- string(match[1])
		}
	}
	o.last = o.last[max(0, len(o.last)-keptOutput):]
	return len(p), nil
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return string(o.last)
}
