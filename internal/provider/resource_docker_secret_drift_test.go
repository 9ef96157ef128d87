// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	mobyswarm "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// A service that someone moved to another version shows in the plan, and the apply
// moves it back.
func TestDockerSecretRepairsAMovedService(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"named", "all"} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			s := newSwarmTest(t)
			var service *docker.Service
			services := `services = ["` + s.name + `-web"]`
			if list == "all" {
				services = `services = ["*"]`
			}
			s.steps(
				resource.TestStep{Config: s.supplied("first value", 1, `services = ["*"]`)},
				resource.TestStep{
					PreConfig: func() { service = s.service("web", 1, "first value") },
					Config:    s.supplied("second value", 2, services),
				},
				resource.TestStep{
					PreConfig: func() {
						s.uses(service, 2)
						service.Update(t, func(spec *mobyswarm.ServiceSpec) {
							spec.TaskTemplate.ContainerSpec.Secrets[0] = s.Reference(t, s.version(1), docker.SecretTarget)
						})
						service.WaitFor(t, 2, "first value")
					},
					Config: s.supplied("second value", 2, services),
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
						plancheck.ExpectKnownValue(dockerSecret, tfjsonpath.New("version"), knownvalue.Int64Exact(2)),
					}},
				},
				resource.TestStep{
					PreConfig: func() {
						s.uses(service, 2)
						service.WaitFor(t, 2, "second value")
					},
					RefreshState: true,
				},
			)
		})
	}
}

// If someone removes the current version, the one before is what is left, and the
// next gets a number that was not used.
func TestDockerSecretRemovedByHand(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	remove := func(number int) {
		t.Helper()
		if _, err := s.Client.SecretRemove(context.Background(), s.version(number), client.SecretRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1)},
		resource.TestStep{Config: s.supplied("second value", 2)},
		resource.TestStep{
			PreConfig: func() { remove(2) },
			Config:    s.supplied("second value", 2),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(dockerSecret, tfjsonpath.New("versioned_name")),
			}},
			ConfigStateChecks: []statecheck.StateCheck{
				dockerState("version", knownvalue.Int64Exact(3)),
				dockerState("superseded", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(s.version(1))})),
			},
		},
		resource.TestStep{
			PreConfig: func() {
				remove(1)
				remove(3)
			},
			Config:           s.supplied("second value", 2),
			ConfigPlanChecks: dockerAction(plancheck.ResourceActionCreate),
		},
	)
}

// An error in looking at the current version does not make the one before it the
// current one.
func TestDockerSecretReadIsSureOfAnAbsence(t *testing.T) {
	t.Parallel()
	state := dockerSecretModel{ID: types.StringValue("current"), Superseded: stringListValue([]string{"s-v1"})}
	for _, test := range []struct {
		err  error
		gone bool
	}{{errdefs.ErrUnavailable, false}, {errdefs.ErrNotFound.WithMessage("secret current not found"), true}} {
		version, superseded, err := (&dockerSecretResource{}).read(t.Context(), &swarm.Swarm{API: failingInspect{err: test.err}}, state)
		if test.gone && (err != nil || version.Name != "s-v1" || len(superseded) > 0) {
			t.Errorf("after the current version was removed: %q, %v, %v", version.Name, superseded, err)
		}
		if !test.gone && (err == nil || isGone(err)) {
			t.Errorf("when the current version cannot be looked at: %q, %v", version.Name, err)
		}
	}
}

// failingInspect is a Docker in which one secret is there, and the one with the id
// "current" cannot be looked at.
type failingInspect struct {
	swarm.API
	err error
}

func (f failingInspect) SecretInspect(_ context.Context, id string, _ client.SecretInspectOptions) (client.SecretInspectResult, error) {
	if id == "current" {
		return client.SecretInspectResult{}, f.err
	}
	return client.SecretInspectResult{Secret: mobyswarm.Secret{ID: "before", Spec: mobyswarm.SecretSpec{Annotations: mobyswarm.Annotations{
		Name: id, Labels: map[string]string{"roi.name": "s", "roi.version": "1"},
	}}}}, nil
}

// A service that is listed by its id is told by its name, and dropped all the same.
func TestDropServicesListedByID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ listed, outdated, want []string }{
		{[]string{"web", "api"}, []string{"api"}, []string{"web"}},
		{[]string{"*"}, []string{"api"}, nil},
		{[]string{"k2hd83", "w9fj2l"}, []string{"api"}, nil},
		{[]string{"web"}, nil, []string{"web"}},
	} {
		m := dockerSecretModel{Services: stringListValue(test.listed)}
		var diags diag.Diagnostics
		m.dropServices(test.outdated, nil, &diags)
		if got := stringElements(m.Services.Elements()); !slices.Equal(got, test.want) {
			t.Errorf("of %v without %v remain %v, want %v", test.listed, test.outdated, got, test.want)
		}
		if diags.WarningsCount() != min(len(test.outdated), 1) {
			t.Errorf("warnings: %v", diags)
		}
	}
}

