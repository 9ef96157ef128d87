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

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// The same change, asked for once more after it was done, is a new change: every
// replacement gives a new value.
func TestSecretRecreateAgain(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	seen := map[string]bool{}
	check := do(func() {
		value := b.value(t, "again", "")
		if seen[value] {
			t.Error("the replacement kept a value that there was before")
		}
		seen[value] = true
	})
	all := []resource.TestStep{{Config: jwtConfig(b, "again", ""), Check: check}}
	for range 3 {
		all = append(all, resource.TestStep{Taint: []string{address}, Config: jwtConfig(b, "again", ""), Check: check})
	}
	steps(t, all...)
}

// Secrets Manager may take a moment to remove what is deleted without a recovery
// window, and until then the name is taken, also for the second half of a replacement.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
func TestSecretRecreateWhileTheFirstGoes(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t, awsfake.SlowForceDelete(time.Hour))
	config := jwtConfig(b, "app", "  recovery_window_in_days = 0")
	var first string
	steps(t,
		resource.TestStep{Config: config, Check: do(func() { first = b.value(t, "app", "") })},
		resource.TestStep{Taint: []string{address}, Config: config, Check: do(func() {
			if b.value(t, "app", "") == first {
				t.Error("the replacement kept the value")
			}
		})},
	)
}

func TestSecretChangesItsKind(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	object := b.provider(`environment = "staging"`) + "resource \"roi_secret\" \"test\" {\n name = \"kind\"\n keys = { A = { category = \"jwt\" } }\n}"
	isObject := func(want bool) resource.TestCheckFunc {
		return do(func() {
			if _, err := secretstore.ParseObject(b.value(t, "kind", "")); (err == nil) != want {
				t.Errorf("the value is a JSON object: %t", err == nil)
			}
		})
	}
	update := action(plancheck.ResourceActionUpdate)
	steps(t,
		resource.TestStep{Config: jwtConfig(b, "kind", ""), Check: isObject(false)},
		resource.TestStep{Config: object, Check: isObject(true), ConfigPlanChecks: update},
		resource.TestStep{Config: jwtConfig(b, "kind", ""), Check: isObject(false), ConfigPlanChecks: update},
		resource.TestStep{Config: object, Check: isObject(true), ConfigPlanChecks: update},
	)
}

// A key that someone else put there is kept when the configuration names it.
func TestSecretKeyThatIsThereAlready(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := func(keys string) string {
			return b.provider(`environment = "staging"`) + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n name = %q\n keys = { %s }\n}", name, keys)
		}
		steps(t,
			resource.TestStep{Config: config(`A = { category = "jwt" }`)},
			resource.TestStep{
				PreConfig:        func() { b.addForeignKey(t, name, `"ENC":"in use by someone"`) },
				Config:           config(`A = { category = "jwt" }, ENC = { category = "encryption" }, NEW = { category = "jwt" }`),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: do(func() {
					if b.key(t, name, "ENC") != "in use by someone" || len(b.key(t, name, "NEW")) != 64 {
						t.Error("the key of someone else was overwritten, or the new one was not made")
					}
				}),
			},
			resource.TestStep{ // and when there is nothing else to do, no version is made
				PreConfig:        func() { b.addForeignKey(t, name, `"ONLY":"in use by someone"`) },
				Config:           config(`A = { category = "jwt" }, ENC = { category = "encryption" }, NEW = { category = "jwt" }, ONLY = { category = "jwt" }`),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: do(func() {
					if b.key(t, name, "ONLY") != "in use by someone" {
						t.Error("the key of someone else was overwritten")
					}
					if pending := b.describe(t, name).VersionWith(secretstore.Pending); pending != "" {
						t.Error("a version is left pending")
					}
				}),
			},
		)
	})
}

// weak makes a secret whose recorded policy is weaker than the configured one.
func (b backend) weak(t *testing.T, name string) string {
	t.Helper()
	p, _ := policy.Builtin("jwt")
	p.Length = 16
	tags, err := policy.EncodeRecords(map[string]policy.Record{"": {Policy: p, MadeAt: placeholderTime}})
	if err != nil {
		t.Fatal(err)
	}
	return b.make(t, name, "sixteen.letters.", tags)
}

