// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Read returns what is known of a version, given by id or name, with one request.
// ErrNotFound is Docker's own; any other error says nothing about whether it is
// there.
func (s *Swarm) Read(ctx context.Context, id string) (Version, error) {
	secret, err := s.inspectSecret(ctx, id)
	return versionOf(secret), err
}

func (s *Swarm) inspectSecret(ctx context.Context, id string) (swarm.Secret, error) {
	const op = "inspect the secret"
	result, err := s.API.SecretInspect(ctx, id, client.SecretInspectOptions{})
	if err != nil {
		return swarm.Secret{}, failure(op, "secret", id, err)
	}
	// Docker takes the beginning of an id, too.
	if result.Secret.ID != id && result.Secret.Spec.Name != id {
		return swarm.Secret{}, &Error{Op: op, Object: id, Kind: ErrNotFound}
	}
	return result.Secret, nil
}

// Present returns those of the named versions that are there and ours, in the order
// of Outcome.Superseded, with one request for each.
func (s *Swarm) Present(ctx context.Context, names []string) ([]string, error) {
	var versions []Version
	for _, name := range names {
		version, err := s.Read(ctx, name)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		case version.Ours:
			versions = append(versions, version)
		}
	}
	return namesOf(newestFirst(versions)), nil
}

// listVersions returns the objects that are called versions of a name, ours or not.
// Docker does not tell apart upper and lower case in names, so an object that differs
// in nothing else is among them.
func (s *Swarm) listVersions(ctx context.Context, base string) ([]Version, error) {
	result, err := s.API.SecretList(ctx, client.SecretListOptions{Filters: make(client.Filters).Add("name", base+"-v")})
	if err != nil {
		return nil, failure("list the versions of the secret", "secret", base, err)
	}
	var versions []Version
	for _, secret := range result.Items {
		if found, _, ok := parseName(secret.Spec.Name); ok && strings.EqualFold(found, base) {
			versions = append(versions, versionOf(secret))
		}
	}
	return versions, nil
}

// newestFirst puts those that no Apply has finished last: they are not among those
// that are kept.
func newestFirst(versions []Version) []Version {
	rank := func(v Version) int {
		if v.pending {
			return 1
		}
		return 0
	}
	return slices.SortedFunc(slices.Values(versions), func(a, b Version) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Number, a.Number), cmp.Compare(a.Name, b.Name))
	})
}

func namesOf(versions []Version) []string {
	var names []string
	for _, v := range versions {
		names = append(names, v.Name)
	}
	return names
}

// create makes the object of a version, and fills in its id. The error is an ErrNameTaken if there is one
// of this name.
func (s *Swarm) create(ctx context.Context, v Version, value secretstore.Plaintext) (Version, error) {
	s.step(ctx, "create the secret", v.Name)
	s.mine.Store(v.Name, true) // before it is seen
	defer s.secrets.forget()
	result, err := s.API.SecretCreate(ctx, client.SecretCreateOptions{Spec: swarm.SecretSpec{
		Annotations: swarm.Annotations{Name: v.Name, Labels: labelsFor(v, nil)},
		Data:        []byte(value.Reveal()),
	}})
	if err != nil {
		return Version{}, withoutValue(failure("create the secret", "secret", v.Name, err), value)
	}
	v.ID, v.Ours = result.ID, true
	return v, nil
}

// Label sets the labels of an object, given by id or name, and makes it ours if it
// was not. Labels of the user that are not among them are removed; those that
// Docker's own tools set stay. A zero source leaves the recorded one as it is. The
// name must be that of a version.
func (s *Swarm) Label(ctx context.Context, id string, source Source, labels map[string]string) (Version, error) {
	return s.relabel(ctx, id, func(v *Version) {
		v.Labels = labels
		v.Source = cmp.Or(source, v.Source)
	})
}

