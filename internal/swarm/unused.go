// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// Unfinished returns the names of the versions of a secret that interrupted Applies
// have left, other than the current one: what the next Apply takes up or removes. It
// looks at the list of secrets that this process has, so that many secrets cost one
// request.
func (s *Swarm) Unfinished(ctx context.Context, current Version) ([]string, error) {
	secrets, err := s.listSecrets(ctx)
	var names []string
	for _, secret := range secrets {
		if v := versionOf(secret); v.pending && v.Base() == current.Base() && v.ID != current.ID {
			names = append(names, v.Name)
		}
	}
	return names, err
}

// Unused returns those of the named versions that are there and that no service refers
// to, in its spec or in the one before it: what Apply would remove if they are not to
// be kept. It looks at the lists of secrets and of services that this process has.
func (s *Swarm) Unused(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	secrets, err := s.listSecrets(ctx)
	if err != nil {
		return nil, err
	}
	services, err := s.listServices(ctx, false)
	if err != nil {
		return nil, err
	}
	var unused []string
	for _, secret := range secrets {
		if !slices.Contains(names, secret.Spec.Name) {
			continue
		}
		if now, before := uses(services, secret.ID); len(now)+len(before) == 0 {
			unused = append(unused, secret.Spec.Name)
		}
	}
	return unused, nil
}

// listSecrets returns the secrets of the swarm as this process has last seen them.
func (s *Swarm) listSecrets(ctx context.Context) ([]swarm.Secret, error) {
	return s.secrets.get(false, func() ([]swarm.Secret, error) {
		result, err := s.API.SecretList(ctx, client.SecretListOptions{})
		if err != nil {
			return nil, failure("list the secrets of the swarm", "secret", "", err)
		}
		return result.Items, nil
	})
}
