// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package scratch makes temporary folders that outlive a test or have a short path,
// which t.TempDir cannot: the names of sockets have at most 108 bytes on Linux.
package scratch

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Folder makes a folder that the caller has to remove, KIND-PID-NUMBER. It removes
// those of its kind whose test process was killed, or ran into a timeout, before it
// could remove them; that a process has ended is told on Linux only.
func Folder(kind string) (string, error) {
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), kind+"-*-*"))
	if err != nil {
		return "", err
	}
	for _, folder := range folders {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), kind+"-"), "-")
		if pid, err := strconv.Atoi(pid); err == nil && ended(pid) {
			_ = os.RemoveAll(folder)
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s-%d-*", kind, os.Getpid()))
}
