// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	mobyswarm "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

const dockerSecret = "roi_docker_secret.test"

func dockerState(attribute string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(dockerSecret, tfjsonpath.New(attribute), value)
}

func dockerAction(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(dockerSecret, action)}}
}

// A new value makes the next version and moves the services; the version before
// stays, unused, and goes with the next one. Every plan after an apply is empty:
// the test framework checks that after each step.
func TestDockerSecretVersions(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	s.steps(
		resource.TestStep{
			Config: s.supplied("first value", 1, `labels = { team = "web" }`),
			ConfigStateChecks: []statecheck.StateCheck{
				dockerState("version", knownvalue.Int64Exact(1)),
				dockerState("versioned_name", knownvalue.StringExact(s.version(1))),
				dockerState("superseded", knownvalue.ListExact(nil)),
				dockerState("keep_versions", knownvalue.Int64Exact(1)),
				dockerState("value_wo", knownvalue.Null()),
				dockerState("created_at", knownvalue.StringRegexp(regexp.MustCompile(`^20\d\d-`))),
			},
		},
		resource.TestStep{
			PreConfig: func() { service = s.service("web", 1, "first value") },
			Config:    s.supplied("second value", 2, `services = ["`+s.name+`-web"]`),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(dockerSecret, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(dockerSecret, tfjsonpath.New("id")),
				plancheck.ExpectUnknownValue(dockerSecret, tfjsonpath.New("version")),
				plancheck.ExpectUnknownValue(dockerSecret, tfjsonpath.New("versioned_name")),
			}},
			ConfigStateChecks: []statecheck.StateCheck{
				dockerState("version", knownvalue.Int64Exact(2)),
				dockerState("superseded", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(s.version(1))})),
				dockerState("labels", knownvalue.Null()),
			},
		},
		resource.TestStep{
			PreConfig: func() {
				s.there(1, 2)
				s.uses(service, 2)
				service.WaitFor(t, 2, "second value")
			},
			Config: s.supplied("third value", 3, `services = ["`+s.name+`-web"]`),
			ConfigStateChecks: []statecheck.StateCheck{
				dockerState("version", knownvalue.Int64Exact(3)),
				dockerState("superseded", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(s.version(2))})),
			},
		},
		resource.TestStep{
			PreConfig: func() {
				s.there(2, 3)
				service.WaitFor(t, 2, "third value")
				s.removeServices()
			},
			Config:  s.supplied("third value", 3, `services = ["`+s.name+`-web"]`),
			Destroy: true,
		},
	)
	s.there()
}

// What is changed in place makes no version.
func TestDockerSecretChangesInPlace(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	one := knownvalue.Int64Exact(1)
	services := `services = ["` + s.name + `-web"]`
	s.steps(
		resource.TestStep{Config: s.supplied("a value", 1)},
		resource.TestStep{ // labels
			Config:            s.supplied("a value", 1, `labels = { team = "web" }`),
			ConfigPlanChecks:  dockerAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{dockerState("version", one)},
		},
		resource.TestStep{ // a service that has no secret of the series yet
			PreConfig: func() {
				if got := s.labels(1)["team"]; got != "web" {
					t.Errorf("the label is %q", got)
				}
				service = s.Service(t, s.name+"-web", "", func(spec *mobyswarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64(0)) })
			},
			Config:            s.supplied("a value", 1, services, `target = { file = "`+docker.SecretTarget+`", uid = 1000, mode = "0440" }`),
			ConfigPlanChecks:  dockerAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{dockerState("version", one)},
		},
		resource.TestStep{ // another target
			PreConfig: func() { s.target(service, docker.SecretTarget, "1000", "0", 0o440) },
			Config:    s.supplied("a value", 1, services, `target = { file = "other", gid = 7 }`),
		},
		resource.TestStep{ // a label that someone changed, and one that someone added
			PreConfig: func() {
				s.target(service, "other", "1000", "7", 0o440)
				s.relabel(1, map[string]string{"team": "other", "added": "by hand"})
			},
			Config:           s.supplied("a value", 1, services, `target = { file = "other", gid = 7 }`, `labels = { team = "web" }`),
			ConfigPlanChecks: dockerAction(plancheck.ResourceActionUpdate),
		},
		resource.TestStep{
			PreConfig: func() {
				if got := s.labels(1); got["team"] != "web" || got["added"] != "" {
					t.Errorf("the labels are %v", got)
				}
			},
			RefreshState: true,
		},
	)
}

