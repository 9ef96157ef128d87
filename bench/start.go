// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// magicCookie is what Terraform's plugins want to see, so that nobody starts one by
// mistake: https://github.com/hashicorp/terraform/blob/main/internal/plugin6/serve.go
const magicCookie = "TF_PLUGIN_MAGIC_COOKIE=d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"

// firstSchema measures the time from the start of a provider to its schema, which
// every command of Terraform waits for.
func (k *kit) firstSchema(binary string) (took time.Duration, err error) {
	cmd := exec.Command(binary)
	cmd.Env = append(k.environ(builtIn), magicCookie, "PLUGIN_PROTOCOL_VERSIONS=6")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("no handshake: %w", err)
	}
	// Core version, protocol version, network, address, protocol and certificate.
	fields := strings.Split(strings.TrimSpace(line), "|")
	if len(fields) < 5 || fields[2] != "unix" || fields[4] != "grpc" {
		return 0, fmt.Errorf("unexpected handshake: %s", line)
	}
	defer os.Remove(fields[3]) //nolint:errcheck // The socket of a killed process.
	conn, err := grpc.NewClient("unix:"+fields[3], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // Nothing was written.
	var answer []byte
	err = conn.Invoke(context.Background(), "/tfplugin6.Provider/GetProviderSchema", []byte{}, &answer,
		grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(64<<20))
	return time.Since(begun), err
}

// raw passes messages on as they are: an empty request has no bytes in protobuf.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil } //nolint:forcetypeassert // Only []byte is sent.
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...) //nolint:forcetypeassert // Only *[]byte is asked for.
	return nil
}
