// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package leak looks for secret values where none may be: state, plans, logs,
// output. It knows the forms that a value takes on its way there, so that a
// value inside base64 inside JSON inside a zip archive is found too.
package leak

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// minLength is the shortest value that can be looked for, in bytes. Shorter ones
// turn up by chance, above all in base64.
const minLength = 8

// Finding is a value, or something made of it, at a place where none may be. It
// never holds the value.
type Finding struct {
	Where string // a file, with the names of archives around it, or the name of a text
	Form  string // how the value is written there
}

// String returns the finding for a test's message.
func (f Finding) String() string { return fmt.Sprintf("%s (%s)", f.Where, f.Form) }

// Scanner looks for known values. It is safe for concurrent use.
type Scanner struct {
	mutex   sync.RWMutex
	needles map[prefix][]needle
}

// prefix is the first bytes of a needle. It makes one pass over a text enough for
// thousands of needles.
type prefix [minLength]byte

type needle struct {
	text []byte
	form string
}

// New returns a scanner for some values. A value of less than 8 bytes fails the
// test.
func New(t testing.TB, values ...string) *Scanner {
	t.Helper()
	s := &Scanner{needles: map[prefix][]needle{}}
	s.Add(t, values...)
	return s
}

// Add lets the scanner look for more values. A value of less than 8 bytes fails
// the test.
func (s *Scanner) Add(t testing.TB, values ...string) {
	t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, value := range values {
		if len(value) < minLength {
			t.Fatalf("a value of %d bytes cannot be looked for: it must have at least %d", len(value), minLength)
		}
		for _, n := range forms(value) {
			key := prefix(n.text)
			if !slices.ContainsFunc(s.needles[key], func(known needle) bool { return bytes.Equal(known.text, n.text) }) {
				s.needles[key] = append(s.needles[key], n)
			}
		}
	}
}

// Text looks into one text, also if it is an archive. The name is for the
// findings.
func (s *Scanner) Text(name, text string) []Finding {
	return s.withhold(s.scan(name, []byte(text), 0))
}

// Files looks into every file of a folder and its subfolders, and at their names.
// Paths in except are relative to the folder, with slashes, and may be patterns
// as in path.Match; they leave out a file or a whole folder. Symbolic links are
// not followed.
//
// What cannot be read or unpacked is a finding too, and so is a folder without
// any file: it was not shown to be free of values.
func (s *Scanner) Files(folder string, except ...string) []Finding {
	var findings []Finding
	scanned := 0
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		for _, pattern := range except {
			if match, err := path.Match(pattern, name); err != nil {
				return err
			} else if match && entry.IsDir() {
				return fs.SkipDir
			} else if match {
				return nil
			}
		}
		findings = append(findings, s.scan("the name of a file", []byte(name), 0)...)
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		scanned++
		findings = append(findings, s.scan(file, content, 0)...)
		return nil
	})
	if err != nil {
		findings = append(findings, Finding{folder, "not scanned: " + err.Error()})
	} else if scanned == 0 {
		findings = append(findings, Finding{folder, "not scanned: there is no file"})
	}
	return s.withhold(findings)
}

// withhold takes values out of findings: a file may be named after one.
func (s *Scanner) withhold(findings []Finding) []Finding {
	for i, finding := range findings {
		if len(s.search("", []byte(finding.Where))) > 0 {
			findings[i].Where = "a file whose name holds a value"
		}
		if len(s.search("", []byte(finding.Form))) > 0 {
			findings[i].Form = "not scanned"
		}
	}
	return findings
}

// maxDepth is how many archives may be inside each other.
const maxDepth = 5

func (s *Scanner) scan(where string, content []byte, depth int) []Finding {
	findings := s.search(where, content)
	unpack := unpackerOf(content)
	if unpack == nil {
		return findings
	}
	if depth == maxDepth {
		return append(findings, Finding{where, "not scanned: too many archives inside each other"})
	}
	err := unpack(content, func(name string, content []byte) {
		findings = append(findings, s.scan("the name of a file in "+where, []byte(name), maxDepth)...)
		findings = append(findings, s.scan(where+"!"+name, content, depth+1)...)
	})
	if err != nil {
		findings = append(findings, Finding{where, "not scanned: " + err.Error()})
	}
	return findings
}

// search reports each form once per text.
func (s *Scanner) search(where string, content []byte) []Finding {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	var found []Finding
	for i := range max(0, len(content)-minLength+1) {
		for _, n := range s.needles[prefix(content[i:])] {
			finding := Finding{where, n.form}
			if bytes.HasPrefix(content[i:], n.text) && !slices.Contains(found, finding) {
				found = append(found, finding)
			}
		}
	}
	return found
}

type unpacker func(content []byte, file func(name string, content []byte)) error

// unpackerOf tells an archive by its first bytes: zip, which a plan file is, or
// gzip.
func unpackerOf(content []byte) unpacker {
	switch {
	case bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return unzip
	case bytes.HasPrefix(content, []byte("\x1f\x8b\x08")):
		return gunzip
	}
	return nil
}

func unzip(content []byte, file func(string, []byte)) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	for _, entry := range archive.File {
		r, err := entry.Open()
		if err != nil {
			return err
		}
		unpacked, err := io.ReadAll(r)
		_ = r.Close()
		if err != nil {
			return err
		}
		file(strings.Join([]string{entry.Name, entry.Comment}, " "), unpacked)
	}
	return nil
}

func gunzip(content []byte, file func(string, []byte)) error {
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	unpacked, err := io.ReadAll(r)
	_ = r.Close()
	if err != nil {
		return err
	}
	file(r.Name, unpacked)
	return nil
}