// What is recorded of an imported secret counts: the plan says that its value
// does not do, and the apply makes a new one.
func TestSecretImportWithWeakerPolicy(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		b.weak(t, name)
		steps(t, resource.TestStep{
			Config: jwtConfig(b, name, "") + fmt.Sprintf("\nimport {\n  to = roi_secret.test\n  id = %q\n}", name),
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
			ConfigStateChecks: []statecheck.StateCheck{stateIs("entropy_bits", knownvalue.Int64Exact(383))},
			Check: do(func() {
				if len(b.value(t, name, "")) != 64 {
					t.Error("state says 383 bits of a value of 16 characters")
				}
			}),
		})
	})
}

func TestSecretAdoptWithWeakerPolicy(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	b.weak(t, "weak")
	steps(t, resource.TestStep{Config: jwtConfig(b, "weak", "  adopt_existing = true"),
		ExpectError: says("allows values that the configured one forbids, and adopt_existing keeps values as they are. Nothing was changed.")})
}

func TestSecretTwoOfOneName(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	steps(t, resource.TestStep{
		Config:      jwtConfig(b, "one", "") + "\nresource \"roi_secret\" \"other\" {\n name = \"one\"\n category = \"jwt\"\n}",
		ExpectError: says(`Another roi_secret of this configuration was created with the name "one" in this run.`),
	})
}

// A create that was not saved is finished with what the configuration says now.
func TestSecretCreateThatWasNotSavedAndEdited(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	failing := b
	failing.config = strings.Replace(b.config, "    region ", "    max_retries = 1\n    region ", 1)
	config := func(b backend, static string) string {
		return b.provider(`environment = "staging"`) + "resource \"roi_secret\" \"test\" {\n name = \"edited\"\n keys = { A = { category = \"jwt\" } }\n static = " + static + "\n}"
	}
	var value string
	b.fake.Inject(awsfake.Fault{Kind: awsfake.LostResponse, Op: "CreateSecret"})
	steps(t,
		resource.TestStep{Config: config(failing, `{ H = "1" }`), ExpectError: regexp.MustCompile(`Cannot create the secret`)},
		resource.TestStep{
			PreConfig: func() { value = b.key(t, "edited", "A") },
			Config:    config(b, `{ H = "2", NEW = "3" }`),
			Check: do(func() {
				if b.key(t, "edited", "H") != "2" || b.key(t, "edited", "NEW") != "3" || b.key(t, "edited", "A") != value {
					t.Error("the store does not hold what state says")
				}
			}),
		},
	)
}

// An apply that broke off with a version pending does not stand in the way of a
// changed mind.
func TestSecretInterruptedAndEdited(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	var value string
	steps(t,
		resource.TestStep{Config: jwtConfig(b, "mind", ""), Check: do(func() { value = b.value(t, "mind", "") })},
		resource.TestStep{
			PreConfig:   func() { b.fake.Deny("UpdateSecretVersionStage") },
			Config:      jwtConfig(b, "mind", "  length = 96"),
			ExpectError: regexp.MustCompile(`Access denied`),
		},
		resource.TestStep{
			PreConfig:        b.fake.AllowAll,
			Config:           jwtConfig(b, "mind", "  length = 128"),
			ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
			Check: do(func() {
				secret := b.describe(t, "mind")
				if len(b.value(t, "mind", "")) != 128 || b.value(t, "mind", secretstore.Previous) != value || secret.VersionWith(secretstore.Pending) != "" {
					t.Errorf("labels: %v", secret.Labels)
				}
			}),
		},
	)
}

// What an import or a replacement has made under another policy before it broke
// off is not what state and records say, wherever it broke off.
func TestSecretInterruptedImportAndEdited(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"UpdateSecretVersionStage", "TagResource"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			b := fakeBackend(t)
			b.weak(t, "mind")
			imported := fmt.Sprintf("\nimport {\n  to = roi_secret.test\n  id = %q\n}", "mind")
			b.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: op})
			steps(t,
				resource.TestStep{Config: jwtConfig(b, "mind", "") + imported, ExpectError: regexp.MustCompile(`Access denied`)},
				resource.TestStep{Config: jwtConfig(b, "mind", "  length = 96") + imported, Check: do(func() { b.holds(t, "mind", 96) })},
			)
		})
	}
}

