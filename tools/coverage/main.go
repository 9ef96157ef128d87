// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command coverage reads what `go tool covdata percent` prints, writes it as a
// table with the lowest share first, and exits with 1 if a package is below -min.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	least := flag.Float64("min", 0, "percentage of its statements that the tests of a package have to run")
	flag.Parse()

	packages, err := read(os.Stdin)
	if err == nil && len(packages) == 0 {
		err = errors.New("no package was measured")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
	if !report(os.Stdout, packages, *least) {
		os.Exit(1)
	}
}

// A share is what the tests ran of a package, in percent of its statements.
type share struct {
	name    string
	percent float64
}

var line = regexp.MustCompile(`^\s*(\S+)\s+coverage: ([0-9.]+)% of statements$`)

func read(in io.Reader) ([]share, error) {
	var packages []share
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		match := line.FindStringSubmatch(scanner.Text())
		if match == nil || strings.Contains(match[1], "/testdata/") {
			continue
		}
		percent, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			return nil, err
		}
		packages = append(packages, share{match[1], percent})
	}
	return packages, scanner.Err()
}

// uncounted are packages that are not held to a minimum, and why.
var uncounted = map[string]string{
	"github.com/roi-systems/terraform-provider-roi": "not counted: it only serves the provider",
}

// report writes the table, and reports whether each package has the least
// percentage.
func report(out io.Writer, packages []share, least float64) bool {
	slices.SortFunc(packages, func(a, b share) int {
		return cmp.Or(cmp.Compare(a.percent, b.percent), cmp.Compare(a.name, b.name))
	})
	fmt.Fprintln(out, "\ncoverage, in percent of the statements of a package:")
	ok := true
	for _, p := range packages {
		remark, isUncounted := uncounted[p.name]
		if !isUncounted && p.percent < least {
			remark = fmt.Sprintf("below %g", least)
			ok = false
		}
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("  %5.1f  %s  %s", p.percent, p.name, remark), " "))
	}
	return ok
}
