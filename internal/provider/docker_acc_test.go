// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// swarmTest is a Docker secret of a test: on a real engine, with the embedded store.
type swarmTest struct {
	backend
	*docker.Daemon
	t    *testing.T
	name string // of the secret, and the beginning of all other names
	then func() // what steps does before it removes the services
}

func newSwarmTest(t *testing.T) *swarmTest {
	t.Helper()
	engine := docker.Engine(t)
	return &swarmTest{backend: localBackend(t), Daemon: engine, t: t, name: engine.Name(t), then: func() {}}
}

// providerBlock is the provider on the test's store and engine.
func (s *swarmTest) providerBlock() string {
	return s.provider(`  environment = "development"`, fmt.Sprintf("  docker = { host = %q }", s.Host))
}

// supplied is a configuration of the secret with a value from outside, and with
// further arguments.
func (s *swarmTest) supplied(value string, number int, arguments ...string) string {
	return s.providerBlock() + fmt.Sprintf("resource \"roi_docker_secret\" \"test\" {\n  name = %q\n  value_wo = %q\n  value_wo_version = %d\n  %s\n}\n",
		s.name, value, number, strings.Join(arguments, "\n  "))
}

func (s *swarmTest) version(number int) string { return swarm.FormatName(s.name, number) }

// service makes a service of two replicas that serves a version, and waits for it.
func (s *swarmTest) service(suffix string, number int, value string) *docker.Service {
	s.t.Helper()
	service := s.Service(s.t, s.name+"-"+suffix, s.version(number))
	service.WaitFor(s.t, 2, value)
	return service
}

// there asserts which versions exist.
func (s *swarmTest) there(numbers ...int) {
	s.t.Helper()
	var want []string
	for _, number := range numbers {
		want = append(want, s.version(number))
	}
	if diff := cmp.Diff(want, s.SecretNames(s.t, s.name+"-v")); diff != "" {
		s.t.Errorf("versions in Docker (-want +got):\n%s", diff)
	}
}

// uses asserts which version a service refers to.
func (s *swarmTest) uses(service *docker.Service, number int) {
	s.t.Helper()
	if got, want := service.SecretNames(s.t), []string{s.version(number)}; !slices.Equal(got, want) {
		s.t.Errorf("%s refers to %v, want %v", service.Name, got, want)
	}
}

// steps runs Terraform in this process, and in the end removes the services, so
// that the secret can be destroyed.
func (s *swarmTest) steps(steps ...resource.TestStep) {
	s.t.Helper()
	last := slices.IndexFunc(steps, func(step resource.TestStep) bool { return step.Config != "" })
	steps = append(steps, resource.TestStep{PreConfig: s.removeServices, Config: steps[last].Config, Destroy: true})
	resource.UnitTest(s.t, resource.TestCase{ProtoV6ProviderFactories: factories(), Steps: steps})
}

func (s *swarmTest) removeServices() {
	s.t.Helper()
	s.then()
	s.then = func() {}
	services, err := s.Client.ServiceList(context.Background(), client.ServiceListOptions{Filters: client.Filters{}.Add("name", s.name)})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, service := range services.Items {
		if _, err := s.Client.ServiceRemove(context.Background(), service.ID, client.ServiceRemoveOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func servicesArgument(services ...*docker.Service) string {
	var names []string
	for _, service := range services {
		names = append(names, quote(service.Name))
	}
	return "services = [" + strings.Join(names, ", ") + "]"
}

// countingDocker counts the calls to Docker.
type countingDocker struct {
	swarm.API
	mu     sync.Mutex
	counts map[string]int
}

func (c *countingDocker) count(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	put(&c.counts, op, c.counts[op]+1)
}

// taken returns the counts so far and begins anew.
func (c *countingDocker) taken() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = nil
	return counts
}

func (c *countingDocker) SecretCreate(ctx context.Context, options client.SecretCreateOptions) (client.SecretCreateResult, error) {
	c.count("SecretCreate")
	return c.API.SecretCreate(ctx, options)
}

func (c *countingDocker) SecretInspect(ctx context.Context, id string, options client.SecretInspectOptions) (client.SecretInspectResult, error) {
	c.count("SecretInspect")
	return c.API.SecretInspect(ctx, id, options)
}

func (c *countingDocker) SecretList(ctx context.Context, options client.SecretListOptions) (client.SecretListResult, error) {
	c.count("SecretList")
	return c.API.SecretList(ctx, options)
}

func (c *countingDocker) SecretRemove(ctx context.Context, id string, options client.SecretRemoveOptions) (client.SecretRemoveResult, error) {
	c.count("SecretRemove")
	return c.API.SecretRemove(ctx, id, options)
}

func (c *countingDocker) SecretUpdate(ctx context.Context, id string, options client.SecretUpdateOptions) (client.SecretUpdateResult, error) {
	c.count("SecretUpdate")
	return c.API.SecretUpdate(ctx, id, options)
}

func (c *countingDocker) ServiceInspect(ctx context.Context, id string, options client.ServiceInspectOptions) (client.ServiceInspectResult, error) {
	c.count("ServiceInspect")
	return c.API.ServiceInspect(ctx, id, options)
}

func (c *countingDocker) ServiceList(ctx context.Context, options client.ServiceListOptions) (client.ServiceListResult, error) {
	c.count("ServiceList")
	return c.API.ServiceList(ctx, options)
}

func (c *countingDocker) ServiceUpdate(ctx context.Context, id string, options client.ServiceUpdateOptions) (client.ServiceUpdateResult, error) {
	c.count("ServiceUpdate")
	return c.API.ServiceUpdate(ctx, id, options)
}

func (c *countingDocker) TaskList(ctx context.Context, options client.TaskListOptions) (client.TaskListResult, error) {
	c.count("TaskList")
	return c.API.TaskList(ctx, options)
}
