// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// A refresh costs one request for each object, and one for all services, however
// many secrets ask for them.
func TestRequestsOfARefresh(t *testing.T) {
	f := newFake(t)
	var wants []Want
	var versions []Version
	for i := range 20 {
		want := wantFor("x", scenario{})
		want.Name, want.Services = fmt.Sprint("key", i), nil
		out := f.apply(want)
		versions = append(versions, out.Version)
		want.Services = []string{"api"}
		wants = append(wants, want)
	}
	f.addService("api", 1, swarm.UpdateFailureActionPause, versions[0])
	var made calls
	api := made.on(f)
	var mu sync.Mutex // the fake serves one at a time
	s := &Swarm{API: wrapped{api, func(_, _ string, call func() error) error { mu.Lock(); defer mu.Unlock(); return call() }}}
	var running sync.WaitGroup
	for i, want := range wants {
		running.Go(func() {
			version, err := s.Read(t.Context(), versions[i].ID)
			if err != nil {
				t.Error(err)
			}
			if _, err := s.Outdated(t.Context(), version, want); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if diff := cmp.Diff(map[string]int{"SecretInspect": 20, "ServiceList": 1}, made.by); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestRequestsOfACreate(t *testing.T) {
	f := newFake(t)
	var made calls
	want := wantFor("x", scenario{})
	want.Services = nil
	out, err := (&Swarm{API: made.on(f)}).Apply(t.Context(), want)
	if err != nil || out.Version.CreatedAt.IsZero() {
		t.Fatalf("error %v, version %+v", err, out.Version)
	}
	if diff := cmp.Diff(map[string]int{"SecretList": 1, "SecretCreate": 1, "SecretInspect": 1, "SecretUpdate": 1}, made.by); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	made = calls{}
	if _, err := (&Swarm{API: made.on(f)}).Label(t.Context(), out.Version.ID, want.Source, want.Labels); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"SecretInspect": 1}, made.by); diff != "" {
		t.Errorf("requests to label what is labelled (-want +got):\n%s", diff)
	}
}

// The list that is kept is given up as soon as a service is changed.
func TestServiceListFollowsOwnWrites(t *testing.T) {
	f := newFake(t)
	want := wantFor("one", scenario{})
	want.Services = nil
	out := f.apply(want)
	f.addService("api", 0, swarm.UpdateFailureActionPause, Version{})
	s := f.swarm()
	want = reported(want, out)
	want.Services = []string{"api"}
	for _, expected := range []int{1, 0} {
		got, err := s.Outdated(t.Context(), out.Version, want)
		if err != nil || len(got) != expected {
			t.Errorf("outdated %v, error %v, want %d", got, err, expected)
		}
		if _, err := s.Apply(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
}

// The store is asked for the value last, when nothing else stands in the way.
func TestValueIsAskedForLast(t *testing.T) {
	f := newFake(t)
	asked := 0
	want := Want{Name: "key", Value: func(context.Context) (secretstore.Plaintext, error) {
		asked++
		return secretstore.Plaintext{}, errors.New("denied")
	}}
	for _, broken := range []func(*Want){
		func(w *Want) { w.Name = "a/b" },
		func(w *Want) { w.Name = strings.Repeat("n", 62) },
		func(w *Want) { w.Labels = map[string]string{"roi.name": "x"} },
		func(w *Want) { w.Services = []string{"missing"} },
		func(w *Want) { w.Services = []string{"api", AllServices} },
	} {
		w := want
		broken(&w)
		if _, err := f.swarm().Apply(t.Context(), w); err == nil || asked > 0 {
			t.Errorf("error %v, and the value was asked for %d times", err, asked)
		}
	}
	if _, err := f.swarm().Apply(t.Context(), want); err == nil || err.Error() != "denied" || len(f.secrets) > 0 {
		t.Errorf("got error %v and %d objects, want the store's error and none", err, len(f.secrets))
	}
	want.Value = nil
	if _, err := f.swarm().Apply(t.Context(), want); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v without a version, want %v", err, ErrNotFound)
	}
}

// Versions are pruned by what refers to them at that moment, and one that cannot be
// removed does not undo what is achieved.
func TestPruningFailuresAreReported(t *testing.T) {
	f := newFake(t)
	want := wantFor("one", scenario{})
	want.Services, want.Keep = nil, 0
	first := f.apply(want)
	want = reported(want, first)
	next := wantFor("two", scenario{})
	want.Value, want.Source = next.Value, next.Source
	for _, method := range []string{"ServiceList", "SecretRemove"} {
		s := &Swarm{API: wrapped{f, func(name, _ string, call func() error) error {
			if name == method {
				return errLost
			}
			return call()
		}}}
		out, err := s.Apply(t.Context(), want)
		if err != nil || len(out.Left) != 1 || !errors.Is(out.Left[0].Err, errLost) {
			t.Fatalf("%s fails: error %v, left %v", method, err, out.Left)
		}
		if diff := cmp.Diff([]string{"key-v1"}, out.Superseded); diff != "" {
			t.Errorf("%s fails: superseded (-want +got):\n%s", method, diff)
		}
		want = reported(want, out)
	}
	if out := f.apply(want); len(out.Superseded)+len(out.Left) > 0 || len(f.secrets) != 1 {
		t.Errorf("superseded %v, left %v, %d objects", out.Superseded, out.Left, len(f.secrets))
	}
}

// Others do not wait for this process: what they have done since it last looked
// counts, and what they have removed is gone as it should be.
func TestPruningSeesWhatOthersDid(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("one", scenario{}).Value})
	service := f.addService("api", 0, swarm.UpdateFailureActionPause, Version{})
	want := reported(wantFor("two", scenario{}), out)
	want.Value, want.Keep, want.Services = wantFor("two", scenario{}).Value, 0, []string{AllServices}
	s := f.swarm()
	if _, err := s.Outdated(t.Context(), out.Version, want); err != nil {
		t.Fatal(err)
	}
	service.PreviousSpec = new(clone(service.Spec))
	service.PreviousSpec.TaskTemplate = specWith(out.Version)
	want.Services = nil
	out, err := s.Apply(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Leftover{{Name: "key-v1", Previous: []string{"api"}}}, out.Left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}

	service.PreviousSpec = nil
	want = reported(want, out)
	s.API = wrapped{f, func(name, id string, call func() error) error {
		if name == "SecretRemove" {
			delete(f.secrets, id)
		}
		return call()
	}}
	if out, err := s.Apply(t.Context(), want); err != nil || len(out.Left)+len(out.Superseded) > 0 {
		t.Errorf("error %v, left %v, superseded %v", err, out.Left, out.Superseded)
	}
}

// Another secret of ours is none of this one's, and not asked for.
func TestOutdatedIsAboutOneSecret(t *testing.T) {
	f := newFake(t)
	key := f.apply(Want{Name: "key", Value: wantFor("x", scenario{}).Value}).Version
	other := f.apply(Want{Name: "other", Value: wantFor("x", scenario{}).Value}).Version
	f.addService("api", 0, swarm.UpdateFailureActionPause, other)
	var made calls
	got, err := (&Swarm{API: made.on(f)}).Outdated(t.Context(), key, Want{Name: "key", Services: []string{AllServices}})
	if err != nil || len(got) > 0 {
		t.Errorf("outdated %v, error %v", got, err)
	}
	if diff := cmp.Diff(map[string]int{"ServiceList": 1}, made.by); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// Versions that are pending do not take the place of those that are kept.
func TestOrderOfVersions(t *testing.T) {
	versions := []Version{{Name: "a-v2", Number: 2}, {Name: "a-v5", Number: 5, pending: true}, {Name: "b-v3", Number: 3}, {Name: "a-v3", Number: 3}, {Name: "a-v6", Number: 6, pending: true}, {Name: "a-v4", Number: 4}}
	want := []string{"a-v4", "a-v3", "b-v3", "a-v2", "a-v6", "a-v5"}
	if diff := cmp.Diff(want, namesOf(newestFirst(versions))); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// What may be taken for the value of an Apply that was interrupted, and what may not.
func TestOnlyTheSameValueIsTakenUp(t *testing.T) {
	stored := func(version string) Source { return Source{SecretID: "arn", Key: "KEY", VersionID: version} }
	for name, tc := range map[string]struct {
		sources  [3]Source // of the current version, of the one that was interrupted, of the next Apply
		killedAt string
		want     string
	}{
		"the same":                         {[3]Source{stored("1"), stored("2"), stored("2")}, "ServiceUpdate", "second"},
		"another version":                  {[3]Source{stored("1"), stored("2"), stored("3")}, "ServiceUpdate", "third"},
		"another key":                      {[3]Source{stored("1"), {SecretID: "arn", Key: "OTHER", VersionID: "2"}, stored("2")}, "ServiceUpdate", "third"},
		"the one before":                   {[3]Source{stored("1"), stored("2"), stored("1")}, "ServiceUpdate", "third"},
		"of no version":                    {[3]Source{stored("1"), stored(""), stored("")}, "ServiceUpdate", "third"},
		"of no version, and finished":      {[3]Source{stored("1"), stored(""), stored("")}, "SecretUpdate", "third"},
		"of no source":                     {[3]Source{}, "ServiceUpdate", "third"},
		"of no source, and finished":       {[3]Source{}, "SecretUpdate", "third"},
		"supplied, corrected meanwhile":    {[3]Source{{ValueVersion: "1"}, {ValueVersion: "2"}, {ValueVersion: "2"}}, "ServiceUpdate", "third"},
		"supplied, finished, not reported": {[3]Source{{ValueVersion: "1"}, {ValueVersion: "2"}, {ValueVersion: "2"}}, "SecretUpdate", "second"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			want := Want{Name: "key", Services: []string{"api"}}
			value := func(value string, source Source) {
				want.Value = func(context.Context) (secretstore.Plaintext, error) { return secretstore.NewPlaintext(value), nil }
				want.Source = source
			}
			value("first", tc.sources[0])
			service := f.addService("api", 0, swarm.UpdateFailureActionPause, Version{})
			out := f.apply(want)
			want = reported(want, out)
			value("second", tc.sources[1])
			done := make(chan struct{})
			go func() {
				defer close(done)
				api := wrapped{f, func(name, _ string, call func() error) error {
					err := call()
					if name == tc.killedAt {
						runtime.Goexit()
					}
					return err
				}}
				_, _ = (&Swarm{API: api, Sleep: noSleep}).Apply(context.Background(), want)
			}()
			<-done
			value("third", tc.sources[2])
			f.apply(want)
			if got := f.values[secretsOf(service.Spec.TaskTemplate)[0].SecretID]; got != tc.want {
				t.Errorf("the service has the %s value, want the %s", got, tc.want)
			}
			if versions := len(f.secrets); versions > 2 {
				t.Errorf("%d versions are there", versions)
			}
		})
	}
}

// An update that Docker has paused is not carried to the tasks that it spared, unless
// all tasks run by now.
func TestPausedServices(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fake, *swarm.Service)
		want  error
	}{
		"all tasks run":        {func(*fake, *swarm.Service) {}, nil},
		"one fails":            {func(f *fake, _ *swarm.Service) { f.tasks[0].Status.State = swarm.TaskStateFailed }, ErrPaused},
		"one is not restarted": {func(f *fake, _ *swarm.Service) { f.tasks[0].DesiredState = swarm.TaskStateShutdown }, ErrPaused},
		"it was rolled back":   {func(_ *fake, s *swarm.Service) { s.UpdateStatus.State = swarm.UpdateStateRollbackPaused }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
			s := f.addService("api", 2, swarm.UpdateFailureActionPause, out.Version)
			s.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, Message: "failure of a task"}
			tc.spoil(f, s)
			want := wantFor("good", scenario{})
			want.Current, want.Last, want.Services = out.Version.ID, 1, []string{"api"}
			_, err := f.swarm().Apply(t.Context(), want)
			if !errors.Is(err, tc.want) {
				t.Errorf("got error %v, want %v", err, tc.want)
			}
		})
	}
}

