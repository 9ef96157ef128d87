// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package docker gives tests a real Docker engine: a dockerd of their own, with
// its own network, processes and mounts, that ends with the test process. The
// engine of a developer's machine is never touched.
package docker

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/scratch"
)

// hostVariable names an engine that tests may use instead of one of their own: the
// manager of a swarm on this machine, which they fill with objects and clean up.
const hostVariable = "ROI_TEST_DOCKER_HOST"

// folderKind begins the names of the folders that daemons have.
const folderKind = "roi-docker"

// host is read before TestMain, which may clear the environment.
var host = os.Getenv(hostVariable)

// Daemon is a Docker daemon.
type Daemon struct {
	Host   string // its address, as in DOCKER_HOST
	Client *client.Client
	Log    string // the file that it logs to; "" for one that tests did not start

	folder  string // for sockets, beside what belongs to the daemon
	process *process

	number atomic.Int64 // of the last name that was given out
	mutex  sync.Mutex   // held while the image is made
	image  bool
}

var shared struct {
	sync.Mutex
	daemon *Daemon
	err    error
}

// Engine returns an engine that manages a swarm. All tests of a process share it,
// so that they must take names from Name; TestMain has to call Stop.
//
// Starting it takes root, dockerd, and unshare and ip of Linux. Without them the
// test fails where the environment has CI=true, and is skipped elsewhere.
func Engine(t testing.TB) *Daemon {
	t.Helper()
	if host == "" {
		require(t)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.daemon == nil && shared.err == nil {
		shared.daemon, shared.err = startShared()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.daemon
}

func startShared() (*Daemon, error) {
	if host != "" {
		return use(host)
	}
	d, err := start()
	if err != nil {
		return nil, err
	}
	if err := d.initSwarm(); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// New starts a daemon for one test, which is in no swarm. Further arguments are
// dockerd's.
func New(t testing.TB, args ...string) *Daemon {
	t.Helper()
	require(t)
	d, err := start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d
}

// InitSwarm makes the daemon the manager of a new swarm.
func (d *Daemon) InitSwarm(t testing.TB) {
	t.Helper()
	if err := d.initSwarm(); err != nil {
		t.Fatal(err)
	}
}

func (d *Daemon) initSwarm() error {
	_, err := d.Client.SwarmInit(context.Background(), client.SwarmInitOptions{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"})
	return err
}

// Stop ends the shared engine if there is one.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.daemon != nil {
		shared.daemon.stop()
	}
	shared.daemon, shared.err = nil, nil
}

// require skips or fails a test for which no daemon can be started.
func require(t testing.TB) {
	t.Helper()
	reason := missing()
	if reason == "" {
		return
	}
	message := fmt.Sprintf("no Docker engine can be started (%s), so nothing of this test was checked against Docker: "+
		"run it as root on Linux with dockerd (Debian: apt-get install docker.io iproute2), "+
		"or name the manager of a swarm on this machine that tests may use in %s", reason, hostVariable)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// use takes an engine that is there.
func use(host string) (*Daemon, error) {
	d := &Daemon{Host: host}
	var err error
	if d.Client, err = client.New(client.WithHost(host)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := d.Client.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, fmt.Errorf("the engine in %s does not answer: %w", hostVariable, err)
	}
	// Not from the answer to the ping: engines before API 1.42 leave it out.
	info, err := d.Client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, fmt.Errorf("the engine in %s does not tell its state: %w", hostVariable, err)
	}
	if !info.Info.Swarm.ControlAvailable {
		return nil, fmt.Errorf("the engine in %s is not the manager of a swarm: docker -H %s swarm init", hostVariable, host)
	}
	d.folder, err = scratch.Folder(folderKind)
	return d, err
}

// stop ends a daemon that was started here, and removes what was made for it.
func (d *Daemon) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if d.process == nil && d.image {
		_, _ = d.Client.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true})
	}
	if d.process != nil {
		// Ends the containers in order, so that no control groups are left.
		_, _ = d.Client.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true})
		d.process.kill()
	}
	_ = d.Client.Close()
	_ = os.RemoveAll(d.folder)
}
