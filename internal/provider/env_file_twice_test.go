// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// plainFile is a roi_env_file with nothing secret; the entry has its name.
func plainFile(name, path string, arguments ...string) string {
	return fmt.Sprintf("resource \"roi_env_file\" %q {\n  path = %s\n  entries = [{ name = \"WRITTEN_BY\", value = %q }]\n%s\n}\n", name, path, name, strings.Join(arguments, "\n"))
}

// writtenBy asserts which resource wrote a file, "" for none.
func (c *cli) writtenBy(path, name string) {
	c.t.Helper()
	text, err := os.ReadFile(c.file(path))
	switch {
	case name == "" && !errors.Is(err, fs.ErrNotExist):
		c.t.Errorf("%s was written (%v)", path, err)
	case name != "" && (err != nil || !strings.Contains(string(text), "WRITTEN_BY="+name) && !strings.Contains(string(text), "WRITTEN_BY='"+name)):
		c.t.Errorf("%s was not written by %s (%v)", path, name, err)
	}
}

const twoOfOneFile = "Another roi_env_file of this configuration writes the file"

// Two resources that write one file are an error of the plan, however each spells
// the path, and whichever of them is there already.
func TestEnvFileOfTwoResources(t *testing.T) {
	t.Parallel()
	needsAProcessForEachPlan(t)
	c := newCLI(t)
	c.apply()
	if err := os.MkdirAll(c.file("folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("folder", c.file("link")); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][2]string{{".env", ".env"}, {".env", "./folder/../.env"}, {"folder/.env", "link/.env"}} {
		c.write(plainFile("one", quote(paths[0])), plainFile("other", quote(paths[1])))
		for _, result := range []func(...string) tfcli.Result{c.Plan, c.Apply} {
			got := result()
			got.Require(t, 1)
			c.contains(got, "File of two resources", twoOfOneFile)
		}
		c.writtenBy(paths[0], "")
	}
	c.write(plainFile("each", `"folder/../.env"`, "for_each = toset([\"a\", \"b\"])"))
	c.contains(c.Plan(), twoOfOneFile)

	c.apply(plainFile("one", `".env"`))
	c.write(plainFile("one", `".env"`), plainFile("other", `".env"`, "adopt = true"))
	for _, arguments := range [][]string{nil, {"-refresh=false"}, {"-replace=roi_env_file.one"}} {
		got := c.Apply(arguments...)
		got.Require(t, 1)
		c.contains(got, twoOfOneFile)
	}
	c.writtenBy(".env", "one")
	c.write(plainFile("one", `".env"`))
	c.nothingToDo()
}

// A path that is not known in the plan is looked at in the apply, before the second
// write.
func TestEnvFileOfTwoResourcesFoundInApply(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply()
	c.write(`resource "terraform_data" "later" { input = ".env" }`, plainFile("one", `".env"`),
		plainFile("other", "terraform_data.later.output", "depends_on = [roi_env_file.one]", "adopt = true"))
	c.Plan().Require(t, 2)
	result := c.Apply()
	result.Require(t, 1)
	c.contains(result, twoOfOneFile)
	c.writtenBy(".env", "one")
}

// What looks like two resources with one file, and is not.
func TestEnvFileOfOneResourceAfterAnother(t *testing.T) {
	t.Parallel()
	one, other := plainFile("one", `".env"`), plainFile("other", `".env"`)
	beforeDestroy := "lifecycle {\n  create_before_destroy = true\n}"
	for name, test := range map[string]struct {
		before, after []string
		command       []string
		files         map[string]string
		again         bool // the file is written by the apply after this one
	}{
		"replaced":                       {before: []string{one}, after: []string{one}, command: []string{"-replace=roi_env_file.one"}, files: map[string]string{".env": "one"}},
		"replaced, create before":        {before: []string{one}, after: []string{plainFile("one", `".env"`, beforeDestroy)}, command: []string{"-replace=roi_env_file.one"}, files: map[string]string{".env": "one"}},
		"other spelling, so replaced":    {before: []string{one}, after: []string{plainFile("one", `"./.env"`)}, files: map[string]string{".env": "one"}},
		"other spelling, create before":  {before: []string{one}, after: []string{plainFile("one", `"./.env"`, beforeDestroy)}, files: map[string]string{".env": "one"}},
		"removed, and another in place":  {before: []string{one}, after: []string{other}, files: map[string]string{".env": "other"}},
		"moved":                          {before: []string{one}, after: []string{other, "moved {\n  from = roi_env_file.one\n  to = roi_env_file.other\n}"}, files: map[string]string{".env": "other"}},
		"removed by count, and in place": {before: []string{plainFile("one", `".env"`, "count = 1")}, after: []string{plainFile("one", `".env"`, "count = 0"), other}, files: map[string]string{".env": "other"}},
		"paths exchanged": {
			before: []string{one, plainFile("other", `".env.test"`)}, after: []string{plainFile("one", `".env.test"`), other},
			files: map[string]string{".env": "other", ".env.test": "one"}, again: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.apply(test.before...)
			c.write(test.after...)
			result := c.Apply(test.command...)
			result.Require(t, 0)
			if strings.Contains(result.Message(), "was left") {
				t.Errorf("the apply warns: %s", result.Message())
			}
			if test.again {
				c.Apply().Require(t, 0)
			}
			for file, name := range test.files {
				c.writtenBy(file, name)
			}
			c.nothingToDo()
			if files := c.beside(".env"); slices.ContainsFunc(files, func(name string) bool { return strings.HasPrefix(name, "replaced") }) {
				t.Errorf("a copy was kept: %v", files)
			}
		})
	}
}

// An update whose state was not saved is one of the same resource, which a destroy
// ends. What is not known to be, it leaves and says so.
func TestEnvFileOfUnsavedUpdate(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	written := func(by string) string {
		return strings.Replace(plainFile("test", `".env"`), `value = "test"`, "value = "+quote(by), 1)
	}
	c.apply(written("first"))
	first := c.State()
	c.apply(written("second"))
	second := c.State()
	c.WriteFile("terraform.tfstate", first)
	c.Destroy().Require(t, 0)
	c.writtenBy(".env", "")
	c.besideIs()

	c.WriteFile("terraform.tfstate", first)
	c.apply(written("third"))
	c.WriteFile("terraform.tfstate", second)
	result := c.Destroy()
	result.Require(t, 0)
	c.contains(result, "File was left as it is", `/.env" was last written by another roi_env_file, or by an apply whose state is not the present one. It was left, with`)
	c.writtenBy(".env", "third")
}
