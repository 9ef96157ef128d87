// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package fsync makes what was done in a folder outlast a loss of power.
package fsync

// Folder does nothing: Windows cannot sync a folder.
func Folder(string) error { return nil }
