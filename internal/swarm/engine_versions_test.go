// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestKeepVersions(t *testing.T) {
	t.Parallel()
	for keep, want := range map[int][]string{0: {"v5"}, 1: {"v4", "v5"}, 3: {"v2", "v3", "v4", "v5"}} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.want.Keep = keep
			for i := range 5 {
				f.rotate(fmt.Sprint(i))
			}
			f.versions(want...)
			var superseded []string
			for i := len(want) - 2; i >= 0; i-- {
				superseded = append(superseded, f.want.Name+"-"+want[i])
			}
			if diff := cmp.Diff(superseded, f.out.Superseded); diff != "" {
				t.Errorf("superseded (-want +got):\n%s", diff)
			}
			f.want.Keep = 0
			f.apply()
			f.versions("v5")
		})
	}
}

// What docker service rollback would go back to stays, although Docker would let it
// go.
func TestVersionInPreviousSpecStaysAndGoesLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want.Keep = 0
	f.rotate("one")
	s := f.service("api", replicas(0))
	v1 := f.want.Name + "-v1"

	out := f.rotate("two")
	if diff := cmp.Diff([]Leftover{{Name: v1, Previous: []string{s.Name}}}, out.Left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1}, out.Superseded); diff != "" {
		t.Errorf("superseded (-want +got):\n%s", diff)
	}
	f.versions("v1", "v2")
	f.rotate("three")
	f.versions("v2", "v3")
}

func TestVersionOfAnotherServiceStaysAndGoesLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want.Keep = 0
	f.rotate("one")
	v1 := f.want.Name + "-v1"
	other := f.engine.Service(t, f.prefix+"-other", v1, replicas(0))

	out := f.rotate("two")
	if diff := cmp.Diff([]Leftover{{Name: v1, Services: []string{other.Name}, Mounts: map[string][]string{other.Name: {"target=secret,uid=0,gid=0,mode=0400"}}}}, out.Left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	f.versions("v1", "v2")
	f.somebodyUpdates(other, func(spec *swarm.ServiceSpec) { spec.TaskTemplate.ContainerSpec.Secrets = nil })
	f.apply()
	f.versions("v1", "v2") // in the previous spec
	f.somebodyUpdates(other, func(*swarm.ServiceSpec) {})
	if out := f.apply(); len(out.Left)+len(out.Superseded) > 0 {
		t.Errorf("left %v, superseded %v, want none", out.Left, out.Superseded)
	}
	f.versions("v2")
}

func TestNumbersOnlyGrow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	f.rotate("two")
	if _, err := f.engine.Client.SecretRemove(t.Context(), f.want.Name+"-v2", client.SecretRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	f.rotate("three")
	f.versions("v1", "v3")

	// Upper and lower case are one to Docker, also where they are not to us.
	f.other("KEY-v4", "x")
	f.rotate("five")
	if f.out.Version.Number != 5 {
		t.Errorf("made %s, want the fifth version", f.out.Version.Name)
	}
}

func TestForeignObjectsAreNotTouched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want.Keep = 0
	f.other("key-v1", "x")
	f.value("one")
	if err := f.fails(ErrNameTaken); err.Object != f.want.Name+"-v1" {
		t.Errorf("the error is about %q", err.Object)
	}
	f.other("key-v4", "x")
	f.want.Value = func(context.Context) (secretstore.Plaintext, error) {
		t.Error("the value was asked for")
		return secretstore.NewPlaintext("one"), nil
	}
	if err := f.fails(ErrNameTaken); err.Object != f.want.Name+"-v4" {
		t.Errorf("the error is about %q", err.Object)
	}
	f.want.Last = 4
	f.rotate("five")
	f.rotate("six")
	f.versions("v1", "v4", "v6")
	// Copied labels do not make it ours.
	secret := f.engine.Secrets(t, f.want.Name+"-v6")[0]
	secret.Spec.Name, secret.Spec.Data = f.want.Name+"-v3", []byte("x")
	if _, err := f.engine.Client.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: secret.Spec}); err != nil {
		t.Fatal(err)
	}
	f.rotate("seven")
	f.versions("v1", "v3", "v4", "v7")
}

