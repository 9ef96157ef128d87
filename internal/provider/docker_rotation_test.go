// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	mobyswarm "github.com/moby/moby/api/types/swarm"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// A rotation that falls due takes the Docker secret and the service with it, in one
// plan, and no request to the service fails meanwhile.
func TestDockerSecretFollowsARotation(t *testing.T) {
	t.Parallel()
	for _, start := range []func(*testing.T) backend{localBackend, func(t *testing.T) backend { return fakeBackend(t) }} {
		b := start(t)
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			engine := docker.Engine(t)
			s := &swarmTest{backend: b, Daemon: engine, t: t, name: engine.Name(t)}
			w := tfcli.New(t)
			w.WriteFile("main.tf", tfcli.RequiredProviders+s.providerBlock()+fmt.Sprintf(`
resource "roi_secret" "app" {
  name = %[1]q
  keys = { JWT_SECRET = { category = "jwt" }, OTHER = { category = "jwt" } }
}
resource "roi_secret_rotation" "jwt" {
  secret_id     = roi_secret.app.id
  keys          = ["JWT_SECRET"]
  rotation_days = 90
}
resource "roi_docker_secret" "jwt" {
  name       = %[1]q
  secret_id  = roi_secret.app.id
  key        = "JWT_SECRET"
  version_id = roi_secret_rotation.jwt.version_id
  services   = ["*"]
}
`, s.name))
			w.Init()
			w.Apply().Require(t, 0)
			before := s.key(t, s.name, "JWT_SECRET")
			service := s.service("api", 1, before)
			w.Plan().Require(t, 0)

			for rotation := range 2 {
				number := rotation + 2
				w.SetEnv("ROI_PLAN_AS_OF", "+91d")
				plan := w.PlanJSON()
				if change, _ := plan.Change("roi_secret_rotation.jwt"); !slices.Equal(change.Change.Actions, []string{"delete", "create"}) {
					t.Errorf("planned for the rotation: %v", change.Change.Actions)
				}
				change, _ := plan.Change("roi_docker_secret.jwt")
				if !slices.Equal(change.Change.Actions, []string{"update"}) || !strings.Contains(string(change.Change.AfterUnknown), `"versioned_name":true`) {
					t.Errorf("planned for the Docker secret: %v, unknown %s", change.Change.Actions, change.Change.AfterUnknown)
				}
				stop := service.Watch()
				w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
				after := s.key(t, s.name, "JWT_SECRET")
				service.WaitFor(t, 2, after)
				answers := stop()
				if answers.Failed > 0 {
					t.Errorf("%d requests failed, the first with: %v", answers.Failed, answers.First)
				}
				if after == before || answers.By[before] == 0 || answers.By[after] == 0 || len(answers.By) != 2 {
					t.Errorf("%d answers with the value before, %d with the new one, %d different values", answers.By[before], answers.By[after], len(answers.By))
				}
				s.there(number-1, number)
				s.uses(service, number)
				w.SetEnv("ROI_PLAN_AS_OF", "")
				w.Plan().Require(t, 0)
				before = after
			}
		})
	}
}

// A value that the service does not run with is taken back, and the next apply
// tries again.
func TestDockerSecretTakesABadValueBack(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	bad := docker.Refused + " by the server"
	services := `services = ["*"]`
	good := func() {
		t.Helper()
		service.WaitFor(t, 2, "first value")
		s.there(1)
		s.uses(service, 1)
		if got := s.inspect(1); got.Spec.Name != s.version(1) {
			t.Error("the first version is not there")
		}
		if previous := service.Inspect(t).PreviousSpec; previous != nil {
			for _, reference := range previous.TaskTemplate.ContainerSpec.Secrets {
				if reference.SecretName != s.version(1) {
					t.Errorf("a rollback by hand would need %s, which is gone", reference.SecretName)
				}
			}
		}
	}
	s.then = func() {
		service.WaitFor(t, 2, "second value")
		if names := s.SecretNames(t, s.name+"-v"); len(names) != 2 {
			t.Errorf("versions: %v", names)
		}
	}
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1)},
		resource.TestStep{
			PreConfig:   func() { service = s.service("web", 1, "first value") },
			Config:      s.supplied(bad, 2, services),
			ExpectError: matchWords("non-zero exit (3)"),
		},
		resource.TestStep{
			PreConfig:   good,
			Config:      s.supplied(bad, 2, services),
			ExpectError: matchWords("the service \"" + s.name + "-web\" did not run with"),
		},
		resource.TestStep{
			PreConfig:         good,
			Config:            s.supplied("second value", 2, services),
			ConfigPlanChecks:  dockerAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{dockerState("superseded", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(s.version(1))}))},
		},
	)
}

