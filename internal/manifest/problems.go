// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"fmt"
	"strings"
)

// Problems is everything that is wrong with what a document was asked for. Each
// names the argument, the value given, and what is allowed.
type Problems []string

func (p Problems) Error() string { return strings.Join(p, "\n") }

func (p *Problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// err is nil if nothing is wrong.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}
