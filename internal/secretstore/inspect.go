// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"context"
	"io/fs"
)

// A PolicyReader is a Store whose secrets can have resource policies.
type PolicyReader interface {
	// ResourcePolicy returns the resource policy of a secret, which is JSON, or ""
	// for a secret without one.
	ResourcePolicy(ctx context.Context, id string) (string, error)
}

// A FileKeeper is a Store that keeps its secrets in files of this machine.
type FileKeeper interface {
	// Files returns the files and folders that are there, with their modes, and
	// opens none. Where modes do not say who may read a file it returns none.
	Files() ([]File, error)
}

// File is a file or a folder. A symbolic link is not followed.
type File struct {
	Path string
	Mode fs.FileMode
}
