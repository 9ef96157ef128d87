// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ secretstore.FileKeeper = (*Store)(nil)

// Files implements secretstore.FileKeeper: the folder, the database and the
// identity. On Windows there is nothing to tell.
func (s *Store) Files() ([]secretstore.File, error) {
	if runtime.GOOS == "windows" {
		return nil, nil
	}
	var files []secretstore.File
	for _, path := range []string{s.path, s.database(), s.identityFile} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, s.complete("look at the files of the store", path, err)
		}
		files = append(files, secretstore.File{Path: path, Mode: info.Mode()})
	}
	return files, nil
}
