// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// series is what counts as a version of one secret.
type series struct {
	base string
	// Objects that belong to the secret, by their labels or by state.
	ids, names map[string]bool
	known      bool // nothing else does, whatever it is called
}

func (s *series) add(v Version) {
	if s.ids == nil {
		s.ids, s.names = map[string]bool{}, map[string]bool{}
	}
	if v.ID != "" {
		s.ids[v.ID] = true
	}
	s.names[v.Name] = true
}

// has reports whether a reference is to a version of the secret that is known to be
// one. The name counts like the id: it is what a person sees and writes.
func (s *series) has(r *swarm.SecretReference) bool {
	return s.ids[r.SecretID] || s.names[r.SecretName]
}

// named reports whether a reference is to a version of the secret, or to an object
// that is only called like one. In a service that is listed by its name it is one:
// before this package took over, people made versions by hand.
func (s *series) named(r *swarm.SecretReference) bool {
	return s.has(r) || !s.known && s.calls(r)
}

// calls reports whether a reference is to an object that is called like a version.
func (s *series) calls(r *swarm.SecretReference) bool {
	base, _, ok := parseName(r.SecretName)
	return ok && base == s.base
}

// swap makes every reference to a version of a secret one to a certain version.
type swap struct {
	from   *series
	to     Version
	target Target
}

// The file of a secret where nothing else is asked for.
// Source: https://docs.docker.com/reference/cli/docker/service/create/#secret
const (
	defaultOwner = "0"
	defaultMode  = os.FileMode(0o444)
)

// apply returns the spec with its references swapped. Everything else in it, and
// the order of its secrets, stays: tasks are replaced for any difference. A spec
// without such a reference gets one. changed is false if nothing is different.
func (s swap) apply(spec swarm.ServiceSpec) (_ swarm.ServiceSpec, changed bool, err error) {
	before := secretsOf(spec.TaskTemplate)
	after := make([]*swarm.SecretReference, 0, len(before)+1)
	var ours []*swarm.SecretReference
	for _, reference := range before {
		if s.from.named(reference) || reference.SecretID == s.to.ID {
			moved := *reference
			moved.SecretID, moved.SecretName = s.to.ID, s.to.Name
			reference = &moved
			ours = append(ours, reference)
		}
		after = append(after, reference)
	}
	switch len(ours) {
	case 0:
		after = append(after, &swarm.SecretReference{SecretID: s.to.ID, SecretName: s.to.Name, File: s.target.file(swarm.SecretReferenceFileTarget{
			Name: s.from.base, UID: defaultOwner, GID: defaultOwner, Mode: defaultMode,
		})})
	case 1:
		if ours[0].File != nil {
			ours[0].File = s.target.file(*ours[0].File)
		}
	}
	if slices.EqualFunc(before, after, sameReference) {
		return spec, false, nil
	}
	if file := twice(after); file != "" {
		return spec, false, fmt.Errorf("two of its secrets would be the file %q", file)
	}
	return withSecrets(spec, after), true, nil
}

// retreat says what a reference that is not to stay becomes instead: nil if it goes.
// ok is false for one that stays.
type retreat func(r *swarm.SecretReference) (instead *swarm.SecretReference, ok bool)

// leave makes references to any of the versions ones to another, or removes them if
// that is none.
func leave(versions []Version, to Version) retreat {
	return func(r *swarm.SecretReference) (*swarm.SecretReference, bool) {
		switch {
		case !slices.ContainsFunc(versions, func(v Version) bool { return v.ID == r.SecretID }):
			return nil, false
		case to.ID == "":
			return nil, true
		}
		instead := *r
		instead.SecretID, instead.SecretName = to.ID, to.Name
		return &instead, true
	}
}

// putBack makes references what they were before a swap: it has left each where it
// was, and added one at the end if there was none.
func putBack(before, after []*swarm.SecretReference) retreat {
	return func(r *swarm.SecretReference) (*swarm.SecretReference, bool) {
		i := slices.IndexFunc(after, func(a *swarm.SecretReference) bool { return sameReference(a, r) })
		switch {
		case i < 0:
			return nil, false
		case i >= len(before):
			return nil, true
		}
		return before[i], !sameReference(before[i], r)
	}
}

// unless makes references what back says, if that may stay by what gone says; all
// others become what gone says.
func (back retreat) unless(gone retreat) retreat {
	return func(r *swarm.SecretReference) (*swarm.SecretReference, bool) {
		if instead, ok := back(r); ok && instead != nil {
			if _, unwanted := gone(instead); !unwanted {
				return instead, true
			}
		}
		return gone(r)
	}
}

// concerns reports whether a spec has a reference that is not to stay.
func (back retreat) concerns(spec *swarm.ServiceSpec) bool {
	return spec != nil && slices.ContainsFunc(secretsOf(spec.TaskTemplate), func(r *swarm.SecretReference) bool {
		_, ok := back(r)
		return ok
	})
}

// apply returns the spec without the references that are not to stay.
func (back retreat) apply(spec swarm.ServiceSpec) swarm.ServiceSpec {
	var after []*swarm.SecretReference
	for _, reference := range secretsOf(spec.TaskTemplate) {
		if instead, ok := back(reference); ok {
			reference = instead
		}
		if reference != nil {
			after = append(after, reference)
		}
	}
	return withSecrets(spec, after)
}

func withSecrets(spec swarm.ServiceSpec, secrets []*swarm.SecretReference) swarm.ServiceSpec {
	container := *spec.TaskTemplate.ContainerSpec
	container.Secrets = secrets
	spec.TaskTemplate.ContainerSpec = &container
	return spec
}

// file is a file with what the target asks for.
func (t Target) file(file swarm.SecretReferenceFileTarget) *swarm.SecretReferenceFileTarget {
	file.Name, file.UID, file.GID = cmp.Or(t.Name, file.Name), cmp.Or(t.UID, file.UID), cmp.Or(t.GID, file.GID)
	if t.Mode != nil {
		file.Mode = *t.Mode
	}
	return &file
}

func sameReference(a, b *swarm.SecretReference) bool {
	if (a.File == nil) != (b.File == nil) || a.File != nil && *a.File != *b.File {
		return false
	}
	return a.SecretID == b.SecretID && a.SecretName == b.SecretName
}

// twice returns the file name that two references have, or "".
func twice(references []*swarm.SecretReference) string {
	seen := map[string]bool{}
	for _, r := range references {
		if r.File == nil {
			continue
		}
		if seen[r.File.Name] {
			return r.File.Name
		}
		seen[r.File.Name] = true
	}
	return ""
}

func refersTo(spec *swarm.ServiceSpec, id string) bool {
	return spec != nil && slices.ContainsFunc(secretsOf(spec.TaskTemplate), func(r *swarm.SecretReference) bool { return r.SecretID == id })
}
