// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const (
		pass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: a chatty test\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
`
		skipped = `{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: moto_server is not installed\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`
		inherentSkip = `{"Action":"output","Package":"p","Test":"TestD","Output":"    d_test.go:9: not tested on this store: its time cannot be moved\n"}
{"Action":"skip","Package":"p","Test":"TestD"}
`
		gated = `{"Action":"output","Package":"p","Test":"TestE","Output":"    e_test.go:9: not tested on this version: OpenTofu 1.11 does not know the block\n"}
{"Action":"skip","Package":"p","Test":"TestE"}
`
		mirrored = `{"Action":"output","Package":"p","Test":"TestG","Output":"    g_test.go:9: not tested on this mirror: it has no hashicorp/random\n"}
{"Action":"skip","Package":"p","Test":"TestG"}
`
		unexplained = `{"Action":"output","Package":"p","Test":"TestF","Output":"    f_test.go:9: not tested on this version: \n"}
{"Action":"skip","Package":"p","Test":"TestF"}
`
		failed = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`
		ok = `{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
		broken = `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: undefined: x\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
`
	)
	tests := []struct {
		name    string
		input   string
		noSkips bool
		ok      bool
		shows   []string
		hides   string
	}{
		{"all pass", pass + ok, true, true, []string{"ok  \tp\t0.1s\n", "1 passed, 0 failed, 0 skipped\n"}, "chatty"},
		{"a skip is named", pass + skipped + ok, false, true, []string{"p TestB: b_test.go:9: moto_server is not installed\n", "1 passed, 0 failed, 1 skipped\n"}, "=== RUN"},
		{"an inherent skip cannot", pass + inherentSkip + ok, true, true, []string{"p TestD: d_test.go:9: not tested on this store: its time", "1 passed, 0 failed, 1 skipped\n"}, ""},
		{"nor a version's", pass + gated + ok, true, true, []string{"p TestE: e_test.go:9: not tested on this version: OpenTofu 1.11", "1 passed, 0 failed, 1 skipped\n"}, ""},
		{"nor one for what a mirror lacks", pass + mirrored + ok, true, true, []string{"p TestG: g_test.go:9: not tested on this mirror: it has no", "1 passed, 0 failed, 1 skipped\n"}, ""},
		{"unless it gives no reason", pass + unexplained + ok, true, false, []string{"nothing may be skipped"}, ""},
		{"a skip can fail", pass + skipped + ok, true, false, []string{"nothing may be skipped"}, ""},
		{"a failure is shown", pass + failed, false, false, []string{"c_test.go:3: wrong\n", "FAIL\tp\t0.1s\n", "1 passed, 1 failed, 0 skipped\n"}, "chatty"},
		{"a build failure", pass + ok + broken, false, false, []string{"undefined: x\n", "1 packages failed", "1 passed, 0 failed, 0 skipped\n"}, ""},
		{"no test", ok, false, false, []string{"no test ran"}, ""},
		{"the go command's own words", "go: cannot find main module\n", false, false, []string{"cannot find main module"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r, err := read(strings.NewReader(test.input), &out)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.print(&out, test.noSkips); got != test.ok {
				t.Errorf("ok = %t, want %t", got, test.ok)
			}
			for _, want := range test.shows {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
			if test.hides != "" && strings.Contains(out.String(), test.hides) {
				t.Errorf("output has %q:\n%s", test.hides, out.String())
			}
		})
	}
}
