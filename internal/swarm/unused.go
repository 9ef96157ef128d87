// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// Unfinished returns the names of the versions of a secret that interrupted Applies
// have left, other than the current one: what the next Apply takes up or removes. It
// looks at the list of secrets that this process has, so that many secrets cost one
// request.
func (s *Swarm) Unfinished(ctx context.Context, current Version) ([]string, error) {
	secrets, err := s.secrets.get(false, func() ([]swarm.Secret, error) {
		result, err := s.API.SecretList(ctx, client.SecretListOptions{})
		if err != nil {
			return nil, failure("list the secrets of the swarm", "secret", "", err)
		}
		return result.Items, nil
	})
	var names []string
	for _, secret := range secrets {
		if v := versionOf(secret); v.pending && v.Base() == current.Base() && v.ID != current.ID {
			names = append(names, v.Name)
		}
	}
	return names, err
}

// Unused returns those of the named versions that no service refers to, in its spec
// or in the one before it: what Apply would remove if they are not to be kept. It
// looks at the list of services that this process has.
func (s *Swarm) Unused(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	services, err := s.listServices(ctx, false)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	note := func(spec *swarm.ServiceSpec) {
		if spec == nil {
			return
		}
		for _, r := range secretsOf(spec.TaskTemplate) {
			used[r.SecretName] = true
		}
	}
	for _, service := range services {
		note(&service.Spec)
		note(service.PreviousSpec)
	}
	var unused []string
	for _, name := range names {
		if !used[name] {
			unused = append(unused, name)
		}
	}
	return unused, nil
}
