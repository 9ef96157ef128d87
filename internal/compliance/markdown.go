// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"fmt"
	"strings"
)

// maxRows is how many rows a table has: a comment on GitHub can have 65,536
// characters.
const maxRows = 100

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
	write("%s in %s: **%d failed**, %d passed, %d not evaluated.\n", plural(len(r.Results), "result"), plural(r.Totals.Secrets, "secret"),
		r.Totals.Fail, r.Totals.Pass, r.Totals.NotEvaluated)

	if r.Totals.Fail > 0 {
		write("\n#### Failed\n\n| Check | Subject | Finding | Evidence for |\n|---|---|---|---|\n")
		rows := 0
		for _, result := range r.Results {
			if result.Status != Fail {
				continue
			}
			if rows++; rows <= maxRows {
				write("| `%s` | %s | %s | %s |\n", result.Check, subjectCell(result), cell(result.Reason), controlsCell(result.Controls))
			}
		}
		more(write, rows)
	}
	if r.Totals.NotEvaluated > 0 {
		write("\n#### Not evaluated\n\n| Check | Results | First subject | Why |\n|---|---|---|---|\n")
		groups := r.missed()
		for _, group := range groups[:min(len(groups), maxRows)] {
			write("| `%s` | %d | %s | %s |\n", group.first.Check, group.count, subjectCell(group.first), cell(group.first.Reason))
		}
		more(write, len(groups))
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

func more(write func(string, ...any), rows int) {
	if rows > maxRows {
		write("\nand %d more, which are in the JSON.\n", rows-maxRows)
	}
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

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func subjectCell(r Result) string {
	name := r.Name
	// A replica has the name of its secret.
	if parts := strings.SplitN(r.Subject, ":", 6); len(parts) == 6 && (r.Check == replicaInSync || strings.HasPrefix(r.Check, "key_")) {
		name += " (" + parts[3] + ")"
	}
	text := "`" + cell(name) + "`"
	if r.Key != "" {
		text += " `" + cell(r.Key) + "`"
	}
	return text
}

func controlsCell(controls []string) string {
	if len(controls) == 0 {
		return "–"
	}
	return strings.Join(controls, "<br>")
}

var cellEscapes = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "`", "'", "<", "&lt;", ">", "&gt;")

// cell writes a text into a cell of a table.
func cell(text string) string { return cellEscapes.Replace(text) }
