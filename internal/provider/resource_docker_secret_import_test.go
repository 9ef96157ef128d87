// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// An import takes an object over as it is: labels are set, no service is touched.
func TestDockerSecretImport(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"name", "id"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s := newSwarmTest(t)
			id := s.CreateSecret(t, s.version(7), "made by hand")
			service := s.service("web", 7, "made by hand")
			before := service.Inspect(t).Version
			if by == "name" {
				id = s.version(7)
			}
			s.then = func() { service.WaitFor(t, 2, "another value") }
			s.steps(
				resource.TestStep{
					Config: s.supplied("another value", 1, servicesArgument(service)) + fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", dockerSecret, id),
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
						plancheck.ExpectKnownValue(dockerSecret, tfjsonpath.New("versioned_name"), knownvalue.StringExact(s.version(7))),
					}},
					ConfigStateChecks: []statecheck.StateCheck{dockerState("version", knownvalue.Int64Exact(7))},
				},
				resource.TestStep{
					PreConfig: func() {
						if got := service.Inspect(t).Version; got != before {
							t.Error("the import changed the service")
						}
						s.there(7)
					},
					Config:            s.supplied("another value", 2, servicesArgument(service)),
					ConfigStateChecks: []statecheck.StateCheck{dockerState("version", knownvalue.Int64Exact(8))},
				},
			)
		})
	}
}

// The first apply after an import moves no service, though one has another version:
// nobody can tell whether the imported one holds what it should. The next plan shows
// it.
func TestDockerSecretImportMovesNothing(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.CreateSecret(t, s.version(6), "before")
	s.CreateSecret(t, s.version(7), "made by hand")
	service := s.service("web", 6, "before")
	s.then = func() { s.uses(service, 6) }
	s.steps(resource.TestStep{
		Config:             s.supplied("a value", 1, servicesArgument(service)) + fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", dockerSecret, s.version(7)),
		ExpectNonEmptyPlan: true,
	})
}

func TestDockerSecretImportRefused(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.CreateSecret(t, s.name, "without a version")
	for id, want := range map[string]string{
		s.name:           `does not end in -v and a number`,
		s.name + "-none": `Not found in the swarm`,
		" " + s.name:     `imported by the name of its current version`,
	} {
		t.Run(want, func(t *testing.T) {
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories(), Steps: []resource.TestStep{{
				Config: s.supplied("a value", 1), ResourceName: dockerSecret, ImportState: true, ImportStateId: id,
				ExpectError: regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(want), " ", `\s+`)),
			}}})
		})
	}
}

// What Terraform imported of an object that this provider made is all that it knew
// before, but for what is write-only.
func TestDockerSecretImportOfOurs(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.steps(
		resource.TestStep{Config: s.stored("", `version_id = "one"`, `labels = { team = "web" }`)},
		resource.TestStep{
			ResourceName: dockerSecret, ImportState: true, ImportStateId: s.version(1), ImportStateVerify: true,
			// An import cannot know which services are meant.
			ImportStateVerifyIgnore: []string{"timeouts"},
		},
	)
}
