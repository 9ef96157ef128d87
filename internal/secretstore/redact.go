// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// minRedacted is the shortest secret, in bytes, that is looked for in a text:
// replacing a single letter would only spoil the message.
const minRedacted = 4

// Redact takes secrets out of a text, in the forms that a service may quote them in:
// as they are, in base64, and as in a URL, a program or JSON. So is each line of a
// secret, and each string in one that is JSON. What has less than four bytes stays. The
// text must be whole: a secret that is cut is not found any more.
func Redact(text string, secrets ...string) string {
	var forms []string
	for _, secret := range secrets {
		for _, part := range partsOf(secret) {
			if len(part) >= minRedacted {
				forms = append(forms, quotedForms(part)...)
			}
		}
	}
	// What is a part of another form must not break that up.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, redacted)
	}
	return text
}

// partsOf returns the secret with its lines, and with the strings in JSON, however
// deep.
func partsOf(secret string) []string {
	parts := []string{secret}
	var value any
	if json.Unmarshal([]byte(secret), &value) == nil {
		parts = collect(value, parts)
	}
	for _, part := range parts {
		for line := range strings.Lines(part) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	return parts
}

func quotedForms(secret string) []string {
	forms := []string{
		secret,
		base64.StdEncoding.EncodeToString([]byte(secret)),
		url.QueryEscape(secret),
		unquoted(strconv.Quote(secret)),
		unquoted(string(encodeString(secret))),
	}
	if quoted, err := json.Marshal(secret); err == nil {
		forms = append(forms, unquoted(string(quoted)))
	}
	return forms
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// collect appends the strings in a JSON value.
func collect(value any, found []string) []string {
	switch value := value.(type) {
	case string:
		return append(found, value)
	case []any:
		for _, element := range value {
			found = collect(element, found)
		}
	case map[string]any:
		for _, element := range value {
			found = collect(element, found)
		}
	}
	return found
}
