// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// says matches a message however Terraform breaks its lines.
func says(text string) *regexp.Regexp {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = regexp.QuoteMeta(word)
	}
	return regexp.MustCompile(strings.Join(words, `[\s│]+`))
}

// make puts a secret into the store, as someone else would.
func (b backend) make(t *testing.T, name, value string, tags map[string]string) string {
	t.Helper()
	created, err := b.store.Create(context.Background(), secretstore.CreateInput{
		Name: name, Token: secretstore.DeriveVersionID("someone else", name), Value: secretstore.NewPlaintext(value), Tags: tags,
	})
	if err != nil {
		t.Fatal(err)
	}
	return created.ARN
}

func jwtConfig(b backend, name, arguments string) string {
	return b.provider(`environment = "staging"`) + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n  name = %q\n  category = \"jwt\"\n%s\n}", name, arguments)
}

func TestSecretExists(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		arn := b.make(t, name, "value of someone else", map[string]string{"owner": "them"})
		unchanged := func() {
			secret := b.describe(t, name)
			if b.value(t, name, "") != "value of someone else" || len(secret.Labels) != 1 {
				t.Error("the value was changed")
			}
		}
		steps(t,
			resource.TestStep{
				Config:      jwtConfig(b, name, ""),
				ExpectError: says(`Error: Secret exists already`),
			},
			resource.TestStep{
				PreConfig: unchanged,
				Config:    jwtConfig(b, name, ""),
				ExpectError: says(fmt.Sprintf(`A secret named %q exists: %s. Nothing was changed. To manage it here with the value that it has, write (with the address of this resource): `+
					`import { to = roi_secret.example id = %q } or add to the resource: adopt_existing = true`, name, arn, arn)),
			},
			resource.TestStep{
				Config:            jwtConfig(b, name, "  adopt_existing = true\n  tags = { team = \"ours\" }"),
				ConfigPlanChecks:  action(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{stateIs("arn", knownvalue.StringExact(arn))},
				Check: do(func() {
					unchanged()
					tags := b.describe(t, name).Tags
					if tags["team"] != "ours" || tags["owner"] != "" || tags["roi:policy"] == "" {
						t.Errorf("tags after adoption: %v", tags)
					}
				}),
			},
		)
	})
}

func TestSecretScheduledForDeletion(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		arn := b.make(t, name, "value of someone else", nil)
		until, err := b.store.Delete(context.Background(), arn, 7)
		if err != nil {
			t.Fatal(err)
		}
		steps(t,
			resource.TestStep{
				Config: jwtConfig(b, name, ""),
				ExpectError: says(fmt.Sprintf("The secret %s is scheduled for deletion and can be restored until %s. Until then its name is taken. "+
					"Nothing was changed. To restore it with its value and manage it here, add: adopt_existing = true", arn, until.UTC().Format("2006-01-02T15:04:05Z"))),
			},
			resource.TestStep{
				Config:            jwtConfig(b, name, "  adopt_existing = true"),
				ConfigPlanChecks:  action(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{stateIs("arn", knownvalue.StringExact(arn))},
				Check: do(func() {
					if b.value(t, name, "") != "value of someone else" {
						t.Error("the value was changed")
					}
				}),
			},
		)
	})
}

// An import changes no value: a secret without a recorded policy gets its tags,
// keys that are there are kept, and only missing ones are made.
func TestSecretImportKeepsValues(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		arn := b.make(t, name, `{"OLD": "weak", "n": 1.50, "HOST":"a"}`, nil)
		config := b.provider(`environment = "staging"`) + fmt.Sprintf(`
import {
  to = roi_secret.test
  id = %q
}
resource "roi_secret" "test" {
  name   = %q
  keys   = { OLD = { category = "jwt" }, NEW = { category = "jwt" } }
  static = { HOST = "b" }
}`, arn, name)
		steps(t, resource.TestStep{
			Config: config,
			ConfigPlanChecks: resource.ConfigPlanChecks{
				PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate)},
				PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
			},
			Check: do(func() {
				if b.key(t, name, "OLD") != "weak" || b.key(t, name, "HOST") != "a" || len(b.key(t, name, "NEW")) != 64 {
					t.Error("a value that was there was changed, or the missing one was not made")
				}
			}),
		})
	})
}

