// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"sync"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// secretRun remembers what this run of the provider did to secrets. Terraform
// does not tell a resource whether its create or delete is one half of a
// replacement; for a name that can exist only once, that decides everything.
// The zero value is ready.
type secretRun struct {
	mu       sync.Mutex
	planned  map[string]map[string]policy.Policy // name → policies that are planned, by key
	replaces map[string]string                   // name → ARN that its planned replacement stands for
	gone     map[string]string                   // name → ARN that this run deleted
	took     map[string]bool                     // ARN of a secret that a create of this run made or took over
}

// planning notes which policies a secret will record.
func (s *secretRun) planning(name string, policies map[string]policy.Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.planned, name, policies)
}

// plans returns the policies that a secret will record when this run is done, or nil
// when it is not planned here.
func (s *secretRun) plans(name string) map[string]policy.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.planned[name]
}

// replacing notes that the secret is planned to be replaced under the same name.
func (s *secretRun) replacing(name, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.replaces, name, arn)
}

// replaced reports whether the secret is planned to be replaced.
func (s *secretRun) replaced(name, arn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaces[name] == arn
}

// isReplacement reports whether some secret of this name is planned to be replaced.
func (s *secretRun) isReplacement(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaces[name] != ""
}

// deleted notes that this run deleted the secret.
func (s *secretRun) deleted(name, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.gone, name, arn)
}

// wasDeleted reports whether this run deleted the secret.
func (s *secretRun) wasDeleted(name, arn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[name] == arn
}

// take notes that a create of this run made the secret, or takes it over.
func (s *secretRun) take(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.took, arn, true)
}

// taken reports whether a create of this run made the secret, or took it over.
func (s *secretRun) taken(arn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.took[arn]
}

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}
