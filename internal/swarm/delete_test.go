// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
)

func (f *fake) names() []string {
	var names []string
	for _, s := range f.secrets {
		names = append(names, s.Spec.Name)
	}
	slices.Sort(names)
	return names
}

// A version that state does not know of, because the Apply that made it was killed,
// goes with those that it knows, unless a service uses it. What is not pending, not
// ours or of another name is not touched.
func TestDeleteTakesWhatAKilledApplyLeft(t *testing.T) {
	for _, used := range []bool{false, true} {
		f, want := withTarget(t, swarm.UpdateFailureActionPause, "")
		next := wantFor("better", scenario{})
		want.Value, want.Source = next.Value, next.Source
		done := make(chan struct{})
		go func() {
			defer close(done)
			api := wrapped{f, func(name, _ string, call func() error) error {
				err := call()
				if name == "SecretCreate" && !used || name == "ServiceUpdate" {
					runtime.Goexit()
				}
				return err
			}}
			_, _ = (&Swarm{API: api, Sleep: noSleep}).Apply(context.Background(), want)
		}()
		<-done
		f.apply(Want{Name: "key-v2", Value: next.Value}) // key-v2-v1
		for name, labels := range map[string]map[string]string{
			"key-v7": {labelName: "key", labelVersion: "7"},                       // finished
			"key-v8": {labelName: "key", labelVersion: "6", labelPending: "true"}, // copied
			"KEY-v9": {labelName: "KEY", labelVersion: "9", labelPending: "true"}, // of another name
		} {
			f.secrets[name] = &swarm.Secret{ID: name, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}}}
		}
		before := f.names()
		if used {
			err := f.swarm().Delete(t.Context(), "key", want.Current, nil)
			var inUse *InUseError
			if !errors.As(err, &inUse) || !slices.ContainsFunc(inUse.Left, func(l Leftover) bool { return l.Name == "key-v2" && slices.Equal(l.Services, []string{"first"}) }) {
				t.Errorf("got error %v, want an *InUseError with key-v2", err)
			}
			if diff := cmp.Diff(before, f.names()); diff != "" {
				t.Errorf("objects (-before +after):\n%s", diff)
			}
			continue
		}
		clear(f.services)
		f.tasks = nil
		if err := f.swarm().Delete(t.Context(), "key", want.Current, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"KEY-v9", "key-v2-v1", "key-v7", "key-v8"}, f.names()); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
	}
}

// Two addresses can have one name, when one takes the place of the other: what is
// deleted then is not what an Apply in the same process has just made, or taken up.
func TestDeleteSparesWhatThisProcessMakes(t *testing.T) {
	for _, method := range []string{"SecretCreate", "SecretUpdate"} {
		f, want := withTarget(t, swarm.UpdateFailureActionPause, "")
		clear(f.services)
		f.tasks = nil
		create := wantFor("better", scenario{})
		create.Services = nil
		if method == "SecretUpdate" { // there is one to be taken up
			labels := labelsFor(Version{Name: "key-v2", Number: 2, Source: create.Source, pending: true}, nil)
			f.secrets["two"] = &swarm.Secret{ID: "two", Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "key-v2", Labels: labels}}}
		}
		s := f.swarm()
		deleted := false
		s.API = wrapped{f, func(name, _ string, call func() error) error {
			remove := func() {
				deleted = true
				if err := s.Delete(t.Context(), "key", want.Current, nil); err != nil {
					t.Error(err)
				}
			}
			if name == method && method == "SecretUpdate" {
				remove()
			}
			err := call()
			if name == method && method == "SecretCreate" {
				remove()
			}
			return err
		}}
		if _, err := s.Apply(t.Context(), create); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"key-v2"}, f.names()); diff != "" || !deleted {
			t.Errorf("%s: deleted %v, objects (-want +got):\n%s", method, deleted, diff)
		}
	}
}

// A reference is to an object, whatever name it has noted: Docker goes by the id.
func TestUnusedGoesByTheID(t *testing.T) {
	f := newFake(t)
	want := wantFor("one", scenario{})
	want.Services, want.Keep = nil, 3
	out := f.apply(want)
	for _, value := range []string{"two", "three", "four"} {
		next := wantFor(value, scenario{})
		want = reported(want, out)
		want.Value, want.Source = next.Value, next.Source
		out = f.apply(want)
	}
	f.addService("now", 0, swarm.UpdateFailureActionPause, Version{ID: f.secret("key-v1").ID, Name: "by-another-name"})
	before := f.addService("before", 0, swarm.UpdateFailureActionPause, Version{ID: f.secret("key-v2").ID, Name: "key-v3"})
	before.PreviousSpec, before.Spec = new(clone(before.Spec)), f.addService("none", 0, swarm.UpdateFailureActionPause, Version{}).Spec
	got, err := f.swarm().Unused(t.Context(), []string{"key-v1", "key-v2", "key-v3", "key-v99"})
	if diff := cmp.Diff([]string{"key-v3"}, got); diff != "" || err != nil {
		t.Errorf("error %v, unused (-want +got):\n%s", err, diff)
	}
}
