// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const input = `	example.org/high		coverage: 85.0% of statements
	example.org/none		coverage: [no statements]
	example.org/low		coverage: 84.9% of statements
	example.org/x/testdata/y		coverage: 1.0% of statements
	github.com/roi-systems/terraform-provider-roi		coverage: 0.0% of statements
`
	for _, test := range []struct {
		least float64
		ok    bool
		want  string
	}{
		{84.9, true, "   84.9  example.org/low\n   85.0  example.org/high\n"},
		{85, false, "   84.9  example.org/low  below 85\n   85.0  example.org/high\n"},
	} {
		packages, err := read(strings.NewReader(input))
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if ok := report(&out, packages, test.least); ok != test.ok {
			t.Errorf("at least %g: ok = %t", test.least, ok)
		}
		want := "\ncoverage, in percent of the statements of a package:\n" +
			"    0.0  github.com/roi-systems/terraform-provider-roi  not counted: it only serves the provider\n" + test.want
		if out.String() != want {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	}
}
