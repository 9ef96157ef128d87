// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// fixture is one secret on the real engine, as a resource would manage it.
type fixture struct {
	*testing.T
	engine *docker.Daemon
	swarm  *Swarm
	prefix string // of everything the test makes
	want   Want
	out    Outcome // of the last Apply that succeeded
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	engine := docker.Engine(t)
	prefix := engine.Name(t)
	return &fixture{
		T: t, engine: engine, prefix: prefix,
		swarm: &Swarm{API: guard(t, engine.Client, prefix)},
		want:  Want{Name: prefix + "-key", Keep: 1, Timeout: time.Minute},
	}
}

// value makes the next Apply make a version with this value.
func (f *fixture) value(value string) {
	f.want.Value = func(context.Context) (secretstore.Plaintext, error) { return secretstore.NewPlaintext(value), nil }
	f.want.Source = Source{SecretID: "arn", Key: "KEY", VersionID: f.prefix + "/" + value}
}

// apply applies, and takes what comes out into state.
func (f *fixture) apply() Outcome {
	f.Helper()
	out, err := f.swarm.Apply(context.Background(), f.want)
	if err != nil {
		f.Fatal(err)
	}
	f.saved(out)
	return out
}

func (f *fixture) saved(out Outcome) {
	f.out = out
	f.want.Current, f.want.Last, f.want.Superseded = out.Version.ID, out.Version.Number, out.Superseded
	f.want.Value = nil
}

// rotate makes a version with a value and moves the services to it.
func (f *fixture) rotate(value string) Outcome {
	f.Helper()
	f.value(value)
	return f.apply()
}

// rolledBack applies and expects that it is undone.
func (f *fixture) rolledBack() *RolledBackError {
	f.Helper()
	_, err := f.swarm.Apply(context.Background(), f.want)
	var rolledBack *RolledBackError
	if !errors.As(err, &rolledBack) {
		f.Fatalf("got error %v, want a *RolledBackError", err)
	}
	if rolledBack.Left != nil {
		f.Errorf("left: %v", rolledBack.Left)
	}
	return rolledBack
}

// fails applies and expects an error of a kind, and that nothing has changed.
func (f *fixture) fails(kind error) *Error {
	f.Helper()
	before := f.engine.SecretNames(f, f.prefix)
	_, err := f.swarm.Apply(context.Background(), f.want)
	var failed *Error
	if !errors.As(err, &failed) || failed.Kind != kind {
		f.Fatalf("got error %v, want %v", err, kind)
	}
	if diff := cmp.Diff(before, f.engine.SecretNames(f, f.prefix)); diff != "" {
		f.Errorf("objects have changed (-before +after):\n%s", diff)
	}
	return failed
}

// versions expects these objects of the secret, by their suffixes.
func (f *fixture) versions(suffixes ...string) {
	f.Helper()
	var names []string
	for _, name := range f.engine.SecretNames(f, f.want.Name) {
		names = append(names, strings.TrimPrefix(name, f.want.Name+"-"))
	}
	if diff := cmp.Diff(suffixes, names); diff != "" {
		f.Errorf("objects of Docker (-want +got):\n%s", diff)
	}
}

// service makes a service with the present version of the secret.
func (f *fixture) service(name string, change ...func(*swarm.ServiceSpec)) *docker.Service {
	f.Helper()
	s := f.engine.Service(f, f.prefix+"-"+name, f.out.Version.Name, change...)
	f.want.Services = append(f.want.Services, s.Name)
	return s
}

// refersTo expects that a service refers to a version in its spec, and to none that
// is not there in the one before it.
func (f *fixture) refersTo(s *docker.Service, suffix string) {
	f.Helper()
	if diff := cmp.Diff([]string{f.want.Name + "-" + suffix}, s.SecretNames(f)); diff != "" {
		f.Errorf("%s refers to (-want +got):\n%s", s.Name, diff)
	}
}

// somebodyUpdates changes a service as another program would, also while Docker is at
// work on it.
func (f *fixture) somebodyUpdates(s *docker.Service, edit func(*swarm.ServiceSpec)) {
	f.Helper()
	somebody := Swarm{API: f.engine.Client}
	_, err := somebody.updateService(context.Background(), s.ID, "", func(service swarm.Service) (client.ServiceUpdateOptions, bool, error) {
		edit(&service.Spec)
		return client.ServiceUpdateOptions{Spec: service.Spec}, true, nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

func replicas(n uint64) func(*swarm.ServiceSpec) {
	return func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = &n }
}

// guard fails the test as soon as a service whose name begins with prefix refers to a
// secret that is not there, in its spec or in the one before it.
func guard(t *testing.T, api API, prefix string) API {
	return wrapped{api, func(name, object string, call func() error) error {
		err := call()
		if slices.Contains([]string{"SecretRemove", "ServiceUpdate", "ServiceRollback"}, name) {
			for _, missing := range dangling(t, api, prefix) {
				t.Errorf("after %s of %s: %s", name, object, missing)
			}
		}
		return err
	}}
}

// dangling says which references of services lead nowhere.
func dangling(t *testing.T, api API, prefix string) (found []string) {
	services, err := api.ServiceList(context.Background(), client.ServiceListOptions{})
	if err != nil {
		t.Error(err)
	}
	secrets, err := api.SecretList(context.Background(), client.SecretListOptions{})
	if err != nil {
		t.Error(err)
	}
	there := map[string]bool{}
	for _, s := range secrets.Items {
		there[s.ID] = true
	}
	for _, service := range services.Items {
		if !strings.HasPrefix(service.Spec.Name, prefix) {
			continue
		}
		for where, spec := range map[string]*swarm.ServiceSpec{"spec": &service.Spec, "previous spec": service.PreviousSpec} {
			if spec == nil {
				continue
			}
			for _, r := range secretsOf(spec.TaskTemplate) {
				if !there[r.SecretID] {
					found = append(found, "the "+where+" of "+service.Spec.Name+" refers to "+r.SecretName+", which is gone")
				}
			}
		}
	}
	return found
}

func TestRotationNeverFailsARequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	f.versions("v1")
	s := f.service("api")
	s.WaitFor(t, 2, "one")

	stop := s.Watch()
	out := f.rotate("two")
	answers := stop()
	if answers.Failed > 0 {
		t.Errorf("%d requests failed during the update, the first with %v", answers.Failed, answers.First)
	}
	s.WaitFor(t, 2, "two")
	f.refersTo(s, "v2")
	if diff := cmp.Diff([]string{s.Name}, out.Rolled); diff != "" {
		t.Errorf("rolled (-want +got):\n%s", diff)
	}
	f.versions("v1", "v2")

	f.rotate("three")
	f.versions("v2", "v3")
	s.WaitFor(t, 2, "three")
}
