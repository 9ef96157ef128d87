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
	planned  map[string]plannedSecret
	replaces map[string]string // name → ARN that its planned replacement stands for
	gone     map[string]string // name → ARN that this run deleted
	took     map[string]bool   // ARN of a secret that a create of this run made (false) or took over (true)
}

// plannedSecret is what a roi_secret is planned to make of its secret: the policies
// that it will record, by key, and the keys whose values it makes anew.
type plannedSecret struct {
	policies map[string]policy.Policy
	written  []string
}

// planning notes what is planned for a secret, by its name.
func (s *secretRun) planning(name string, planned plannedSecret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.planned, name, planned)
}

// plans returns what is planned for a secret in this run.
func (s *secretRun) plans(name string) (planned plannedSecret, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	planned, ok = s.planned[name]
	return planned, ok
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
	delete(s.took, arn)
}

// wasDeleted reports whether this run deleted the secret.
func (s *secretRun) wasDeleted(name, arn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[name] == arn
}

// take notes that a create of this run made the secret, or took over one that was
// there.
func (s *secretRun) take(arn string, wasThere bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put(&s.took, arn, wasThere)
}

// owned notes that a state has the secret. No read comes between the create and the
// delete of one run: what was taken over, a run before has, in a process that Terraform
// keeps (see plansOnce).
func (s *secretRun) owned(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.took, arn)
}

// taken reports whether a create of this run made the secret, or took it over.
func (s *secretRun) taken(arn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, yes := s.took[arn]
	return yes
}

// takenOver reports whether a create of this run took over a secret that was there,
// which may be the object of another address as well.
func (s *secretRun) takenOver(arn string) bool {
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
