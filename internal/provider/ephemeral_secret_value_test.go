// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// planted is in every value here, so that it can be looked for where it must not
// be.
const planted = "pl4nted"

// openSecretValue opens a roi_secret_value over a store whose Value is value.
func openSecretValue(t *testing.T, value func(string, secretstore.VersionRef) (secretstore.Value, error), config object) (map[string]tftypes.Value, []string) {
	t.Helper()
	server := newTestServer(t, WithStore(func(secretstore.Store) secretstore.Store { return stubStore{value: value} }))
	if texts := server.configure(t, object{"store": "local"}); texts != nil {
		t.Fatalf("unexpected diagnostics: %q", texts)
	}
	return server.open(t, "roi_secret_value", ephemeralSchema(t, newSecretValue()), config)
}

func textValue(text string) func(string, secretstore.VersionRef) (secretstore.Value, error) {
	return func(string, secretstore.VersionRef) (secretstore.Value, error) {
		return secretstore.Value{
			Plaintext: secretstore.NewPlaintext(text), VersionID: "11111111-2222-3333-4444-555555555555", Labels: []string{"custom", "AWSCURRENT"},
		}, nil
	}
}

func TestSecretValue(t *testing.T) {
	t.Parallel()

	const text = `{"A":"` + planted + `-a","B":"","PORT":5432,"NESTED":{"x":"y"},"NOTHING":null,"Ü":"\u00e4\n"}`
	stringMapType := tftypes.Map{ElementType: tftypes.String}
	values := tftypes.NewValue(stringMapType, map[string]tftypes.Value{
		"A": tftypes.NewValue(tftypes.String, planted+"-a"),
		"B": tftypes.NewValue(tftypes.String, ""),
		"Ü": tftypes.NewValue(tftypes.String, "ä\n"),
	})
	none := tftypes.NewValue(stringMapType, nil)

	for name, test := range map[string]struct {
		text   string
		config object
		value  string
		values tftypes.Value
	}{
		"one string":        {text: planted, value: planted, values: none},
		"looks like JSON":   {text: `["` + planted + `"]`, value: `["` + planted + `"]`, values: none},
		"begins like JSON":  {text: `{` + planted, value: `{` + planted, values: none},
		"JSON, whole":       {text: text, value: text, values: values},
		"JSON, a key":       {text: text, config: object{"key": "A"}, value: planted + "-a", values: values},
		"JSON, empty value": {text: text, config: object{"key": "B"}, value: "", values: values},
		"JSON, escapes":     {text: text, config: object{"key": "Ü"}, value: "ä\n", values: values},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			config := object{"secret_id": "shop/app"}
			for argument, value := range test.config {
				config[argument] = value
			}
			got, texts := openSecretValue(t, textValue(test.text), config)
			if texts != nil {
				t.Fatalf("unexpected diagnostics: %q", texts)
			}
			if !got["value"].Equal(tftypes.NewValue(tftypes.String, test.value)) {
				t.Error("value is not what it should be")
			}
			if !got["values"].Equal(test.values) {
				t.Error("values is not what it should be")
			}
			if want := tftypes.NewValue(tftypes.String, "11111111-2222-3333-4444-555555555555"); !got["version_id"].Equal(want) {
				t.Errorf("got version_id %v, want %v", got["version_id"], want)
			}
			want := tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, []tftypes.Value{
				tftypes.NewValue(tftypes.String, "AWSCURRENT"), tftypes.NewValue(tftypes.String, "custom"),
			})
			if !got["version_stages"].Equal(want) {
				t.Errorf("got version_stages %v, want %v", got["version_stages"], want)
			}
		})
	}
}

func TestSecretValueAsksForTheVersion(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		config object
		want   secretstore.VersionRef
	}{
		"current": {want: secretstore.VersionRef{}},
		"stage":   {config: object{"version_stage": "AWSPREVIOUS"}, want: secretstore.VersionRef{Label: "AWSPREVIOUS"}},
		"id":      {config: object{"version_id": "v1"}, want: secretstore.VersionRef{ID: "v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			config := object{"secret_id": "shop/app", "version_stage": test.config["version_stage"], "version_id": test.config["version_id"]}
			_, texts := openSecretValue(t, func(id string, at secretstore.VersionRef) (secretstore.Value, error) {
				if id != "shop/app" || at != test.want {
					t.Errorf("asked for %q %+v, want %+v", id, at, test.want)
				}
				return secretstore.Value{Plaintext: secretstore.NewPlaintext(planted), VersionID: "v1"}, nil
			}, config)
			if texts != nil {
				t.Errorf("unexpected diagnostics: %q", texts)
			}
		})
	}
}

