// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// Outdated returns the names of the services that Apply would move to the current
// version. It looks at the list of services that this process has, so that many
// secrets cost one request. Services that are not there are left out.
func (s *Swarm) Outdated(ctx context.Context, current Version, want Want) ([]string, error) {
	if len(want.Services) == 0 {
		return nil, nil
	}
	services, err := s.listServices(ctx, false)
	if err != nil {
		return nil, err
	}
	all := slices.Contains(want.Services, AllServices)
	known := series{base: want.Name, known: all}
	known.add(current)
	for _, name := range want.Superseded {
		known.add(Version{Name: name})
	}
	var outdated []string
	for _, service := range services {
		concerned := slices.Contains(want.Services, service.Spec.Name) || slices.Contains(want.Services, service.ID)
		if all {
			if concerned, err = s.usesAny(ctx, service, &known); err != nil {
				return nil, err
			}
		}
		if !concerned || service.Spec.TaskTemplate.ContainerSpec == nil {
			continue
		}
		if _, changed, err := (swap{&known, current, want.Target}).apply(service.Spec); err == nil && changed {
			outdated = append(outdated, service.Spec.Name)
		}
	}
	slices.Sort(outdated)
	return outdated, nil
}

// usesAny reports whether a service refers to a version of the secret that is ours or
// in state. Only of those that state does not know, and which hardly ever occur,
// Docker is asked; they are known then.
func (s *Swarm) usesAny(ctx context.Context, service swarm.Service, known *series) (uses bool, err error) {
	for _, r := range secretsOf(service.Spec.TaskTemplate) {
		if !known.has(r) && known.calls(r) {
			version, err := s.Read(ctx, r.SecretID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return false, err
			}
			if version.Ours {
				known.add(version)
			}
		}
		uses = uses || known.has(r)
	}
	return uses, nil
}
