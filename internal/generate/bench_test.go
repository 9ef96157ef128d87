// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package generate_test

import (
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// BenchmarkValue reports for each category that is generated how many values one
// core makes in a second.
func BenchmarkValue(b *testing.B) {
	for _, category := range policy.Categories() {
		p, _ := policy.Builtin(category)
		if p.Supplied {
			continue
		}
		b.Run(category, func(b *testing.B) {
			g, err := generate.New(p)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Value(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "values/s")
		})
	}
}

// BenchmarkNew includes what a single value costs beside Value.
func BenchmarkNew(b *testing.B) {
	p, _ := policy.Builtin("database")
	for b.Loop() {
		if _, err := generate.New(p); err != nil {
			b.Fatal(err)
		}
	}
}
