// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// Requests are what a run costs: they are counted over the life of many secrets,
// however long one takes and however many are under way at a time.
func TestBudgetsOfManySecrets(t *testing.T) {
	t.Parallel()
	const config = `
resource "roi_secret" "one" {
  count      = 10
  name       = "one/${count.index}"
  kms_key_id = "alias/app"
  category   = "session"
}
resource "roi_secret_rotation" "one" {
  count     = 10
  secret_id = roi_secret.one[count.index].id
}
resource "roi_secret" "json" {
  count      = 10
  name       = "json/${count.index}"
  kms_key_id = "alias/app"
  keys       = { A = { category = "jwt" }, B = { category = "session" } }
}
resource "roi_secret_rotation" "json" {
  count     = 10
  secret_id = roi_secret.json[count.index].id
}
`
	for _, test := range []struct {
		name    string
		flag    string
		latency time.Duration
	}{
		{"as usual", "-parallelism=10", 0},
		{"one at a time", "-parallelism=1", 0},
		{"all at once, each request slow", "-parallelism=50", 50 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := fakeBackend(t)
			b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
			if test.latency > 0 {
				b.fake.Inject(awsfake.Fault{Kind: awsfake.Latency, Delay: test.latency, Times: awsfake.Always})
			}
			w := tfcli.New(t)
			w.WriteFile("main.tf", tfcli.RequiredProviders+b.provider()+config)
			w.Init()
			for _, step := range []struct {
				args string
				due  bool
				want string
			}{
				{args: "apply -auto-approve", want: "CreateSecret 20, DescribeKey 2, GetKeyRotationStatus 2, TagResource 20"},
				{args: "plan -detailed-exitcode", want: "DescribeKey 1, DescribeSecret 20, GetKeyRotationStatus 1"},
				{args: "plan", due: true, want: "DescribeKey 1, DescribeSecret 20, GetKeyRotationStatus 1"},
				{
					args: "apply -auto-approve", due: true,
					// The key is described once by each process that makes or plans a secret.
					// For each secret a description in the plan and before each half of the
					// replacement, and a value that is read only to keep other keys.
					want: "DescribeKey 1, DescribeSecret 60, GetKeyRotationStatus 1, GetSecretValue 10, PutSecretValue 20, TagResource 60, UpdateSecretVersionStage 40",
				},
				{args: "destroy -auto-approve", due: true, want: "DeleteSecret 20, DescribeKey 1, DescribeSecret 20, GetKeyRotationStatus 1"},
			} {
				if step.due {
					w.SetEnv(envPlanAsOf, "+91d")
				}
				b.fake.ResetCalls()
				args := strings.Fields(step.args)
				w.Run(append(args, "-no-color", "-input=false", test.flag)...).Require(t, 0)
				if got := requests(b.fake); got != step.want {
					t.Errorf("terraform %s: %s, want %s", step.args, got, step.want)
				}
			}
		})
	}
}

// What one rotation records of a new secret, the next one knows.
func TestBudgetOfTwoRotationsOfANewSecret(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	w := tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+b.provider()+`
resource "roi_secret" "test" {
  name       = "app"
  kms_key_id = "alias/app"
  keys       = { A = { category = "jwt" }, B = { category = "session" } }
}
resource "roi_secret_rotation" "a" {
  secret_id = roi_secret.test.id
  keys      = ["A"]
  triggers  = { incident = "none" }
}
resource "roi_secret_rotation" "b" {
  secret_id = roi_secret.test.id
  keys      = ["B"]
}
`)
	w.Init()
	w.Apply().Require(t, 0)
	if got, want := requests(b.fake), "CreateSecret 1, DescribeKey 2, GetKeyRotationStatus 2, TagResource 2"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	w.Run("plan", "-detailed-exitcode", "-no-color", "-input=false").Require(t, 0)
}
