// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package manifest writes documents through which others read secrets: compose
// files for Docker Swarm and manifests for the External Secrets Operator. They say
// where a value is and never hold one.
package manifest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Map is a mapping whose members have an order.
type Map []Member

// A Member of a Map. Value is a string, a bool, a Mode, a Map or a []Map.
type Member struct {
	Name  string
	Value any
}

// Mode is the permission bits of a file. YAML has them as 0440, which compose and
// Docker read as octal.
type Mode uint32

// YAML writes a mapping as a document of block style, two spaces deep.
func YAML(m Map) string {
	var text strings.Builder
	writeMap(&text, m, "")
	return text.String()
}

// writeMap writes the members at an indentation. The first line is where the
// cursor is.
func writeMap(text *strings.Builder, m Map, indent string) {
	for i, member := range m {
		if i > 0 {
			text.WriteString(indent)
		}
		text.WriteString(scalar(member.Name) + ":")
		switch value := member.Value.(type) {
		case Map:
			text.WriteString("\n" + indent + "  ")
			writeMap(text, value, indent+"  ")
		case []Map:
			text.WriteString("\n")
			for _, item := range value {
				text.WriteString(indent + "  - ")
				writeMap(text, item, indent+"    ")
			}
		case Mode:
			fmt.Fprintf(text, " %04o\n", uint32(value))
		case bool:
			fmt.Fprintf(text, " %t\n", value)
		case string:
			text.WriteString(" " + scalar(value) + "\n")
		default:
			panic(fmt.Sprintf("manifest: cannot write a %T", value))
		}
	}
}

// bare is text that is a string without quotes in every version of YAML, but for
// the words that older ones take for something else.
var (
	bare      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	notString = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|y|n)$`)
)

// scalar writes a string, in double quotes where needed. YAML has every escape that
// Go writes.
// Source: https://yaml.org/spec/1.2.2/#double-quoted-style
func scalar(s string) string {
	if bare.MatchString(s) && !notString.MatchString(s) {
		return s
	}
	return strconv.QuoteToASCII(s)
}
