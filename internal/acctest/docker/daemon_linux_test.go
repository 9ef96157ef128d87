// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/scratch"
)

// A daemon must end with its test, its containers included, also when the test
// process was killed.
func TestDaemonEndsWithItsTest(t *testing.T) {
	t.Parallel()
	if os.Getenv("ROI_TEST_DOCKER_KILLED") != "" {
		d := New(t)
		d.InitSwarm(t)
		d.CreateSecret(t, "a", "value")
		service := d.Service(t, "s", "a")
		service.WaitFor(t, 2, "value")
		_ = os.WriteFile(os.Getenv("ROI_TEST_DOCKER_KILLED"), []byte(d.folder), 0o600)
		select {}
	}
	require(t)
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command(os.Args[0], "-test.run=^TestDaemonEndsWithItsTest$")
	cmd.Env = append(os.Environ(), "ROI_TEST_DOCKER_KILLED="+ready)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var folder []byte
	for begun := time.Now(); len(folder) == 0; folder, _ = os.ReadFile(ready) {
		time.Sleep(50 * time.Millisecond)
		if time.Since(begun) > startTimeout {
			t.Fatal("the daemon did not start")
		}
	}
	if got := processesOf(t, string(folder)); got < 5 {
		t.Errorf("%d processes are those of the daemon and its containers, want at least 5: the search is wrong", got)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for begun := time.Now(); processesOf(t, string(folder)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > converging {
			t.Fatal("processes are left")
		}
	}
	if _, err := os.Stat(string(folder)); err != nil {
		t.Fatal(err)
	}
	another, err := scratch.Folder(folderKind)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(another)
	if _, err := os.Stat(string(folder)); !os.IsNotExist(err) {
		t.Errorf("the folder of the killed test was not removed: %v", err)
	}
}

// processesOf counts the processes that see a folder's daemon as their own: those
// whose mounts include the folder.
func processesOf(t *testing.T, folder string) int {
	t.Helper()
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err == nil && strings.Contains(string(text), folder) {
			count++
		}
	}
	return count
}

func TestWorkerIsNoManager(t *testing.T) {
	t.Parallel()
	worker := Worker(t)
	info, err := worker.Client.Info(t.Context(), client.InfoOptions{})
	if err != nil || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateActive || info.Info.Swarm.ControlAvailable {
		t.Errorf("the node is %q, manager: %t, %v", info.Info.Swarm.LocalNodeState, info.Info.Swarm.ControlAvailable, err)
	}
}
