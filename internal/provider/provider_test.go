// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	ephemeralschema "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

// unknown stands for a value that is not known yet.
var unknown = struct{ unknown bool }{true}

// terraformValue makes a value of a type from maps, slices, strings, numbers,
// bools, nil and unknown. Attributes of objects that are left out are null.
func terraformValue(t *testing.T, typ tftypes.Type, v any) tftypes.Value {
	t.Helper()
	switch v {
	case nil:
		return tftypes.NewValue(typ, nil)
	case unknown:
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	}
	switch typ := typ.(type) {
	case tftypes.Object:
		given, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%T for an object", v)
		}
		attributes := map[string]tftypes.Value{}
		for name, attributeType := range typ.AttributeTypes {
			attributes[name] = terraformValue(t, attributeType, given[name])
		}
		for name := range given {
			if _, ok := attributes[name]; !ok {
				t.Fatalf("the object has no attribute %q", name)
			}
		}
		return tftypes.NewValue(typ, attributes)
	case tftypes.Map:
		elements := map[string]tftypes.Value{}
		for key, element := range v.(map[string]any) { //nolint:forcetypeassert // a panic says enough in a test
			elements[key] = terraformValue(t, typ.ElementType, element)
		}
		return tftypes.NewValue(typ, elements)
	case tftypes.List:
		return tftypes.NewValue(typ, terraformValues(t, typ.ElementType, v))
	case tftypes.Set:
		return tftypes.NewValue(typ, terraformValues(t, typ.ElementType, v))
	}
	if n, ok := v.(int); ok {
		return tftypes.NewValue(typ, big.NewFloat(float64(n)))
	}
	return tftypes.NewValue(typ, v)
}

func terraformValues(t *testing.T, typ tftypes.Type, v any) []tftypes.Value {
	t.Helper()
	var values []tftypes.Value
	for _, element := range v.([]any) { //nolint:forcetypeassert // a panic says enough in a test
		values = append(values, terraformValue(t, typ, element))
	}
	return values
}

// clearEnvironment makes a test independent of the variables around it.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		envEnvironment, envStore, envRotationOverdue, envPlanAsOf,
		"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "TF_AWS_WEB_IDENTITY_TOKEN",
	} {
		t.Setenv(name, "")
	}
}

// fixedClock is a clock that stands still.
type fixedClock struct{ time.Time }

func (c fixedClock) Now() time.Time { return c.Time }

var testTime = fixedClock{time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)}

// testServer is a provider to which a test speaks as Terraform does.
type testServer struct {
	tfprotov6.ProviderServer
}

func newTestServer(t *testing.T, options ...Option) testServer {
	t.Helper()
	return testServer{NewServer(NewForTest("test", testTime, options...))}
}

func providerConfig(t *testing.T, config map[string]any) *tfprotov6.DynamicValue {
	t.Helper()
	typ := providerSchema().Type().TerraformType(t.Context())
	return dynamic(t, typ, terraformValue(t, typ, config))
}

func dynamic(t *testing.T, typ tftypes.Type, value tftypes.Value) *tfprotov6.DynamicValue {
	t.Helper()
	v, err := tfprotov6.NewDynamicValue(typ, value)
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

// validate returns what terraform validate says of a provider configuration.
func (s testServer) validate(t *testing.T, config map[string]any) []string {
	t.Helper()
	resp, err := s.ValidateProviderConfig(t.Context(), &tfprotov6.ValidateProviderConfigRequest{Config: providerConfig(t, config)})
	if err != nil {
		t.Fatal(err)
	}
	return diagnosticTexts(resp.Diagnostics)
}

// configure returns what is said while the provider is configured.
func (s testServer) configure(t *testing.T, config map[string]any) []string {
	t.Helper()
	resp, err := s.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{TerraformVersion: "1.11.0", Config: providerConfig(t, config)})
	if err != nil {
		t.Fatal(err)
	}
	return diagnosticTexts(resp.Diagnostics)
}

