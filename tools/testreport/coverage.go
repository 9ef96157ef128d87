// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// uncounted are packages that run as processes of their own, whose statements
// go test does not count, and why that is enough.
var uncounted = map[string]string{
	"github.com/roi-systems/terraform-provider-roi": "main serves the provider, as a process in the acceptance tests",
}

// covered is what `go test -cover` says at the end of a package: which share of its
// statements its own tests have run.
var covered = regexp.MustCompile(`\tcoverage: ([0-9.]+)% of statements`)

// noteCoverage takes the share out of the closing line of a package.
func (r *report) noteCoverage(pkg, line string) {
	match := covered.FindStringSubmatch(line)
	if match == nil {
		return
	}
	if percent, err := strconv.ParseFloat(match[1], 64); err == nil {
		r.coverage[pkg] = percent
	}
}

// printCoverage writes a table of all packages with statements, the lowest share
// first, and reports whether each has the least percentage.
func (r *report) printCoverage(out io.Writer, least float64) bool {
	if len(r.coverage) == 0 {
		if least > 0 {
			fmt.Fprintln(out, "\nno coverage was measured: go test -cover does")
		}
		return least == 0
	}
	fmt.Fprintln(out, "\ncoverage, in percent of the statements of a package, by its own tests:")
	ok := true
	for _, pkg := range slices.SortedFunc(maps.Keys(r.coverage), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.coverage[a], r.coverage[b]), cmp.Compare(a, b))
	}) {
		remark := ""
		if why, isUncounted := uncounted[pkg]; isUncounted {
			remark = "  not counted: " + why
		} else if r.coverage[pkg] < least {
			remark = fmt.Sprintf("  below %g", least)
			ok = false
		}
		fmt.Fprintf(out, "  %5.1f  %s%s\n", r.coverage[pkg], pkg, remark)
	}
	return ok
}