// relabel changes the labels of an object. It makes no request to change what is as
// it should be.
func (s *Swarm) relabel(ctx context.Context, id string, edit func(*Version)) (Version, error) {
	const op = "label the secret"
	for try := 1; ; try++ {
		secret, err := s.inspectSecret(ctx, id)
		if err != nil {
			return Version{}, err
		}
		version := versionOf(secret)
		if version.Number == 0 {
			return Version{}, &Error{Op: op, Object: version.Name, Kind: ErrInvalid, Err: errors.New("its name does not end in a version, such as -v1")}
		}
		edit(&version)
		labels := labelsFor(version, secret.Spec.Labels)
		if maps.Equal(labels, secret.Spec.Labels) {
			return version, nil
		}
		secret.Spec.Labels = labels
		s.step(ctx, op, version.Name)
		_, err = s.API.SecretUpdate(ctx, secret.ID, client.SecretUpdateOptions{Version: secret.Version, Spec: secret.Spec})
		s.secrets.forget()
		if err == nil {
			return versionOf(secret), nil
		}
		err = failure(op, "secret", version.Name, err)
		if !errors.Is(err, ErrConflict) || try == maxTries {
			return Version{}, err
		}
		if err := s.sleep(ctx, time.Duration(try)*pause); err != nil {
			return Version{}, err
		}
	}
}

// remove removes an object that nothing refers to. One that is gone is no error.
func (s *Swarm) remove(ctx context.Context, v Version) error {
	s.step(ctx, "remove the secret", v.Name)
	_, err := s.API.SecretRemove(ctx, v.ID, client.SecretRemoveOptions{})
	s.secrets.forget()
	err = failure("remove the secret", "secret", v.ID, err)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// removeUnused removes those of the versions that no service refers to, the last one
// first, and returns the others.
func (s *Swarm) removeUnused(ctx context.Context, versions []Version) []Leftover {
	if len(versions) == 0 {
		return nil
	}
	var left []Leftover
	services, err := s.listServices(ctx, true)
	for _, v := range slices.Backward(versions) {
		kept := Leftover{Name: v.Name, Err: err}
		if err == nil {
			kept.Services, kept.Previous = uses(services, v.ID)
			kept.Mounts = mounts(services, v.ID)
		}
		if err == nil && len(kept.Services) == 0 && len(kept.Previous) == 0 {
			if kept.Err = s.remove(ctx, v); kept.Err == nil {
				continue
			}
		}
		left = append(left, kept)
	}
	slices.Reverse(left)
	return left
}

// Delete removes versions, given by id or name: the current one, and the superseded
// ones, which are passed over if they are not ours. Those that are gone are none to
// it. What Applies of other processes have begun under the name and not finished goes
// as well. If a service refers to any of them, in its spec or in the one before it,
// nothing changes, and the error is an *InUseError.
func (s *Swarm) Delete(ctx context.Context, name, current string, superseded []string) error {
	var versions []Version
	for i, id := range append([]string{current}, superseded...) {
		version, err := s.Read(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		case version.Ours || i == 0:
			versions = append(versions, version)
		}
	}
	found, err := s.listVersions(ctx, name)
	if err != nil {
		return err
	}
	for _, v := range found {
		known := slices.ContainsFunc(versions, func(k Version) bool { return k.ID == v.ID })
		// An Apply of this process may just be at work on what is its own.
		if _, mine := s.mine.Load(v.Name); v.pending && v.Base() == name && !known && !mine {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return nil
	}
	services, err := s.listServices(ctx, true)
	if err != nil {
		return err
	}
	var left []Leftover
	for _, v := range versions {
		if now, before := uses(services, v.ID); len(now)+len(before) > 0 {
			left = append(left, Leftover{Name: v.Name, Services: now, Previous: before})
		}
	}
	if len(left) > 0 {
		return &InUseError{left}
	}
	// The current one goes last: as long as it is there, Terraform keeps the rest in state.
	for _, v := range slices.Backward(versions) {
		if err := s.remove(ctx, v); err != nil {
			return err
		}
	}
	return nil
}
