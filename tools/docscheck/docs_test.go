// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package docscheck tests that the documentation renders where it is read: in the
// Terraform Registry, and on GitHub.
package docscheck

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark/ast"
)

const (
	repository = "https://github.com/roi-systems/terraform-provider-roi/"
	registry   = "https://registry.terraform.io/providers/roi-systems/roi/latest/docs/"
)

// maxPageSize is where the registry cuts a page off, in bytes:
// https://developer.hashicorp.com/terraform/registry/providers/docs#storage-limits
const maxPageSize = 500_000

// A callout is a paragraph that begins with one of these; the registry colors it
// and puts "Note" or "Warning" before it.
// https://developer.hashicorp.com/terraform/registry/providers/docs#callouts
var calloutLine = regexp.MustCompile(`(?m)^[ \t]*(->|~>|!>)`)

// markup is what shows as it is written where the registry does not render.
var markup = regexp.MustCompile("->|~>|!>|\\]\\(|[`*\n]|\\.\\./")

// TestRegistryPages checks what the registry asks of a page. That each resource,
// function and so on has a page in the folder of its kind is checked by
// tfplugindocs, in `make generate`.
func TestRegistryPages(t *testing.T) {
	root := os.DirFS("../..")
	pages, err := fs.Glob(root, "docs/*/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, name := range append(pages, "docs/index.md") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := parse(t, root, name)
			if len(page.source) >= maxPageSize {
				t.Errorf("the page has %d bytes; the registry cuts it at %d", len(page.source), maxPageSize)
			}
			checkFrontMatter(t, page)
			checkHeadings(t, page)
			for node := range all[*ast.Paragraph](page) {
				checkParagraph(t, page, node)
			}
			for node := range all[*ast.TextBlock](page) { // the text of a list's items
				checkParagraph(t, page, node)
			}
			for node := range all[*ast.FencedCodeBlock](page) {
				if len(node.Language(page.source)) == 0 {
					t.Errorf("line %d: the code block names no language", page.line(node))
				}
			}
			for node := range all[*ast.CodeBlock](page) {
				t.Errorf("line %d: indented code has no language; fence it", page.line(node))
			}
			for _, tag := range page.html() {
				if !strings.HasPrefix(tag, "<!--") && !strings.HasPrefix(tag, `<a id="`) && tag != "</a>" {
					t.Errorf("%s is taken for HTML and not shown; write it as code", tag)
				}
			}
		})
	}
}

func checkFrontMatter(t *testing.T, page *document) {
	t.Helper()
	if page.frontMatter == nil {
		t.Error("the page has no front matter")
		return
	}
	var fields struct {
		Title       string  `yaml:"page_title"`
		Subcategory *string `yaml:"subcategory"`
		Description string  `yaml:"description"`
	}
	if err := page.frontMatter.Decode(&fields); err != nil {
		t.Errorf("front matter: %v", err)
	}
	if fields.Title == "" {
		t.Error("page_title is missing")
	}
	if (fields.Subcategory == nil) != (page.name == "docs/index.md") {
		t.Error("every page has a subcategory, though it may be empty, except the index")
	}
	description := strings.TrimSpace(fields.Description)
	if description == "" {
		t.Error("description is missing")
	}
	if found := markup.FindString(description); found != "" {
		t.Errorf("description must be one paragraph of plain text, but has %q", found)
	}
}

func checkHeadings(t *testing.T, page *document) {
	t.Helper()
	level, titles := 0, 0
	for heading := range all[*ast.Heading](page) {
		switch {
		case level == 0 && heading.Level != 1:
			t.Errorf("line %d: the first heading is not the title", page.line(heading))
		case heading.Level > level+1:
			t.Errorf("line %d: level %d follows level %d", page.line(heading), heading.Level, level)
		}
		if heading.Level == 1 {
			titles++
		}
		level = heading.Level
	}
	if titles != 1 {
		t.Errorf("%d titles, want 1", titles)
	}
}

