// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	// validName is Docker's rule for the names of secrets.
	// Source: https://github.com/moby/swarmkit/blob/v2.0.0/manager/controlapi/common.go
	validName = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)

	notInNames = regexp.MustCompile(`[^a-zA-Z0-9-_.]+`)
)

// FormatName returns the name of the object that is a version of a secret.
func FormatName(base string, number int) string { return base + "-v" + strconv.Itoa(number) }

// parseName splits the name of a version: "app-v3" is version 3 of "app". ok is
// false for a name that is none.
func parseName(name string) (base string, number int, ok bool) {
	i := strings.LastIndex(name, "-v")
	if i < 1 {
		return "", 0, false
	}
	number, err := strconv.Atoi(name[i+2:])
	if err != nil || number < 1 || FormatName(name[:i], number) != name {
		return "", 0, false
	}
	return name[:i], number, true
}

// CheckName says what is wrong with the name of a secret whose next version has
// this number. The error completes a sentence that begins with the name's argument.
func CheckName(base string, number int) error {
	full := FormatName(base, number)
	switch {
	case base == "":
		return errors.New("must not be empty")
	case strings.Contains(base, "/"):
		return fmt.Errorf("must not contain a slash, which Docker does not allow in the name of a secret; use for example %q", suggestName(base))
	case !validName.MatchString(full):
		return fmt.Errorf("must begin with an ASCII letter or digit and consist of letters, digits, hyphens, underscores and periods, as Docker wants it; "+
			"use for example %q", suggestName(base))
	case len(full) > maxNameLength:
		return fmt.Errorf("must leave room for the version: the next one is %q, which has %d characters, and Docker allows %d", full, len(full), maxNameLength)
	}
	return nil
}

// suggestName returns an allowed name that resembles one that is not.
func suggestName(base string) string {
	name := strings.TrimLeft(notInNames.ReplaceAllString(base, "-"), "-_.")
	name = strings.TrimRight(name, "-")
	if room := maxNameLength - len(FormatName("", 1)); len(name) > room {
		name = name[:room]
	}
	if name == "" {
		return "secret"
	}
	return name
}
