// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

func TestComposeSecretsFunction(t *testing.T) {
	got, problem := call(t, "compose_secrets", object{
		"spare": "shop-spare-v1",
		"jwt":   object{"name": "shop-jwt-v2", "services": []any{"api"}, "uid": 1000, "gid": "1000", "mode": "0400", "target": "jwt.key"},
		"db":    object{"name": "shop-db-v1", "services": nil, "uid": nil},
	})
	const want = `services:
  api:
    secrets:
      - source: jwt
        target: jwt.key
        uid: "1000"
        gid: "1000"
        mode: 0400
secrets:
  db:
    external: true
    name: shop-db-v1
  jwt:
    external: true
    name: shop-jwt-v2
  spare:
    external: true
    name: shop-spare-v1
`
	if diff := cmp.Diff(want, got); problem != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", problem, diff)
	}
}

func TestComposeSecretsFunctionRefuses(t *testing.T) {
	checkRefusals(t, "compose_secrets", map[string]refusal{
		"a list":            {[]any{[]any{"shop-jwt-v1"}}, 0, "secrets must be an object or a map, got: a list"},
		"nothing":           {[]any{object{}}, 0, "no secret is given"},
		"a null":            {[]any{object{"jwt": nil}}, 0, `secrets["jwt"] must be an object, got: null`},
		"a bool":            {[]any{object{"jwt": true}}, 0, `secrets["jwt"] must be an object, got: a bool`},
		"no name":           {[]any{object{"jwt": object{}}}, 0, `secrets["jwt"]: name = "" is not the name of a Docker secret`},
		"unknown attribute": {[]any{object{"jwt": object{"name": "x", "service": "api"}}}, 0, `secrets["jwt"].service is not known; there are: name, target, uid, gid, mode, services`},
		"one service":       {[]any{object{"jwt": object{"name": "x", "services": "api"}}}, 0, `secrets["jwt"].services must be a list of strings`},
		"null service":      {[]any{object{"jwt": object{"name": "x", "services": []any{nil}}}}, 0, `secrets["jwt"].services must be a list of strings`},
		"mode as number":    {[]any{object{"jwt": object{"name": "x", "mode": 288}}}, 0, `secrets["jwt"].mode must be a string, got: a number`},
		"name of no string": {[]any{object{"jwt": object{"name": true}}}, 0, `secrets["jwt"].name must be a string, got: a bool`},
	})
}

// A service that the compose files do not have is refused, with those that they have.
func TestComposeSecretsFunctionKnowsTheProject(t *testing.T) {
	const web, jobs = "services:\n  api:\n    image: ${IMAGE:?the image}\n  web: &web\n    image: x\n", "services:\n  worker:\n    image: x\n"
	secret := func(services ...any) object {
		return object{"jwt": object{"name": "shop-jwt-v2", "services": services}}
	}
	for name, arguments := range map[string][]any{
		"in the file":      {secret("api"), web},
		"in two files":     {secret("api", "worker"), web, jobs},
		"in none included": {secret("other"), web, "include: [other.yaml]\n"},
		"no files":         {secret("other")},
		"only declared":    {object{"jwt": "shop-jwt-v2"}, web},
	} {
		if _, problem := call(t, "compose_secrets", arguments...); problem != nil {
			t.Errorf("%s: %v", name, problem)
		}
	}
	checkRefusals(t, "compose_secrets", map[string]refusal{
		"in no file":      {[]any{secret("worker"), web}, 0, `secrets["jwt"]: services: no compose file has a service "worker"; there are: api, web`},
		"in neither":      {[]any{secret("api", "wrker"), web, jobs}, 0, `no compose file has a service "wrker"; there are: api, web, worker`},
		"without any":     {[]any{secret("api"), "secrets: {}\n"}, 0, `no compose file has a service "api"; there are: none`},
		"no compose file": {[]any{secret("api"), web, "services: [api]\n"}, 0, `files[1] is not a compose file`},
	})
}

// The names of versions are known in an apply only. Services are checked before.
func TestComposeSecretsFunctionInPlan(t *testing.T) {
	t.Parallel()
	w := newStack(t, "staging")
	onFake(w, fakeBackend(t))
	w.Init()
	w.Plan().Require(t, 2)
	config := strings.Replace(readExample(t, "stacks/staging/main.tf"), `services = ["api"]`, `services = ["apii"]`, 1)
	w.WriteFile("main.tf", config)
	result := w.Plan()
	result.Require(t, 1)
	if want := `no compose file has a service "apii"; there are: api`; !strings.Contains(result.Message(), want) {
		t.Errorf("want %q:\n%s", want, result.Message())
	}

	// What is not known at all is left for the apply.
	w = tfcli.New(t)
	w.WriteFile("main.tf", tfcli.RequiredProviders+`
resource "terraform_data" "later" { input = "shop-jwt-v1" }
locals {
  file = "services: { api: { image: x } }"
}
output "name" { value = provider::roi::compose_secrets({ jwt = terraform_data.later.output }, local.file) }
output "object" { value = provider::roi::compose_secrets({ jwt = { name = terraform_data.later.output, services = ["api"] } }, local.file) }
output "services" { value = provider::roi::compose_secrets({ jwt = { name = "shop-jwt-v1", services = [terraform_data.later.output] } }) }
output "all" { value = provider::roi::compose_secrets({ jwt = terraform_data.later.output, db = terraform_data.later.output }) }
`)
	w.Init()
	w.Plan().Require(t, 2)
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)
	for _, name := range []string{"name", "object", "services", "all"} {
		var document string
		if w.Output(name, &document); !strings.Contains(document, "name: shop-jwt-v1") {
			t.Errorf("%s is not the document:\n%s", name, document)
		}
	}
}
