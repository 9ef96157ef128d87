// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

// Command bench compares the provider with what teams write without it, and with
// what Terraform itself costs. README.md has the method and the results.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the command's flags.
type options struct {
	secrets   []int
	latencies []time.Duration
	stacks    []string
	runs      int
	starts    int
	peersMax  int
	mirror    string
	samples   string
	report    string
}

func main() {
	log.SetFlags(0)
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	secrets := flags.String("secrets", "1,50,200,500", "numbers of secrets, separated by commas")
	latencies := flags.String("latencies", "0s,20ms", "what is added to the time of each AWS request, separated by commas")
	chosen := flags.String("stacks", "", "only these stacks, separated by commas")
	flags.IntVar(&o.runs, "runs", 3, "repetitions of every stack, interleaved")
	flags.IntVar(&o.starts, "starts", 20, "starts of each provider; 0 leaves them out")
	flags.IntVar(&o.peersMax, "peers-max", 200, "largest number of secrets for the peers' stacks")
	flags.StringVar(&o.mirror, "mirror", os.Getenv("BENCH_MIRROR"), "filesystem mirror with hashicorp/aws, random and time; without it the peers' stacks are left out")
	flags.StringVar(&o.samples, "samples", "bench.jsonl", "file that the measurements are added to, one JSON object a line")
	flags.StringVar(&o.report, "report", "", "Markdown file whose results are replaced by those of all measurements in -samples; nothing is measured")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(*secrets, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("-secrets: %w", err)
		}
		o.secrets = append(o.secrets, n)
	}
	for text := range strings.SplitSeq(*latencies, ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("-latencies: %w", err)
		}
		o.latencies = append(o.latencies, d)
	}
	if *chosen != "" {
		o.stacks = strings.Split(*chosen, ",")
	}
	return o, nil
}

func run(o *options) error {
	if o.report != "" {
		return report(o.samples, o.report)
	}
	kit, err := newKit(o.mirror)
	if err != nil {
		return err
	}
	defer kit.remove()
	chosen, err := kit.choose(o.stacks)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(o.samples, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // Every sample was written.
	results := json.NewEncoder(out)

	for range o.starts {
		for _, s := range []struct{ name, binary string }{{"roi", kit.roi}, {doNothingName, kit.doNothing}} {
			took, err := kit.firstSchema(s.binary)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if err := results.Encode(sample{Stack: s.name, Op: opStart, usage: usage{Wall: took}}); err != nil {
				return err
			}
		}
	}
	for _, latency := range o.latencies {
		for _, n := range o.secrets {
			for i := range o.runs {
				// Another order each time: what one stack leaves behind, such as a warm
				// cache or a busy disk, must not always hit the same one.
				for k := range chosen {
					s := chosen[(k+i)%len(chosen)]
					if s.peers && n > o.peersMax {
						continue
					}
					if err := kit.measure(s, n, latency, func(taken sample) error { return results.Encode(taken) }); err != nil {
						return fmt.Errorf("%s with %d secrets: %w", s.name, n, err)
					}
				}
			}
		}
	}
	return nil
}

// sample is what one command of one stack cost.
type sample struct {
	Stack   string        `json:"stack"`
	Secrets int           `json:"secrets,omitempty"`
	Latency time.Duration `json:"latency,omitempty"`
	Op      string        `json:"op"`
	usage
	Calls       map[string]int `json:"calls,omitempty"`
	Connections int            `json:"connections,omitempty"`
	State       int64          `json:"state,omitempty"` // bytes
}

// measure takes one stack through the life of its secrets.
func (k *kit) measure(s stack, n int, latency time.Duration, result func(sample) error) error {
	w, err := k.open(s, n, latency)
	if err != nil {
		return err
	}
	defer w.close()
	for _, step := range s.steps() {
		w.aws.reset()
		use, err := w.run(step)
		if err != nil {
			return fmt.Errorf("%s: %w", step.op, err)
		}
		one := sample{
			Stack: s.name, Secrets: n, Latency: latency, Op: step.op, usage: use,
			Calls: w.aws.Counts(), Connections: w.aws.connectionsSince(), State: w.stateSize(),
		}
		log.Printf("%-14s %4d secrets %5s %-8s wall %6.2f s, CPU core %6.2f s, providers %6.2f s, anonymous %5.1f MB, state %6.1f kB, connections %d, calls %v",
			s.name, n, latency, step.op, use.Wall.Seconds(), use.Core.Seconds(), use.Providers.Seconds(), float64(use.Anonymous)/1e6,
			float64(one.State)/1e3, one.Connections, one.Calls)
		if err := result(one); err != nil {
			return err
		}
	}
	return nil
}

// spread returns the smallest, the median and the largest of a list.
func spread[T ~int | ~int64 | ~float64](list []T) (low, median, high T) {
	sorted, n := slices.Sorted(slices.Values(list)), len(list)
	return sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]
}
