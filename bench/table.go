// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// The results stand between these in the report.
const (
	resultsBegin = "<!-- results -->\n"
	resultsEnd   = "<!-- end of results -->"
)

// report writes the tables of all measurements in a file into a Markdown file.
func report(samples, file string) error {
	text, err := os.ReadFile(samples)
	if err != nil {
		return err
	}
	var all []sample
	for line := range strings.Lines(string(text)) {
		var s sample
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return fmt.Errorf("%s: %w", samples, err)
		}
		all = append(all, s)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), resultsBegin)
	_, after, ends := strings.Cut(rest, resultsEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the results, between %q and %q", file, resultsBegin, resultsEnd)
	}
	return os.WriteFile(file, []byte(before+resultsBegin+render(all)+resultsEnd+after), 0o600)
}

// key names what is measured again and again.
type key struct {
	stack   string
	secrets int
	latency time.Duration
	op      string
}

// render makes tables: one of the starts, and one for each number of secrets and
// latency.
func render(all []sample) string {
	measured := map[key][]sample{}
	var secrets []int
	var latencies []time.Duration
	var names []string
	for _, s := range all {
		k := key{s.Stack, s.Secrets, s.Latency, s.Op}
		measured[k] = append(measured[k], s)
		if s.Op == opStart {
			continue
		}
		secrets, latencies, names = append(secrets, s.Secrets), append(latencies, s.Latency), append(names, s.Stack)
	}
	unique := func(list []int) []int { slices.Sort(list); return slices.Compact(list) }
	slices.Sort(latencies)

	var b strings.Builder
	b.WriteString("\n")
	renderStarts(&b, measured)
	for _, latency := range slices.Compact(latencies) {
		for _, n := range unique(secrets) {
			var here []string
			for _, s := range stacks {
				if slices.Contains(names, s.name) && len(measured[key{s.name, n, latency, opApply}]) > 0 {
					here = append(here, s.name)
				}
			}
			if len(here) == 0 {
				continue
			}
			fmt.Fprintf(&b, "### %s, %s added to each request\n\n", count(n, "secret"), latency)
			renderCosts(&b, measured, here, n, latency)
			renderCalls(&b, measured, here, n, latency)
		}
	}
	return b.String()
}

func renderStarts(b *strings.Builder, measured map[key][]sample) {
	roi, floor := measured[key{stack: "roi", op: opStart}], measured[key{stack: doNothingName, op: opStart}]
	if len(roi) == 0 || len(floor) == 0 {
		return
	}
	b.WriteString("### Start to first schema\n\n| provider | starts | min | median | max |\n|---|--:|--:|--:|--:|\n")
	for _, s := range [][]sample{roi, floor} {
		low, median, high := spread(column(s, func(s sample) float64 { return s.Wall.Seconds() * 1000 }))
		fmt.Fprintf(b, "| %s | %d | %.0f ms | %.0f ms | %.0f ms |\n", s[0].Stack, len(s), low, median, high)
	}
	b.WriteString("\n")
}

func renderCosts(b *strings.Builder, measured map[key][]sample, here []string, n int, latency time.Duration) {
	b.WriteString("| | stack | runs | wall (s), min / median / max | to do-nothing | to the peers | CPU core (s) | CPU providers (s) | to do-nothing | anonymous (MB) | state (kB) |\n" +
		"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, op := range []string{opApply, opPlan, opOverdue, opRotate, opDestroy} {
		floor, peer := measured[key{doNothingName, n, latency, op}], fastestPeer(measured, n, latency, op)
		for i, name := range here {
			s := measured[key{name, n, latency, op}]
			if len(s) == 0 {
				continue
			}
			title := ""
			if i == 0 {
				title = "**" + op + "**"
			}
			low, median, high := spread(column(s, wall))
			fmt.Fprintf(b, "| %s | %s | %d | %.2f / **%.2f** / %.2f | %s | %s | %.2f | %.2f | %s | %.0f | %.0f |\n",
				title, name, len(s), low, median, high, ratio(s, floor, wall), faster(s, peer), middle(s, core), middle(s, providers), ratio(s, floor, providers),
				middle(s, func(s sample) float64 { return float64(s.Anonymous) / 1e6 }), middle(s, func(s sample) float64 { return float64(s.State) / 1e3 }))
		}
	}
	b.WriteString("\n")
}

// fastestPeer returns the runs of the peers' stack that took less time.
func fastestPeer(measured map[key][]sample, n int, latency time.Duration, op string) []sample {
	var fastest []sample
	for _, s := range stacks {
		runs := measured[key{s.name, n, latency, op}]
		if s.peers && len(runs) > 0 && (len(fastest) == 0 || middle(runs, wall) < middle(fastest, wall)) {
			fastest = runs
		}
	}
	return fastest
}

// faster says how many times as long the peers take, or nothing where they were
// not measured.
func faster(samples, peer []sample) string {
	if len(peer) == 0 {
		return ""
	}
	return fmt.Sprintf("1/%.1f", middle(peer, wall)/middle(samples, wall))
}

// renderCalls lists the requests of the last run. They do not differ from run to run.
func renderCalls(b *strings.Builder, measured map[key][]sample, here []string, n int, latency time.Duration) {
	b.WriteString("Requests, and connections that they were made over:\n\n| | stack | requests | connections |\n|---|---|---|--:|\n")
	for _, op := range []string{opApply, opPlan, opOverdue, opRotate, opDestroy} {
		title := "**" + op + "**"
		for _, name := range here {
			s := measured[key{name, n, latency, op}]
			if len(s) == 0 || len(s[0].Calls) == 0 {
				continue
			}
			last := s[len(s)-1]
			var calls []string
			sum := 0
			for _, op := range slices.Sorted(maps.Keys(last.Calls)) {
				calls, sum = append(calls, fmt.Sprintf("%s %d", op, last.Calls[op])), sum+last.Calls[op]
			}
			fmt.Fprintf(b, "| %s | %s | **%d**: %s | %d |\n", title, name, sum, strings.Join(calls, ", "), last.Connections)
			title = ""
		}
	}
	b.WriteString("\n")
}

func wall(s sample) float64      { return s.Wall.Seconds() }
func core(s sample) float64      { return s.Core.Seconds() }
func providers(s sample) float64 { return s.Providers.Seconds() }

func column(samples []sample, of func(sample) float64) []float64 {
	var list []float64
	for _, s := range samples {
		list = append(list, of(s))
	}
	return list
}

func middle(samples []sample, of func(sample) float64) float64 {
	_, median, _ := spread(column(samples, of))
	return median
}

// ratio is that of the medians, or nothing where there is nothing to compare with.
func ratio(samples, floor []sample, of func(sample) float64) string {
	if len(floor) == 0 || middle(floor, of) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", middle(samples, of)/middle(floor, of))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
