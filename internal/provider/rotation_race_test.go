// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
)

// Two Terraform processes with separate states rotate the same 50 secrets at the
// same moment: one new version each.
func TestTwoRotateAtOnce(t *testing.T) {
	t.Parallel()
	const races = 50
	c := newCLI(t)
	var config strings.Builder
	config.WriteString(tfcli.RequiredProviders + c.provider(`environment = "development"`))
	first := map[string]string{}
	for n := range races {
		f := faultCase{faultScenario{name: "race", json: n%2 == 1}, n, "race"}
		first[f.secret()] = c.seedFault(f)
		keys := ""
		if f.json {
			keys = `keys = ["A"]`
		}
		fmt.Fprintf(&config, "resource \"roi_secret_rotation\" \"r%d\" {\n  secret_id = %q\n  %s\n}\n", n, f.secret(), keys)
	}
	other := cliOver(t, c.backend, c.now)
	both := []*cli{c, other}
	for _, one := range both {
		one.WriteFile("main.tf", config.String())
		one.Init()
		one.Apply().Require(t, 0)
	}
	c.advance(91 * day)
	other.SetEnv("ROI_TEST_NOW", c.now.Format(time.RFC3339))
	for _, one := range both {
		one.Plan("-out=saved").Require(t, 2)
	}
	c.fake.ResetCalls()
	c.meet()
	var processes []*tfcli.Process
	for _, one := range both {
		processes = append(processes, one.Start("apply", "-input=false", "-no-color", "-parallelism=20", "saved"))
	}
	for _, p := range processes {
		result := p.Wait()
		if result.ExitCode != 0 && !strings.Contains(result.Message(), "Secret was changed meanwhile") {
			t.Errorf("a process failed without saying that another one was faster:\n%s", result.Message())
		}
	}
	met := 0
	for name, version := range first {
		if c.contested(name) {
			met++
		}
		current, previous, pending := c.labels(name)
		if current == version || previous != version || pending != "" || c.versions(name) != 2 {
			t.Errorf("%s: AWSCURRENT, AWSPREVIOUS and AWSPENDING are on %q, %q and %q, of %d versions; the first was %q", name, current, previous, pending, c.versions(name), version)
		}
	}
	if met < races/5 {
		t.Errorf("in only %d of %d races both processes wrote", met, races)
	}
	t.Logf("in %d of %d races both processes wrote", met, races)
	for _, one := range both {
		one.Apply().Require(t, 0)
		one.nothingToDo()
	}
	for name, version := range first {
		if c.versions(name) != 2 {
			t.Errorf("%s: %d versions after both have settled; the first was %s", name, c.versions(name), version)
		}
	}
}

// meet makes the two processes come to the same request of each secret at the same
// moment: the first one waits for the second, for a while.
func (c *cli) meet() {
	ops := []string{"DescribeSecret", "TagResource", "PutSecretValue", "UpdateSecretVersionStage", "GetSecretValue"}
	var mu sync.Mutex
	waiting := map[string]chan struct{}{}
	c.fake.Before(func(call awsfake.Call) {
		for n := range 50 {
			kind := faultCase{faultScenario{name: "race"}, n, "race"}
			if call.Op != ops[n%len(ops)] || !belongsTo(call, kind.secret()) {
				continue
			}
			mu.Lock()
			other, second := waiting[kind.secret()]
			if !second {
				other = make(chan struct{})
				waiting[kind.secret()] = other
			} else if other != nil {
				close(other)
				waiting[kind.secret()] = nil // they have met
			}
			mu.Unlock()
			if !second {
				select {
				case <-other:
				case <-time.After(2 * time.Second):
				}
			}
		}
	})
}

// contested reports whether more than one process tried to make a version.
func (c *cli) contested(secret string) bool {
	puts := 0
	for _, call := range c.fake.Calls() {
		if belongsTo(call, secret) && call.Op == "PutSecretValue" {
			puts++
		}
	}
	return puts > 1
}

