// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// configuredData is what a resource gets from a provider with a configuration.
func configuredData(t *testing.T, config object, options ...Option) *providerData {
	t.Helper()
	schema := providerSchema()
	var resp provider.ConfigureResponse
	NewForTest("test", testTime, options...).Configure(t.Context(), provider.ConfigureRequest{
		TerraformVersion: "1.11.0",
		Config:           tfsdk.Config{Schema: schema, Raw: terraformValue(t, schema.Type().TerraformType(t.Context()), config)},
	}, &resp)
	for _, d := range resp.Diagnostics {
		t.Fatalf("%s: %s", d.Summary(), d.Detail())
	}
	var diags diag.Diagnostics
	data := configure(resp.ResourceData, &diags)
	if data == nil || diags.HasError() || resp.EphemeralResourceData != resp.ResourceData {
		t.Fatal("the provider's data does not reach its resources")
	}
	return data
}

// wantUnknown fails unless err names the argument that is not known.
func wantUnknown(t *testing.T, err error, argument string) {
	t.Helper()
	var unknown *unknownArgumentError
	if !errors.As(err, &unknown) {
		t.Fatalf("got %v, want an error about an unknown argument", err)
	}
	if unknown.Argument != argument {
		t.Errorf("got argument %s, want %s", unknown.Argument, argument)
	}
}

func TestEnvironmentAndStoreKind(t *testing.T) {
	for name, test := range map[string]struct {
		config      object
		variables   map[string]string
		environment policy.Environment
		store       string
	}{
		"nothing":                        {nil, nil, policy.Production, "aws"},
		"development":                    {object{"environment": "development"}, nil, policy.Development, "local"},
		"staging":                        {object{"environment": "staging"}, nil, policy.Staging, "aws"},
		"store wins over environment":    {object{"environment": "development", "store": "aws"}, nil, policy.Development, "aws"},
		"local in production":            {object{"store": "local"}, nil, policy.Production, "local"},
		"ROI_ENVIRONMENT":                {nil, map[string]string{envEnvironment: "development"}, policy.Development, "local"},
		"ROI_STORE":                      {nil, map[string]string{envStore: "local"}, policy.Production, "local"},
		"both variables":                 {nil, map[string]string{envEnvironment: "development", envStore: "aws"}, policy.Development, "aws"},
		"argument wins over variable":    {object{"environment": "staging"}, map[string]string{envEnvironment: "development"}, policy.Staging, "aws"},
		"store wins over its variable":   {object{"store": "aws"}, map[string]string{envStore: "local"}, policy.Production, "aws"},
		"variable fills in beside other": {object{"environment": "development"}, map[string]string{envStore: "aws"}, policy.Development, "aws"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.variables {
				t.Setenv(variable, value)
			}
			data := configuredData(t, test.config)
			if got, err := data.Environment(); err != nil || got != test.environment {
				t.Errorf("environment: got %q, %v, want %q", got, err, test.environment)
			}
			if got, err := data.StoreKind(); err != nil || got != test.store {
				t.Errorf("store: got %q, %v, want %q", got, err, test.store)
			}
		})
	}
}

