// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

func global(spec *swarm.ServiceSpec) { spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} }

func job(spec *swarm.ServiceSpec) {
	spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: new(uint64(1)), TotalCompletions: new(uint64(1))}}
	spec.TaskTemplate.RestartPolicy = nil
	spec.UpdateConfig, spec.RollbackConfig = nil, nil
	spec.TaskTemplate.ContainerSpec.Args = []string{"once"}
}

func TestServiceModes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*swarm.ServiceSpec)
		answers int
	}{
		"no replicas": {replicas(0), 0},
		"global":      {global, 1},
		"stop first":  {func(spec *swarm.ServiceSpec) { spec.UpdateConfig.Order = swarm.UpdateOrderStopFirst }, 2},
		"all at once": {func(spec *swarm.ServiceSpec) { spec.UpdateConfig.Parallelism = 0 }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.rotate("one")
			s := f.service("api", patient, tc.change)
			s.WaitFor(t, tc.answers, "one")
			f.rotate("two")
			// Apply has waited: there is nothing to wait for.
			if value, err := s.Get(); tc.answers > 0 && (err != nil || value != "two") {
				t.Errorf("the service does not answer with the new value: %v", err)
			}
			f.refersTo(s, "v2")
			s.WaitFor(t, tc.answers, "two")

			if tc.answers == 0 {
				return
			}
			f.value(refused)
			_ = f.rolledBack()
			s.WaitFor(t, tc.answers, "two")
			f.versions("v1", "v2")
		})
	}
}

func TestServicesThatCannotBeMovedAreRefusedBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	f.value("two")
	s := f.service("api", replicas(0))
	j := f.service("job", job)
	if err := f.fails(ErrJob); err.Object != j.Name {
		t.Errorf("the error is about %q, want %q", err.Object, j.Name)
	}
	f.want.Services = []string{AllServices}
	_ = f.fails(ErrJob)
	f.want.Services = []string{s.Name, f.prefix + "-no", f.prefix + "-nor-this"}
	if err := f.fails(ErrNotFound); err.Object != f.prefix+"-no, "+f.prefix+"-nor-this" {
		t.Errorf("the error is about %q, want both missing services", err.Object)
	}
	f.want.Services = []string{s.ID[:8]} // Docker itself takes it
	_ = f.fails(ErrNotFound)
	f.want.Services = []string{s.Name}
	f.want.Target.Name = "another"
	f.somebodyUpdates(s, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Secrets = append(spec.TaskTemplate.ContainerSpec.Secrets,
			f.engine.Reference(t, f.other("another-object", "x"), "another"))
	})
	_ = f.fails(ErrInvalid)
	f.refersTo2(s, f.want.Name+"-v1", f.prefix+"-another-object")
}

// other makes a secret that is not of this package.
func (f *fixture) other(suffix, value string) (name string) {
	f.Helper()
	name = f.prefix + "-" + suffix
	f.engine.CreateSecret(f, name, value)
	return name
}

func (f *fixture) refersTo2(s *docker.Service, names ...string) {
	f.Helper()
	if diff := cmp.Diff(names, s.SecretNames(f)); diff != "" {
		f.Errorf("%s refers to (-want +got):\n%s", s.Name, diff)
	}
}

// An update that Docker has paused is not carried to the other replicas.
func TestPausedUpdateOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api")
	s.WaitFor(t, 2, "one")
	f.somebodyUpdates(s, func(spec *swarm.ServiceSpec) {
		spec.UpdateConfig.Order, spec.UpdateConfig.Delay, spec.UpdateConfig.Monitor = swarm.UpdateOrderStopFirst, time.Minute, time.Minute
		spec.TaskTemplate.ContainerSpec.Env = []string{"SECRET_FILE=/nowhere"}
	})
	for {
		if status := s.Inspect(t).UpdateStatus; status != nil && status.State == swarm.UpdateStatePaused {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.value("two")
	_ = f.fails(ErrPaused)
	s.WaitFor(t, 1, "one")
}

// Only what is to be swapped is swapped: everything else that a service has stays.
func TestSpecIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	a, z := f.other("a", "a"), f.other("z", "z")
	s := f.service("api", replicas(1), func(spec *swarm.ServiceSpec) {
		key := spec.TaskTemplate.ContainerSpec.Secrets[0]
		key.File.UID, key.File.GID, key.File.Mode = "12", "34", 0o440
		spec.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{f.engine.Reference(t, z, "z"), key, f.engine.Reference(t, a, "a")}
		spec.Labels = map[string]string{"l": "v"}
		spec.TaskTemplate.ContainerSpec.Labels = map[string]string{"m": "w"}
		spec.TaskTemplate.ContainerSpec.User = "0:0"
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 64 << 20}}
		spec.TaskTemplate.ForceUpdate = 7
		spec.UpdateConfig.MaxFailureRatio = 0.5
	})
	before := s.Inspect(t).Spec
	f.rotate("two")
	reference := before.TaskTemplate.ContainerSpec.Secrets[1]
	reference.SecretID, reference.SecretName = f.out.Version.ID, f.want.Name+"-v2"
	if diff := cmp.Diff(before, s.Inspect(t).Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	s.WaitFor(t, 1, "two")
}

func TestServiceWithoutTheSecretGetsIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target Target
		want   func(base string) swarm.SecretReferenceFileTarget
	}{
		"default": {Target{}, func(base string) swarm.SecretReferenceFileTarget {
			return swarm.SecretReferenceFileTarget{Name: base, UID: "0", GID: "0", Mode: 0o444}
		}},
		"target": {Target{Name: docker.SecretTarget, UID: "5", GID: "6", Mode: new(os.FileMode(0o400))}, func(string) swarm.SecretReferenceFileTarget {
			return swarm.SecretReferenceFileTarget{Name: docker.SecretTarget, UID: "5", GID: "6", Mode: 0o400}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.rotate("one")
			s := f.engine.Service(t, f.prefix+"-api", "", func(spec *swarm.ServiceSpec) {
				spec.Mode.Replicated.Replicas = new(uint64(1))
				if tc.target.Name == "" {
					spec.TaskTemplate.ContainerSpec.Env = []string{"SECRET_FILE=/run/secrets/" + f.want.Name}
				}
			})
			f.want.Services, f.want.Target = []string{s.ID}, tc.target
			f.apply()
			s.WaitFor(t, 1, "one")
			if diff := cmp.Diff(tc.want(f.want.Name), *s.Inspect(t).Spec.TaskTemplate.ContainerSpec.Secrets[0].File); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			f.rotate("two")
			s.WaitFor(t, 1, "two")
			f.refersTo(s, "v2")
			if diff := cmp.Diff(tc.want(f.want.Name), *s.Inspect(t).Spec.TaskTemplate.ContainerSpec.Secrets[0].File); diff != "" {
				t.Errorf("file after a rotation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllServices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	user, other := f.service("user", replicas(1)), f.service("other", replicas(1))
	unconcerned := f.engine.Service(t, f.prefix+"-unconcerned", f.other("x-v1", "x"), replicas(0))
	foreign := f.engine.Service(t, f.prefix+"-foreign", f.other("key-v9", "x"), replicas(0)) // called like a version, and is none
	f.want.Services = []string{AllServices}
	out := f.rotate("two")
	if diff := cmp.Diff([]string{other.Name, user.Name}, out.Rolled); diff != "" {
		t.Errorf("rolled (-want +got):\n%s", diff)
	}
	f.refersTo(user, "v10")
	f.refersTo2(unconcerned, f.prefix+"-x-v1")
	f.refersTo(foreign, "v9")

	// Back to an older version by hand is seen, and mended.
	outdated := func(want ...string) {
		t.Helper()
		got, err := (&Swarm{API: f.engine.Client}).Outdated(t.Context(), f.out.Version, f.want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outdated (-want +got):\n%s", diff)
		}
	}
	outdated()
	f.somebodyUpdates(user, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Secrets[0] = f.engine.Reference(t, f.want.Name+"-v1", docker.SecretTarget)
	})
	outdated(user.Name)
	f.want.Services = []string{user.Name, other.ID, f.prefix + "-gone"}
	outdated(user.Name)
	f.want.Services = []string{AllServices}
	if out := f.apply(); !slices.Equal(out.Rolled, []string{user.Name}) {
		t.Errorf("rolled %v, want %s alone", out.Rolled, user.Name)
	}
	user.WaitFor(t, 1, "two")
	outdated()
	f.engine.Service(t, f.prefix+"-job", f.out.Version.Name, job) // has what it is to have
	f.apply()
}

func TestServiceOfAStackIsReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(0), func(spec *swarm.ServiceSpec) { spec.Labels = map[string]string{stackLabel: "shop"} })
	out := f.rotate("two")
	want := []StackService{{Service: s.Name, Stack: "shop", Compose: "name: " + f.want.Name + "-v2", File: "secret"}}
	if diff := cmp.Diff(want, out.Stacks); diff != "" {
		t.Errorf("stacks (-want +got):\n%s", diff)
	}
	if out := f.apply(); len(out.Stacks) > 0 {
		t.Errorf("reported again although nothing was updated: %v", out.Stacks)
	}
}

// Somebody who updates the service between our look and our update is not undone.
func TestStaleIndexIsTriedAgainOnTopOfTheChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(0))
	tries := 0
	f.swarm.API = wrapped{f.swarm.API, func(name, _ string, call func() error) error {
		if name == "ServiceUpdate" {
			if tries++; tries <= 2 {
				f.somebodyUpdates(s, func(spec *swarm.ServiceSpec) { spec.Labels = map[string]string{"try": strings.Repeat("x", tries)} })
			}
		}
		return call()
	}}
	f.rotate("two")
	f.refersTo(s, "v2")
	if spec := s.Inspect(t).Spec; tries != 3 || spec.Labels["try"] != "xx" {
		t.Errorf("%d tries, and the label of somebody else is %q: want 3 and %q", tries, spec.Labels["try"], "xx")
	}
}

// Secrets of one service that are rotated at the same moment wait for each other,
// and each gets what it asked for.
func TestSecretsOfOneServiceAtTheSameMoment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	other := newFixture(t)
	other.swarm = f.swarm
	other.rotate("uno")
	s := f.service("api", replicas(1), patient, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Secrets = append(spec.TaskTemplate.ContainerSpec.Secrets, f.engine.Reference(t, other.out.Version.Name, "other"))
	})
	other.want.Services = f.want.Services

	failed := make(chan error)
	go func() {
		f.value(refused)
		_, err := f.swarm.Apply(context.Background(), f.want)
		failed <- err
	}()
	other.rotate("due")
	if err := <-failed; err == nil {
		t.Error("the value that the server refuses was not noticed")
	}
	f.refersTo2(s, f.want.Name+"-v1", other.want.Name+"-v2")
	s.WaitFor(t, 1, "one")
	f.versions("v1")
}