// A create whose answer never arrived and whose state was never saved is
// recognised by its token and its tags, not made again and not refused.
func TestSecretCreateThatWasNotSaved(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	name := uniqueName(t)
	once := strings.Replace(b.config, "    region ", "    max_retries = 1\n    region ", 1)
	b.fake.Inject(awsfake.Fault{Kind: awsfake.LostResponse, Op: "CreateSecret"})
	failing := b
	failing.config = once
	var value string
	steps(t,
		resource.TestStep{Config: jwtConfig(failing, name, ""), ExpectError: regexp.MustCompile(`Cannot create the secret`)},
		resource.TestStep{
			PreConfig:        func() { value = b.value(t, name, "") },
			Config:           jwtConfig(b, name, ""),
			ConfigPlanChecks: action(plancheck.ResourceActionCreate),
			Check: do(func() {
				if secret := b.describe(t, name); b.value(t, name, "") != value || len(secret.Labels) != 1 {
					t.Error("the finished create was not taken over as it was")
				}
			}),
		},
	)
}

// With another policy than the one recorded it is not the same create.
func TestSecretCreateThatWasNotSavedAndChanged(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	name := uniqueName(t)
	failing := b
	failing.config = strings.Replace(b.config, "    region ", "    max_retries = 1\n    region ", 1)
	b.fake.Inject(awsfake.Fault{Kind: awsfake.LostResponse, Op: "CreateSecret"})
	steps(t,
		resource.TestStep{Config: jwtConfig(failing, name, ""), ExpectError: regexp.MustCompile(`Cannot create the secret`)},
		resource.TestStep{Config: jwtConfig(b, name, "  length = 96"), ExpectError: regexp.MustCompile(`Secret exists already`)},
	)
}

func TestSecretRecreate(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		var value string
		var arn string
		steps(t,
			resource.TestStep{Config: jwtConfig(b, name, ""), Check: do(func() { value, arn = b.value(t, name, ""), b.describe(t, name).ARN })},
			resource.TestStep{ // delete and create: the name that this run scheduled for deletion comes back with a new value
				Taint:  []string{address},
				Config: jwtConfig(b, name, ""),
				Check: do(func() {
					secret := b.describe(t, name)
					if secret.ARN != arn || !secret.DeletedAt.IsZero() || secret.Tags[recreateTag] != "" {
						t.Errorf("after replacement: %+v", secret)
					}
					if b.value(t, name, "") == value || b.value(t, name, secretstore.Previous) != value {
						t.Error("the replacement did not give the secret a new version")
					}
					if _, err := policy.DecodeRecords(secret.Tags); err != nil {
						t.Error(err)
					}
				}),
			},
			resource.TestStep{Config: jwtConfig(b, name, ""), PlanOnly: true},
		)
	})
}

// Two secrets cannot have one name, so create_before_destroy must not take the
// old one over and then delete it.
func TestSecretRecreateBeforeDestroy(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	name := uniqueName(t)
	const lifecycle = "  lifecycle {\n    create_before_destroy = true\n  }"
	var value string
	live := func() {
		if secret := b.describe(t, name); !secret.DeletedAt.IsZero() || b.value(t, name, "") != value {
			t.Error("the secret was deleted or changed")
		}
	}
	steps(t,
		resource.TestStep{Config: jwtConfig(b, name, lifecycle), Check: do(func() { value = b.value(t, name, "") })},
		resource.TestStep{Taint: []string{address}, Config: jwtConfig(b, name, lifecycle), Check: do(live)},
		resource.TestStep{Config: jwtConfig(b, name, lifecycle), PlanOnly: true},
	)
}
