// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// app is an ExternalSecret with everything in it.
func app() ExternalSecret {
	return ExternalSecret{
		Name: "app", Namespace: "shop", SecretID: "shop/production/app", Keys: []string{"JWT_SECRET", "DB_PASSWORD"}, Previous: []string{"JWT_SECRET"},
		Refresh: DefaultRefresh,
		Store:   SecretStore{Name: "app", Region: "eu-central-1", Role: "arn:aws:iam::123456789012:role/shop-app", ServiceAccount: "app"},
	}
}

// allKeys is one for whatever keys the secret has, from a store that exists.
func allKeys() ExternalSecret {
	return ExternalSecret{Name: "app", Namespace: "shop", SecretID: "shop/production/app", AllKeys: true, Refresh: DefaultRefresh, Store: SecretStore{Name: "app"}}
}

func TestExternalSecret(t *testing.T) {
	manifests, err := app().Manifests()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "externalsecret.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), Documents(manifests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, m := range manifests {
		names = append(names, m.Kind+"/"+m.Name)
	}
	if diff := cmp.Diff([]string{"SecretStore/app", "ExternalSecret/app", "ExternalSecret/app-previous"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	checkSchema(t, manifests)
}

func TestExternalSecretOfOneString(t *testing.T) {
	manifests, err := ExternalSecret{
		Name: "jwt", SecretID: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/jwt-AbCdEf", Key: "JWT_SECRET",
		Refresh: 90 * time.Second, Store: SecretStore{Name: "aws", Cluster: true},
	}.Manifests()
	const want = `apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: jwt
spec:
  refreshPolicy: Periodic
  refreshInterval: "1m30s"
  secretStoreRef:
    kind: ClusterSecretStore
    name: aws
  target:
    name: jwt
    creationPolicy: Owner
    deletionPolicy: Retain
  data:
    - secretKey: JWT_SECRET
      remoteRef:
        key: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/jwt-AbCdEf"
        version: AWSCURRENT
        conversionStrategy: Default
        decodingStrategy: None
        metadataPolicy: None
`
	if diff := cmp.Diff(want, Documents(manifests)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	checkSchema(t, manifests)
}

// The operator reads the secret once, and replaces all keys of the Secret in one
// step: a previous value that the secret has beside the current one comes with it,
// and goes when the secret has it no longer.
// Source: https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/externalsecret/externalsecret_controller.go
func TestExternalSecretOfAllKeys(t *testing.T) {
	manifests, err := allKeys().Manifests()
	const want = `apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: app
  namespace: shop
spec:
  refreshPolicy: Periodic
  refreshInterval: "15m0s"
  secretStoreRef:
    kind: SecretStore
    name: app
  target:
    name: app
    creationPolicy: Owner
    deletionPolicy: Retain
  dataFrom:
    - extract:
        key: shop/production/app
        version: AWSCURRENT
        conversionStrategy: Default
        decodingStrategy: None
        metadataPolicy: None
`
	if diff := cmp.Diff(want, Documents(manifests)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	checkSchema(t, manifests)
}

func TestExternalSecretRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ExternalSecret)
		want   string
	}{
		"upper case":             {func(e *ExternalSecret) { e.Name = "App" }, `name = "App" is not a name`},
		"long name":              {func(e *ExternalSecret) { e.Name = strings.Repeat("x", 245) }, ", at most 244 characters"},
		"namespace":              {func(e *ExternalSecret) { e.Namespace = "a.b" }, `namespace = "a.b"`},
		"secret":                 {func(e *ExternalSecret) { e.SecretID = "shop app" }, `secret_id = "shop app"`},
		"ARN of something else":  {func(e *ExternalSecret) { e.SecretID = "arn:aws:s3:::bucket" }, `secret_id = "arn:aws:s3:::bucket"`},
		"no key":                 {func(e *ExternalSecret) { e.Keys, e.Previous = nil, nil }, "one of all_keys, keys and key is needed"},
		"key and keys":           {func(e *ExternalSecret) { e.Key = "JWT_SECRET" }, "key and keys exclude each other"},
		"all keys and some":      {func(e *ExternalSecret) { e.AllKeys, e.Previous = true, nil }, "all_keys excludes key and keys"},
		"all keys and one":       {func(e *ExternalSecret) { e.AllKeys, e.Keys, e.Key, e.Previous = true, nil, "JWT_SECRET", nil }, "all_keys excludes key and keys"},
		"all keys and previous":  {func(e *ExternalSecret) { e.AllKeys, e.Keys = true, nil }, "all_keys excludes previous: give the roi_secret_rotation a previous_key_suffix"},
		"key":                    {func(e *ExternalSecret) { e.Keys = append(e.Keys, "a b") }, `"a b" cannot be a key`},
		"unknown previous":       {func(e *ExternalSecret) { e.Previous = []string{"JWT"} }, `previous: "JWT" is not among the keys`},
		"never refreshed":        {func(e *ExternalSecret) { e.Refresh = 0 }, `refresh_interval = "0s"`},
		"store":                  {func(e *ExternalSecret) { e.Store.Name = "" }, `store.name = ""`},
		"no region":              {func(e *ExternalSecret) { e.Store.Region = "" }, "store.region is needed"},
		"region":                 {func(e *ExternalSecret) { e.Store.Region = "Frankfurt" }, `store.region = "Frankfurt"`},
		"role":                   {func(e *ExternalSecret) { e.Store.Role = "shop-app" }, `store.role = "shop-app"`},
		"service account":        {func(e *ExternalSecret) { e.Store.ServiceAccount = "shop/app" }, `store.service_account = "shop/app"`},
		"store of the cluster":   {func(e *ExternalSecret) { e.Store.Cluster = true }, "store.region cannot be set"},
		"previous of one string": {func(e *ExternalSecret) { e.Keys, e.Key, e.Previous = nil, "A", []string{"B"} }, `"B" is not among the keys`},
		"a key that is too long": {func(e *ExternalSecret) { e.Keys = []string{strings.Repeat("K", 245)} }, "cannot be a key"},
		"less than a second":     {func(e *ExternalSecret) { e.Refresh = time.Millisecond }, `refresh_interval = "1ms"`},
		"long namespace":         {func(e *ExternalSecret) { e.Namespace = strings.Repeat("x", 64) }, "at most 63 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			e := app()
			test.change(&e)
			manifests, err := e.Manifests()
			if err == nil || !strings.Contains(err.Error(), test.want) || manifests != nil {
				t.Errorf("got %v, %v; want an error with %q", manifests, err, test.want)
			}
		})
	}
}

