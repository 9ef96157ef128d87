// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package dotenv writes .env files that every usual reader understands alike:
//
//   - docker compose (--env-file, env_file and .env beside the project),
//   - bash and other POSIX shells (set -a; . ./.env),
//   - dotenv for Node.js, and Node.js itself (--env-file),
//   - python-dotenv, which expands ${NAME} in every kind of quotes.
//
// There is no common definition of the format, and these readers disagree about
// escapes: what one of them unescapes another takes as it is. So no escape is ever
// written, and a value that cannot do without one is refused.
//
// Sources: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax,
// https://www.gnu.org/software/bash/manual/html_node/Quoting.html,
// https://github.com/motdotla/dotenv#what-rules-does-the-parsing-engine-follow,
// https://saurabh-kumar.com/python-dotenv/#file-format.
package dotenv

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Encode returns the text of a .env file: a line NAME=value for every entry, in
// the order of the names, each with a newline at its end. A value that holds
// newlines goes over several lines. The error joins an *EntryError for every entry
// that cannot be written.
func Encode(values map[string]string) (string, error) {
	var text strings.Builder
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := CheckName(name); err != nil {
			problems = append(problems, &EntryError{name, err})
			continue
		}
		quoted, err := Quote(values[name])
		if err != nil {
			problems = append(problems, &EntryError{name, err})
			continue
		}
		text.WriteString(name + "=" + quoted + "\n")
	}
	if problems != nil {
		return "", errors.Join(problems...)
	}
	return text.String(), nil
}

// An EntryError says why an entry cannot be written. It holds no part of a value.
type EntryError struct {
	Name   string
	Reason error
}

func (e *EntryError) Error() string { return fmt.Sprintf("entry %q: %s", e.Name, e.Reason) }

// Unwrap returns the reason.
func (e *EntryError) Unwrap() error { return e.Reason }

// variableName is what POSIX allows in a name. Some readers allow more, shells do
// not.
// Source: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ofShell are the variables that bash makes itself: it refuses to set them, or
// passes on something else than what was set. Some of them it evaluates, and
// prints the value when that fails. All whose names begin with BASH count too.
// Source: https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html
var ofShell = []string{
	"_", "COMP_WORDBREAKS", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME", "GROUPS", "HISTCMD",
	"LINENO", "OPTIND", "PIPESTATUS", "PPID", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID",
}

// CheckName returns an error for a name that some reader would not set.
func CheckName(name string) error {
	if !variableName.MatchString(name) {
		return errors.New("the name of a variable has letters, digits and underscores only, and does not begin with a digit")
	}
	if strings.HasPrefix(name, "BASH") || slices.Contains(ofShell, name) {
		return errors.New("bash keeps this variable for itself, and would not pass on the value; choose another name")
	}
	return nil
}

// plain values need no quotes. Programs that take the text behind the equals sign
// as it is, as docker run --env-file does, can read them too.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]*$`)

// expansion is what python-dotenv replaces, in whatever quotes it is.
// Source: https://github.com/theskumar/python-dotenv/blob/v1.2.2/src/dotenv/variables.py
var expansion = regexp.MustCompile(`\$\{[^}:]*(:-[^}]*)?\}`)

// Quote writes a value as it stands behind the equals sign: bare, or in single
// quotes, or, if it holds one itself, in double quotes. The error says which
// characters stand in the way, and holds no part of the value.
func Quote(value string) (string, error) {
	if plain.MatchString(value) {
		return value, nil
	}
	for _, obstacle := range []struct {
		found  bool
		reason string
	}{
		{strings.Contains(value, "\x00"), "the value holds a NUL character, which no environment variable can"},
		{!utf8.ValidString(value), "the value is not UTF-8 text; store it as base64"},
		{strings.Contains(value, "\r"), "the value holds a carriage return, which dotenv for Node.js turns into a newline; " +
			"for a text with Windows line ends take replace(value, \"\\r\\n\", \"\\n\")"},
		{strings.Contains(value, `\\`), `the value holds \\ (two backslashes in a row), which python-dotenv reads as one and others as two; store it as base64`},
		{strings.HasSuffix(value, `\`), "the value ends in a backslash, which docker compose reads as the escape of the quote behind it; store it as base64"},
		{expansion.MatchString(value), "the value holds ${…}, which python-dotenv expands in any quotes; store it as base64"},
	} {
		if obstacle.found {
			return "", errors.New(obstacle.reason)
		}
	}
	if !strings.Contains(value, "'") {
		return "'" + value + "'", nil
	}
	for _, special := range insideDouble {
		if special.pattern.MatchString(value) {
			return "", fmt.Errorf("the value holds a single quote, so that it needs double quotes, and %s, which is special inside them; store it as base64", special.what)
		}
	}
	return `"` + value + `"`, nil
}

// insideDouble is what some reader takes for more than itself inside double
// quotes. Of the backslashes, bash takes those before the first five characters
// for an escape; docker compose, dotenv and python-dotenv those before others.
var insideDouble = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`"`), "a double quote"},
	{regexp.MustCompile("`"), "a backquote"},
	{regexp.MustCompile(`\$([0-9_{(\[@*#?$!-]|(?i:[a-z]))`), "a dollar sign that begins an expansion"},
	{regexp.MustCompile("\\\\[$`\"\\\\\n" + `'0abfnrtv]`), "a backslash that begins an escape"},
	// bash marks characters with these two, and takes marks of others for its own.
	{regexp.MustCompile(`[\x01\x7f]`), "a control character (U+0001 or U+007F)"},
}
