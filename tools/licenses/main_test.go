// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mpl is the license of this project, a whole text of MPL-2.0.
func mpl(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const isc = `Copyright (c) someone

Permission to use, copy, modify, and/or distribute this software for any purpose
with or without fee is hereby granted, provided that the above copyright notice
and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS
OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER
TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.
`

// write puts files under a new folder and returns it.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// packageOf is a package in a folder of the module at root.
func packageOf(root, folder string) pkg {
	p := pkg{ImportPath: "example.com/m/" + folder, Dir: filepath.Join(root, folder)}
	p.Module = &struct {
		Path, Version, Dir string
		Main               bool
	}{Path: "example.com/m", Version: "v1.0.0", Dir: root}
	return p
}

func TestFilesThatApplyToAPackage(t *testing.T) {
	root := write(t, map[string][]byte{
		"LICENSE":              mpl(t),
		"LICENSE.docs":         []byte("for the documentation"),
		"NOTICE.txt":           []byte("made by someone"),
		"license.go":           []byte("package m"),
		"licensed":             []byte("not a license"),
		"used/inner/COPYING":   []byte(isc),
		"used/inner/license/x": nil,
		"unused/LICENSE":       []byte("not for what is used"),
	})
	modules, err := read([]pkg{packageOf(root, "used/inner"), packageOf(root, "used")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range modules[0].files {
		got = append(got, f.name+" "+strings.Join(f.licenses, ","))
	}
	want := []string{"LICENSE MPL-2.0", "NOTICE.txt ", "used/inner/COPYING ISC"}
	if len(modules) != 1 || !slices.Equal(got, want) {
		t.Errorf("%d modules, files %q, want %q", len(modules), got, want)
	}
	if err := check(modules); err != nil {
		t.Error(err)
	}
	text := render(modules)
	for _, part := range []string{"example.com/m v1.0.0", "made by someone", "Mozilla Public License", "TORTIOUS ACTION"} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("the notices lack %q", part)
		}
	}
	if bytes.Contains(text, []byte("not for what is used")) {
		t.Error("the notices have a license of a package that is not used")
	}
}

func TestLicensesThatFail(t *testing.T) {
	share := isc + strings.Repeat("And whoever uses it owes its author a beer, every day.\n", 30)
	for name, test := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"none":               {map[string][]byte{"README": nil}, "has no license file"},
		"only of a package":  {map[string][]byte{"p/LICENSE": []byte(isc)}, "has no license file"},
		"unknown":            {map[string][]byte{"LICENSE": []byte("Do what you like.")}, "not recognized"},
		"known with clauses": {map[string][]byte{"LICENSE": []byte(share)}, "not recognized"},
		"not allowed":        {map[string][]byte{"LICENSE": []byte(agpl)}, "AGPL-3.0-or-later is not among"},
		"in a package too":   {map[string][]byte{"LICENSE": []byte(isc), "p/LICENSE": []byte(agpl)}, "p/LICENSE: AGPL-3.0-or-later is not among"},
	} {
		t.Run(name, func(t *testing.T) {
			test.files["p/p.go"] = nil
			modules, err := read([]pkg{packageOf(write(t, test.files), "p")})
			if err != nil {
				t.Fatal(err)
			}
			if err := check(modules); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// agpl is how the license is applied to a program.
const agpl = `This program is free software: you can redistribute it and/or modify it under the
terms of the GNU Affero General Public License as published by the Free Software
Foundation, either version 3 of the License, or (at your option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY
WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR A
PARTICULAR PURPOSE. See the GNU Affero General Public License for more details.

You should have received a copy of the GNU Affero General Public License along
with this program. If not, see <https://www.gnu.org/licenses/>.
`

func TestProviderAndStandardLibraryAreListed(t *testing.T) {
	packages, err := list("../..")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := read(packages)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]module{}
	for _, m := range modules {
		named[m.name] = m
	}
	// go-winio is compiled in on Windows only.
	for _, want := range []string{"Go standard library", "github.com/hashicorp/terraform-plugin-framework", "github.com/Microsoft/go-winio"} {
		if len(named[want].files) == 0 {
			t.Errorf("no license file of %s", want)
		}
	}
	if _, ok := named["github.com/roi-systems/terraform-provider-roi"]; ok {
		t.Error("the provider is among its own dependencies")
	}
	if go1 := named["Go standard library"]; !strings.HasPrefix(go1.version, "go1.") {
		t.Errorf("the standard library has version %q", go1.version)
	}
}