func TestInvalidEnvironmentVariables(t *testing.T) {
	for variable, want := range map[string]string{
		envEnvironment:     `Invalid environment variable: The environment variable ROI_ENVIRONMENT must be one of development, staging, production, got: "nonsense".`,
		envStore:           `Invalid environment variable: The environment variable ROI_STORE must be one of aws, local, got: "nonsense".`,
		envRotationOverdue: `Invalid environment variable: The environment variable ROI_ROTATION_OVERDUE must be one of replace, error, warn, got: "nonsense".`,
		envPlanAsOf: `Invalid environment variable: The environment variable ROI_PLAN_AS_OF must be an RFC 3339 time such as "2027-03-31T00:00:00Z" ` +
			`or a number of days from now such as "+91d", at most 3650, got: "nonsense".`,
	} {
		t.Run(variable, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(variable, "nonsense")
			if diff := cmp.Diff([]string{want}, newTestServer(t).configure(t, nil)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRotationSettings(t *testing.T) {
	week := 168 * time.Hour
	for name, test := range map[string]struct {
		config    any
		variables map[string]string
		want      rotationSettings
		unknown   string
	}{
		"nothing":         {want: rotationSettings{Overdue: "replace", WarnBefore: week}},
		"empty object":    {config: object{}, want: rotationSettings{Overdue: "replace", WarnBefore: week}},
		"all":             {config: object{"overdue": "warn", "warn_before": "36h", "plan_as_of": "2027-01-01T01:00:00+01:00"}, want: rotationSettings{"warn", 36 * time.Hour, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"relative":        {config: object{"plan_as_of": "+91d"}, want: rotationSettings{"replace", week, testTime.AddDate(0, 0, 91)}},
		"never warns":     {config: object{"warn_before": "0s"}, want: rotationSettings{Overdue: "replace"}},
		"unknown":         {config: unknown, unknown: "rotation.overdue"},
		"unknown overdue": {config: object{"overdue": unknown}, unknown: "rotation.overdue"},
		"unknown warning": {config: object{"warn_before": unknown}, unknown: "rotation.warn_before"},
		"unknown time":    {config: object{"plan_as_of": unknown}, unknown: "rotation.plan_as_of"},
		"variables override": {
			config:    object{"overdue": "replace", "plan_as_of": "+1d"},
			variables: map[string]string{envRotationOverdue: "error", envPlanAsOf: "+91d"},
			want:      rotationSettings{"error", week, testTime.AddDate(0, 0, 91)},
		},
		"variables override the unknown": {
			config:    object{"overdue": unknown, "plan_as_of": unknown},
			variables: map[string]string{envRotationOverdue: "warn", envPlanAsOf: "2027-01-01T00:00:00Z"},
			want:      rotationSettings{"warn", week, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.variables {
				t.Setenv(variable, value)
			}
			got, err := configuredData(t, object{"rotation": test.config}).Rotation()
			if test.unknown != "" {
				wantUnknown(t, err, test.unknown)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKMSRules(t *testing.T) {
	for name, test := range map[string]struct {
		config  object
		want    kmsRules
		unknown string
	}{
		"production":                     {want: kmsRules{RequireCustomerManaged: true}},
		"staging":                        {config: object{"environment": "staging"}},
		"production without":             {config: object{"kms": object{"require_customer_managed_key": false}}},
		"development with":               {config: object{"environment": "development", "kms": object{"require_customer_managed_key": true}}, want: kmsRules{RequireCustomerManaged: true}},
		"others leave the first":         {config: object{"kms": object{"require_key_rotation": true, "require_hsm": true}}, want: kmsRules{true, true, true}},
		"unknown":                        {config: object{"kms": unknown}, unknown: "kms"},
		"unknown part":                   {config: object{"kms": object{"require_hsm": unknown}}, unknown: "kms.require_hsm"},
		"unknown environment":            {config: object{"environment": unknown}, unknown: "environment"},
		"environment unknown but unused": {config: object{"environment": unknown, "kms": object{"require_customer_managed_key": false}}},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			got, err := configuredData(t, test.config).KMSRules()
			if test.unknown != "" {
				wantUnknown(t, err, test.unknown)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultTagsAndPolicies(t *testing.T) {
	clearEnvironment(t)
	data := configuredData(t, object{
		"tags": object{"team": "payments", "empty": ""},
		"policies": object{
			"jwt":           object{"length": 96},
			"partner_token": object{"base": "api_key", "length": 64, "encoding": "alphanumeric", "rotation_days": 30},
		},
	})
	tags, err := data.DefaultTags()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "payments", "empty": ""}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	policies, err := data.Policies()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]policy.Overrides{
		"jwt":           {Length: new(96)},
		"partner_token": {Base: new("api_key"), Length: new(64), Encoding: new(policy.Alphanumeric), Rotation: new(30 * 24 * time.Hour)},
	}
	if diff := cmp.Diff(want, policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}

	data = configuredData(t, nil)
	if tags, err := data.DefaultTags(); err != nil || len(tags) != 0 {
		t.Errorf("got tags %v, %v, want none", tags, err)
	}
	if policies, err := data.Policies(); err != nil || len(policies) != 0 {
		t.Errorf("got policies %v, %v, want none", policies, err)
	}
}

// A policy that no secret could use is reported once, where it is written.
func TestPoliciesAreChecked(t *testing.T) {
	clearEnvironment(t)

	config := object{"policies": object{
		"jwt":   object{"length": 32},
		"other": object{"length": 64},
	}}
	want := []string{
		`policies["jwt"].length: Policy below the floor: length = 32 (set in the provider's policies for "jwt") is below the floor of 64 characters: ` +
			`the length of category "jwt", which no value may fall short of in production. Write length = 64 or more.`,
		`policies["other"].base: Category without a base: policies["other"] is a new category and must say which built-in category it is based on, ` +
			`whose floor then applies. Write base = one of "jwt", "session", "database", "cache", "api_key", "webhook", "encryption", "external", "tls".`,
	}
	if diff := cmp.Diff(want, newTestServer(t).configure(t, config)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}

	config["environment"] = unknown
	if got := newTestServer(t).configure(t, config); got != nil {
		t.Errorf("the floor is not known yet, but got %q", got)
	}
}

// Everything may be unknown in Configure. It is an error where it is needed, and
// only there.
func TestUnknownArguments(t *testing.T) {
	clearEnvironment(t)

	data := configuredData(t, object{
		"environment": unknown, "store": unknown, "tags": unknown, "aws": unknown, "local": unknown, "docker": unknown,
		"rotation": unknown, "kms": unknown, "policies": unknown,
	})
	_, err := data.Environment()
	wantUnknown(t, err, "environment")
	_, err = data.StoreKind()
	wantUnknown(t, err, "store")
	_, err = data.Store(t.Context())
	wantUnknown(t, err, "store")
	_, err = data.DefaultTags()
	wantUnknown(t, err, "tags")
	_, err = data.Policies()
	wantUnknown(t, err, "policies")

	for name, test := range map[string]struct {
		config  object
		unknown string
	}{
		"environment decides the store": {object{"environment": unknown}, "environment"},
		"aws":                           {object{"aws": unknown}, "aws"},
		"aws part":                      {object{"aws": object{"secret_key": unknown, "access_key": "a"}}, "aws.secret_key"},
		"aws nested":                    {object{"aws": object{"assume_role": object{"role_arn": unknown}}}, "aws.assume_role.role_arn"},
		"aws nested object":             {object{"aws": object{"assume_role": unknown}}, "aws.assume_role"},
		"aws list element":              {object{"aws": object{"shared_config_files": []any{"a", unknown}}}, "aws.shared_config_files[1]"},
		"aws set element":               {object{"aws": object{"allowed_account_ids": []any{unknown}}}, "aws.allowed_account_ids"},
		"aws map element":               {object{"aws": object{"assume_role": object{"role_arn": "r", "tags": object{"a": unknown}}}}, `aws.assume_role.tags["a"]`},
		"local":                         {object{"store": "local", "local": object{"path": unknown}}, "local.path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configuredData(t, test.config).Store(t.Context())
			wantUnknown(t, err, test.unknown)
		})
	}

	// What the store does not need does not stand in its way.
	data = configuredData(t, object{"environment": unknown, "store": "local", "aws": unknown, "docker": unknown, "tags": unknown},
		WithStore(func(secretstore.Store) secretstore.Store { return stubStore{} }))
	if _, err := data.Store(t.Context()); err != nil {
		t.Errorf("unexpected error: %v", err)
	}
	_, err = configuredData(t, object{"policies": object{"jwt": object{"length": unknown}}}).Policies()
	wantUnknown(t, err, `policies["jwt"].length`)
	_, err = configuredData(t, object{"tags": object{"team": unknown}}).DefaultTags()
	wantUnknown(t, err, `tags["team"]`)
}

func TestUnknownArgumentDiagnostic(t *testing.T) {
	t.Parallel()

	d := (&unknownArgumentError{Argument: "aws.region"}).diagnostic(`Cannot read the secret "shop/jwt"`)
	want := `Cannot read the secret "shop/jwt": the provider argument aws.region depends on something that does not exist yet.

Create what it depends on first, then plan again:

    terraform apply -target=ADDRESS

where ADDRESS is the resource or module that the value of aws.region comes from.`
	if diff := cmp.Diff(want, d.Detail()); diff != "" || d.Severity() != diag.SeverityError || d.Summary() != "Provider argument not known yet" {
		t.Errorf("%s %s (-want +got):\n%s", d.Severity(), d.Summary(), diff)
	}
}

func TestConfigureHelper(t *testing.T) {
	t.Parallel()

	var diags diag.Diagnostics
	if configure(nil, &diags) != nil || len(diags) != 0 {
		t.Error("before the provider is configured there is no data, and that is no error")
	}
	if configure(42, &diags) != nil || len(diags) != 1 || !strings.Contains(diags[0].Detail(), "got: int") {
		t.Errorf("got %v, want a programmer error that names the type", diags)
	}
}

// stubStore is a store of which a test sets what it needs.
type stubStore struct {
	secretstore.Store

	value func(id string, at secretstore.VersionRef) (secretstore.Value, error)
}

func (s stubStore) Value(_ context.Context, id string, at secretstore.VersionRef) (secretstore.Value, error) {
	return s.value(id, at)
}

func TestStoreIsMadeOnceAndLazily(t *testing.T) {
	clearEnvironment(t)

	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)

	var made atomic.Int32
	data := configuredData(t, object{"aws": object{
		"region": "eu-central-1", "access_key": "AKIDEXAMPLE", "secret_key": "example",
		"assume_role": object{"role_arn": "arn:aws:iam::123456789012:role/ci"},
		"endpoints":   object{"secretsmanager": server.URL, "kms": server.URL, "sts": server.URL},
	}}, WithStore(func(inner secretstore.Store) secretstore.Store {
		made.Add(1)
		return inner
	}))

	stores := make([]secretstore.Store, 8)
	var wait sync.WaitGroup
	for i := range stores {
		wait.Go(func() {
			var err error
			if stores[i], err = data.Store(t.Context()); err != nil {
				t.Errorf("unexpected error: %v", err)
			}
		})
	}
	wait.Wait()
	for _, store := range stores[1:] {
		if store != stores[0] {
			t.Fatal("two stores were made")
		}
	}
	if made.Load() != 1 || stores[0] == nil {
		t.Errorf("the store was wrapped %d times, want once", made.Load())
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were made though nothing was read or written", n)
	}
}
