// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Tags and description of someone else are undone, the policy record is written
// again, and none of it touches the value.
func TestSecretDrift(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		ctx := context.Background()
		name := uniqueName(t)
		config := jwtConfig(b, name, "  description = \"ours\"\n  tags = { team = \"ours\" }")
		var value string
		repaired := do(func() {
			secret := b.describe(t, name)
			if b.value(t, name, "") != value || len(secret.Labels) != 1 {
				t.Error("the value was changed")
			}
			if secret.Description != "ours" || secret.Tags["team"] != "ours" || secret.Tags["stray"] != "" {
				t.Errorf("not repaired: %q %v", secret.Description, secret.Tags)
			}
			// A record that was lost is dated by the version. moto answers "now" as
			// the date of every version, so there the date says nothing.
			records, err := policy.DecodeRecords(secret.Tags)
			if age := secret.CreatedAt.Sub(records[""].MadeAt).Abs(); err != nil || records[""].Policy.Category != "jwt" || b.name != "moto" && age > 2*time.Second {
				t.Errorf("policy record: %+v, %v", records, err)
			}
			if secret.Tags["roi:of-another"] != "x" {
				t.Error("a record of another owner was removed")
			}
		})
		update := func(meddle func() error) resource.TestStep {
			return resource.TestStep{
				PreConfig: func() {
					if err := meddle(); err != nil {
						t.Fatal(err)
					}
				},
				Config: config, ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: repaired,
			}
		}
		steps(t,
			resource.TestStep{Config: config, Check: do(func() {
				value = b.value(t, name, "")
				if err := b.store.Tag(ctx, name, map[string]string{"roi:of-another": "x"}); err != nil {
					t.Fatal(err)
				}
			})},
			resource.TestStep{Config: config, PlanOnly: true}, // a record of another owner is no drift
			update(func() error { return b.store.Tag(ctx, name, map[string]string{"team": "theirs", "stray": "x"}) }),
			update(func() error {
				description := "theirs"
				return b.store.Update(ctx, name, secretstore.UpdateInput{Description: &description})
			}),
			update(func() error { return b.store.Untag(ctx, name, []string{"roi:policy"}) }),
			update(func() error { return b.store.Tag(ctx, name, map[string]string{"roi:policy": "not a record"}) }),
		)
	})
}

// A rotation outside Terraform is no drift of the secret.
func TestSecretValueChangedOutside(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		steps(t,
			resource.TestStep{Config: jwtConfig(b, name, "")},
			resource.TestStep{
				PreConfig: func() {
					for i := range 3 { // the first version loses all labels
						err := b.store.Put(context.Background(), secretstore.PutInput{ID: name, Token: secretstore.DeriveVersionID(name, fmt.Sprint(i)),
							Value: secretstore.NewPlaintext("rotated outside"), Labels: []string{secretstore.Current}})
						if err != nil {
							t.Fatal(err)
						}
					}
				},
				Config: jwtConfig(b, name, ""), PlanOnly: true,
			},
		)
	})
}

func TestSecretGone(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		var first string
		create := action(plancheck.ResourceActionCreate)
		steps(t,
			resource.TestStep{Config: jwtConfig(b, name, "  recovery_window_in_days = 0"), Check: do(func() { first = b.describe(t, name).ARN })},
			resource.TestStep{
				PreConfig: func() {
					if _, err := b.store.Delete(context.Background(), name, 0); err != nil {
						t.Fatal(err)
					}
				},
				Config:           jwtConfig(b, name, "  recovery_window_in_days = 0"),
				ConfigPlanChecks: create,
				Check: do(func() {
					if b.describe(t, name).ARN == first {
						t.Error("the secret has the ARN of the one that was deleted")
					}
				}),
			},
			resource.TestStep{
				PreConfig: func() {
					if _, err := b.store.Delete(context.Background(), name, 7); err != nil {
						t.Fatal(err)
					}
				},
				Config:      jwtConfig(b, name, "  recovery_window_in_days = 0"),
				ExpectError: regexp.MustCompile(`Secret is scheduled for deletion`),
			},
			resource.TestStep{Config: jwtConfig(b, name, "  recovery_window_in_days = 0\n  adopt_existing = true"), ConfigPlanChecks: create},
		)
	})
}

// A read that fails is never taken for an absence.
func TestSecretReadFails(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	name := uniqueName(t)
	config := jwtConfig(b, name, "")
	impatient := b
	impatient.config = strings.Replace(b.config, "    region ", "    max_retries = 1\n    region ", 1)
	failing := jwtConfig(impatient, name, "")
	fails := func(kind awsfake.FaultKind, message string) resource.TestStep {
		return resource.TestStep{
			PreConfig: func() { b.fake.Inject(awsfake.Fault{Kind: kind, Op: "DescribeSecret", Times: awsfake.Always}) },
			Config:    failing, PlanOnly: true, ExpectError: says(message),
		}
	}
	intact := resource.TestStep{PreConfig: b.fake.ClearFaults, Config: config, PlanOnly: true}
	steps(t,
		resource.TestStep{Config: config},
		fails(awsfake.AccessDenied, "Error: Access denied"), intact,
		fails(awsfake.InternalError, "Error: Store failed"), intact,
		fails(awsfake.Throttled, "Error: Requests are throttled"), intact,
		fails(awsfake.LostRequest, "Error: Store cannot be reached"), intact,
	)
}

