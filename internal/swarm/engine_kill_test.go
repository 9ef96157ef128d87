// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// A rotation is killed after each of its calls in turn; the fault matrix over the
// fake has the rest. What follows is what Terraform would do next: the same again.
func TestKilledAfterEachCall(t *testing.T) {
	t.Parallel()
	for _, supplied := range []bool{false, true} {
		t.Run(fmt.Sprintf("supplied=%v", supplied), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.rotate("0")
			s := f.service("api", replicas(1), func(spec *swarm.ServiceSpec) { spec.UpdateConfig.Monitor = 100 * time.Millisecond })
			s.WaitFor(t, 1, "0")
			for n := 1; ; n++ {
				value := fmt.Sprint(n)
				f.value(value)
				if supplied {
					f.want.Source = Source{ValueVersion: value}
				}
				hit := f.killedAfter(n)
				if hit == "" {
					if n < 10 {
						t.Errorf("a rotation is %d calls", n)
					}
					return
				}
				f.apply()
				s.WaitFor(t, 1, value)
				names := f.engine.SecretNames(t, f.want.Name)
				refers := s.SecretNames(t)
				if len(names) != 2 || !slices.Equal(refers, []string{f.out.Version.Name}) || !slices.Contains(names, f.out.Version.Name) {
					t.Fatalf("killed after %s: objects %v, the service refers to %v, want it to be %s, and one older", hit, names, refers, f.out.Version.Name)
				}
			}
		})
	}
}

// killedAfter applies and dies after the nth call that is not one of those that are
// repeated while a service is updated; of these there is one. It returns what the
// call was, or "" if there were fewer.
func (f *fixture) killedAfter(n int) (hit string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		waits := 0
		count := func(name, object string, call func() error) error {
			err := call()
			if name == "TaskList" {
				waits++
			}
			if waits > 1 && (name == "TaskList" || name == "ServiceInspect") {
				return err
			}
			if n--; n == 0 {
				hit = name + " " + object
				runtime.Goexit()
			}
			return err
		}
		out, err := (&Swarm{API: wrapped{f.swarm.API, count}}).Apply(context.Background(), f.want)
		if err != nil {
			f.Error(err)
			return
		}
		f.saved(out)
	}()
	<-done
	return hit
}
