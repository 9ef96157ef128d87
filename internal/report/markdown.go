// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/markdown"
)

// A comment on GitHub has at most 65,536 characters
// (https://github.com/orgs/community/discussions/27190), and nobody reads as many.
// What is left out is the least urgent.
const (
	maxRows          = 100
	maxMarkdownBytes = 60_000
	maxShownKeys     = 3
)

// statusWords are the statuses for people.
var statusWords = map[Status]string{
	Overdue:          "overdue",
	DueSoon:          "due soon",
	Untracked:        "untracked",
	Current:          "current",
	RotatedElsewhere: "rotated elsewhere",
	Scheduled:        "scheduled for deletion",
}

// Markdown is the report as a comment on a pull request: a summary and a table,
// the most urgent secret first. At most 100 secrets are in it, and 60,000 bytes.
// Whatever a tag or a name holds stays text.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("### Rotation of secrets\n\n")
	if r.Counts.Total == 0 {
		b.WriteString("No secret matches.\n")
		return b.String()
	}
	b.WriteString(r.summary() + "\n\n")
	b.WriteString("| Status | Secret | Policy | Rotated | Due | Last read | Note |\n|---|---|---|---|---|---|---|\n")
	secrets := r.byUrgency()
	for i, s := range secrets {
		row := r.row(s)
		if i == maxRows || b.Len()+len(row) > maxMarkdownBytes {
			fmt.Fprintf(&b, "\n… and %s more: %s.\n", markdown.Count(len(secrets)-i, "secret"), countWords(secrets[i:]))
			break
		}
		b.WriteString(row)
	}
	return b.String()
}

func (r *Report) summary() string {
	text := markdown.Count(r.Counts.Total, "secret") + ": " + countWords(r.Secrets) + "."
	if r.Counts.Unused > 0 {
		text += fmt.Sprintf(" Not read for more than %s: %d.", markdown.Count(int(r.query.Unused/day), "day"), r.Counts.Unused)
	}
	return text
}

const day = 24 * time.Hour

// countWords says how many secrets have which status; what is overdue is bold.
func countWords(secrets []Secret) string {
	counts := map[Status]int{}
	for _, s := range secrets {
		counts[s.Status]++
	}
	var words []string
	for _, status := range Statuses() {
		if n := counts[status]; n > 0 {
			words = append(words, emphasize(status, fmt.Sprintf("%d %s", n, statusWords[status])))
		}
	}
	return strings.Join(words, ", ")
}

func emphasize(status Status, text string) string {
	if status == Overdue {
		return "**" + text + "**"
	}
	return text
}

func (r *Report) row(s Secret) string {
	cells := []string{
		emphasize(s.Status, statusWords[s.Status]), markdown.Code(s.Name), policies(s), date(s.RotatedAt), r.due(s), r.read(s), markdown.Text(s.Reason),
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// policies are the categories of the values that make the secret what it is.
func policies(s Secret) string {
	keys := slices.DeleteFunc(slices.Clone(s.Keys), func(k Key) bool { return k.Status != s.Status })
	var words []string
	for i, k := range keys {
		if i == maxShownKeys && len(keys) > maxShownKeys+1 {
			words = append(words, fmt.Sprintf("%d more", len(keys)-i))
			break
		}
		word := markdown.Text(k.Category)
		if k.Name != "" {
			word = strings.TrimSpace(markdown.Code(k.Name) + " " + word)
		}
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func (r *Report) due(s Secret) string {
	if s.DueAt.IsZero() {
		return ""
	}
	when := "less than a day ago"
	switch left := s.DueAt.Sub(r.query.DueAt); {
	case left >= day:
		when = "in " + markdown.Count(int(left/day), "day")
	case left > 0:
		when = "in less than a day"
	case left <= -day:
		when = markdown.Count(int(-left/day), "day") + " ago"
	}
	return date(s.DueAt) + " (" + when + ")"
}

// read is when the secret was last read. Without a date it is not said that it
// never was: the store may not know.
func (r *Report) read(s Secret) string {
	switch {
	case s.UnusedSince.IsZero():
		return date(s.AccessedAt)
	case s.AccessedAt.IsZero():
		return "never: unused"
	}
	return date(s.AccessedAt) + ": unused"
}