func checkParagraph(t *testing.T, page *document, node ast.Node) {
	t.Helper()
	text := string(node.Lines().Value(page.source))
	for _, at := range calloutLine.FindAllStringSubmatchIndex(text, -1) {
		switch sigil := text[at[2]:at[3]]; {
		case at[2] != 0:
			t.Errorf("line %d: %s is not at the beginning of a paragraph and makes no callout", page.line(node), sigil)
		case node.Parent().Kind() != ast.KindDocument:
			t.Errorf("line %d: the callout is within something else", page.line(node))
		case !strings.HasPrefix(text[at[3]:], " "):
			t.Errorf("line %d: a space is missing behind %s", page.line(node), sigil)
		}
	}
	if strings.HasPrefix(text, "|") {
		t.Errorf("line %d: this is not a table but a paragraph", page.line(node))
	}
	if node.Parent().Kind() == ast.KindBlockquote && strings.HasPrefix(text, "[!") {
		t.Errorf("line %d: GitHub's alerts are no callouts in the registry", page.line(node))
	}
}

// TestOverviews looks in the README and the changelog for all that has a page.
func TestOverviews(t *testing.T) {
	root := os.DirFS("../..")
	readme := string(parse(t, root, "README.md").source)
	changelog := string(parse(t, root, "CHANGELOG.md").source)
	for folder, kind := range map[string]string{
		"resources": "resource/roi_", "data-sources": "data-source/roi_", "ephemeral-resources": "ephemeral/roi_", "functions": "function/",
	} {
		pages, err := fs.Glob(root, "docs/"+folder+"/*.md")
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages in %s: %v", folder, err)
		}
		for _, page := range pages {
			entry := kind + strings.TrimSuffix(path.Base(page), ".md")
			if name := "`" + path.Base(entry) + "`"; !strings.Contains(readme, name) {
				t.Errorf("README.md does not name %s", name)
			}
			if !strings.Contains(changelog, "\n- "+entry+": ") {
				t.Errorf("CHANGELOG.md has no entry for %s", entry)
			}
		}
	}
}

// TestLinks resolves every link to a file of this repository, and to a place in it.
func TestLinks(t *testing.T) {
	root := os.DirFS("../..")
	var files []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(path.Base(name), "."):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			files = append(files, name)
		}
		return nil
	})
	if err != nil || !slices.Contains(files, "README.md") || !slices.Contains(files, "docs/index.md") {
		t.Fatalf("found %q: %v", files, err)
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := parse(t, root, name)
			for _, link := range page.links() {
				checkLink(t, root, page, link)
			}
		})
	}
}

// checkLink follows a link the way that GitHub does. The registry drops the ending
// .md, but shows index.md at an address without a slash at its end, from which
// relative links lead nowhere.
func checkLink(t *testing.T, root fs.FS, page *document, link string) {
	t.Helper()
	target, anchor, _ := strings.Cut(link, "#")
	onGitHub, isGitHub := strings.CutPrefix(target, repository)
	_, inTree, isTree := strings.Cut(onGitHub, "/main/")
	inRegistry, isRegistry := strings.CutPrefix(target, registry)
	switch {
	case isGitHub && isTree:
		target = inTree
	case isRegistry:
		target = "docs/" + inRegistry + ".md"
	case strings.Contains(target, "://"):
		return
	case target == "":
		target = page.name
	case page.name == "docs/index.md":
		t.Errorf("%s: the registry does not resolve relative links of the index; name the whole address in the registry", link)
		return
	default:
		target = path.Join(path.Dir(page.name), target)
		if strings.HasPrefix(page.name, "docs/") && !strings.HasPrefix(target, "docs/") {
			t.Errorf("%s leads out of docs/, which is all that the registry has; name the whole address on GitHub", link)
			return
		}
	}
	target = strings.TrimSuffix(target, "/")
	if _, err := fs.Stat(root, target); err != nil {
		t.Errorf("%s: %v", link, err)
		return
	}
	if anchor != "" && !parse(t, root, target).anchors()[anchor] {
		t.Errorf("%s: %s has no heading of this name, or one that GitHub and the registry name differently", link, target)
	}
}
