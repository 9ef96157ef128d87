// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import "testing"

func TestRedact(t *testing.T) {
	for _, test := range []struct {
		text    string
		secrets []string
		want    string
	}{
		{"nothing of it", []string{"secret-value", ""}, "nothing of it"},
		{"got secret-value, and secret-value", []string{"secret-value"}, "got (secret), and (secret)"},
		{"got c2VjcmV0LXZhbHVl", []string{"secret-value"}, "got (secret)"},
		{"got a%2Fb%3Dc+d", []string{"a/b=c d"}, "got (secret)"},
		{`got "a\"b\\c"`, []string{`a"b\c`}, `got "(secret)"`},
		{`got "a<b>c" or "a\u003cb\u003ec"`, []string{"a<b>c"}, `got "(secret)" or "(secret)"`},
		{"got \"a\\tb\\x00c\"", []string{"a\tb\x00c"}, `got "(secret)"`},
		{"got abcd and abcdefgh", []string{"abcd", "abcdefgh"}, "got (secret) and (secret)"},
		{"key bcd of abcd", []string{"bcd"}, "key bcd of abcd"},
		{"line two of it is second line", []string{"first line\nsecond line\n"}, "line two of it is (secret)"},
		{"first line\nsecond line\nand more", []string{"first line\nsecond line\n"}, "(secret)and more"},
		{"A is value-a", []string{`{"A": "value-a", "B": {"C": ["value-c"]}, "D": 1}`}, "A is (secret)"},
		{"C is value-c", []string{`{"A": "value-a", "B": {"C": ["value-c"]}, "D": 1}`}, "C is (secret)"},
		{"it is value-a", []string{`["value-a"]`}, "it is (secret)"},
	} {
		if got := Redact(test.text, test.secrets...); got != test.want {
			t.Errorf("of %q: %q, want %q", test.text, got, test.want)
		}
	}
}
