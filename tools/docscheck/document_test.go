// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docscheck

import (
	"bytes"
	"io/fs"
	"iter"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"go.abhg.dev/goldmark/frontmatter"
)

// document is a Markdown file: CommonMark with GitHub's tables.
type document struct {
	name        string
	source      []byte
	root        ast.Node
	frontMatter *frontmatter.Data
}

func parse(t *testing.T, root fs.FS, name string) *document {
	t.Helper()
	source, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM, &frontmatter.Extender{}))
	ctx := parser.NewContext()
	node := markdown.Parser().Parse(text.NewReader(source), parser.WithContext(ctx))
	return &document{name: name, source: source, root: node, frontMatter: frontmatter.Get(ctx)}
}

// all returns the nodes of a kind in the order of the text.
func all[T ast.Node](d *document) iter.Seq[T] {
	return func(yield func(T) bool) {
		_ = ast.Walk(d.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
			if found, ok := node.(T); ok && entering && !yield(found) {
				return ast.WalkStop, nil
			}
			return ast.WalkContinue, nil
		})
	}
}

// line returns the line, from 1, at which the text of a block begins.
func (d *document) line(block ast.Node) int {
	if block.Lines().Len() == 0 {
		return 0
	}
	return 1 + bytes.Count(d.source[:block.Lines().At(0).Start], []byte("\n"))
}

// html returns all that the parser takes for HTML: each inline tag, and the first
// line of each block.
func (d *document) html() []string {
	var tags []string
	for node := range all[*ast.RawHTML](d) {
		tags = append(tags, string(node.Segments.Value(d.source)))
	}
	for node := range all[*ast.HTMLBlock](d) {
		first := node.Lines().At(0)
		tags = append(tags, strings.TrimSpace(string(first.Value(d.source))))
	}
	return tags
}

// links returns where links and images lead, but not links written as addresses.
func (d *document) links() []string {
	var links []string
	for node := range all[*ast.Link](d) {
		links = append(links, string(node.Destination))
	}
	for node := range all[*ast.Image](d) {
		links = append(links, string(node.Destination))
	}
	return links
}

var htmlAnchor = regexp.MustCompile(`<a id="([^"]+)"`)

// anchors returns the names by which a link reaches a place in the document, as
// far as GitHub and the registry agree on them.
func (d *document) anchors() map[string]bool {
	anchors := map[string]bool{}
	for node := range all[*ast.Heading](d) {
		title := headingText(node, d.source)
		github, registry := githubAnchor(title), registryAnchor(title)
		if github == registry {
			anchors[github] = true
		}
	}
	for _, tag := range d.html() {
		if match := htmlAnchor.FindStringSubmatch(tag); match != nil {
			anchors[match[1]] = true
		}
	}
	return anchors
}

// headingText returns the text of a heading without its markup.
func headingText(heading ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(heading, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if leaf, ok := node.(*ast.Text); ok && entering {
			b.Write(leaf.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// githubAnchor makes a hyphen of every space.
func githubAnchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

// registryAnchor makes one hyphen of a run of spaces, after all but ASCII letters,
// digits, hyphens and underscores is gone.
func registryAnchor(title string) string {
	kept := strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r == ' ' || r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, title)
	return strings.Join(strings.Fields(kept), "-")
}
