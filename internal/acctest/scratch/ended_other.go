// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package scratch

func ended(int) bool { return false }
