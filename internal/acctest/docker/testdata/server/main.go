// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command server answers every HTTP request with the secret that it was given. It
// listens on a Unix socket in a folder that it shares with the test, so that tests
// need no network of Docker's. Told to stop it takes the socket away first and
// answers what has come in until then, as a server behind a load balancer does.
//
// SECRET_FILE is the secret; REFUSE is the beginning of secrets with which the
// server ends at once, with exit code 3. `server once` ends at once with success.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	sockets = "/sockets"
	drain   = 300 * time.Millisecond
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "once" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if code, err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(code)
	}
}

func serve(ctx context.Context) (exitCode int, err error) {
	secret, err := os.ReadFile(os.Getenv("SECRET_FILE"))
	if err != nil {
		return 2, err
	}
	if refuse := os.Getenv("REFUSE"); refuse != "" && strings.HasPrefix(string(secret), refuse) {
		return 3, fmt.Errorf("the secret in %s is refused", os.Getenv("SECRET_FILE"))
	}
	host, err := os.Hostname()
	if err != nil {
		return 2, err
	}
	// A socket takes connections from the moment it has its final name.
	hidden, socket := filepath.Join(sockets, "."+host), filepath.Join(sockets, host+".sock")
	_ = os.Remove(hidden)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return 2, err
	}
	listener.SetUnlinkOnClose(false)
	// Who may connect is up to the folder.
	if err := os.Chmod(hidden, 0o666); err != nil {
		return 2, err
	}
	if err := os.Rename(hidden, socket); err != nil {
		return 2, err
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(secret) }),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return 2, err
	case <-ctx.Done():
	}
	if err := os.Remove(socket); err != nil {
		return 2, err
	}
	time.Sleep(drain)
	return 2, server.Shutdown(context.Background())
}
