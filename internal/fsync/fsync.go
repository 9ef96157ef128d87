// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !windows

// Package fsync makes what was done in a folder outlast a loss of power.
package fsync

import (
	"errors"
	"os"
)

// Folder makes the names in a folder durable: the files that were made, renamed
// and removed there. Windows cannot sync a folder, and nothing is done there.
func Folder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
