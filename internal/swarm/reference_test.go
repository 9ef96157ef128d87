// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"
)

// drawSpec is a service with references to versions of "key", under all their names,
// and to other secrets. It returns how many of the first there are.
func drawSpec(t *rapid.T) (spec swarm.ServiceSpec, ours int) {
	spec.Name, spec.Labels = "api", map[string]string{"a": "b"}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "image", Env: []string{"A=b"}}
	for i := range rapid.IntRange(0, 6).Draw(t, "references") {
		r := &swarm.SecretReference{File: &swarm.SecretReferenceFileTarget{
			Name: fmt.Sprint("file", i), UID: rapid.StringMatching("[0-9]").Draw(t, "uid"), GID: rapid.StringMatching("[0-9]").Draw(t, "gid"),
			Mode: os.FileMode(rapid.IntRange(0, 0o777).Draw(t, "mode")),
		}}
		switch rapid.SampledFrom([]string{"id", "name", "named", "new", "other"}).Draw(t, "kind") {
		case "id":
			r.SecretID, r.SecretName = "id1", "whatever"
		case "name":
			r.SecretID, r.SecretName = "unknown", "renamed-v1"
		case "named":
			r.SecretID, r.SecretName = "byhand", "key-v7"
		case "new":
			r.SecretID, r.SecretName = "id2", "key-v2"
		default:
			r.SecretID, r.SecretName = "other", "key-of-somebody-v1"
			ours--
		}
		ours++
		spec.TaskTemplate.ContainerSpec.Secrets = append(spec.TaskTemplate.ContainerSpec.Secrets, r)
	}
	return spec, ours
}

func keySeries() *series {
	s := &series{base: "key"}
	s.add(Version{ID: "id1", Name: "key-v1"})
	s.add(Version{Name: "renamed-v1"})
	return s
}

// A swap changes the object that a reference is to, and nothing else; made twice it
// is as made once, and swapping back gives the files that were there.
func TestSwap(t *testing.T) {
	to := Version{ID: "id2", Name: "key-v2"}
	rapid.Check(t, func(t *rapid.T) {
		spec, ours := drawSpec(t)
		untouched := clone(spec)
		target := Target{}
		if rapid.Bool().Draw(t, "target") {
			target = Target{Name: "t", UID: "7", GID: "8", Mode: new(os.FileMode(0o400))}
		}
		got, changed, err := (swap{keySeries(), to, target}).apply(spec)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(untouched, spec); diff != "" {
			t.Fatalf("what was given is changed (-before +after):\n%s", diff)
		}
		want := clone(spec)
		for _, r := range want.TaskTemplate.ContainerSpec.Secrets {
			if r.SecretID != "other" {
				r.SecretID, r.SecretName = to.ID, to.Name
				if ours == 1 && target.Name != "" {
					*r.File = swarm.SecretReferenceFileTarget{Name: "t", UID: "7", GID: "8", Mode: 0o400}
				}
			}
		}
		if ours == 0 {
			file := &swarm.SecretReferenceFileTarget{Name: "key", UID: "0", GID: "0", Mode: 0o444}
			if target.Name != "" {
				file = &swarm.SecretReferenceFileTarget{Name: "t", UID: "7", GID: "8", Mode: 0o400}
			}
			want.TaskTemplate.ContainerSpec.Secrets = append(want.TaskTemplate.ContainerSpec.Secrets, &swarm.SecretReference{SecretID: to.ID, SecretName: to.Name, File: file})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("spec (-want +got):\n%s", diff)
		}
		if changed != !cmp.Equal(spec, got) {
			t.Fatalf("changed is %v", changed)
		}
		if again, changed, err := (swap{keySeries(), to, target}).apply(got); changed || err != nil || !cmp.Equal(got, again) {
			t.Fatalf("a second time: changed %v, %v", changed, err)
		}
		back := leave([]Version{to}, Version{ID: "id1", Name: "key-v1"}).apply(got)
		for i, r := range back.TaskTemplate.ContainerSpec.Secrets {
			if r.SecretID == to.ID || *r.File != *want.TaskTemplate.ContainerSpec.Secrets[i].File {
				t.Fatalf("after swapping back: %+v", *r)
			}
		}
		for _, r := range leave([]Version{to}, Version{}).apply(got).TaskTemplate.ContainerSpec.Secrets {
			if r.SecretID != "other" {
				t.Fatalf("after removing: %+v", *r)
			}
		}
		undone := putBack(secretsOf(spec.TaskTemplate), secretsOf(got.TaskTemplate)).apply(got)
		if diff := cmp.Diff(spec, undone, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("after putting back (-before +after):\n%s", diff)
		}
	})
}

func TestSwapRefusesOneFileForTwoSecrets(t *testing.T) {
	spec := swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Secrets: []*swarm.SecretReference{
		{SecretID: "other", SecretName: "other", File: &swarm.SecretReferenceFileTarget{Name: "key"}},
	}}}}
	if _, changed, err := (swap{keySeries(), Version{ID: "id2", Name: "key-v2"}, Target{}}).apply(spec); err == nil || changed {
		t.Errorf("changed %v, error %v", changed, err)
	}
}