// TestExternalSecretFollowsSchema holds that what is accepted is what the API
// takes.
func TestExternalSecretFollowsSchema(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("abzAZ019-._/:@")), 0, 12, -1)
	word := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,5}[a-z0-9]`)
	optional := func(g *rapid.Generator[string]) *rapid.Generator[string] { return rapid.OneOf(rapid.Just(""), g) }
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		e := app()
		change := func(name string, to *string, g *rapid.Generator[string]) {
			if rapid.IntRange(0, 5).Draw(t, name+" stays") == 0 {
				*to = g.Draw(t, name)
			}
		}
		change("name", &e.Name, rapid.OneOf(word, text))
		change("namespace", &e.Namespace, optional(rapid.OneOf(word, text)))
		change("secret", &e.SecretID, text)
		change("store", &e.Store.Name, rapid.OneOf(word, text))
		change("role", &e.Store.Role, optional(text))
		change("account", &e.Store.ServiceAccount, optional(rapid.OneOf(word, text)))
		change("key", &e.Keys[0], text)
		if rapid.Bool().Draw(t, "all keys") {
			e.AllKeys, e.Keys, e.Previous = true, nil, nil
		} else {
			e.Previous = rapid.SampledFrom([][]string{nil, e.Keys, e.Keys[:1]}).Draw(t, "previous")
		}
		e.Refresh = time.Duration(rapid.Int64Range(1e9, int64(48*time.Hour)).Draw(t, "refresh"))
		manifests, err := e.Manifests()
		if err != nil {
			return
		}
		accepted++
		checkSchema(t, manifests)
	})
	if accepted < 20 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// TestSchemaRefuses holds that the schemas that are tested against refuse
// anything.
func TestSchemaRefuses(t *testing.T) {
	manifests, err := app().Manifests()
	if err != nil {
		t.Fatal(err)
	}
	all, err := allKeys().Manifests()
	if err != nil {
		t.Fatal(err)
	}
	text := Documents(append(manifests, all...))
	for from, to := range map[string]string{
		"external-secrets.io/v1\n": "external-secrets.io/v1beta1\n",
		"secretKey:":               "secretkey:",
		"secretKey: DB_PASSWORD":   `secretKey: "DB PASSWORD"`,
		"Periodic":                 "Always",
		"deletionPolicy: Delete":   "deletionPolicy: Remove",
		"kind: SecretStore\n    n": "kind: Store\n    n",
		"serviceAccountRef":        "serviceAccount",
		"service: SecretsManager":  "service: Vault",
		"region: eu-central-1":     "region: 1",
		"remoteRef:":               "remote:",
		"extract:":                 "extracted:",
		"dataFrom:":                "datafrom:",
	} {
		if changed := strings.ReplaceAll(text, from, to); changed == text || validate(t, changed) == nil {
			t.Errorf("%q instead of %q is accepted", to, from)
		}
	}
}

// checkSchema checks manifests against the operator's schemas, and the text
// against the objects.
func checkSchema(t rapid.TB, manifests []Manifest) {
	t.Helper()
	if err := validate(t, Documents(manifests)); err != nil {
		t.Error(err)
	}
}

// validate checks each document of a stream. What depends on two fields is not in
// the schemas; the operator's webhook checks it.
// Source: https://github.com/external-secrets/external-secrets/blob/v2.9.0/apis/externalsecrets/v1/externalsecret_validator.go
func validate(t rapid.TB, stream string) error {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(stream))
	var problems []error
	for {
		var document map[string]any
		if err := decoder.Decode(&document); err == io.EOF {
			return errors.Join(problems...)
		} else if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		kind, _ := document["kind"].(string)
		problems = append(problems, schemaOf(t, kind).Validate(document))
		if target := dig(document, "spec", "target"); kind == "ExternalSecret" && dig(target, "deletionPolicy") == "Delete" && dig(target, "creationPolicy") != "Owner" {
			problems = append(problems, errors.New("deletionPolicy Delete without creationPolicy Owner"))
		}
	}
}

func dig(value any, names ...string) any {
	for _, name := range names {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	return value
}

func schemaOf(t rapid.TB, kind string) *jsonschema.Schema {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", strings.ToLower(kind)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(kind, document); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile(kind)
}
