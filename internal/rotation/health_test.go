// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// patient waits on a test's clock.
func patient(clock *testClock) rotation.Checker {
	return rotation.Checker{Clock: clock, Sleep: func(ctx context.Context, d time.Duration) error {
		clock.advance(d)
		return ctx.Err()
	}}
}

func answering(t *testing.T, statuses ...int) (url string, requests *int) {
	t.Helper()
	requests = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := statuses[min(*requests, len(statuses)-1)]
		*requests++
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, "the password is hunter2")
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func check(url string) rotation.HealthCheck {
	return rotation.HealthCheck{URL: url, Status: 200, Timeout: 5 * time.Second, Interval: 2 * time.Second, Threshold: 3, Deadline: 20 * time.Second}
}

func TestHealthThreshold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		statuses []int
		requests int
		err      string
	}{
		{"healthy", []int{200}, 3, ""},
		{"late", []int{503, 503, 200}, 5, ""},
		{"relapse", []int{200, 200, 500, 200}, 6, ""},
		{"never", []int{503}, 10, "was not healthy within 20s (10 requests), at last: status 503, expected 200"},
		{"too late", []int{503, 503, 503, 503, 503, 503, 503, 503, 200}, 10, "at last: only 2 of 3 healthy answers in a row"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url, requests := answering(t, test.statuses...)
			err := patient(&testClock{now: start}).Run(t.Context(), []rotation.HealthCheck{check(url + "/health?token=t0ken")})
			if *requests != test.requests {
				t.Errorf("%d requests, want %d", *requests, test.requests)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want %q", err, test.err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "t0ken")) {
				t.Errorf("the error shows what is confidential: %v", err)
			}
		})
	}
}

func TestHealthRedirects(t *testing.T) {
	t.Parallel()
	plain, _ := answering(t, 200)
	var hops int
	handler := http.NewServeMux()
	handler.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain, http.StatusFound) })
	handler.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	handler.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://example.com/", http.StatusFound)
	})
	handler.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	handler.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, "/loop", http.StatusFound)
	})
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	checker := patient(&testClock{now: start})
	checker.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}

	for path, want := range map[string]string{
		"/ok": "", "/here": "",
		"/down": "it redirects from https to http, which is not followed",
		"/file": "it redirects from https to ftp, which is not followed",
		"/loop": "more than 5 redirects",
	} {
		c := check(server.URL + path)
		c.Threshold, c.Deadline = 1, time.Second
		err := checker.Run(t.Context(), []rotation.HealthCheck{c})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if hops != 6 {
		t.Errorf("%d requests in a loop of redirects, want 6", hops)
	}
	c := check(server.URL + "/here")
	c.Status, c.Threshold = http.StatusFound, 1
	if err := checker.Run(t.Context(), []rotation.HealthCheck{c}); err != nil {
		t.Errorf("a redirect that is expected: %v", err)
	}

	// Certificates are verified.
	c = check(server.URL + "/ok")
	c.Threshold, c.Deadline = 1, time.Second
	if err := patient(&testClock{now: start}).Run(t.Context(), []rotation.HealthCheck{c}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestHealthIsInterrupted(t *testing.T) {
	t.Parallel()
	url, _ := answering(t, 503)
	ctx, cancel := context.WithCancel(t.Context())
	checker := rotation.Checker{Clock: &testClock{now: start}, Sleep: func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}}
	if err := checker.Run(ctx, []rotation.HealthCheck{check(url)}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://api.example.com/health": true, "http://127.0.0.1:8080": true,
		"": false, "api/health": false, "ftp://example.com": false, "https://": false, "file:///etc/passwd": false,
		"https://user:password@example.com": false, "https://user@example.com": false, "HTTP://EXAMPLE.COM/": true,
	} {
		if err := rotation.CheckURL(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// URLs of webhooks keep tokens in their paths, and so may a redirect.
func TestHealthShowsNoToken(t *testing.T) {
	t.Parallel()
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[hunter2")
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(redirecting.Close)
	failing, _ := answering(t, 503)
	for _, url := range []string{redirecting.URL, failing + "/hooks/hunter2?token=hunter2", "http://user:hunter2@127.0.0.1:1/hunter2"} {
		err := patient(&testClock{now: start}).Run(t.Context(), []rotation.HealthCheck{check(url)})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a token, or is missing: %v", err != nil)
		}
	}
}

// An answer that is not HTTP may hold anything, and is not quoted.
func TestHealthErrorsQuoteNoAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"a header":            "HTTP/1.1 200 OK\r\nhunter2-without-colon\r\n\r\n",
		"the status":          "HTTP/1.1 hunter2 OK\r\n\r\n",
		"the length":          "HTTP/1.1 200 OK\r\nContent-Length: hunter2\r\n\r\n",
		"the transfer coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: hunter2\r\n\r\n",
		"something else":      "hunter2 is no HTTP\r\n\r\n",
		"nothing":             "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				}
			}()
			err = patient(&testClock{now: start}).Run(t.Context(), []rotation.HealthCheck{check("http://" + listener.Addr().String())})
			if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "not HTTP") && answer != "" {
				t.Errorf("the error shows the answer, or is missing: %v", err != nil)
			}
		})
	}
}
