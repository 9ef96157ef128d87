// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command stackapp stands for the application of examples/stacks. Where the variable
// NAME_FILE names a file, it answers a request for /NAME with what is in it. It
// listens on a Unix socket in a folder that it shares with the test, so that the
// test needs no network of Docker's. `stackapp healthy` fails unless it can read all
// of the files.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "stackapp:", err)
		os.Exit(1)
	}
}

func run() error {
	mux := http.NewServeMux()
	for _, variable := range os.Environ() {
		name, file, _ := strings.Cut(variable, "=")
		name, isFile := strings.CutSuffix(name, "_FILE")
		if !isFile {
			continue
		}
		value, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(value) })
	}
	if len(os.Args) > 1 && os.Args[1] == "healthy" {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	// With the network of its host a container has the host's name as well.
	listener, err := net.Listen("unix", filepath.Join("/sockets", fmt.Sprintf("%s-%s.sock", host, os.Getenv("TASK"))))
	if err != nil {
		return err
	}
	return http.Serve(listener, mux)
}