// If one service does not run with the new value, those before it go back, too.
func TestDockerSecretSecondServiceFails(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var first, second *docker.Service
	s.then = func() {
		first.WaitFor(t, 2, "first value")
		second.WaitFor(t, 2, "first value")
		s.uses(first, 1)
		s.uses(second, 1)
		s.there(1)
	}
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1)},
		resource.TestStep{
			PreConfig: func() {
				first = s.service("web", 1, "first value")
				second = s.Service(t, s.name+"-picky", s.version(1), func(spec *mobyswarm.ServiceSpec) {
					spec.TaskTemplate.ContainerSpec.Env[1] = "REFUSE=PICKY"
				})
				second.WaitFor(t, 2, "first value")
			},
			Config:      s.supplied("PICKY value", 2, fmt.Sprintf("services = [%q, %q]", s.name+"-web", s.name+"-picky")),
			ExpectError: matchWords("the service \"" + s.name + "-picky\" did not run with"),
		},
	)
}

// What Docker cannot update as asked is refused before anything changes.
func TestDockerSecretRefusesServices(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1)},
		resource.TestStep{
			PreConfig: func() {
				s.service("web", 1, "first value")
				s.Service(t, s.name+"-job", s.version(1), func(spec *mobyswarm.ServiceSpec) {
					spec.Mode = mobyswarm.ServiceMode{ReplicatedJob: &mobyswarm.ReplicatedJob{}}
					spec.TaskTemplate.ContainerSpec.Args = []string{"once"}
					spec.TaskTemplate.RestartPolicy.Condition = mobyswarm.RestartPolicyConditionNone
					spec.UpdateConfig, spec.RollbackConfig = nil, nil
				})
			},
			Config:      s.supplied("second value", 2, fmt.Sprintf("services = [%q, %q]", s.name+"-web", s.name+"-job")),
			ExpectError: matchWords(s.name + "-job"),
		},
		resource.TestStep{
			PreConfig:   func() { s.there(1) },
			Config:      s.supplied("second value", 2, fmt.Sprintf("services = [%q, %q]", s.name+"-web", s.name+"-none")),
			ExpectError: matchWords("Not found in the swarm"),
		},
		resource.TestStep{
			PreConfig: func() { s.there(1) },
			Config:    s.supplied("first value", 1),
		},
	)
}

// A service of a stack is moved, with the line for its Compose file.
func TestDockerSecretOfAStack(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+s.supplied("first value", 1))
	w.Init()
	w.Apply().Require(t, 0)
	service := s.Service(t, s.name+"_api", s.version(1), func(spec *mobyswarm.ServiceSpec) {
		spec.Labels = map[string]string{"com.docker.stack.namespace": "shop"}
	})
	service.WaitFor(t, 2, "first value")
	w.WriteFile("main.tf", tfcli.RequiredProviders+s.supplied("second value", 2, `services = ["*"]`))
	result := w.Apply()
	result.Require(t, 0)
	for _, text := range []string{"Service belongs to a stack", "the stack shop", "external: true", "name: " + s.version(2)} {
		if !strings.Contains(result.Message(), text) {
			t.Errorf("the apply did not say %q:\n%s", text, result.Message())
		}
	}
	service.WaitFor(t, 2, "second value")
	w.Plan().Require(t, 0)
}

// A replacement with create_before_destroy takes over what is there, and its second
// half does not remove it.
func TestDockerSecretReplaced(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+s.supplied("a value", 1, "lifecycle {\n    create_before_destroy = true\n  }"))
	w.Init()
	w.Apply().Require(t, 0)
	id := s.inspect(1).ID
	result := w.Apply("-replace=roi_docker_secret.test")
	result.Require(t, 0)
	if !strings.Contains(result.Message(), "It was kept.") || s.inspect(1).ID != id {
		t.Errorf("the object was replaced: %s", result.Message())
	}
	s.there(1)
	w.Plan().Require(t, 0)

	w.WriteFile("main.tf", tfcli.RequiredProviders+s.supplied("a value", 1))
	w.Apply("-replace=roi_docker_secret.test").Require(t, 0)
	if s.inspect(1).ID == id {
		t.Error("the object was not replaced")
	}
	s.there(1)
	w.Plan().Require(t, 0)
}
