// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