// A consumer that reads all the time never meets an error, a value that is not
// whole, or a token from before that it cannot verify.
func TestRotationLeavesNoGap(t *testing.T) {
	t.Parallel()
	const rotations = 50
	b := fakeBackend(t)
	jwt, _ := policy.Builtin("jwt")
	tags, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: jwt, MadeAt: b.fake.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Create(t.Context(), secretstore.CreateInput{
		Name: "app/jwt", Token: secretstore.DeriveVersionID("first"), Tags: tags,
		Value: secretstore.NewPlaintext("hB1-Qm7_sWv2Zx9-Kd4_Rf6tYp3-Lc8_Gn5jUa0-Ei7_Ob2wTq9-Xs4_Md6vHk1-"),
	}); err != nil {
		t.Fatal(err)
	}

	turn := make(chan struct{}) // the reader has read once more
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var reader sync.WaitGroup
	reads := 0
	reader.Go(func() {
		read := func(label string) (string, bool) {
			value, err := b.store.Value(t.Context(), "app/jwt", secretstore.VersionRef{Label: label})
			if errors.Is(err, secretstore.ErrNotFound) && label == secretstore.Previous && reads < 3 {
				return "", false // before the first rotation
			}
			if err != nil {
				t.Errorf("reading %s: %v", label, err)
				return "", false
			}
			if len(policy.Check(jwt, value.Plaintext.Reveal())) > 0 {
				t.Errorf("%s has a value that breaks the policy", label)
			}
			return value.Plaintext.Reveal(), true
		}
		var token []byte // signed with what was current at the last reading
		for ctx.Err() == nil {
			reads++
			current, ok := read(secretstore.Current)
			previous, _ := read(secretstore.Previous)
			if token != nil && !hmac.Equal(token, sign(current)) && !hmac.Equal(token, sign(previous)) {
				t.Error("a token signed with the value from before cannot be verified")
			}
			if ok {
				token = sign(current)
			}
			select {
			case turn <- struct{}{}:
			case <-time.After(time.Millisecond):
			}
		}
	})

	// Sent twice at most, so that some faults reach the rotation.
	store := awssm.New(awssm.Config{
		Region: awsfake.DefaultRegion, AccessKey: "AKIDEXAMPLE", SecretKey: "not-a-real-key", MaxRetries: new(2),
		Endpoints: awssm.Endpoints{SecretsManager: b.fake.URL(), KMS: b.fake.URL(), STS: b.fake.URL()},
	})
	rotator := rotation.Rotator{Store: store, Clock: clock.System{}, Sleep: sleep}
	resolve := func(rotation.View) (rotation.Plan, error) {
		return rotation.Plan{
			Want:   rotation.Want{Grace: rotation.Grace{Period: time.Hour}, Overdue: rotation.OverdueReplace},
			Values: rotation.Values{Policies: map[string]policy.Policy{"": jwt}},
		}, nil
	}
	rotate := func(version string) (string, error) {
		if _, err := rotator.Ask(t.Context(), "app/jwt", nil, version, b.fake.Now(), ""); err != nil {
			return version, err
		}
		out, err := rotator.Run(t.Context(), "app/jwt", nil, resolve, nil)
		if err != nil {
			return version, err
		}
		return out.Version, nil
	}
	out, err := rotator.Run(t.Context(), "app/jwt", nil, resolve, nil)
	if err != nil {
		t.Fatal(err)
	}
	version, failures := out.Version, 0
	kinds := []awsfake.FaultKind{awsfake.LostRequest, awsfake.LostResponse, awsfake.Throttled, awsfake.InternalError}
	for n := range rotations {
		b.fake.Inject(awsfake.Fault{Kind: kinds[n%len(kinds)], Nth: 1 + n%8, Times: 1 + n%3, Match: func(call awsfake.Call) bool { return call.Op != "GetSecretValue" }})
		for {
			next, err := rotate(version)
			if err == nil {
				version = next
				break
			}
			if failures++; failures > 10*rotations {
				t.Fatal(err)
			}
		}
		b.fake.ClearFaults()
		// A grace period is longer than the time between two readings.
		<-turn
		<-turn
	}
	stop()
	reader.Wait()
	versions, err := b.store.Versions(t.Context(), "app/jwt")
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != rotations+1 {
		t.Errorf("%d versions after %d rotations", len(versions), rotations)
	}
	if failures < rotations/5 {
		t.Errorf("only %d attempts failed", failures)
	}
	t.Logf("%d rotations, %d readings, %d attempts failed", rotations, reads, failures)
}

func sign(key string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("token"))
	return mac.Sum(nil)
}
