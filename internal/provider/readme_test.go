// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

var (
	readmeElision = regexp.MustCompile(`(?m)^ *…$`)
	readmeVarying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
)

// TestReadme applies the configuration of the README, and looks for the plan that
// it shows of an overdue secret: line by line, but for times and ids and what it
// leaves out.
func TestReadme(t *testing.T) {
	t.Parallel()
	var config, shown string
	for _, block := range guideBlocks(t, filepath.Join("..", "..", "README.md")) {
		switch {
		case block.language == "terraform":
			config += block.text
		case strings.Contains(block.text, "must be replaced"):
			shown = block.text
		}
	}
	if config == "" || shown == "" {
		t.Fatal("the README has no configuration, or no plan")
	}
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Aliases: []string{"alias/shop-secrets"}, Rotation: true})
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+b.provider()+config)
	w.Init()
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	plan := w.Plan("-no-color")
	plan.Require(t, 2)
	if tfcli.OpenTofu(t) && tfcli.AtLeast(t, "1.12.0") {
		t.Skip("not tested on this version: OpenTofu words changed lists and replacements in its own way from 1.12 on, so that its plan is not what the README shows")
	}
	rest := strings.TrimSpace(readmeVarying.ReplaceAllString(plan.Stdout, "…"))
	for _, part := range readmeElision.Split(readmeVarying.ReplaceAllString(shown, "…"), -1) {
		_, after, found := strings.Cut(rest, strings.Trim(part, "\n"))
		if !found {
			t.Fatalf("the plan does not have this where the README shows it:\n%s\n\nThe rest of the plan:\n%s", part, rest)
		}
		rest = after
	}
}
