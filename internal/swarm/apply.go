// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const defaultTimeout = 10 * time.Minute

// work is one Apply.
type work struct {
	*Swarm
	want Want

	present []Version // what is there and belongs to the secret
	taken   []Version // other objects that are called versions of it
	current Version   // that state knows; zero if it is not there
	series  series

	services []string           // ids, in order
	version  Version            // to which they are moved
	made     bool               // by this Apply or an unfinished one: it goes if a service fails
	moved    map[string]retreat // of services that are updated, by id: to what they were

	out Outcome
}

// Apply makes the next version of a secret if one is asked for, moves the services
// to it one after the other, waiting for each, and removes superseded versions.
//
// Everything that can be is checked before anything changes: services that are not
// there (ErrNotFound), are jobs (ErrJob) or have a paused update (ErrPaused), a
// name that is taken (ErrNameTaken), the size of the value (ErrSize), and what is
// wrong with the daemon. If the update of a service fails, it and those before it
// are rolled back in reverse order, the new version is removed, and the error is a
// *RolledBackError. An Apply that was interrupted anywhere is finished by the next
// one. That a superseded version could not be removed is no error; see
// Outcome.Left.
func (s *Swarm) Apply(ctx context.Context, want Want) (Outcome, error) {
	w := &work{Swarm: s, want: want, series: series{base: want.Name}, moved: map[string]retreat{}}
	w.want.Timeout = cmp.Or(want.Timeout, defaultTimeout)
	if err := w.look(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.findServices(ctx); err != nil {
		return Outcome{}, err
	}
	release, err := s.busy.lock(ctx, w.services)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	if err := w.checkServices(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.decide(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.roll(ctx); err != nil {
		return Outcome{}, err
	}
	if err := w.finish(ctx); err != nil {
		return Outcome{}, err
	}
	w.prune(ctx)
	return w.out, nil
}

// look finds the versions that are there, and what belongs to the secret.
func (w *work) look(ctx context.Context) error {
	want := w.want
	if err := cmp.Or(CheckName(want.Name, max(want.Last, 1)), CheckLabels(want.Labels)); err != nil {
		return &Error{Op: "apply", Object: want.Name, Kind: ErrInvalid, Err: err}
	}
	found, err := w.listVersions(ctx, want.Name)
	if err != nil {
		return err
	}
	known := slices.DeleteFunc(append([]string{want.Current}, want.Superseded...), func(id string) bool {
		return id == "" || slices.ContainsFunc(found, func(v Version) bool { return id == v.ID || id == v.Name })
	})
	for _, id := range known { // versions under an earlier name, as a rule
		version, err := w.Read(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		found = append(found, version)
	}
	for _, v := range found {
		current := want.Current != "" && (v.ID == want.Current || v.Name == want.Current)
		if current {
			w.current = v
		}
		if current || v.Ours && (v.Base() == want.Name || slices.Contains(want.Superseded, v.Name)) {
			w.present = append(w.present, v)
			w.series.add(v)
		} else {
			w.taken = append(w.taken, v)
		}
	}
	w.present = newestFirst(w.present)
	return nil
}

// decide settles which version the services are moved to, and makes it if need be:
// the first thing that Apply changes.
func (w *work) decide(ctx context.Context) (err error) {
	switch {
	case w.want.Value != nil:
		if w.version = w.unfinished(); w.version.ID != "" {
			w.out.Reused = true
			w.mine.Store(w.version.Name, true)
		} else if w.version, err = w.next(ctx); err != nil {
			return err
		}
		w.made = true
	case w.current.ID == "":
		return &Error{Op: "update the services of the secret", Object: w.want.Name, Kind: ErrNotFound, Err: errors.New("its current version is gone")}
	default:
		w.version = w.current
	}
	w.series.add(w.version)
	return nil
}

// unfinished returns the version that an Apply made for the same value and could not
// report, if there is one.
func (w *work) unfinished() Version {
	for _, v := range w.present {
		same := v.Source == w.want.Source && v.Base() == w.want.Name
		if same && v.Number > w.want.Last && (v.Source.VersionID != "" || v.Source.ValueVersion != "" && !v.pending) {
			return v
		}
	}
	return Version{}
}

// next makes the next version. Numbers only grow, also past versions that are gone.
// Objects that others have made under the name are refused by the first apply, which
// can be told to import them; a later one, which may be in the middle of a rotation,
// passes their numbers.
func (w *work) next(ctx context.Context) (Version, error) {
	number := w.want.Last
	for _, v := range w.present {
		number = max(number, v.Number, v.last)
	}
	for _, v := range w.taken {
		if strings.EqualFold(v.Base(), w.want.Name) {
			number = max(number, v.Number)
		}
	}
	number++
	name := FormatName(w.want.Name, number)
	fail := func(kind, err error) (Version, error) {
		return Version{}, &Error{Op: "create the secret", Object: name, Kind: kind, Err: err}
	}
	if err := CheckName(w.want.Name, number); err != nil {
		return fail(ErrInvalid, err)
	}
	if len(w.taken) > 0 && w.current.ID == "" && w.want.Last == 0 {
		name = newestFirst(w.taken)[0].Name
		return fail(ErrNameTaken, nil)
	}
	if w.current.Base() != w.want.Name {
		// Nothing of this name is in state: what is there and finished is another
		// configuration's, unless its values are from the same place.
		for _, v := range w.present {
			if v.Base() != w.want.Name || v.pending {
				continue
			}
			if v.Source.SecretID == "" || v.Source.SecretID != w.want.Source.SecretID || v.Source.Key != w.want.Source.Key {
				return fail(ErrNameTaken, fmt.Errorf("%s is managed by another resource, or by this one before its state was lost", v.Name))
			}
			w.out.Found = append(w.out.Found, v.Name)
		}
	}
	value, err := w.want.Value(ctx)
	if err != nil {
		return Version{}, err
	}
	if value.Len() < 1 || value.Len() > MaxValueBytes {
		return fail(ErrSize, nil)
	}
	if w.current.ID != "" && !w.current.Ours {
		// From now on it is superseded, and told by its labels.
		if _, err := w.Label(ctx, w.current.ID, Source{}, w.current.Labels); err != nil {
			return Version{}, err
		}
	}
	return w.create(ctx, Version{Name: name, Number: number, Source: w.want.Source, Labels: w.want.Labels, pending: true}, value)
}

// finish gives the version the labels that are wanted, now that all services have
// it.
func (w *work) finish(ctx context.Context) (err error) {
	v := w.version
	if w.made || !v.Ours || !maps.Equal(v.Labels, w.want.Labels) || cmp.Or(w.want.Source, v.Source) != v.Source {
		v, err = w.relabel(ctx, v.ID, func(v *Version) {
			v.Labels, v.Source, v.pending = w.want.Labels, cmp.Or(w.want.Source, v.Source), false
		})
	}
	w.out.Version = v
	return err
}

// prune removes what is superseded and not kept. What goes wrong with it does not
// undo what is achieved.
func (w *work) prune(ctx context.Context) {
	var superseded, remove, orphans []Version
	kept := 0
	for _, v := range w.present {
		if v.ID == w.version.ID {
			continue
		}
		superseded = append(superseded, v)
		switch {
		case v.pending: // what interrupted Applies have left
			orphans = append(orphans, v)
			remove = append(remove, v)
		case kept == w.want.Keep:
			remove = append(remove, v)
		default:
			kept++
		}
	}
	if len(orphans) > 0 {
		w.release(ctx, orphans)
	}
	w.out.Left = w.removeUnused(ctx, remove)
	for _, v := range superseded {
		gone := slices.ContainsFunc(remove, func(r Version) bool { return r.ID == v.ID }) &&
			!slices.ContainsFunc(w.out.Left, func(l Leftover) bool { return l.Name == v.Name })
		if !gone {
			w.out.Superseded = append(w.out.Superseded, v.Name)
		}
	}
}

// findServices finds the services to be moved.
func (w *work) findServices(ctx context.Context) error {
	if slices.Contains(w.want.Services, AllServices) {
		if len(w.want.Services) > 1 {
			return &Error{Op: "apply", Object: w.want.Name, Kind: ErrInvalid, Err: fmt.Errorf("services is either %q or a list of names", AllServices)}
		}
		w.series.known = true
		return w.findAllServices(ctx)
	}
	var missing []string
	for _, name := range w.want.Services {
		service, err := w.inspectService(ctx, name)
		switch {
		case errors.Is(err, ErrNotFound):
			missing = append(missing, name)
			continue
		case err != nil:
			return err
		}
		w.services = append(w.services, service.ID)
	}
	if len(missing) > 0 {
		return &Error{Op: "update the services of the secret", Object: strings.Join(missing, ", "), Kind: ErrNotFound, Err: w.namedServices(ctx)}
	}
	return nil
}

// maxNamedServices is how many services a message names: a swarm can have hundreds.
const maxNamedServices = 20

// namedServices says which services there are, for who has misspelled one.
func (s *Swarm) namedServices(ctx context.Context) error {
	services, err := s.listServices(ctx, true)
	if err != nil {
		return err
	}
	if len(services) == 0 {
		return errors.New("the swarm has no services")
	}
	var names []string
	for _, service := range services[:min(len(services), maxNamedServices)] {
		names = append(names, service.Spec.Name)
	}
	more := ""
	if n := len(services) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("the services are %s%s", strings.Join(names, ", "), more)
}

// findAllServices finds every service that refers to a version, but no job that has
// what it is to have.
func (w *work) findAllServices(ctx context.Context) error {
	services, err := w.listServices(ctx, true)
	if err != nil {
		return err
	}
	for _, service := range services {
		if !slices.ContainsFunc(secretsOf(service.Spec.TaskTemplate), w.series.has) {
			continue
		}
		if _, changed, err := w.swap().apply(service.Spec); isJob(service) && !changed && err == nil {
			continue
		}
		w.services = append(w.services, service.ID)
	}
	return nil
}
