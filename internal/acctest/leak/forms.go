// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package leak

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// forms returns every way in which a value is looked for. Each has at least
// minLength bytes.
func forms(value string) []needle {
	found := []needle{{[]byte(value), "raw"}}
	add := func(form, text string) {
		if text != value {
			found = append(found, needle{[]byte(text), form})
		}
	}

	add("URL query", url.QueryEscape(value))
	add("URL path", url.PathEscape(value))
	add("HTML", html.EscapeString(value))
	add("Go %q", unquote(strconv.Quote(value)))
	add("Go %+q", unquote(strconv.QuoteToASCII(value)))
	// Terraform escapes the beginning of templates in what it prints as HCL.
	add("HCL", strings.NewReplacer("${", "$${", "%{", "%%{").Replace(escapeJSON(value, false)))
	add("Go []byte", strings.Trim(fmt.Sprint([]byte(value)), "[]"))
	add("JSON array of bytes", strings.ReplaceAll(strings.Trim(fmt.Sprint([]byte(value)), "[]"), " ", ","))
	// A value in a JSON secret in a request in a JSON log is escaped three times.
	for _, escapeHTML := range []bool{false, true} {
		text := value
		for depth := 1; depth <= 3; depth++ {
			text = escapeJSON(text, escapeHTML)
			add(fmt.Sprintf("JSON, %d deep, HTML escaped: %t", depth, escapeHTML), text)
		}
	}
	for _, n := range encodings("", []byte(value)) {
		add(n.form, string(n.text))
	}

	sum256, sum1, sum5, sum512 := sha256.Sum256([]byte(value)), sha1.Sum([]byte(value)), md5.Sum([]byte(value)), sha512.Sum512([]byte(value))
	found = append(found, encodings("SHA-256 in ", sum256[:])...)
	found = append(found, encodings("SHA-1 in ", sum1[:])...)
	found = append(found, encodings("MD5 in ", sum5[:])...)
	return append(found, encodings("SHA-512 in ", sum512[:])...)
}

// encodings returns data in hex and base64.
func encodings(of string, data []byte) []needle {
	lower := hex.EncodeToString(data)
	found := []needle{
		{[]byte(lower), of + "hex"},
		{[]byte(strings.ToUpper(lower)), of + "hex"},
	}
	for _, alphabet := range []struct {
		form     string
		encoding *base64.Encoding
	}{{"base64", base64.RawStdEncoding}, {"base64url", base64.RawURLEncoding}} {
		for offset := range 3 {
			found = append(found, needle{[]byte(alignedBase64(alphabet.encoding, data, offset)), of + alphabet.form})
		}
	}
	return found
}

// alignedBase64 returns the characters that data has within any longer base64
// text in which it begins at offset modulo 3. What comes before and after it
// changes only the characters left out here, so padding makes no difference.
func alignedBase64(encoding *base64.Encoding, data []byte, offset int) string {
	text := encoding.EncodeToString(append(make([]byte, offset), data...))
	first := (offset*8 + 5) / 6
	last := (offset + len(data)) * 8 / 6
	return text[first:last]
}

// escapeJSON writes a value as in a JSON string. With escapeHTML it does so as
// encoding/json does by default: <, > and & become \u003c, \u003e and \u0026.
func escapeJSON(value string, escapeHTML bool) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(escapeHTML)
	_ = encoder.Encode(value) // A string can always be encoded.
	return unquote(strings.TrimSuffix(text.String(), "\n"))
}

func unquote(quoted string) string { return quoted[1 : len(quoted)-1] }
