// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// TestYAMLReadsBack holds that every string stays the string that it was.
func TestYAMLReadsBack(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9_.:#~ -]{0,6}`),
		rapid.SampledFrom([]string{"yes", "Off", "NULL", "~", "0440", "1e3", "- a", "a: b", "a #b", "<<", "=", "\u0085", "\x7f", "\ufeff"}))
	rapid.Check(t, func(t *rapid.T) {
		name, value := text.Draw(t, "name"), text.Draw(t, "value")
		document := YAML(Map{{"m", Map{{name, value}}}, {"l", []Map{{{"a", value}, {"b", Map{{name, true}}}}, {{"c", Mode(0o440)}}}}})
		var got map[string]any
		if err := yaml.Unmarshal([]byte(document), &got); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		want := map[string]any{
			"m": map[string]any{name: value},
			"l": []any{map[string]any{"a": value, "b": map[string]any{name: true}}, map[string]any{"c": 0o440}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s(-want +got):\n%s", document, diff)
		}
	})
}

// TestYAMLQuotesWords holds that words are quoted that only older versions of YAML
// take for something else, as many programs still do.
func TestYAMLQuotesWords(t *testing.T) {
	for _, word := range []string{"true", "False", "yes", "NO", "on", "off", "null", "y", "N", "", "1", "0x1", "2026-01-01", "a: b"} {
		if got, want := YAML(Map{{"m", word}}), `m: "`+word+"\"\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, word := range []string{"nobody", "eu-central-1", "external-secrets.io/v1"} {
		if got, want := YAML(Map{{"m", word}}), "m: "+word+"\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
