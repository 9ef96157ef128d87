// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/scratch"
)

// startTimeout is how long a daemon may take to answer. It needs about one second
// on an idle machine.
const startTimeout = 2 * time.Minute

// missing says what it takes to start a daemon and is not there, or "".
func missing() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	for _, tool := range []string{"dockerd", "unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "no " + tool
		}
	}
	return ""
}

// isolated runs a command as the first process of namespaces of its own. With it
// end all of its processes and mounts, and it shares no bridge, no port and no
// containerd with another daemon: what it would meet in /run is out of sight.
const isolated = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$@\""

func start(args ...string) (*Daemon, error) {
	folder, err := scratch.Folder(folderKind)
	if err != nil {
		return nil, err
	}
	d := &Daemon{folder: folder, Host: "unix://" + filepath.Join(folder, "docker.sock"), Log: filepath.Join(folder, "log")}
	if err := d.start(args); err != nil {
		log, _ := os.ReadFile(d.Log)
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("failed to start dockerd: %w\n%s", err, log[max(0, len(log)-4096):])
	}
	return d, nil
}

func (d *Daemon) start(args []string) (err error) {
	if d.Client, err = client.New(client.WithHost(d.Host)); err != nil {
		return err
	}
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", isolated, "sh",
		"dockerd", "--host="+d.Host, "--data-root="+filepath.Join(d.folder, "data"), "--exec-root="+filepath.Join(d.folder, "exec"),
		"--pidfile="+filepath.Join(d.folder, "pid"), "--exec-opt=native.cgroupdriver=cgroupfs")
	cmd.Args = append(cmd.Args, args...)
	// A pipe instead of the file: Wait then waits for all that hold it.
	cmd.Stdout = struct{ io.Writer }{log}
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if d.process, err = run(cmd, log); err != nil {
		return err
	}
	if err := d.answers(); err != nil {
		d.process.kill()
		return err
	}
	return nil
}

func (d *Daemon) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		_, err := d.Client.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
		if err == nil {
			return nil
		}
		select {
		case <-d.process.exited:
			return fmt.Errorf("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it did not answer within %s: %w", startTimeout, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// process is a daemon's outermost process.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once it has been waited for
}

// run starts a command and waits for it on one thread. The kernel ends the child
// when the thread that made it ends, not the process, so that thread must last:
// https://github.com/golang/go/issues/27505.
func run(cmd *exec.Cmd, log io.Closer) (*process, error) {
	p := &process{cmd, make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		defer func() { _ = log.Close() }()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Worker starts a daemon that is a worker of a swarm, and its manager, for one test.
func Worker(t testing.TB) *Daemon {
	t.Helper()
	manager, worker := New(t), New(t)
	const managerIP, workerIP = "198.51.100.1", "198.51.100.2" // for documentation: https://www.rfc-editor.org/rfc/rfc5737
	shell(t, fmt.Sprintf("ip link add roi0 netns %d type veth peer name roi0 netns %d", manager.process.cmd.Process.Pid, worker.process.cmd.Process.Pid))
	for d, ip := range map[*Daemon]string{manager: managerIP, worker: workerIP} {
		shell(t, fmt.Sprintf("nsenter --net --target %d sh -c 'ip address add %s/24 dev roi0 && ip link set roi0 up'", d.process.cmd.Process.Pid, ip))
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err := manager.Client.SwarmInit(ctx, client.SwarmInitOptions{ListenAddr: managerIP + ":2377", AdvertiseAddr: managerIP})
	if err != nil {
		t.Fatal(err)
	}
	swarm, err := manager.Client.SwarmInspect(ctx, client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = worker.Client.SwarmJoin(ctx, client.SwarmJoinOptions{
		ListenAddr: workerIP + ":2377", AdvertiseAddr: workerIP, RemoteAddrs: []string{managerIP + ":2377"}, JoinToken: swarm.Swarm.JoinTokens.Worker,
	})
	if err != nil {
		t.Fatal(err)
	}
	return worker
}

func shell(t testing.TB, command string) {
	t.Helper()
	if text, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, text)
	}
}
