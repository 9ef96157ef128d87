// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// policyFields are the fields of policyArguments by argument.
func policyFields(a *policyArguments) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	v := reflect.ValueOf(a).Elem()
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("tfsdk")] = v.Field(i)
	}
	return fields
}

// The model, the table of arguments, the three schemas and the search for unknown
// arguments list the same names; a new argument must be in all of them.
func TestPolicyArgumentsAgree(t *testing.T) {
	t.Parallel()

	want := slices.Sorted(maps.Keys(policyFields(&policyArguments{})))
	var table []string
	for _, argument := range policyArgumentTable {
		table = append(table, argument.name)
	}
	slices.Sort(table)

	inProvider := policyProviderAttributes()
	delete(inProvider, "base")
	for name, got := range map[string][]string{
		"table":     table,
		"resource":  slices.Sorted(maps.Keys(policyResourceAttributes())),
		"ephemeral": slices.Sorted(maps.Keys(policyEphemeralAttributes())),
		"provider":  slices.Sorted(maps.Keys(inProvider)),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-model +%s):\n%s", name, name, diff)
		}
	}

	for name, attribute := range policyResourceAttributes() {
		var a policyArguments
		field := policyFields(&a)[name]
		if got := field.Interface().(attr.Value).Type(t.Context()); !got.Equal(attribute.GetType()) { //nolint:forcetypeassert // all fields are values
			t.Errorf("%s is %s in the model and %s in the schema", name, got, attribute.GetType())
		}
		if !attribute.IsOptional() || attribute.IsComputed() {
			t.Errorf("%s must be optional and not computed", name)
		}
		if got := a.unknownArgument(); got != "" {
			t.Fatalf("%s is called unknown though nothing is", got)
		}
		switch field.Interface().(type) {
		case types.Int64:
			field.Set(reflect.ValueOf(types.Int64Unknown()))
		case types.String:
			field.Set(reflect.ValueOf(types.StringUnknown()))
		case types.Bool:
			field.Set(reflect.ValueOf(types.BoolUnknown()))
		}
		if got := a.unknownArgument(); got != name {
			t.Errorf("%s is unknown, but got %q", name, got)
		}
		if diff := cmp.Diff(policy.Overrides{}, a.overrides()); diff != "" {
			t.Errorf("%s is unknown, but overrides something (-want +got):\n%s", name, diff)
		}
	}
}

func TestPolicyOverrides(t *testing.T) {
	t.Parallel()

	arguments := policyArguments{
		Length:            types.Int64Value(1),
		MaxLength:         types.Int64Value(2),
		Encoding:          types.StringValue("ascii"),
		MinLower:          types.Int64Value(0),
		MinUpper:          types.Int64Value(4),
		MinDigits:         types.Int64Value(5),
		MinSpecial:        types.Int64Value(6),
		SpecialCharacters: types.StringValue("!"),
		ExcludeCharacters: types.StringValue(""),
		FirstCharacter:    types.StringValue("letter"),
		MinEntropyBits:    types.Int64Value(7),
		PatternRules:      types.BoolValue(false),
		RotationDays:      types.Int64Value(90),
		GracePeriod:       types.StringValue("1h30m"),
		Classification:    types.StringValue("critical"),
	}
	want := policy.Overrides{
		Length:            new(1),
		MaxLength:         new(2),
		Encoding:          new(policy.ASCII),
		MinLower:          new(0),
		MinUpper:          new(4),
		MinDigits:         new(5),
		MinSpecial:        new(6),
		SpecialCharacters: new("!"),
		ExcludeCharacters: new(""),
		FirstCharacter:    new(policy.FirstLetter),
		MinEntropyBits:    new(7),
		PatternRules:      new(false),
		Rotation:          new(90 * 24 * time.Hour),
		Grace:             new(90 * time.Minute),
		Classification:    new(policy.Critical),
	}
	if diff := cmp.Diff(want, arguments.overrides()); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	want.Base = new("jwt")
	if diff := cmp.Diff(want, providerPolicyModel{arguments, types.StringValue("jwt")}.overrides()); diff != "" {
		t.Errorf("overrides in the provider (-want +got):\n%s", diff)
	}
}

func TestAddPolicyProblems(t *testing.T) {
	t.Parallel()

	var diags diag.Diagnostics
	addPolicyProblems(&diags, path.Root("keys").AtMapKey("A"), policy.Problems{
		{Argument: "length", Summary: "Too short", Detail: "length = 1 is too short."},
		{Argument: "encoding", Summary: "Unknown", Detail: "no such encoding."},
	})
	addPolicyProblems(&diags, path.Empty(), policy.Problems{{Argument: "category", Summary: "Unknown category", Detail: "no such category."}})
	addPolicyProblems(&diags, path.Root("policy"), errors.New("something else"))

	want := diag.Diagnostics{
		diag.NewAttributeErrorDiagnostic(path.Root("keys").AtMapKey("A").AtName("length"), "Too short", "length = 1 is too short."),
		diag.NewAttributeErrorDiagnostic(path.Root("keys").AtMapKey("A").AtName("encoding"), "Unknown", "no such encoding."),
		diag.NewAttributeErrorDiagnostic(path.Root("category"), "Unknown category", "no such category."),
		diag.NewAttributeErrorDiagnostic(path.Root("policy"), "Invalid policy", "something else"),
	}
	if !diags.Equal(want) {
		t.Errorf("got %v, want %v", diags, want)
	}
}
