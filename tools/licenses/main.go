// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command licenses reads the license of every package that is compiled into the
// provider, on every operating system that it is released for, and fails on one
// that is not allowed or not recognized. With -notices it writes the texts into
// one file, for they ask to be handed on with a binary. What only tests and tools
// use is not distributed, and not looked at.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licenses, by SPDX identifier, that go together with MPL-2.0 in
// one binary and ask for no more than their text and notices.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0"}

// systems are the operating systems of the release; see .goreleaser.yml. The
// imports do not differ by architecture: scripts/release-check compares the notices
// with the modules of every binary.
var systems = []string{"darwin", "freebsd", "linux", "windows"}

// enough is how many percent of a license file have to be text of known licenses;
// copyright lines count as unknown. pkg.go.dev asks for as much:
// https://pkg.go.dev/license-policy
const enough = 75

func main() {
	dir := flag.String("dir", "..", "folder of the module")
	notices := flag.String("notices", "", "file to write the texts of the licenses to")
	flag.Parse()
	if err := run(*dir, *notices, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(dir, notices string, out io.Writer) error {
	packages, err := list(dir)
	if err != nil {
		return err
	}
	modules, err := read(packages)
	if err != nil {
		return err
	}
	if err := check(modules); err != nil {
		return err
	}
	for _, line := range summary(modules) {
		fmt.Fprintln(out, line)
	}
	if notices == "" {
		return nil
	}
	return os.WriteFile(notices, render(modules), 0o644)
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	Module     *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// list returns what is compiled into the provider on any of the systems, without
// the provider itself.
func list(dir string) ([]pkg, error) {
	found := map[string]pkg{}
	for _, system := range systems {
		command := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,Standard,Module", ".")
		command.Dir = dir
		command.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		command.Stderr = os.Stderr
		output, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
			var p pkg
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("go list for %s: %w", system, err)
			}
			if p.Module == nil || !p.Module.Main {
				found[p.ImportPath] = p
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("go list named no dependency")
	}
	return slices.SortedFunc(maps.Values(found), func(a, b pkg) int { return cmp.Compare(a.ImportPath, b.ImportPath) }), nil
}

// module is a module with the files that say how it may be used.
type module struct {
	name, version string
	files         []file // in the order of their names
}

type file struct {
	name     string // relative to the module
	text     []byte
	license  bool // rather than a notice
	licenses []string
	percent  float64
}

// read finds the license files that apply to packages: those in the folder of a
// package and in the ones above it, up to the root of its module.
func read(packages []pkg) ([]module, error) {
	type source struct{ name, version, root string }
	folders := map[source]map[string]bool{}
	for _, p := range packages {
		s := source{root: goroot(p)}
		switch {
		case p.Standard:
			// What it vendors is under its license too.
			s.name, s.version = "Go standard library", runtime.Version()
			p.Dir = s.root
		case p.Module == nil:
			return nil, fmt.Errorf("%s belongs to no module", p.ImportPath)
		default:
			s = source{p.Module.Path, p.Module.Version, p.Module.Dir}
		}
		if folders[s] == nil {
			folders[s] = map[string]bool{}
		}
		for folder := p.Dir; ; folder = filepath.Dir(folder) {
			folders[s][folder] = true
			if folder == s.root || len(folder) < len(s.root) {
				break
			}
		}
	}
	var modules []module
	for s, in := range folders {
		m := module{name: s.name, version: s.version}
		for _, folder := range slices.Sorted(maps.Keys(in)) {
			files, err := readFolder(s.root, folder)
			if err != nil {
				return nil, err
			}
			m.files = append(m.files, files...)
		}
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.name, b.name) })
	return modules, nil
}

// goroot is the folder of the Go that a package of the standard library is from.
func goroot(p pkg) string {
	return strings.TrimSuffix(p.Dir, filepath.FromSlash("/src/"+p.ImportPath))
}

var (
	licenseName = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying)([-._].*)?$`)
	noticeName  = regexp.MustCompile(`(?i)^(notice|patents|copyright|authors)([-._].*)?$`)
	// Sources with such a name, and the license of documentation, which is not in a binary.
	otherName = regexp.MustCompile(`(?i)(\.go|^licen[cs]e[-.]docs)$`)
)

func readFolder(root, folder string) ([]file, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, entry := range entries {
		name := entry.Name()
		license := licenseName.MatchString(name)
		if entry.IsDir() || otherName.MatchString(name) || !license && !noticeName.MatchString(name) {
			continue
		}
		path := filepath.Join(folder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		f := file{name: filepath.ToSlash(relative), text: text, license: license}
		if license {
			f.licenses, f.percent = classify(text)
		}
		files = append(files, f)
	}
	return files, nil
}

// classify returns the identifiers of the licenses whose text is in a file, and
// how many percent of the file they are.
func classify(text []byte) (licenses []string, percent float64) {
	coverage := licensecheck.Scan(text)
	for _, match := range coverage.Match {
		if !match.IsURL && !slices.Contains(licenses, match.ID) {
			licenses = append(licenses, match.ID)
		}
	}
	slices.Sort(licenses)
	return licenses, coverage.Percent
}

// check reports every module that has no license at its root, and every license
// that is not allowed or not recognized.
func check(modules []module) error {
	var problems []error
	for _, m := range modules {
		atRoot := false
		for _, f := range m.files {
			if !f.license {
				continue
			}
			atRoot = atRoot || !strings.Contains(f.name, "/")
			if len(f.licenses) == 0 || f.percent < enough {
				problems = append(problems, fmt.Errorf("%s %s: %s: not recognized: %.0f%% of it is text of %q, and it takes %d%%", m.name, m.version, f.name, f.percent, f.licenses, enough))
			}
			for _, license := range f.licenses {
				if !slices.Contains(allowed, license) {
					problems = append(problems, fmt.Errorf("%s %s: %s: %s is not among the licenses that are allowed: %s", m.name, m.version, f.name, license, strings.Join(allowed, ", ")))
				}
			}
		}
		if !atRoot {
			problems = append(problems, fmt.Errorf("%s %s has no license file", m.name, m.version))
		}
	}
	return errors.Join(problems...)
}

// summary counts the modules under each license.
func summary(modules []module) []string {
	count := map[string]int{}
	for _, m := range modules {
		in := map[string]bool{}
		for _, f := range m.files {
			for _, license := range f.licenses {
				in[license] = true
			}
		}
		for license := range in {
			count[license]++
		}
	}
	lines := []string{fmt.Sprintf("%d modules, with Go itself; a module can be under more than one license:", len(modules))}
	for _, license := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("  %-14s %d", license, count[license]))
	}
	return lines
}

// render writes the texts one after the other, the same for the same modules.
func render(modules []module) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "The provider contains the software below, in source form at https://pkg.go.dev/MODULE@VERSION\nor with `go mod download MODULE@VERSION`. Each is under the license that follows its name.\n")
	for _, m := range modules {
		fmt.Fprintf(&out, "\n%s\n%s\n", strings.Repeat("=", 80), strings.TrimSpace(m.name+" "+m.version))
		for _, f := range m.files {
			fmt.Fprintf(&out, "%s\n%s:\n\n%s\n", strings.Repeat("-", 80), f.name, bytes.TrimSpace(bytes.ReplaceAll(f.text, []byte("\r\n"), []byte("\n"))))
		}
	}
	return out.Bytes()
}
