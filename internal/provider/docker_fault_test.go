// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mobyswarm "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// dockerKill is a call to Docker at which the provider is killed.
type dockerKill struct {
	op    string
	nth   int
	after bool
	// The value is in the configuration, which may have corrected it since. So the
	// next apply cannot take over what this one made.
	supplied bool
}

// dockerKills are the calls of an apply that makes a version, moves two services
// and removes the version that is not kept. How often a service is looked at while
// it converges is up to Docker, so of those looks only the first are met.
func dockerKills() []dockerKill {
	var kills []dockerKill
	for _, call := range []struct {
		op    string
		times int
	}{{"SecretList", 1}, {"SecretInspect", 1}, {"ServiceInspect", 5}, {"SecretCreate", 1}, {"ServiceUpdate", 2}, {"TaskList", 2}, {"SecretUpdate", 1}, {"ServiceList", 1}, {"SecretRemove", 1}} {
		for nth := 1; nth <= call.times; nth++ {
			kills = append(kills, dockerKill{op: call.op, nth: nth, after: true})
		}
	}
	// Before a call is after the one before it, but for the first of an operation.
	for _, op := range []string{"SecretCreate", "ServiceUpdate", "SecretUpdate", "SecretRemove"} {
		kills = append(kills, dockerKill{op: op, nth: 1})
	}
	for _, call := range []string{"SecretCreate 1", "ServiceUpdate 1", "ServiceUpdate 2", "SecretUpdate 1"} {
		kill := dockerKill{after: true, supplied: true}
		if _, err := fmt.Sscan(call, &kill.op, &kill.nth); err != nil {
			panic(err)
		}
		kills = append(kills, kill)
	}
	return kills
}

// The provider is killed at every call to Docker that an apply makes, and one more
// apply finishes what was begun: no service refers to a secret that is not there at
// any moment, and nothing is left over. All cases are one configuration; each has a
// provider of its own, which Terraform runs as a process of its own.
func TestDockerSecretSurvivesKill(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	cases := dockerKills()
	w := cliOver(t, s.backend, time.Now().UTC())

	const secret = "fault/s"
	versions := s.seed(secret, 3)
	var config strings.Builder
	config.WriteString(tfcli.RequiredProviders + "variable \"version_id\" {}\nvariable \"number\" {}\nvariable \"services\" {\n  default = true\n}\n")
	folder := t.TempDir()
	host := func(n int) string { return "unix://" + filepath.Join(folder, fmt.Sprint(n)) }
	died := func(n int) string { return filepath.Join(folder, fmt.Sprintf("died-%d", n)) }
	name := func(n int) string { return fmt.Sprintf("%s-%d-s", s.name, n) }
	kills := map[string]any{}
	for n, kill := range cases {
		if err := os.Symlink(strings.TrimPrefix(s.Host, "unix://"), strings.TrimPrefix(host(n), "unix://")); err != nil {
			t.Fatal(err)
		}
		kills[host(n)] = map[string]any{"Op": kill.op, "Nth": kill.nth, "After": kill.after, "File": died(n)}
		source := fmt.Sprintf("secret_id = %q\n  version_id = var.version_id", secret)
		if kill.supplied {
			source = "value_wo = \"value number ${var.number}\"\n  value_wo_version = var.number"
		}
		fmt.Fprintf(&config, `
provider "roi" {
  alias       = "k%[1]d"
  environment = "development"
%[2]s
  docker = { host = %[3]q }
}
resource "roi_docker_secret" "s%[1]d" {
  provider = roi.k%[1]d
  name     = %[4]q
  services = var.services ? ["%[4]s-a", "%[4]s-b"] : []
  %[5]s
}
`, n, s.config, host(n), name(n), source)
	}
	w.WriteFile("main.tf", config.String())
	w.Init()
	arguments := func(number int, more ...string) []string {
		return append([]string{"-parallelism=20", "-var=version_id=" + versions[number-1], fmt.Sprint("-var=number=", number)}, more...)
	}
	w.Apply(arguments(1, "-var=services=false")...).Require(t, 0)
	s.promote(secret, versions[0], versions[1])
	w.Apply(arguments(2, "-var=services=false")...).Require(t, 0)
	services := make([][2]*docker.Service, len(cases))
	for n := range cases {
		// The one shows that values arrive, the other costs nothing.
		for i := range services[n] {
			services[n][i] = s.Service(t, name(n)+"-"+string("ab"[i]), swarm.FormatName(name(n), 2), func(spec *mobyswarm.ServiceSpec) {
				spec.Mode.Replicated.Replicas = new(uint64(1 - i))
			})
		}
	}
	before := s.value(t, secret, "")
	for n := range cases {
		services[n][0].WaitFor(t, 1, before)
	}

	s.promote(secret, versions[1], versions[2])
	w.Plan(arguments(3, "-out=saved")...).Require(t, 2)
	text, err := json.Marshal(kills)
	if err != nil {
		t.Fatal(err)
	}
	w.WriteFile("kill.json", string(text))
	w.SetEnv("ROI_TEST_KILL_DOCKER", filepath.Join(w.Dir, "kill.json"))
	stop := s.watchReferences()
	w.Run("apply", "-input=false", "-no-color", "-parallelism=20", "saved").Require(t, 1)
	if err := os.Remove(filepath.Join(w.Dir, "kill.json")); err != nil {
		t.Fatal(err)
	}
	for n, kill := range cases {
		if _, err := os.Stat(died(n)); err != nil {
			t.Errorf("%+v: the provider made no such call", kill)
		}
	}
	w.Apply(arguments(3)...).Require(t, 0)
	for _, missing := range stop() {
		t.Error(missing)
	}
	after := s.value(t, secret, "")
	for n, kill := range cases {
		services[n][0].WaitFor(t, 1, after)
		there := s.SecretNames(t, name(n)+"-v")
		last := swarm.FormatName(name(n), 3)
		if kill.supplied && kill.op != "SecretUpdate" { // the last step: nothing was left to do
			last = swarm.FormatName(name(n), 4)
		}
		if want := []string{swarm.FormatName(name(n), 2), last}; !slices.Equal(there, want) {
			t.Errorf("%+v: there are %v, want %v", kill, there, want)
		}
		for _, service := range services[n] {
			if got := service.SecretNames(t); !slices.Equal(got, []string{last}) {
				t.Errorf("%+v: %s refers to %v, want %s", kill, service.Name, got, last)
			}
		}
	}
	w.Plan(arguments(3)...).Require(t, 0)
}