// What another Apply of this process leaves of a service counts, not what the service
// was before.
func TestServicesAreCheckedWhenNobodyElseChangesThem(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
	service := f.addService("api", 2, swarm.UpdateFailureActionPause, out.Version)
	looked := make(chan struct{})
	var once sync.Once
	s := &Swarm{Sleep: noSleep, API: wrapped{f, func(name, _ string, call func() error) error {
		err := call()
		if name == "ServiceInspect" {
			once.Do(func() { close(looked) })
		}
		return err
	}}}
	release, err := s.busy.lock(t.Context(), []string{service.ID})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-looked
		time.Sleep(20 * time.Millisecond) // Apply waits by now
		service.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, Message: "failure of a task"}
		f.tasks[0].Status.State = swarm.TaskStateFailed
		release()
	}()
	want := wantFor("good", scenario{})
	want.Current, want.Last, want.Services = out.Version.ID, 1, []string{"api"}
	if _, err := s.Apply(t.Context(), want); !errors.Is(err, ErrPaused) || len(f.secrets) != 1 {
		t.Errorf("got error %v and %d objects, want %v and one", err, len(f.secrets), ErrPaused)
	}
}

func TestLocksAreTakenInOneOrder(t *testing.T) {
	var b busyServices
	var running sync.WaitGroup
	for i := range 50 {
		running.Go(func() {
			ids := []string{"a", "b", "c", "a"}
			if i%2 == 0 {
				ids = []string{"c", "b", "a"}
			}
			release, err := b.lock(t.Context(), ids)
			if err != nil {
				t.Error(err)
				return
			}
			release()
		})
	}
	running.Wait()
	release, err := b.lock(t.Context(), []string{"b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.lock(ctx, []string{"a", "b"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
	}
	release()
	if release, err = b.lock(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	release()
}

// No call is repeated for ever.
func TestConflictsEnd(t *testing.T) {
	f := newFake(t)
	out := f.apply(Want{Name: "key", Value: wantFor("old", scenario{}).Value})
	s := &Swarm{Sleep: noSleep, API: wrapped{f, func(name, _ string, call func() error) error {
		if strings.HasSuffix(name, "Update") {
			return errOutOfSequence
		}
		return call()
	}}}
	if _, err := s.Label(t.Context(), out.Version.ID, Source{}, map[string]string{"a": "b"}); !errors.Is(err, ErrConflict) {
		t.Errorf("got error %v, want %v", err, ErrConflict)
	}
	service := f.addService("api", 0, swarm.UpdateFailureActionPause, Version{})
	_, err := s.updateService(t.Context(), service.ID, "", func(service swarm.Service) (client.ServiceUpdateOptions, bool, error) {
		return client.ServiceUpdateOptions{Spec: service.Spec}, true, nil
	})
	if !errors.Is(err, ErrConflict) {
		t.Errorf("got error %v, want %v", err, ErrConflict)
	}
}

// Who misspelled a service is told which there are, before anything changes.
func TestMissingServiceIsAnsweredWithThoseThere(t *testing.T) {
	f := newFake(t)
	want := wantFor("one", scenario{})
	want.Services = []string{"apii"}
	fails := func(text string) {
		t.Helper()
		_, err := f.swarm().Apply(t.Context(), want)
		var failed *Error
		if !errors.As(err, &failed) || failed.Kind != ErrNotFound || failed.Object != "apii" || !strings.HasSuffix(err.Error(), text) || len(f.secrets) > 0 {
			t.Errorf("got error %v and %d objects, want one that ends in %q and none", err, len(f.secrets), text)
		}
	}
	fails("the swarm has no services")
	f.addService("worker", 1, swarm.UpdateFailureActionPause, Version{})
	f.addService("api", 1, swarm.UpdateFailureActionPause, Version{})
	fails("the services are api, worker")
	for i := range 20 {
		f.addService(fmt.Sprintf("job%02d", i), 1, swarm.UpdateFailureActionPause, Version{})
	}
	fails("job18 and 2 more")
}
