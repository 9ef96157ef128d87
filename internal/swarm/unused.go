// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
)

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
