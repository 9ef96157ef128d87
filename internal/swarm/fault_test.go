// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// scenario is a secret and two services of a fake, and what is to become of them.
type scenario struct {
	create   bool // no version is there yet
	supplied bool // the value is in the configuration, with a version of its own
	bad      bool // the second service cannot use the value
	action   swarm.FailureAction
}

func (s scenario) String() string {
	return fmt.Sprintf("create=%v,supplied=%v,bad=%v,%s", s.create, s.supplied, s.bad, s.action)
}

// a fault is what happens to one call of the engine.
type fault string

const (
	killBefore   fault = "killed before"
	killAfter    fault = "killed after"
	lostRequest  fault = "request lost"
	lostResponse fault = "response lost"
)

var errLost = errors.New("error during connect: connection reset by peer")

// faulty is an engine with a fault at the nth call. It reports what that was.
func faulty(api API, n int, what fault, hit *string) API {
	return wrapped{api, func(name, object string, call func() error) error {
		if n--; n != 0 {
			return call()
		}
		*hit = name + " " + object
		if what == killBefore {
			runtime.Goexit()
		}
		if what == lostRequest {
			return errLost
		}
		_ = call()
		if what == killAfter {
			runtime.Goexit()
		}
		return errLost
	}}
}

func wantFor(value string, s scenario) Want {
	want := Want{Name: "key", Keep: 1, Services: []string{"first", "second"}, Timeout: 10 * time.Second,
		Value: func(context.Context) (secretstore.Plaintext, error) { return secretstore.NewPlaintext(value), nil }}
	if s.supplied {
		want.Source = Source{ValueVersion: "of " + value}
	} else {
		want.Source = Source{SecretID: "arn", VersionID: "of " + value}
	}
	return want
}

// At every call of an Apply, whatever happens to it, the next Apply finishes what was
// begun: the services are on the version that is wanted, of the others only the one
// that is kept is there, and a service never referred to one that is gone, which the
// fake watches over.
func TestEveryFaultIsRepairedByTheNextApply(t *testing.T) {
	calls := 0
	for _, s := range []scenario{
		{action: swarm.UpdateFailureActionPause},
		{action: swarm.UpdateFailureActionPause, supplied: true},
		{action: swarm.UpdateFailureActionPause, create: true},
		{action: swarm.UpdateFailureActionPause, create: true, supplied: true},
		{action: swarm.UpdateFailureActionPause, bad: true},
		{action: swarm.UpdateFailureActionRollback, bad: true, supplied: true},
		{action: swarm.UpdateFailureActionContinue, bad: true},
		{action: swarm.UpdateFailureActionPause, bad: true, create: true},
	} {
		for _, what := range []fault{killBefore, killAfter, lostRequest, lostResponse} {
			for n := 1; ; n++ {
				var hit string
				t.Run(fmt.Sprintf("%s/%s/%d", s, what, n), func(t *testing.T) { hit = meetFault(t, s, what, n) })
				if hit == "" {
					break
				}
				calls++
			}
		}
	}
	if calls < 500 {
		t.Errorf("only %d faults", calls)
	}
}

func meetFault(t *testing.T, s scenario, what fault, n int) (hit string) {
	f := newFake(t)
	value := "good"
	if s.bad {
		value = "bad"
	}
	want := wantFor(value, s)
	current := Version{}
	if !s.create {
		first := wantFor("old", s)
		first.Services = nil
		current = f.apply(first).Version
		want.Current, want.Last = current.ID, current.Number
	}
	f.addService("first", 1, s.action, current)
	f.addService("second", 2, s.action, current)

	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err := (&Swarm{API: faulty(f, n, what, &hit), Sleep: noSleep}).Apply(context.Background(), want)
		if err == nil && hit != "" {
			want = reported(want, out) // the fault has not hindered it
		}
	}()
	<-done
	if t.Failed() {
		return hit
	}

	_, err := f.swarm().Apply(context.Background(), want)
	var rolledBack *RolledBackError
	switch {
	case s.bad && !errors.As(err, &rolledBack):
		t.Fatalf("fault at %s: the next Apply ends with %v, want a *RolledBackError", hit, err)
	case s.bad && rolledBack.Left != nil:
		t.Fatalf("fault at %s: left: %v", hit, rolledBack.Left)
	case !s.bad && err != nil:
		t.Fatalf("fault at %s: the next Apply fails: %v", hit, err)
	}
	services := map[string]string{"first": "old", "second": "old"}
	objects := []string{"old"}
	if !s.bad {
		services, objects = map[string]string{"first": "good", "second": "good"}, []string{"good", "old"}
	}
	if s.create {
		objects = slices.DeleteFunc(objects, func(value string) bool { return value == "old" })
		if s.bad {
			services = map[string]string{"first": "", "second": ""}
		}
	}
	f.expect(hit, services, objects)
	return hit
}

// reported is the next Apply after one that Terraform has heard of.
func reported(want Want, out Outcome) Want {
	want.Value = nil
	want.Current, want.Last, want.Superseded = out.Version.ID, out.Version.Number, out.Superseded
	return want
}