// An apply that was interrupted is not taken for somebody else's change.
func TestDropServicesOfAnInterruptedApply(t *testing.T) {
	t.Parallel()
	for _, unfinished := range [][]string{nil, {"app-v2"}} {
		m := dockerSecretModel{Services: stringListValue([]string{"web"})}
		var diags diag.Diagnostics
		m.dropServices([]string{"web"}, unfinished, &diags)
		text := diags[0].Detail()
		if someone := strings.Contains(text, "Someone changed them"); someone != (unfinished == nil) {
			t.Errorf("with %v unfinished: %s", unfinished, text)
		}
		if begun := strings.Contains(text, "has begun to move services to app-v2"); begun != (unfinished != nil) {
			t.Errorf("with %v unfinished: %s", unfinished, text)
		}
	}
}

// A version that someone else's service uses stays, and goes when it no longer does.
func TestDockerSecretLeftoverGoesLater(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var other *docker.Service
	keep := "keep_versions = 0"
	left := knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(s.version(1))})
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1, keep)},
		resource.TestStep{
			PreConfig: func() {
				other = s.Service(t, s.name+"-other", s.version(1), func(spec *mobyswarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64(0)) })
			},
			Config:            s.supplied("second value", 2, keep),
			ConfigStateChecks: []statecheck.StateCheck{dockerState("superseded", left)},
		},
		resource.TestStep{
			PreConfig: func() {
				s.there(1, 2)
				other.Update(t, func(spec *mobyswarm.ServiceSpec) { spec.TaskTemplate.ContainerSpec.Secrets = nil })
			},
			// docker service rollback would need it.
			Config: s.supplied("second value", 2, keep), PlanOnly: true,
		},
		resource.TestStep{
			PreConfig: func() { other.Update(t, func(*mobyswarm.ServiceSpec) {}) },
			Config:    s.supplied("second value", 2, keep),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(dockerSecret, tfjsonpath.New("superseded")),
				plancheck.ExpectKnownValue(dockerSecret, tfjsonpath.New("version"), knownvalue.Int64Exact(2)),
			}},
			ConfigStateChecks: []statecheck.StateCheck{dockerState("superseded", knownvalue.ListExact(nil))},
		},
	)
}

// lostCreate loses the answers of Docker to a secret that it has made.
type lostCreate struct {
	swarm.API
	lost *bool
}

func (l lostCreate) SecretCreate(ctx context.Context, options client.SecretCreateOptions) (client.SecretCreateResult, error) {
	result, err := l.API.SecretCreate(ctx, options)
	if err == nil && *l.lost {
		err = errdefs.ErrUnavailable.WithMessage("the answer is lost")
	}
	return result, err
}

// What an apply that failed has left is removed, also when the configuration asks for
// the value of before again.
func TestDockerSecretUnfinishedGoesLater(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var lost bool
	first := s.supplied("first value", 1)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories(WithDocker(func(api swarm.API) swarm.API { return lostCreate{api, &lost} })),
		Steps: []resource.TestStep{
			{Config: first},
			{PreConfig: func() { lost = true }, Config: s.supplied("second value", 2), ExpectError: matchWords("the answer is lost")},
			{
				PreConfig: func() {
					lost = false
					s.there(1, 2)
				},
				Config: first,
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
					plancheck.ExpectKnownValue(dockerSecret, tfjsonpath.New("version"), knownvalue.Int64Exact(1)),
				}},
				ConfigStateChecks: []statecheck.StateCheck{dockerState("superseded", knownvalue.ListExact(nil))},
			},
			{PreConfig: func() { s.there(1) }, Config: first, PlanOnly: true},
		},
	})
}

// How many requests a refresh takes: one inspect for each object, and one list of
// services and of secrets for all.
func TestDockerSecretRefreshRequests(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var counting *countingDocker
	counted := map[string]func() (tfprotov6.ProviderServer, error){
		"roi": factory(clock.System{}, WithDocker(func(api swarm.API) swarm.API {
			if counting == nil {
				counting = &countingDocker{}
			}
			counting.API = api
			return counting
		})),
	}
	config := func(number int) string {
		return s.providerBlock() + fmt.Sprintf(`
resource "roi_docker_secret" "test" {
  count            = 20
  name             = "%s-${count.index}"
  value_wo         = "a value"
  value_wo_version = %d
  services         = ["*"]
}`, s.name, number)
	}
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: counted, Steps: []resource.TestStep{
		{Config: config(1)},
		{Config: config(2)}, // and a superseded version each
		{PreConfig: func() { counting.taken() }, RefreshState: true},
		{
			PreConfig: func() {
				got := counting.taken()
				// Terraform configures a provider once for the refresh and once for the plan after it.
				for op, n := range got {
					if op != "SecretInspect" && op != "ServiceList" && op != "SecretList" {
						t.Errorf("a refresh made %d requests %s", n, op)
					}
				}
				if lists := got["ServiceList"]; lists == 0 || got["SecretList"] != lists || got["SecretInspect"] != 40*lists {
					t.Errorf("a refresh made %v", got)
				}
			},
			RefreshState: true,
		},
	}})
}
