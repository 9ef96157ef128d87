// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package envfile

import "syscall"

// checkWritable asks whether this process may make files in a folder.
// Source: https://pubs.opengroup.org/onlinepubs/9799919799/functions/access.html
func checkWritable(folder string) error {
	const write, search = 2, 1
	return syscall.Access(folder, write|search)
}