func TestSecretValueProblems(t *testing.T) {
	t.Parallel()

	const text = `{"B":"` + planted + `","A":"` + planted + `","N":` + `12345}`
	failure := func(kind error) func(string, secretstore.VersionRef) (secretstore.Value, error) {
		return func(id string, _ secretstore.VersionRef) (secretstore.Value, error) {
			return secretstore.Value{}, &secretstore.Error{Op: "GetSecretValue", ID: id, Kind: kind, Err: errors.New("said the store")}
		}
	}
	hint := "If the same configuration makes the secret, refer to it (secret_id = roi_secret.NAME.id), so that Terraform reads it only when it is there.\n\n" +
		`GetSecretValue "shop/app": not found: said the store`

	for name, test := range map[string]struct {
		value  func(string, secretstore.VersionRef) (secretstore.Value, error)
		config object
		want   string
	}{
		"no such key": {
			value: textValue(text), config: object{"key": "C"},
			want: `key: Key not found: The secret "shop/app" has no key "C". Its keys are: A, B, N.`,
		},
		"no keys": {
			value: textValue(`{}`), config: object{"key": "C"},
			want: `key: Key not found: The secret "shop/app" has no key "C". The secret has no keys.`,
		},
		"key of a number": {
			value: textValue(text), config: object{"key": "N"},
			want: `key: Value is not a string: The key "N" of the secret "shop/app" holds JSON that is not a string. Leave out key and use jsondecode on the whole value.`,
		},
		"key of a string": {
			value: textValue(planted), config: object{"key": "A"},
			want: `key: Secret has no keys: The key "A" of the secret "shop/app" cannot be read: the value is not a JSON object. Leave out key to get the whole value.`,
		},
		"key of broken JSON": {
			value: textValue(`{"A":"` + planted), config: object{"key": "A"},
			want: `key: Secret has no keys: The key "A" of the secret "shop/app" cannot be read: the value is not a JSON object. Leave out key to get the whole value.`,
		},
		"key twice": {
			value: textValue(`{"A":"` + planted + `","A":"` + planted + `"}`), config: object{"key": "A"},
			want: `key: Secret has no keys: The key "A" of the secret "shop/app" cannot be read: the JSON object has the same key twice. Leave out key to get the whole value.`,
		},
		"binary": {
			value: func(string, secretstore.VersionRef) (secretstore.Value, error) {
				return secretstore.Value{Plaintext: secretstore.NewBinaryPlaintext([]byte(planted))}, nil
			},
			want: `secret_id: Secret is binary: The secret "shop/app" holds a binary value (SecretBinary), which Terraform cannot represent: its strings are Unicode text. ` +
				`Let the consumer read it from the store, or store it as base64 text.`,
		},
		"not found": {
			value: failure(secretstore.ErrNotFound),
			want:  `secret_id: Secret value not found: There is no secret "shop/app" with a version labelled AWSCURRENT in this account and region. ` + hint,
		},
		"no such stage": {
			value: failure(secretstore.ErrNotFound), config: object{"version_stage": "AWSPREVIOUS"},
			want: `secret_id: Secret value not found: There is no secret "shop/app" with a version labelled AWSPREVIOUS in this account and region. ` + hint,
		},
		"no such version": {
			value: failure(secretstore.ErrNotFound), config: object{"version_id": "v1"},
			want: `secret_id: Secret value not found: There is no secret "shop/app" with the version v1 in this account and region. ` + hint,
		},
		"access denied": {
			value: failure(secretstore.ErrAccessDenied),
			want: `secret_id: Access to secret value denied: The value of the secret "shop/app" may not be read with these credentials. It takes secretsmanager:GetSecretValue on the secret and, ` +
				"with a customer-managed key, kms:Decrypt on that key. Terraform opens an ephemeral roi_secret_value in every plan: where plans must not read secrets, keep it in another root module.\n\n" +
				`GetSecretValue "shop/app": access denied: said the store`,
		},
		"anything else": {
			value: failure(secretstore.ErrThrottled),
			want: "Requests are throttled: Cannot read the secret \"shop/app\".\n\n" +
				"The retries are used up. Apply again later, with a lower -parallelism, or raise max_retries in the provider's aws argument.\n\n" +
				`GetSecretValue "shop/app": throttled: said the store`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			config := object{"secret_id": "shop/app"}
			for argument, value := range test.config {
				config[argument] = value
			}
			_, texts := openSecretValue(t, test.value, config)
			if strings.Contains(strings.Join(texts, ""), planted) || strings.Contains(strings.Join(texts, ""), "12345") {
				t.Fatal("a diagnostic shows the value")
			}
			if diff := cmp.Diff([]string{test.want}, texts); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretValueConfig(t *testing.T) {
	t.Parallel()

	server := newTestServer(t)
	typ := ephemeralSchema(t, newSecretValue()).Type().TerraformType(t.Context())
	for name, test := range map[string]struct {
		config object
		want   []string
	}{
		"id":    {config: object{"secret_id": "a", "version_id": "v"}},
		"stage": {config: object{"secret_id": "a", "version_stage": "v", "key": "k"}},
		"both": {
			config: object{"secret_id": "a", "version_id": "v", "version_stage": "AWSCURRENT"},
			want:   []string{`version_stage: Invalid Attribute Combination: Attribute "version_id" cannot be specified when "version_stage" is specified`},
		},
		"empty": {
			config: object{"secret_id": "", "key": ""},
			want: []string{
				`key: Invalid Attribute Value Length: Attribute key string length must be at least 1, got: 0`,
				`secret_id: Invalid Attribute Value Length: Attribute secret_id string length must be at least 1, got: 0`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			resp, err := server.ValidateEphemeralResourceConfig(t.Context(), &tfprotov6.ValidateEphemeralResourceConfigRequest{
				TypeName: "roi_secret_value", Config: dynamic(t, typ, terraformValue(t, typ, test.config)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, diagnosticTexts(resp.Diagnostics)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretValueNeedsKnownProvider(t *testing.T) {
	clearEnvironment(t)

	server := newTestServer(t)
	if texts := server.configure(t, object{"aws": object{"region": unknown}}); texts != nil {
		t.Fatalf("unexpected diagnostics: %q", texts)
	}
	_, texts := server.open(t, "roi_secret_value", ephemeralSchema(t, newSecretValue()), object{"secret_id": "shop/app"})
	want := []string{`Provider argument not known yet: Cannot read the secret "shop/app": the provider argument aws.region depends on something that does not exist yet.` +
		"\n\nCreate what it depends on first, then plan again:\n\n    terraform apply -target=ADDRESS\n\n" +
		"where ADDRESS is the resource or module that the value of aws.region comes from."}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}
