// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import "strings"

// A Problem is one thing that is wrong with a policy, as a diagnostic says it.
// Argument is the Terraform argument to change, such as "length"; Detail names
// it, the value given, the limit and the reason, and what to write instead.
type Problem struct {
	Argument string
	Summary  string
	Detail   string
}

// Problems is the error of Resolve: everything that is wrong, at least one.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Summary + ": " + problem.Detail
	}
	return strings.Join(lines, "\n")
}