// open opens an ephemeral resource and returns its result, or diagnostics.
func (s testServer) open(t *testing.T, name string, schema ephemeralschema.Schema, config map[string]any) (map[string]tftypes.Value, []string) {
	t.Helper()
	typ := schema.Type().TerraformType(t.Context())
	resp, err := s.OpenEphemeralResource(t.Context(), &tfprotov6.OpenEphemeralResourceRequest{
		TypeName: name,
		Config:   dynamic(t, typ, terraformValue(t, typ, config)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if texts := diagnosticTexts(resp.Diagnostics); len(texts) > 0 {
		return nil, texts
	}
	value, err := resp.Result.Unmarshal(typ)
	if err != nil {
		t.Fatal(err)
	}
	var attributes map[string]tftypes.Value
	if err := value.As(&attributes); err != nil {
		t.Fatal(err)
	}
	return attributes, nil
}

// diagnosticTexts are "at: summary: detail", sorted.
func diagnosticTexts(diagnostics []*tfprotov6.Diagnostic) []string {
	var texts []string
	for _, d := range diagnostics {
		text := d.Summary + ": " + d.Detail
		if d.Attribute != nil && len(d.Attribute.Steps()) > 0 {
			text = attributePath(d.Attribute) + ": " + text
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

func attributePath(p *tftypes.AttributePath) string {
	var s strings.Builder
	for _, step := range p.Steps() {
		switch step := step.(type) {
		case tftypes.AttributeName:
			s.WriteString("." + string(step))
		case tftypes.ElementKeyString:
			fmt.Fprintf(&s, "[%q]", string(step))
		case tftypes.ElementKeyValue:
			s.WriteString("[…]")
		default:
			fmt.Fprintf(&s, "[%v]", step)
		}
	}
	return strings.TrimPrefix(s.String(), ".")
}

func ephemeralSchema(t *testing.T, r ephemeral.EphemeralResource) ephemeralschema.Schema {
	t.Helper()
	var resp ephemeral.SchemaResponse
	r.Schema(t.Context(), ephemeral.SchemaRequest{}, &resp)
	return resp.Schema
}

func TestSchemasAreValid(t *testing.T) {
	t.Parallel()

	resp, err := newTestServer(t).GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range diagnosticTexts(resp.Diagnostics) {
		t.Error(text)
	}

	p := NewForTest("test", clock.System{})
	var providerResp provider.SchemaResponse
	p.Schema(t.Context(), provider.SchemaRequest{}, &providerResp)
	for _, d := range providerResp.Schema.ValidateImplementation(t.Context()) {
		t.Errorf("provider: %s", d.Detail())
	}
	for _, newResource := range p.Resources(t.Context()) {
		var resp resource.SchemaResponse
		newResource().Schema(t.Context(), resource.SchemaRequest{}, &resp)
		for _, d := range resp.Schema.ValidateImplementation(t.Context()) {
			t.Errorf("%T: %s", newResource(), d.Detail())
		}
	}
	ephemerals := p.(provider.ProviderWithEphemeralResources).EphemeralResources(t.Context()) //nolint:forcetypeassert // asserted in provider.go
	for _, newEphemeral := range ephemerals {
		schema := ephemeralSchema(t, newEphemeral())
		for _, d := range schema.ValidateImplementation(t.Context()) {
			t.Errorf("%T: %s", newEphemeral(), d.Detail())
		}
	}
}

// The served schema is looked at, so that nothing can be missed on the way.
func TestEveryAttributeIsDescribed(t *testing.T) {
	t.Parallel()

	resp, err := newTestServer(t).GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*tfprotov6.Schema{"provider": resp.Provider}
	for name, schema := range resp.ResourceSchemas {
		schemas[name] = schema
	}
	for name, schema := range resp.EphemeralResourceSchemas {
		schemas["ephemeral "+name] = schema
	}
	if len(schemas) < 4 {
		t.Fatalf("only %d schemas are served", len(schemas))
	}

	sensitive := map[string][]string{}
	for name, schema := range schemas {
		if schema.Block.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for at, a := range attributes("", schema.Block.Attributes) {
			if a.Description == "" || a.DescriptionKind != tfprotov6.StringKindMarkdown {
				t.Errorf("%s %s has no Markdown description", name, at)
			}
			if last := a.Description[max(0, len(a.Description)-1):]; !strings.ContainsAny(last, ".)") {
				t.Errorf("%s %s: the description does not end in a full stop", name, at)
			}
			if a.Sensitive {
				sensitive[name] = append(sensitive[name], at)
			}
		}
		slices.Sort(sensitive[name])
	}

	want := []string{"aws.access_key", "aws.assume_role_with_web_identity.web_identity_token", "aws.http_proxy", "aws.https_proxy",
		"aws.secret_key", "aws.token", "docker.key_material"}
	if diff := cmp.Diff(want, sensitive["provider"]); diff != "" {
		t.Errorf("sensitive arguments of the provider (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"value", "values"}, sensitive["ephemeral roi_secret_value"]); diff != "" {
		t.Errorf("sensitive attributes of roi_secret_value (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"value"}, sensitive["ephemeral roi_generated_value"]); diff != "" {
		t.Errorf("sensitive attributes of roi_generated_value (-want +got):\n%s", diff)
	}
}

func attributes(prefix string, list []*tfprotov6.SchemaAttribute) map[string]*tfprotov6.SchemaAttribute {
	all := map[string]*tfprotov6.SchemaAttribute{}
	for _, a := range list {
		all[prefix+a.Name] = a
		if a.NestedType != nil {
			for name, nested := range attributes(prefix+a.Name+".", a.NestedType.Attributes) {
				all[name] = nested
			}
		}
	}
	return all
}

func TestMetadata(t *testing.T) {
	t.Parallel()

	var resp provider.MetadataResponse
	New("1.2.3")().Metadata(context.Background(), provider.MetadataRequest{}, &resp)
	if resp.TypeName != "roi" || resp.Version != "1.2.3" {
		t.Errorf("got %q %q", resp.TypeName, resp.Version)
	}
}
