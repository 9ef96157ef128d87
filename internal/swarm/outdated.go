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
	known := series{base: want.Name}
	known.add(current)
	for _, name := range want.Superseded {
		known.add(Version{Name: name})
	}
	all := slices.Contains(want.Services, AllServices)
	var outdated []string
	for _, service := range services {
		if all {
			uses, err := s.usesOther(ctx, service, &known, current)
			if err != nil {
				return nil, err
			}
			if uses {
				outdated = append(outdated, service.Spec.Name)
			}
			continue
		}
		if !slices.Contains(want.Services, service.Spec.Name) && !slices.Contains(want.Services, service.ID) || service.Spec.TaskTemplate.ContainerSpec == nil {
			continue
		}
		if _, changed, err := (swap{&known, current, want.Target}).apply(service.Spec); err == nil && changed {
			outdated = append(outdated, service.Spec.Name)
		}
	}
	slices.Sort(outdated)
	return outdated, nil
}

// usesOther reports whether a service refers to a version of the secret that is ours
// or in state, and not the current one. Only of those that state does not know, and
// which hardly ever occur, Docker is asked.
func (s *Swarm) usesOther(ctx context.Context, service swarm.Service, known *series, current Version) (bool, error) {
	for _, r := range secretsOf(service.Spec.TaskTemplate) {
		switch {
		case r.SecretID == current.ID || !known.named(r):
			continue
		case known.has(r):
			return true, nil
		}
		version, err := s.Read(ctx, r.SecretID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if version.Ours {
			return true, nil
		}
	}
	return false, nil
}
