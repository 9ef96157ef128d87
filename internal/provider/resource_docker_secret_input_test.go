// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

func TestDockerSecretInput(t *testing.T) {
	t.Parallel()
	s := &swarmTest{backend: localBackend(t), Daemon: &docker.Daemon{Host: "unix:///nonexistent/docker.sock"}, t: t, name: "input"}
	one := func(name, arguments string) string {
		return s.providerBlock() + fmt.Sprintf("resource \"roi_docker_secret\" \"test\" {\n  name = %q\n%s\n}\n", name, arguments)
	}
	const value = "  value_wo = \"a value\"\n  value_wo_version = 1\n"
	long := strings.Repeat("n", 61)
	for name, test := range map[string]struct{ config, want string }{
		"slash":              {one("app/jwt", value), `must not contain a slash, which Docker does not allow in the name of a secret; use for example "app-jwt"`},
		"too long":           {one(long+"n", value), "Docker allows 64"},
		"longest":            {one(long, value), ""},
		"no value":           {one("n", ""), "Missing secret_id or value_wo"},
		"two values":         {one("n", value+`secret_id = "s"`), "secret_id and value_wo exclude each other"},
		"no number":          {one("n", `value_wo = "a value"`), `"value_wo_version" must be specified`},
		"key of a value":     {one("n", value+`key = "K"`), `"secret_id" must be specified`},
		"version of a value": {one("n", value+`version_id = "v"`), `"secret_id" must be specified`},
		"empty value":        {one("n", "value_wo = \"\"\nvalue_wo_version = 1"), "must have 1 to 511999 bytes"},
		"large value":        {one("n", "value_wo = join(\"\", [for i in range(512) : format(\"%1000s\", \"x\")])\nvalue_wo_version = 1"), "must have 1 to 511999 bytes"},
		"label of ours":      {one("n", value+`labels = { "roi.name" = "x" }`), "reserved"},
		"keep":               {one("n", value+`keep_versions = 101`), "between 0 and 100"},
		"negative keep":      {one("n", value+`keep_versions = -1`), "between 0 and 100"},
		"all and one":        {one("n", value+`services = ["*", "web"]`), `services = ["*"]`},
		"same service":       {one("n", value+`services = ["web", "web"]`), "duplicate"},
		"mode":               {one("n", value+`target = { mode = "rw" }`), `such as "0440"`},
		"uid":                {one("n", value+`target = { uid = -1 }`), "between 0 and"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := resource.TestStep{Config: test.config, PlanOnly: true, ExpectError: matchWords(test.want)}
			if test.want == "" {
				step.ExpectError, step.ExpectNonEmptyPlan = nil, true
			}
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories(), Steps: []resource.TestStep{step}})
		})
	}
}