// A finished version that state does not know of is another configuration's.
func TestNameOfAnotherConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	another := *f
	another.want = Want{Name: f.want.Name, Timeout: f.want.Timeout}
	another.value("x")
	another.want.Source.Key = "ANOTHER"
	_ = another.fails(ErrNameTaken)

	// Its own, from before its state was lost, it takes up.
	another.want.Source.Key = f.want.Source.Key
	out := another.apply()
	if diff := cmp.Diff([]string{f.want.Name + "-v1"}, out.Found); diff != "" || out.Version.Number != 2 {
		t.Errorf("version %d, found (-want +got):\n%s", out.Version.Number, diff)
	}
}

func TestChangedNameSwapsReferences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(1))
	old := f.want.Name
	f.want.Name = f.prefix + "-renamed"
	out := f.rotate("two")
	s.WaitFor(t, 1, "two")
	f.refersTo(s, "v2")
	if diff := cmp.Diff([]string{old + "-v1"}, out.Superseded); diff != "" {
		t.Errorf("superseded (-want +got):\n%s", diff)
	}
	f.rotate("three")
	f.versions("v2", "v3")
	if names := f.engine.SecretNames(t, old); len(names) > 0 {
		t.Errorf("still there: %v", names)
	}
}

// An object that somebody else made is taken over by its labels, and nothing else.
func TestAdoption(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.engine.CreateSecret(t, f.want.Name+"-v7", "seven")
	f.want.Services = []string{f.engine.Service(t, f.prefix+"-api", f.want.Name+"-v7", replicas(0)).Name}
	version, err := f.swarm.Read(t.Context(), f.want.Name+"-v7")
	if err != nil || version.Ours || version.ID != id || version.Base() != f.want.Name || version.Number != 7 {
		t.Fatalf("read %+v, %v", version, err)
	}
	f.want.Current, f.want.Last = id, 7
	f.want.Source = Source{SecretID: "arn", Key: "K", VersionID: "seventh"}
	f.want.Labels = map[string]string{"team": "x"}
	out := f.apply()
	if len(out.Rolled) > 0 || out.Version.ID != id {
		t.Errorf("rolled %v to %s, want nothing but labels", out.Rolled, out.Version.Name)
	}
	version, err = f.swarm.Read(t.Context(), id)
	want := Version{ID: id, Name: f.want.Name + "-v7", Number: 7, Ours: true, Source: f.want.Source, Labels: f.want.Labels, CreatedAt: version.CreatedAt}
	if diff := cmp.Diff(want, version, cmp.AllowUnexported(Version{})); diff != "" || err != nil {
		t.Errorf("error %v, version (-want +got):\n%s", err, diff)
	}
	f.rotate("eight")
	f.versions("v7", "v8")
}

// One that is rotated before it could be labelled is pruned like any other.
func TestUnlabelledCurrentVersionIsSuperseded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want.Last = 7
	f.want.Current = f.engine.CreateSecret(t, f.want.Name+"-v7", "seven")
	f.rotate("eight")
	f.versions("v7", "v8")
	f.rotate("nine")
	f.versions("v8", "v9")
}

