// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// Every kind of failure of Docker's has a name of its own and says what to do.
func TestDockerAdvice(t *testing.T) {
	t.Parallel()
	kinds := []error{
		swarm.ErrUnreachable, swarm.ErrPermission, swarm.ErrTLS, swarm.ErrNoSwarm, swarm.ErrWorker, swarm.ErrLocked, swarm.ErrNoLeader, swarm.ErrNotFound,
		swarm.ErrNameTaken, swarm.ErrInUse, swarm.ErrSize, swarm.ErrJob, swarm.ErrPaused, swarm.ErrConflict, swarm.ErrInvalid, swarm.ErrInternal,
	}
	summaries := map[string]bool{}
	for _, kind := range kinds {
		got := explainDocker("Cannot do it", fmt.Errorf("around: %w", &swarm.Error{Op: "do", Object: "it", Kind: kind, Err: errors.New("the original error")}))
		if got.Summary() == "Docker operation failed" || summaries[got.Summary()] {
			t.Errorf("%v is called %q, as another one", kind, got.Summary())
		}
		summaries[got.Summary()] = true
		paragraphs := strings.Split(got.Detail(), "\n\n")
		if paragraphs[0] != "Cannot do it." || len(paragraphs) < 3 || !strings.HasSuffix(got.Detail(), "the original error") {
			t.Errorf("%v: %q", kind, got.Detail())
		}
	}
}

func TestDockerWarnings(t *testing.T) {
	t.Parallel()
	version := swarm.Version{Name: "app-v3"}
	for name, test := range map[string]struct {
		out  swarm.Outcome
		want []string
	}{
		"used": {swarm.Outcome{Left: []swarm.Leftover{{
			Name: "app-v1", Services: []string{"web", "api"}, Previous: []string{"web"},
			Mounts: map[string][]string{"web": {"target=a"}, "api": {"target=JWT,uid=1000,gid=0,mode=0400", "target=b"}},
		}}}, []string{
			"app-v1 is superseded and was not removed", "services use it: web, api",
			"docker service update --secret-rm app-v1 --secret-add source=app-v3,target=a web\n",
			"docker service update --secret-rm app-v1 --secret-add source=app-v3,target=JWT,uid=1000,gid=0,mode=0400 --secret-add source=app-v3,target=b api\n",
		}},
		"needed for a rollback": {swarm.Outcome{Left: []swarm.Leftover{{Name: "app-v1", Previous: []string{"web"}}}}, []string{
			"docker service rollback would need it for web",
		}},
		"not removed": {swarm.Outcome{Left: []swarm.Leftover{{Name: "app-v1", Err: errors.New("a reason")}}}, []string{"a later apply tries again", "a reason"}},
		"stack": {swarm.Outcome{Stacks: []swarm.StackService{{Service: "shop_api", Stack: "shop", Compose: "name: app-v3"}}}, []string{
			"shop_api now uses app-v3, and belongs to the stack shop", "secrets:\n  app:\n    external: true\n    name: app-v3",
		}},
		"stack with a file of another name": {swarm.Outcome{Stacks: []swarm.StackService{{Service: "shop_api", Stack: "shop", Compose: "name: app-v3", File: "JWT_SECRET"}}}, []string{
			"secrets:\n  JWT_SECRET:\n    external: true\n    name: app-v3",
		}},
	} {
		var diags diag.Diagnostics
		test.out.Version = version
		warnOutcome("app", test.out, &diags)
		if len(diags) != 1 || diags.HasError() {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(diags[0].Detail(), want) {
				t.Errorf("%s: does not say %q: %s", name, want, diags[0].Detail())
			}
		}
	}
}

// What ended with the run, or with the time for it, is told apart; and a host that
// does not answer, which Go calls a deadline that is exceeded, from both.
func TestExplainDockerInterrupted(t *testing.T) {
	t.Parallel()
	silent := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	for want, err := range map[string]error{
		"Interrupted":              fmt.Errorf("remove the secret: %w", context.Canceled),
		"Timed out":                fmt.Errorf("remove the secret: %w", context.DeadlineExceeded),
		"Docker cannot be reached": &swarm.Error{Op: "remove the secret", Object: "app-v1", Kind: swarm.ErrUnreachable, Err: silent},
	} {
		if got := explainDocker("Cannot delete it", err); got.Summary() != want || !strings.HasSuffix(got.Detail(), err.Error()) {
			t.Errorf("%v: %s: %s, want %s", err, got.Summary(), got.Detail(), want)
		}
	}
}

func TestExplainRolledBack(t *testing.T) {
	t.Parallel()
	task := &swarm.TaskError{Service: "web", Task: "t1", State: "failed", Message: "task: non-zero exit (3)"}
	left := errors.New("web could not be put back")
	for _, test := range []struct {
		made bool
		left error
	}{{true, nil}, {false, nil}, {true, left}, {false, left}} {
		explained := explainDocker("Cannot update it", &swarm.RolledBackError{
			Service: "web", Version: "app-v3", New: test.made, Cause: task, Steps: []string{"service web is back on app-v2"}, Left: test.left,
		})
		if made := explained.Summary() == "Service failed with the new version"; made != test.made {
			t.Errorf("%+v: it is called %q", test, explained.Summary())
		}
		for text, want := range map[string]bool{
			"did not run with app-v3": true, "task: non-zero exit (3)": true, "service web is back on app-v2": true, "docker service logs web": true,
			"the new version was removed. The state still has the version before": test.made && test.left == nil,
			"No version was made: app-v3 is still the current one":                !test.made && test.left == nil,
			"web could not be put back":                                           test.left != nil,
		} {
			if got := explained.Detail(); strings.Contains(got, text) != want {
				t.Errorf("%+v: %q is in it: %t, want %t\n%s", test, text, !want, want, got)
			}
		}
	}
}