// A plan and a refresh need the right to describe and list, and no other.
func TestSecretPlanRights(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.fake.AddKey(awsfake.Key{Rotation: true, Aliases: []string{"alias/app"}})
	config := func(length int) string {
		return b.provider() + fmt.Sprintf(`
resource "roi_secret" "test" {
  name       = "rights"
  kms_key_id = "alias/app"
  category   = "jwt"
  length     = %d
}`, length)
	}
	steps(t,
		resource.TestStep{Config: config(64)},
		resource.TestStep{
			PreConfig: func() {
				b.fake.DenyAllBut("DescribeSecret", "DescribeKey", "ListSecretVersionIds", "ListSecrets", "GetCallerIdentity")
			},
			Config: config(64), PlanOnly: true,
		},
		resource.TestStep{Config: config(96), PlanOnly: true, ExpectNonEmptyPlan: true},
		resource.TestStep{ // without the right to describe the key there is a warning, and the plan goes on
			PreConfig: func() { b.fake.DenyAllBut("DescribeSecret", "GetCallerIdentity") },
			Config:    config(64), PlanOnly: true,
		},
		resource.TestStep{PreConfig: func() { b.fake.AllowAll() }, Config: config(64), PlanOnly: true},
	)
}

func TestSecretTags(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := func(defaults, own string) string {
			return b.provider(`environment = "staging"`, defaults) + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n name = %q\n category = \"jwt\"\n%s\n}", name, own)
		}
		all := func(tags map[string]string) []statecheck.StateCheck {
			exact := map[string]knownvalue.Check{}
			for key, value := range tags {
				exact[key] = knownvalue.StringExact(value)
			}
			return []statecheck.StateCheck{stateIs("tags_all", knownvalue.MapExact(exact))}
		}
		steps(t,
			resource.TestStep{Config: config(`tags = { team = "x", cost = "1" }`, `tags = { team = "y" }`), ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				ConfigStateChecks: all(map[string]string{"team": "y", "cost": "1"})},
			resource.TestStep{Config: config(`tags = { team = "x", cost = "2" }`, `tags = { team = "y" }`), ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				ConfigStateChecks: all(map[string]string{"team": "y", "cost": "2"})},
			resource.TestStep{Config: config(`tags = { team = "x" }`, `tags = { team = "x" }`), ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				ConfigStateChecks: all(map[string]string{"team": "x"})},
			resource.TestStep{Config: config(`tags = { team = "x" }`, ``), ConfigPlanChecks: resource.ConfigPlanChecks{
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}}, ConfigStateChecks: all(map[string]string{"team": "x"})},
			resource.TestStep{Config: config(``, ``), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), ConfigStateChecks: all(nil)},
		)
	})
}

func TestSecretReplicas(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	name := uniqueName(t)
	west := b.fake.AddKey(awsfake.Key{Region: "eu-west-1", Rotation: true})
	regions := func() string {
		var list []string
		for _, replica := range b.describe(t, name).Replicas {
			list = append(list, replica.Region+" "+replica.Status)
		}
		return strings.Join(list, ", ")
	}
	is := func(want string) resource.TestCheckFunc {
		return do(func() {
			if got := regions(); got != want {
				t.Errorf("replicas: %s, want %s", got, want)
			}
		})
	}
	one := fmt.Sprintf("  replicas = [{ region = \"eu-west-1\", kms_key_id = %q }]", west)
	steps(t,
		resource.TestStep{Config: jwtConfig(b, name, one), ConfigPlanChecks: action(plancheck.ResourceActionCreate), Check: is("eu-west-1 InSync")},
		resource.TestStep{Config: jwtConfig(b, name, `  replicas = [{ region = "us-east-1" }]`), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: is("us-east-1 InSync")},
		resource.TestStep{Config: jwtConfig(b, name, ""), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: is("")},
		resource.TestStep{Config: jwtConfig(b, name, one), ConfigPlanChecks: action(plancheck.ResourceActionUpdate), Check: is("eu-west-1 InSync")},
	)
}

// A copy in another region takes its time, and the apply waits for it.
func TestSecretReplicasTakeAWhile(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	arn := b.make(t, "app", "a value", nil)
	b.fake.HoldReplicas()
	if err := b.store.Replicate(t.Context(), arn, []secretstore.ReplicaSpec{{Region: "eu-west-1"}}, false); err != nil {
		t.Fatal(err)
	}
	b.fake.ResetCalls()
	b.fake.After(func(call awsfake.Call) {
		if call.Op == "DescribeSecret" {
			b.fake.ReleaseReplicas()
		}
	})
	var diags diag.Diagnostics
	if err := awaitReplicas(t.Context(), b.store, arn, &diags); err != nil || len(diags) > 0 {
		t.Errorf("%v, %v", err, diags)
	}
	if looks := b.fake.Count("DescribeSecret"); looks != 2 {
		t.Errorf("the secret was looked at %d times, want 2: at first a replica is %s", looks, secretstore.ReplicaInProgress)
	}
}