func TestLabelsKeepThoseOfDocker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spec := swarm.SecretSpec{Annotations: swarm.Annotations{Name: f.want.Name + "-v1", Labels: map[string]string{stackLabel: "shop", "old": "x"}}, Data: []byte("x")}
	result, err := f.engine.Client.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.swarm.Label(t.Context(), result.ID, Source{ValueVersion: "3"}, map[string]string{"new": "y"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{stackLabel: "shop", "new": "y", "roi.name": f.want.Name, "roi.version": "1", "roi.value-wo-version": "3"}
	if diff := cmp.Diff(want, f.engine.Secrets(t, f.want.Name)[0].Spec.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if _, err := f.swarm.Label(t.Context(), f.other("plain", "x"), Source{}, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("got error %v for a name without a version, want %v", err, ErrInvalid)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	s := f.service("api", replicas(0))
	f.rotate("two")
	v1, v2 := f.want.Name+"-v1", f.want.Name+"-v2"
	refused := func(want ...Leftover) {
		t.Helper()
		err := f.swarm.Delete(t.Context(), f.want.Name, f.want.Current, f.want.Superseded)
		var inUse *InUseError
		if !errors.As(err, &inUse) || !errors.Is(err, ErrInUse) {
			t.Fatalf("got error %v, want an *InUseError", err)
		}
		if diff := cmp.Diff(want, inUse.Left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		f.versions("v1", "v2")
	}
	refused(Leftover{Name: v2, Services: []string{s.Name}}, Leftover{Name: v1, Previous: []string{s.Name}})
	f.somebodyUpdates(s, func(spec *swarm.ServiceSpec) { spec.TaskTemplate.ContainerSpec.Secrets = nil })
	refused(Leftover{Name: v2, Previous: []string{s.Name}})
	f.somebodyUpdates(s, func(*swarm.ServiceSpec) {})
	foreign := f.other("key-v9", "x")
	for range 2 { // the second time they are gone
		if err := f.swarm.Delete(t.Context(), f.want.Name, f.want.Current, append(f.want.Superseded, foreign)); err != nil {
			t.Fatal(err)
		}
		f.versions("v9")
	}
}

func TestPresent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rotate("one")
	f.rotate("two")
	got, err := f.swarm.Present(t.Context(), []string{f.want.Name + "-v1", f.want.Name + "-v2", f.want.Name + "-v8", f.other("key-v9", "x")})
	if diff := cmp.Diff([]string{f.want.Name + "-v2", f.want.Name + "-v1"}, got); diff != "" || err != nil {
		t.Errorf("error %v, present (-want +got):\n%s", err, diff)
	}
	if _, err := f.swarm.Read(t.Context(), f.want.Current[:10]); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v for the beginning of an id, want %v", err, ErrNotFound)
	}
}

// The limit is Docker's own: what is refused here, it refuses, and nothing else.
func TestSizes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, size := range []int{0, MaxValueBytes + 1} {
		f.value(strings.Repeat("x", size))
		f.want.Source.VersionID = ""
		if err := f.fails(ErrSize); strings.Contains(err.Error(), "xx") || strings.Contains(err.Error(), fmt.Sprint(size)+" ") {
			t.Error("the error tells of the value")
		}
		spec := swarm.SecretSpec{Annotations: swarm.Annotations{Name: f.want.Name + "-docker"}, Data: make([]byte, size)}
		if _, err := f.engine.Client.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: spec}); err == nil {
			t.Errorf("Docker takes %d bytes", size)
		}
	}
	f.value(strings.Repeat("x", MaxValueBytes))
	f.want.Source.VersionID = "large"
	f.apply()
}

// Docker takes the names that CheckName takes.
func TestNamesAreThoseOfDocker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"a", "a.b_c-d", "a--", "9", "a_", "é", "a b", "a/b", "a:b", strings.Repeat("n", 61-len(f.prefix)), strings.Repeat("n", 62-len(f.prefix))} {
		name = f.prefix + name
		_, err := f.swarm.create(t.Context(), Version{Name: FormatName(name, 1), Number: 1}, secretstore.NewPlaintext("x"))
		if rule := CheckName(name, 1); (err == nil) != (rule == nil) {
			t.Errorf("%q: Docker says %v, CheckName %v", name, err, rule)
		}
	}
}

// A daemon that is no manager, or not there, is told apart from a secret that is not.
func TestDaemonsThatManageNoSwarm(t *testing.T) {
	t.Parallel()
	d := docker.New(t)
	s := &Swarm{API: d.Client}
	expect := func(kind error) {
		t.Helper()
		if _, err := s.Read(t.Context(), "some-v1"); !errors.Is(err, kind) || errors.Is(err, ErrNotFound) {
			t.Errorf("got error %v, want %v", err, kind)
		}
		if _, err := s.Apply(t.Context(), Want{Name: "some", Value: nil}); !errors.Is(err, kind) {
			t.Errorf("got error %v, want %v", err, kind)
		}
	}
	expect(ErrNoSwarm)
	nowhere, err := client.New(client.WithHost("unix:///nowhere/docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s.API = nowhere
	expect(ErrUnreachable)
}