func TestSecretInterruptedReplacementAndEdited(t *testing.T) {
	t.Parallel()
	for _, at := range []awsfake.Fault{
		{Op: "UpdateSecretVersionStage"},
		{Op: "TagResource", Nth: 2}, // the first says that the replacement is to be finished
	} {
		t.Run(at.Op, func(t *testing.T) {
			t.Parallel()
			b := fakeBackend(t)
			fault := at
			fault.Kind = awsfake.AccessDenied
			steps(t,
				resource.TestStep{Config: jwtConfig(b, "mind", "")},
				resource.TestStep{
					PreConfig:   func() { b.fake.Inject(fault) },
					Taint:       []string{address},
					Config:      jwtConfig(b, "mind", "  length = 80"),
					ExpectError: regexp.MustCompile(`Access denied`),
				},
				resource.TestStep{ // breaks off again, with yet another mind
					PreConfig:   func() { b.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "TagResource", Nth: at.Nth}) },
					Config:      jwtConfig(b, "mind", "  length = 96"),
					ExpectError: regexp.MustCompile(`Access denied`),
				},
				resource.TestStep{Config: jwtConfig(b, "mind", "  length = 128"), Check: do(func() { b.holds(t, "mind", 128) })},
				resource.TestStep{Config: jwtConfig(b, "mind", "  length = 128"), PlanOnly: true},
			)
		})
	}
}

// holds checks the length of a value that was made anew, and that nothing is left
// of the way there.
func (b backend) holds(t *testing.T, name string, length int) {
	t.Helper()
	secret := b.describe(t, name)
	if len(b.value(t, name, "")) != length || secret.VersionWith(secretstore.Pending) != "" || secret.Tags[recreateTag] != "" {
		t.Errorf("the value does not have the length that is recorded, %d, or something is left: labels %v, tags %v", length, secret.Labels, secret.Tags)
	}
}

// A value that was mistyped in an apply that broke off, and corrected without
// another version number, is not what the next apply makes current.
func TestSecretInterruptedAndCorrected(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	config := func(value string, version int) string {
		return b.provider(`environment = "staging"`) + fmt.Sprintf(
			"resource \"roi_secret\" \"test\" {\n name = \"corrected\"\n value_wo = %q\n value_wo_version = %d\n}", value, version)
	}
	const correct = "Xq7-the.right.value-94hGw"
	steps(t,
		resource.TestStep{Config: config("Xq7-first.supplied.value-94hGw", 1)},
		resource.TestStep{
			PreConfig:   func() { b.fake.Deny("UpdateSecretVersionStage") },
			Config:      config("Xq7-a.mistyped.value-94hGw", 2),
			ExpectError: regexp.MustCompile(`Access denied`),
		},
		resource.TestStep{
			PreConfig:        b.fake.AllowAll,
			Config:           config(correct, 2),
			ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
			Check: do(func() {
				if b.value(t, "corrected", "") != correct {
					t.Error("the mistyped value was made current")
				}
			}),
		},
	)
}

// AWS keeps tags of its own on some secrets, which nobody else may touch, and
// replicas that failed are not in state.
func TestSecretForeignTagsAndFailedReplica(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	seed := awsfake.Seed{
		Name: "foreign", Tags: map[string]string{"aws:cloudformation:stack-name": "x"},
		Versions: []awsfake.SeedVersion{{Value: secretstore.NewPlaintext("x"), Labels: []string{secretstore.Current}}},
	}
	arn := b.fake.Seed(seed)
	seed.Region = "eu-west-1" // the replica cannot be made: its name is taken
	b.fake.Seed(seed)
	config := jwtConfig(b, "foreign", "  recovery_window_in_days = 0") + fmt.Sprintf("\nimport {\n  to = roi_secret.test\n  id = %q\n}", arn)
	steps(t, resource.TestStep{
		Config: config,
		Check: do(func() {
			if err := b.store.Replicate(context.Background(), arn, []secretstore.ReplicaSpec{{Region: "eu-west-1"}}, false); err != nil {
				t.Fatal(err)
			}
			if secret := b.describe(t, "foreign"); secret.Tags["aws:cloudformation:stack-name"] != "x" {
				t.Errorf("tags: %v", secret.Tags)
			}
		}),
	})
	if b.fake.HasSecret("foreign") {
		t.Error("a secret with a replica that the state does not know was not deleted")
	}
}