func (f *fake) apply(want Want) Outcome {
	f.t.Helper()
	out, err := f.swarm().Apply(context.Background(), want)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// expect compares what services use, and which objects there are, by their values.
func (f *fake) expect(hit string, services map[string]string, objects []string) {
	f.t.Helper()
	got := map[string]string{}
	for _, s := range f.services {
		for _, spec := range []*swarm.ServiceSpec{&s.Spec, s.PreviousSpec} {
			if spec == nil {
				continue
			}
			for _, r := range secretsOf(spec.TaskTemplate) {
				if spec == &s.Spec {
					got[s.Spec.Name] += f.values[r.SecretID]
				} else if value := f.values[r.SecretID]; strings.HasPrefix(value, "bad") {
					f.t.Errorf("fault at %s: the previous spec of %s refers to %q", hit, s.Spec.Name, value)
				}
			}
		}
		got[s.Spec.Name] += ""
	}
	if diff := cmp.Diff(services, got); diff != "" {
		f.t.Errorf("fault at %s: services (-want +got):\n%s", hit, diff)
	}
	var values []string
	for _, s := range f.secrets {
		values = append(values, f.values[s.ID])
		if versionOf(*s).pending {
			f.t.Errorf("fault at %s: %s is pending", hit, s.Spec.Name)
		}
	}
	slices.Sort(values)
	if !slices.Equal(objects, values) {
		f.t.Errorf("fault at %s: objects %q, want %q", hit, values, objects)
	}
}

// However many Applies are killed in a row, and whatever is rotated or corrected
// meanwhile, the one that is not leaves everything as if there had been no other.
func TestManyInterruptions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t)
		s := scenario{supplied: rapid.Bool().Draw(r, "supplied"), action: rapid.SampledFrom([]swarm.FailureAction{
			swarm.UpdateFailureActionPause, swarm.UpdateFailureActionRollback, swarm.UpdateFailureActionContinue,
		}).Draw(r, "action")}
		want := wantFor("good 0", s)
		current := Version{}
		if rapid.Bool().Draw(r, "there") {
			first := wantFor("old", s)
			first.Services = nil
			out := f.apply(first)
			want.Current, want.Last, current = out.Version.ID, out.Version.Number, out.Version
		}
		f.addService("first", 1, s.action, current)
		f.addService("second", 2, s.action, current)
		value := "good 0"
		for i := range rapid.IntRange(1, 6).Draw(r, "interruptions") {
			switch rapid.SampledFrom([]string{"same", "rotated", "corrected", "bad"}).Draw(r, "value") {
			case "rotated":
				value = fmt.Sprint("good ", i)
				next := wantFor(value, s)
				want.Value, want.Source = next.Value, next.Source
			case "corrected":
				if s.supplied {
					value = fmt.Sprint("good ", i)
					want.Value = wantFor(value, s).Value
				}
			case "bad":
				value = fmt.Sprint("bad ", i)
				next := wantFor(value, s)
				want.Value, want.Source = next.Value, next.Source
			}
			what := rapid.SampledFrom([]fault{killBefore, killAfter, lostRequest, lostResponse}).Draw(r, "fault")
			n := rapid.IntRange(1, 40).Draw(r, "call")
			done := make(chan struct{})
			go func() {
				defer close(done)
				var hit string
				out, err := (&Swarm{API: faulty(f, n, what, &hit), Sleep: noSleep}).Apply(context.Background(), want)
				if err == nil {
					want = reported(want, out)
					want.Value = wantFor(value, s).Value // is of no importance unless it is rotated
				}
			}()
			<-done
		}
		value = "good at last"
		next := wantFor(value, s)
		want.Value, want.Source = next.Value, next.Source
		out, err := f.swarm().Apply(context.Background(), want)
		if errors.Is(err, ErrNameTaken) && s.supplied && want.Current == "" {
			// It is finished, but another value is wanted before anybody knew: of a
			// supplied value nothing proves whose it is. The error asks for an import.
			for _, secret := range f.secrets {
				if v := versionOf(*secret); !v.pending {
					want.Current, want.Last = v.ID, v.Number
				}
			}
			out, err = f.swarm().Apply(context.Background(), want)
		}
		if err != nil {
			r.Fatal(err)
		}
		if len(out.Left) > 0 || len(f.secrets) > 2 || len(f.secrets) != 1+len(out.Superseded) {
			r.Fatalf("left %v, superseded %v, %d objects", out.Left, out.Superseded, len(f.secrets))
		}
		for _, service := range f.services {
			if got := f.values[secretsOf(service.Spec.TaskTemplate)[0].SecretID]; got != value {
				r.Fatalf("service %s has %q", service.Spec.Name, got)
			}
		}
		for _, secret := range f.secrets {
			if v := versionOf(*secret); v.pending || strings.HasPrefix(f.values[v.ID], "bad") {
				r.Fatalf("%s is there", v.Name)
			}
		}
	})
}
