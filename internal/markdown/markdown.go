// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package markdown writes text that others have chosen, such as tags, into the
// cells of GitHub's tables, so that it is shown as it is and mentions nobody, and
// what else the reports share.
package markdown

import (
	"fmt"
	"strings"
)

// Code makes a code span of a text in a cell of a table, whatever is in it.
func Code(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	// A vertical bar would end the cell, also in a code span.
	// Source: https://github.github.com/gfm/#example-200
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

// invisible, in the middle of a word, keeps a renderer from making more of it than
// a word: a mention, a link, a reference to an issue.
const invisible = "&#8203;"

var escaper = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;",
	"@", "@"+invisible, "#", "#"+invisible, "://", ":"+invisible+"//", "www.", "www"+invisible+".",
)

// Text makes a text stand for itself in a cell of a table.
func Text(text string) string { return escaper.Replace(strings.Join(strings.Fields(text), " ")) }

// Count is a number of things: "1 secret", "2 secrets".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
