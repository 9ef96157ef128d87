// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package moto

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// childVariable makes the test binary start a server, print its URL and wait to
// be killed.
const childVariable = "ROI_TEST_MOTO_CHILD"

func TestMain(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

func TestStartSharesOneServerUntilStop(t *testing.T) {
	url := Start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "secretsmanager.ListSecrets")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "SecretList") {
		t.Errorf("ListSecrets answers %s %q (%v), want a list", response.Status, body, err)
	}

	if again := Start(t); again != url {
		t.Errorf("a second Start answers %s, want the same server as %s", again, url)
	}
	Stop()
	if !gone(url) {
		t.Errorf("%s still answers after Stop", url)
	}
}

func TestServerEndsWithTheTestProcess(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		_, _ = os.Stdout.WriteString("url " + Start(t) + "\n")
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("not tested: only Linux ends the server when the test process is killed")
	}
	Stop()
	child := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithTheTestProcess$", "-test.v")
	child.Env = append(os.Environ(), childVariable+"=1")
	dieWithParent(child)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	for lines := bufio.NewScanner(output); url == "" && lines.Scan(); {
		if strings.Contains(lines.Text(), "--- SKIP") {
			_ = child.Wait()
			Start(t) // Skips or fails with the reason.
		}
		url, _ = strings.CutPrefix(lines.Text(), "url ")
		if !strings.HasPrefix(url, "http") {
			url = ""
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if url == "" {
		t.Fatal("the child started no server")
	}
	if !gone(url) {
		t.Errorf("%s still answers after the test process was killed", url)
	}
}

// gone waits until nothing listens at a URL.
func gone(url string) bool {
	for range 100 {
		response, err := http.Get(url)
		if err != nil {
			return true
		}
		_ = response.Body.Close()
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

// recorder stands in for a test and keeps how it was ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped, _ = args[0].(string)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.failed, _ = args[0].(string)
	runtime.Goexit()
}

func TestMissingServer(t *testing.T) {
	for _, ci := range []string{"true", ""} {
		t.Setenv("CI", ci)
		t.Setenv("PATH", t.TempDir())
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Start(r)
		}()
		<-done
		message, other := r.skipped, r.failed
		if ci == "true" {
			message, other = r.failed, r.skipped
		}
		if other != "" || !strings.Contains(message, "pip install -r tools/requirements.txt") || !strings.Contains(message, "not checked") {
			t.Errorf("CI=%q: skipped %q, failed %q", ci, r.skipped, r.failed)
		}
	}
}

// ender stands in for a test and keeps how it was ended.
type ender struct {
	testing.TB
	failed string
}

func (*ender) Helper() {}

func (e *ender) Fatal(args ...any) {
	e.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

// TestServerThatDoesNotStart: the test that asks for it says what the server said,
// and so does each one after it.
func TestServerThatDoesNotStart(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"ends":           {"#!/bin/sh\necho no module named moto >&2\nexit 1\n", "moto_server ended at once:\nno module named moto\n"},
		"is no program":  {"no program", "failed to start moto_server: "},
		"serves nothing": {"#!/bin/sh\necho Running on http://127.0.0.1:1/\nsleep 0.3\n", "moto_server ended at once:\nRunning on http://127.0.0.1:1/\n"},
	} {
		t.Run(name, func(t *testing.T) {
			Stop()
			defer Stop()
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "moto_server"), []byte(test.script), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
			for range 2 {
				e := &ender{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done)
					Start(e)
				}()
				<-done
				if !strings.HasPrefix(e.failed, test.want) {
					t.Errorf("failed with %q, want %q", e.failed, test.want)
				}
			}
		})
	}
}

// A server that listens and does not answer is asked again, and no test waits for
// it for ever.
func TestServerThatDoesNotAnswerAtFirst(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		silent, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = silent.Close() }()
		_ = http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}()
	path := filepath.Join(t.TempDir(), "moto_server")
	script := fmt.Sprintf("#!/bin/sh\necho ' * Running on http://%s'\nexec sleep 60\n", listener.Addr())
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		s, err := start(path)
		if err == nil {
			s.stop()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(4 * answerTimeout):
		t.Error("the request that got no answer is still waited for")
	}
}
