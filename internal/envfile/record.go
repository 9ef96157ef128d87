// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

const recordVersion = 1

// record is what is kept of a write. Its fingerprints are HMAC-SHA256 under a key
// that is drawn for each write and is nowhere else. Whoever can read the record
// could try guesses of a value against it, so it is as well protected as the file
// that has the values: same owner, mode 0600.
type record struct {
	Version     int    `json:"version"`
	Revision    string `json:"revision"`      // names the write
	Was         string `json:"was,omitempty"` // see Write
	Key         []byte `json:"key"`
	Fingerprint []byte `json:"fingerprint"`        // of what was written
	Replaces    []byte `json:"replaces,omitempty"` // of what it replaced, if that was written by this package
}

func newRecord() record {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return record{Version: recordVersion, Revision: uuid.NewString(), Key: key}
}

func (r record) sum(content io.Reader) ([]byte, error) {
	hash := hmac.New(sha256.New, r.Key)
	if _, err := io.Copy(hash, content); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

func (r record) sumText(text string) []byte {
	sum, _ := r.sum(strings.NewReader(text)) // reading a string never fails
	return sum
}

func (f File) recordPath() string { return filepath.Join(f.Folder(), "record.json") }

// load returns the record of the last write, or nil. A record that is damaged is
// none: then nothing tells who wrote the file.
func (f File) load() (*record, error) {
	if there, err := f.hasFolder(); !there {
		return nil, err
	}
	info, err := os.Lstat(f.recordPath())
	if absent(err) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(f.recordPath())
	if err != nil {
		return nil, err
	}
	r, ok := decode(text)
	switch {
	case !ok:
		return nil, nil
	case r.Version > recordVersion:
		return nil, fmt.Errorf("%q was written by a newer version of the provider: upgrade the provider", f.recordPath())
	}
	return &r, nil
}

func decode(text []byte) (r record, ok bool) {
	if json.Unmarshal(text, &r) != nil || r.Version < 1 {
		return r, false
	}
	return r, r.Version > recordVersion || r.Revision != "" && len(r.Key) == sha256.Size && len(r.Fingerprint) == sha256.Size
}

func (f File) save(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return f.put(f.recordPath(), strings.NewReader(string(text)+"\n"))
}

// match tells whether the file holds what was written last, and whether it holds
// that or what it replaced.
func (r *record) match(file io.Reader) (current, ours bool, err error) {
	if r == nil {
		return false, false, nil
	}
	sum, err := r.sum(file)
	if err != nil {
		return false, false, err
	}
	current = hmac.Equal(sum, r.Fingerprint)
	return current, current || len(r.Replaces) > 0 && hmac.Equal(sum, r.Replaces), nil
}
