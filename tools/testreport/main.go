// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command testreport reads the output of `go test -json` and prints what a person
// wants to see of it: one line per package, the whole output of every test that
// failed, every test that was skipped and why, and the totals. It exits with 1 if
// a test or a build failed or no test ran, and with -no-skips also if one was
// skipped for want of something, a tool for example. What cannot be had is skipped with
// "not tested on this" and what does not have it, and only listed: a "store", a "version"
// of Terraform, OpenTofu or Node.js, or a "mirror" of the registry that has no more.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	noSkips := flag.Bool("no-skips", os.Getenv("ROI_TEST_NO_SKIPS") != "", "fail if a test was skipped for want of something (also ROI_TEST_NO_SKIPS)")
	flag.Parse()

	r, err := read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if !r.print(os.Stdout, *noSkips) {
		os.Exit(1)
	}
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package, in build-output
	Test       string
	Output     string
}

type report struct {
	passed, failed int
	skipped        []skip
	failedPackages int
}

type skip struct{ test, reason string }

// inherent begins the reason of a skip that nothing could be installed against. A
// reason has to follow.
var inherent = regexp.MustCompile(`not tested on this (store|version|mirror): \S`)

func (s skip) avoidable() bool { return !inherent.MatchString(s.reason) }

// read consumes events, echoing the closing line of every package and the output
// of everything that fails.
func read(in io.Reader, out io.Writer) (*report, error) {
	r := &report{}
	output := map[string]*strings.Builder{} // by package and test
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			// What the go command itself says is not JSON.
			fmt.Fprintln(out, scanner.Text())
			continue
		}
		id := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "output":
			if output[id] == nil {
				output[id] = &strings.Builder{}
			}
			output[id].WriteString(e.Output)
		case "pass", "fail", "skip":
			r.finish(e, text(output, id), out)
			delete(output, id)
		}
	}
	return r, scanner.Err()
}

func text(output map[string]*strings.Builder, id string) string {
	if output[id] == nil {
		return ""
	}
	return output[id].String()
}

// finish counts the end of a test or, without a name, of a package.
func (r *report) finish(e event, text string, out io.Writer) {
	switch {
	case e.Test == "" && e.Action == "fail":
		r.failedPackages++
		fmt.Fprint(out, text)
	case e.Test == "":
		fmt.Fprint(out, lastLine(text))
	case e.Action == "pass":
		r.passed++
	case e.Action == "skip":
		r.skipped = append(r.skipped, skip{e.Package + " " + e.Test, reason(text)})
	case e.Action == "fail":
		r.failed++
		fmt.Fprintf(out, "\n%s %s\n%s\n", e.Package, e.Test, text)
	}
}

// lastLine is where a package that passed says so: "ok", its name and its time.
func lastLine(text string) string {
	lines := strings.SplitAfter(strings.TrimSpace(text)+"\n", "\n")
	return lines[len(lines)-2]
}

// reason is what a test said before it was skipped, without go test's own lines.
func reason(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && line != "" {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

// print writes the skipped tests and the totals, and reports whether all is well.
func (r *report) print(out io.Writer, noSkips bool) bool {
	if len(r.skipped) > 0 {
		fmt.Fprintln(out, "\nskipped:")
	}
	for _, s := range r.skipped {
		fmt.Fprintf(out, "  %s: %s\n", s.test, s.reason)
	}
	ok := r.failed == 0 && r.failedPackages == 0
	if r.passed+r.failed == 0 {
		fmt.Fprintln(out, "\nno test ran")
		ok = false
	}
	if noSkips && slices.ContainsFunc(r.skipped, skip.avoidable) {
		fmt.Fprintln(out, "\nnothing may be skipped here but what a store or a version cannot do, or a mirror does not have")
		ok = false
	}
	if r.failedPackages > 0 {
		fmt.Fprintf(out, "\n%d packages failed\n", r.failedPackages)
	}
	fmt.Fprintf(out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return ok
}
