// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"fmt"
	"strings"

	"github.com/roi-systems/terraform-provider-roi/internal/markdown"
)

// A comment on GitHub has at most 65,536 characters
// (https://github.com/orgs/community/discussions/27190). Each of the two tables
// whose length depends on the secrets has at most maxRows rows and maxTableBytes
// bytes, which leaves some 10,000 for the rest.
const (
	maxRows       = 100
	maxTableBytes = 25_000
)

// Markdown writes the report for a person: what failed, what could not be told and
// why, and what was looked at.
func (r Report) Markdown() string {
	var text strings.Builder
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format, args...) }

	write("### Evidence for compliance of secrets\n\n")
	if len(r.Results) == 0 {
		write("No secret matches.\n")
		return text.String()
	}
	write("%s in %s: **%d failed**, %d passed, %d not evaluated.\n", markdown.Count(len(r.Results), "result"), markdown.Count(r.Totals.Secrets, "secret"),
		r.Totals.Fail, r.Totals.Pass, r.Totals.NotEvaluated)

	if r.Totals.Fail > 0 {
		write("\n#### Failed\n\n| Check | Subject | Finding | Evidence for |\n|---|---|---|---|\n")
		var rows []string
		for _, result := range r.Results {
			if result.Status == Fail {
				rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n",
					result.Check, subjectCell(result), markdown.Text(result.Reason), controlsCell(result.Controls)))
			}
		}
		write("%s", cut(rows))
	}
	if r.Totals.NotEvaluated > 0 {
		write("\n#### Not evaluated\n\n| Check | Results | First subject | Why |\n|---|---|---|---|\n")
		var rows []string
		for _, group := range r.missed() {
			rows = append(rows, fmt.Sprintf("| `%s` | %d | %s | %s |\n", group.first.Check, group.count, subjectCell(group.first), markdown.Text(group.first.Reason)))
		}
		write("%s", cut(rows))
	}
	write("\n#### Checks\n\n| Check | Failed | Passed | Not evaluated | Evidence for |\n|---|---|---|---|---|\n")
	for _, check := range checks {
		if n := r.count(check.ID); n != (Totals{}) {
			write("| `%s`: %s | %d | %d | %d | %s |\n", check.ID, check.Title, n.Fail, n.Pass, n.NotEvaluated, controlsCell(check.Controls))
		}
	}
	write("\nEvidence for the controls that are named, as far as it can be seen in the store; not a statement that any of them is met.\n")
	return text.String()
}

// cut returns as many rows as there is room for, and says how many more there are.
func cut(rows []string) string {
	var text strings.Builder
	for i, row := range rows {
		if i == maxRows || text.Len()+len(row) > maxTableBytes {
			fmt.Fprintf(&text, "\nand %d more, which are in the JSON.\n", len(rows)-i)
			break
		}
		text.WriteString(row)
	}
	return text.String()
}

func (r Report) count(check string) (totals Totals) {
	for _, result := range r.Results {
		if result.Check == check {
			totals.count(result.Status)
		}
	}
	return totals
}

// missedGroup are results that were not evaluated for one reason.
type missedGroup struct {
	first Result
	count int
}

func (r Report) missed() []missedGroup {
	var groups []missedGroup
	index := map[[2]string]int{}
	for _, check := range checks {
		for _, result := range r.Results {
			if result.Check != check.ID || result.Status != NotEvaluated {
				continue
			}
			// Reasons name the subject where they differ by no more than that.
			key := [2]string{result.Check, strings.ReplaceAll(result.Reason, result.Subject, "")}
			i, known := index[key]
			if !known {
				i = len(groups)
				index[key], groups = i, append(groups, missedGroup{first: result})
			}
			groups[i].count++
		}
	}
	return groups
}

func subjectCell(r Result) string {
	name := r.Name
	// A replica has the name of its secret.
	if parts := strings.SplitN(r.Subject, ":", 6); len(parts) == 6 && (r.Check == replicaInSync || strings.HasPrefix(r.Check, "key_")) {
		name += " (" + parts[3] + ")"
	}
	text := markdown.Code(name)
	if r.Key != "" {
		text += " " + markdown.Code(r.Key)
	}
	return text
}

func controlsCell(controls []string) string {
	if len(controls) == 0 {
		return "–"
	}
	return strings.Join(controls, "<br>")
}
