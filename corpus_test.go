// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFuzzCorpora holds every fuzz target to a corpus, which ordinary tests run as
// well: a target without one tests nothing there.
func TestFuzzCorpora(t *testing.T) {
	t.Parallel()
	const fewest = 5
	targets, corpora := fuzzTargets(t)
	if len(targets) < 12 {
		t.Errorf("only %d fuzz targets were found", len(targets))
	}
	for _, folder := range corpora {
		if !slices.Contains(targets, folder) {
			t.Errorf("%s belongs to no fuzz target", folder)
		}
	}
	for _, folder := range targets {
		inputs, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if len(inputs) < fewest {
			t.Errorf("%s has %d inputs, want at least %d", folder, len(inputs), fewest)
		}
		for _, input := range inputs {
			text, err := os.ReadFile(filepath.Join(folder, input.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if first, rest, _ := bytes.Cut(text, []byte("\n")); string(first) != "go test fuzz v1" || len(bytes.TrimSpace(rest)) == 0 {
				t.Errorf("%s is no input of a fuzz target", filepath.Join(folder, input.Name()))
			}
		}
	}
}

// fuzzTargets returns the folders in which the fuzz targets of the module look for
// their corpora, and those in which corpora are.
func fuzzTargets(t *testing.T) (targets, corpora []string) {
	t.Helper()
	err := filepath.WalkDir("internal", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(filepath.Dir(path), filepath.Join("testdata", "fuzz")) {
			corpora = append(corpora, path)
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && strings.HasPrefix(function.Name.Name, "Fuzz") {
				targets = append(targets, filepath.Join(filepath.Dir(path), "testdata", "fuzz", function.Name.Name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return targets, corpora
}
