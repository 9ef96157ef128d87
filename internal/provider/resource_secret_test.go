// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const address = "roi_secret.test"

func stateIs(attribute string, value knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), value)
}

func action(a plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{
		PreApply:             []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, a)},
		PostApplyPreRefresh:  []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
		PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
	}
}

// do runs a check against the store, after the step's plan was applied.
func do(check func()) resource.TestCheckFunc {
	return func(*terraform.State) error {
		check()
		return nil
	}
}

func TestSecretOneString(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := b.provider(`environment = "staging"`) + fmt.Sprintf(`
resource "roi_secret" "test" {
  name        = %q
  category    = "jwt"
  description = "signs tokens"
  tags        = { team = "identity" }
}`, name)
		var value string
		steps(t,
			resource.TestStep{
				Config:           config,
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{
					stateIs("name", knownvalue.StringExact(name)),
					stateIs("id", knownvalue.StringRegexp(regexp.MustCompile(`^arn:[a-z]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$`))),
					stateIs("created_at", knownvalue.StringRegexp(regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`))),
					stateIs("classification", knownvalue.StringExact("secret")),
					stateIs("key_names", knownvalue.Null()),
					stateIs("entropy_bits", knownvalue.Int64Func(func(bits int64) error {
						if bits < 380 || bits > 384 {
							return fmt.Errorf("%d bits for 64 base64url characters", bits)
						}
						return nil
					})),
					stateIs("tags_all", knownvalue.MapExact(map[string]knownvalue.Check{"team": knownvalue.StringExact("identity")})),
					statecheck.ExpectKnownValue(address, tfjsonpath.New("effective_policy").AtMapKey("value").AtMapKey("rotation_days"), knownvalue.Int64Exact(90)),
				},
				Check: do(func() {
					value = b.value(t, name, "")
					if p, _ := policy.Builtin("jwt"); len(policy.Check(p, value)) > 0 {
						t.Error("the stored value does not satisfy its policy")
					}
					records, err := policy.DecodeRecords(b.describe(t, name).Tags)
					if err != nil || records[""].Policy.Category != "jwt" {
						t.Errorf("recorded policy: %+v, %v", records, err)
					}
				}),
			},
			resource.TestStep{ImportState: true, ResourceName: address, ImportStateId: name, ImportStateVerify: true,
				// An import does not know which arguments a category came with.
				ImportStateVerifyIgnore: []string{"category", "entropy_bits", "classification"}},
			resource.TestStep{Config: config, PlanOnly: true},
		)
		if _, err := b.store.Describe(context.Background(), name); err == nil {
			if secret := b.describe(t, name); secret.DeletedAt.IsZero() {
				t.Error("the secret is live after destroy")
			}
		}
	})
}

func TestSecretJSON(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := func(body string) string {
			return b.provider(`environment = "staging"`) + fmt.Sprintf("resource \"roi_secret\" \"test\" {\n  name = %q\n%s\n}", name, body)
		}
		values := map[string]string{}
		remember := func(keys ...string) {
			for _, key := range keys {
				values[key] = b.key(t, name, key)
			}
		}
		same := func(keys ...string) {
			t.Helper()
			for _, key := range keys {
				if b.key(t, name, key) != values[key] {
					t.Errorf("the value of %s changed", key)
				}
			}
		}
		changed := func(keys ...string) {
			t.Helper()
			for _, key := range keys {
				if b.key(t, name, key) == values[key] {
					t.Errorf("the value of %s did not change", key)
				}
			}
		}
		steps(t,
			resource.TestStep{
				Config: config(`
  keys = {
    JWT_SECRET  = { category = "jwt" }
    DB_PASSWORD = { category = "database", length = 40 }
    ENC         = { category = "encryption" }
  }
  static = { DB_HOST = "db.internal" }`),
				ConfigPlanChecks: action(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{
					stateIs("key_names", knownvalue.ListExact([]knownvalue.Check{
						knownvalue.StringExact("DB_HOST"), knownvalue.StringExact("DB_PASSWORD"), knownvalue.StringExact("ENC"), knownvalue.StringExact("JWT_SECRET")})),
					stateIs("classification", knownvalue.StringExact("critical")),
				},
				Check: do(func() {
					remember("JWT_SECRET", "DB_PASSWORD", "ENC")
					if len(values["DB_PASSWORD"]) != 40 || len(values["ENC"]) != 64 || b.key(t, name, "DB_HOST") != "db.internal" {
						t.Error("a value has another form than its policy says")
					}
				}),
			},
			resource.TestStep{ // a key of someone else is kept, byte for byte
				PreConfig: func() { b.addForeignKey(t, name, `"foreign":{"n":1.50,"u":"\u00e9"}`) },
				Config: config(`
  keys = {
    JWT_SECRET  = { category = "jwt" }
    DB_PASSWORD = { category = "database", length = 40 }
    ENC         = { category = "encryption" }
    ADDED       = { category = "api_key" }
  }
  static = { DB_HOST = "db.internal" }`),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: do(func() {
					same("JWT_SECRET", "DB_PASSWORD", "ENC")
					remember("ADDED")
					if whole := b.value(t, name, ""); !regexp.MustCompile(`"foreign":\{"n":1\.50,"u":"\\u00e9"\}`).MatchString(whole) {
						t.Error("the foreign key was changed")
					}
					if secret := b.describe(t, name); secret.VersionWith(secretstore.Pending) != "" || secret.VersionWith(secretstore.Previous) == "" {
						t.Errorf("labels after the change: %v", secret.Labels)
					}
				}),
			},
			resource.TestStep{ // only what the new policy forbids is made anew
				Config: config(`
  keys = {
    JWT_SECRET  = { category = "jwt", length = 96 }
    DB_PASSWORD = { category = "database", length = 36, rotation_days = 30 }
    ENC         = { category = "encryption" }
    ADDED       = { category = "api_key", grace_period = "2h" }
  }
  static = { DB_HOST = "db2.internal", DB_USER = "app" }`),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: do(func() {
					same("DB_PASSWORD", "ENC", "ADDED")
					changed("JWT_SECRET")
					if b.key(t, name, "DB_HOST") != "db2.internal" || b.key(t, name, "DB_USER") != "app" {
						t.Error("static values were not written")
					}
				}),
			},
			resource.TestStep{ // a removed key goes; key material stays readable
				PreConfig: func() { remember("JWT_SECRET") },
				Config: config(`
  keys = { JWT_SECRET = { category = "jwt", length = 96 } }`),
				ConfigPlanChecks: action(plancheck.ResourceActionUpdate),
				Check: do(func() {
					same("JWT_SECRET")
					object, err := secretstore.ParseObject(b.value(t, name, ""))
					if err != nil {
						t.Fatal(err)
					}
					for _, key := range []string{"ENC", "ADDED", "DB_PASSWORD", "DB_HOST", "DB_USER"} {
						if object.Has(key) {
							t.Errorf("%s is still there", key)
						}
					}
					if !object.Has("foreign") {
						t.Error("the foreign key is gone")
					}
					kept, err := secretstore.ParseObject(b.value(t, name, "roi-keep-1"))
					if err != nil {
						t.Fatal(err)
					}
					if enc, _ := kept.String("ENC"); enc != values["ENC"] {
						t.Error("the removed key material is not kept under roi-keep-1")
					}
				}),
			},
		)
	})
}

// addForeignKey puts a member into a JSON secret, as somebody else's program
// would. It does not put the version as AWSCURRENT at once: after a label has been
// moved, moto then leaves AWSCURRENT on two versions.
func (b backend) addForeignKey(t *testing.T, id, member string) {
	t.Helper()
	ctx := context.Background()
	whole, base := b.value(t, id, ""), b.describe(t, id).VersionWith(secretstore.Current)
	version := uuid.NewString()
	err := b.store.Put(ctx, secretstore.PutInput{
		ID: id, Token: version, Labels: []string{secretstore.Pending},
		Value: secretstore.NewPlaintext(whole[:len(whole)-1] + "," + member + "}"),
	})
	if err == nil {
		err = b.store.MoveLabel(ctx, id, secretstore.Current, base, version)
	}
	if err == nil {
		err = b.store.MoveLabel(ctx, id, secretstore.Pending, version, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecretSupplied(t *testing.T) {
	t.Parallel()
	overBackends(t, func(t *testing.T, b backend) {
		name := uniqueName(t)
		config := func(value string, version int) string {
			return b.provider(`environment = "staging"`) + fmt.Sprintf(`
variable "v" {
  ephemeral = true
  default   = %q
}
resource "roi_secret" "test" {
  name             = %q
  value_wo         = var.v
  value_wo_version = %d
}`, value, name, version)
		}
		first, second := "Xq7-first.supplied.value-94hGw", "Xq7-second.supplied.value-83kPz"
		holds := func(want string) resource.TestCheckFunc {
			return do(func() {
				if b.value(t, name, "") != want {
					t.Error("another value is stored")
				}
			})
		}
		steps(t,
			resource.TestStep{Config: config(first, 1), Check: holds(first), ConfigPlanChecks: action(plancheck.ResourceActionCreate)},
			resource.TestStep{Config: config(second, 1), Check: holds(first), ConfigPlanChecks: action(plancheck.ResourceActionNoop)},
			resource.TestStep{Config: config(second, 2), Check: holds(second), ConfigPlanChecks: action(plancheck.ResourceActionUpdate)},
		)
	})
}
