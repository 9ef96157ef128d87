// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func interruptGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }

// ended reports whether no process has this id.
func ended(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// ProviderPID returns the process id of the provider that the command runs now.
func (p *Process) ProviderPID() (int, error) {
	tasks, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, stat := range tasks {
		folder := filepath.Dir(stat)
		executable, err := os.Readlink(filepath.Join(folder, "exe"))
		if err != nil || executable != p.provider {
			continue
		}
		content, err := os.ReadFile(stat)
		if err != nil {
			continue // It has ended meanwhile.
		}
		// pid (name) state parent …; a name may have spaces and parentheses.
		_, rest, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(p.cmd.Process.Pid) {
			return strconv.Atoi(filepath.Base(folder))
		}
	}
	return 0, errNoProvider
}