// The watcher of TestDockerSecretSurvivesKill shows something only if it can see what
// it looks for: Docker lets a secret be removed that a rollback would need.
func TestWatcherSeesMissingReferences(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	s.CreateSecret(t, s.version(1), "first value")
	s.CreateSecret(t, s.version(2), "second value")
	service := s.Service(t, s.name+"-web", s.version(1), func(spec *mobyswarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64(0)) })
	service.Update(t, func(spec *mobyswarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Secrets[0] = s.Reference(t, s.version(2), docker.SecretTarget)
	})
	if missing := s.missingReferences(); len(missing) > 0 {
		t.Errorf("before: %v", missing)
	}
	if _, err := s.Client.SecretRemove(t.Context(), s.version(1), client.SecretRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if missing := s.missingReferences(); len(missing) != 1 || !strings.Contains(missing[0], s.version(1)) {
		t.Errorf("after: %v", missing)
	}
}

// seed makes a secret in the store with a number of versions, the first of which is
// current.
func (s *swarmTest) seed(name string, count int) (versions []string) {
	s.t.Helper()
	for i := range count {
		id, value := secretstore.DeriveVersionID(name, fmt.Sprint(i)), secretstore.NewPlaintext(fmt.Sprintf("value number %d", i+1))
		var err error
		if i == 0 {
			_, err = s.store.Create(s.t.Context(), secretstore.CreateInput{Name: name, Token: id, Value: value})
		} else {
			err = s.store.Put(s.t.Context(), secretstore.PutInput{ID: name, Token: id, Value: value, Labels: []string{fmt.Sprint("number-", i+1)}})
		}
		if err != nil {
			s.t.Fatal(err)
		}
		versions = append(versions, id)
	}
	return versions
}

func (s *swarmTest) promote(name, from, to string) {
	s.t.Helper()
	if err := s.store.MoveLabel(s.t.Context(), name, secretstore.Current, from, to); err != nil {
		s.t.Fatal(err)
	}
}

// watchReferences looks all the time for services that refer to a secret that is
// not there, in their spec or in the one before it. The function that it returns
// ends that and returns what was found.
func (s *swarmTest) watchReferences() (stop func() []string) {
	var found []string
	end := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			found = append(found, s.missingReferences()...)
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() []string {
		close(end)
		running.Wait()
		return slices.Compact(slices.Sorted(slices.Values(found)))
	}
}

func (s *swarmTest) missingReferences() (missing []string) {
	ctx := context.Background()
	services, err := s.Client.ServiceList(ctx, client.ServiceListOptions{Filters: client.Filters{}.Add("name", s.name)})
	if err != nil {
		return []string{err.Error()}
	}
	// Listed after the services: what a service refers to cannot have been made later.
	secrets, err := s.Client.SecretList(ctx, client.SecretListOptions{})
	if err != nil {
		return []string{err.Error()}
	}
	there := map[string]bool{}
	for _, secret := range secrets.Items {
		there[secret.ID] = true
	}
	for _, service := range services.Items {
		for _, reference := range referencesOf(service) {
			if there[reference.SecretID] {
				continue
			}
			// It may have been removed in between, if the service was moved before.
			now, err := s.Client.ServiceInspect(ctx, service.ID, client.ServiceInspectOptions{})
			if err == nil && slices.ContainsFunc(referencesOf(now.Service), func(r *mobyswarm.SecretReference) bool { return r.SecretID == reference.SecretID }) {
				missing = append(missing, fmt.Sprintf("%s refers to %s, which is not there", service.Spec.Name, reference.SecretName))
			}
		}
	}
	return missing
}

// referencesOf are the references of a service, and of what a rollback returns to.
func referencesOf(service mobyswarm.Service) []*mobyswarm.SecretReference {
	references := slices.Clone(service.Spec.TaskTemplate.ContainerSpec.Secrets)
	if service.PreviousSpec != nil {
		references = append(references, service.PreviousSpec.TaskTemplate.ContainerSpec.Secrets...)
	}
	return references
}