func (s *swarmTest) inspect(number int) mobyswarm.Secret {
	s.t.Helper()
	result, err := s.Client.SecretInspect(context.Background(), s.version(number), client.SecretInspectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return result.Secret
}

func (s *swarmTest) labels(number int) map[string]string {
	s.t.Helper()
	return s.inspect(number).Spec.Labels
}

// relabel sets labels of a version by hand; "" removes one.
func (s *swarmTest) relabel(number int, labels map[string]string) {
	s.t.Helper()
	secret := s.inspect(number)
	for key, value := range labels {
		secret.Spec.Labels[key] = value
		if value == "" {
			delete(secret.Spec.Labels, key)
		}
	}
	if _, err := s.Client.SecretUpdate(context.Background(), secret.ID, client.SecretUpdateOptions{Version: secret.Version, Spec: secret.Spec}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *swarmTest) target(service *docker.Service, name, uid, gid string, mode uint32) {
	s.t.Helper()
	var got []string
	for _, reference := range service.Inspect(s.t).Spec.TaskTemplate.ContainerSpec.Secrets {
		got = append(got, fmt.Sprint(reference.SecretName, reference.File.Name, reference.File.UID, reference.File.GID, uint32(reference.File.Mode)))
	}
	if diff := cmp.Diff([]string{fmt.Sprint(s.version(1), name, uid, gid, mode)}, got); diff != "" {
		s.t.Errorf("references (-want +got):\n%s", diff)
	}
}

// stored is a configuration in which the secret comes from the store; key is "" for
// all of the secret.
func (s *swarmTest) stored(key string, arguments ...string) string {
	secret, argument := "category = \"jwt\"", ""
	if key != "" {
		secret, argument = `keys = { JWT_SECRET = { category = "jwt" }, OTHER = { category = "jwt" } }`, fmt.Sprintf("key = %q", key)
	}
	return s.providerBlock() + fmt.Sprintf(`
resource "roi_secret" "test" {
  name = %[1]q
  %[2]s
}
resource "roi_docker_secret" "test" {
  name      = %[1]q
  secret_id = roi_secret.test.id
  %[3]s
  %[4]s
}
`, s.name, secret, argument, strings.Join(arguments, "\n  "))
}

// The value is that of the secret, or of one of its keys, and another version_id or
// key makes the next version.
func TestDockerSecretFromTheStore(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	version := func(number int64) []statecheck.StateCheck {
		return []statecheck.StateCheck{dockerState("version", knownvalue.Int64Exact(number))}
	}
	s.then = func() { service.WaitFor(t, 2, s.key(t, s.name, "OTHER")) }
	s.steps(
		resource.TestStep{Config: s.stored("JWT_SECRET", `version_id = "one"`), ConfigStateChecks: version(1)},
		resource.TestStep{
			PreConfig: func() {
				service = s.service("web", 1, s.key(t, s.name, "JWT_SECRET"))
				if got := s.labels(1)["roi.version-id"]; got != "one" {
					t.Errorf("the label says version %q", got)
				}
			},
			Config: s.stored("JWT_SECRET", `version_id = "two"`, `services = ["*"]`), ConfigStateChecks: version(2),
		},
		resource.TestStep{
			Config:            strings.Replace(s.stored("JWT_SECRET", `version_id = "two"`, `services = ["*"]`), `key = "JWT_SECRET"`, `key = "OTHER"`, 1),
			ConfigStateChecks: version(3),
		},
		resource.TestStep{ // the same secret by its name
			Config: strings.Replace(s.stored("OTHER", `version_id = "two"`, `services = ["*"]`), "secret_id = roi_secret.test.id", "secret_id = roi_secret.test.name", 1),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectKnownValue(dockerSecret, tfjsonpath.New("version"), knownvalue.Int64Exact(3)),
			}},
			ConfigStateChecks: version(3),
		},
	)
}

func TestDockerSecretWithoutAKey(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	s.then = func() { service.WaitFor(t, 2, s.value(t, s.name, "")) }
	s.steps(
		resource.TestStep{Config: s.stored("")},
		resource.TestStep{
			PreConfig: func() { service = s.service("web", 1, s.value(t, s.name, "")) },
			Config:    s.stored(""), PlanOnly: true,
		},
	)
}

// A secret that is in use is not deleted, and nothing of it.
func TestDockerSecretDeleteInUse(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.steps(
		resource.TestStep{Config: s.supplied("first value", 1)},
		resource.TestStep{
			PreConfig: func() { s.service("web", 1, "first value") },
			Config:    s.supplied("second value", 2, `services = ["*"]`),
		},
		resource.TestStep{
			Config:      s.supplied("second value", 2, `services = ["*"]`),
			Destroy:     true,
			ExpectError: matchWords("docker service update --secret-rm " + s.version(2) + " " + s.name + "-web"),
		},
		resource.TestStep{
			PreConfig: func() {
				s.there(1, 2)
				s.removeServices()
			},
			Config:  s.supplied("second value", 2, `services = ["*"]`),
			Destroy: true,
		},
	)
	s.there()
}

// matchWords matches a text however Terraform broke its lines.
func matchWords(text string) *regexp.Regexp {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = regexp.QuoteMeta(word)
	}
	return regexp.MustCompile(strings.Join(words, `[\s│]+`))
}

// An object of that name that is someone else's is left alone.
func TestDockerSecretNameTaken(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	id := s.CreateSecret(t, s.version(1), "someone else's")
	s.steps(resource.TestStep{Config: s.supplied("a value", 1), ExpectError: matchWords("Docker secret exists already")})
	if got := s.inspect(1); got.ID != id || len(got.Spec.Labels) > 0 {
		t.Errorf("the object was changed: %v", got.Spec.Labels)
	}
}

// A changed name swaps the references.
func TestDockerSecretRenamed(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	var service *docker.Service
	before := s.supplied("first value", 1, `services = ["*"]`)
	after := strings.Replace(before, fmt.Sprintf("name = %q", s.name), fmt.Sprintf("name = %q", s.name+"-new"), 1)
	s.then = func() {
		if got := service.SecretNames(t); len(got) != 1 || !strings.HasPrefix(got[0], s.name+"-new-v") {
			t.Errorf("the service refers to %v", got)
		}
	}
	s.steps(
		resource.TestStep{Config: before},
		resource.TestStep{
			PreConfig:         func() { service = s.service("web", 1, "first value") },
			Config:            after,
			ConfigPlanChecks:  dockerAction(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{dockerState("versioned_name", knownvalue.StringRegexp(regexp.MustCompile(`-new-v\d$`)))},
		},
	)
}
