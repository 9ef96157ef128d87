// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package markdown

import "testing"

func TestEscaping(t *testing.T) {
	for text, want := range map[string]string{
		"plain words":           "plain words",
		"a|b":                   `a\|b`,
		"a\nb\r\n| c":           `a b \| c`,
		"*a* _b_ `c` ~d~":       "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~",
		"[x](http://y)":         `\[x\](http:&#8203;//y)`,
		"<b>&amp;":              "&lt;b&gt;&amp;amp;",
		"@team #12 www.x.com":   "@&#8203;team #&#8203;12 www&#8203;.x.com",
		`back\slash`:            `back\\slash`,
		"tag \"roi:policy\": é": "tag \"roi:policy\": é",
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"app/db_password": "`app/db_password`",
		"a|b":             "`a\\|b`",
		"a`b":             "``a`b``",
		"`a``":            "``` `a`` ```",
		"a\nb":            "`a b`",
	} {
		if got := Code(text); got != want {
			t.Errorf("Code(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 secrets", 1: "1 secret", 2: "2 secrets"} {
		if got := Count(n, "secret"); got != want {
			t.Errorf("Count(%d): got %q, want %q", n, got, want)
		}
	}
}
