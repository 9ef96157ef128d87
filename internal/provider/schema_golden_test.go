// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

var updateSchemas = flag.Bool("update", false, "write testdata/schemas.txt anew")

// TestSchemasAreThoseCommitted shows in review what a change does to people's
// configurations and states. A line that is added is compatible, unless it says
// required. One that is removed or changed is not: a state that has the old form
// needs a higher schema version and an upgrader, and a configuration the next major
// version. docs/ does not show all of this: not schema versions, nor whether what is
// optional is computed too.
//
// The schemas are asked of the provider, not of `terraform providers schema -json`,
// which leaves out what a version of Terraform or OpenTofu does not know.
func TestSchemasAreThoseCommitted(t *testing.T) {
	t.Parallel()
	server, err := providerserver.NewProtocol6WithError(NewForTest("test", clock.System{}))()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, diagnostic := range resp.Diagnostics {
		t.Errorf("%s: %s", diagnostic.Summary, diagnostic.Detail)
	}
	lines := schemaLines("provider roi", resp.Provider)
	for _, kind := range []struct {
		name    string
		schemas map[string]*tfprotov6.Schema
	}{
		{"resource", resp.ResourceSchemas}, {"data", resp.DataSourceSchemas}, {"ephemeral", resp.EphemeralResourceSchemas}, {"list", resp.ListResourceSchemas},
	} {
		for _, name := range slices.Sorted(maps.Keys(kind.schemas)) {
			lines = append(lines, schemaLines(kind.name+" "+name, kind.schemas[name])...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(resp.Functions)) {
		lines = append(lines, functionLine(name, resp.Functions[name]))
	}
	got := strings.Join(lines, "\n") + "\n"

	path := filepath.Join("testdata", "schemas.txt")
	if *updateSchemas {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the schemas are not those of %s (-want +got). If the change is meant, and compatible or with an upgrader: go test ./internal/provider -run %s -update\n%s",
			path, t.Name(), diff)
	}
}

// schemaLines is one line for a schema, and one for each of its attributes.
func schemaLines(name string, schema *tfprotov6.Schema) []string {
	lines := []string{fmt.Sprintf("%s, version %d", name, schema.Version)}
	return append(lines, blockLines(name, schema.Block)...)
}

func blockLines(path string, block *tfprotov6.SchemaBlock) []string {
	lines := attributeLines(path, block.Attributes)
	for _, nested := range block.BlockTypes {
		name := path + "." + nested.TypeName
		lines = append(lines, fmt.Sprintf("%s: %s block, %d to %d", name, strings.ToLower(nested.Nesting.String()), nested.MinItems, nested.MaxItems))
		lines = append(lines, blockLines(name, nested.Block)...)
	}
	return lines
}

func attributeLines(path string, attributes []*tfprotov6.SchemaAttribute) []string {
	var lines []string
	byName := func(a, b *tfprotov6.SchemaAttribute) int { return strings.Compare(a.Name, b.Name) }
	for _, attribute := range slices.SortedFunc(slices.Values(attributes), byName) {
		name := path + "." + attribute.Name
		words := []string{attributeType(attribute)}
		for _, flag := range []struct {
			set  bool
			name string
		}{
			{attribute.Required, "required"}, {attribute.Optional, "optional"}, {attribute.Computed, "computed"},
			{attribute.Sensitive, "sensitive"}, {attribute.WriteOnly, "write-only"}, {attribute.Deprecated, "deprecated"},
		} {
			if flag.set {
				words = append(words, flag.name)
			}
		}
		lines = append(lines, name+": "+strings.Join(words, ", "))
		if attribute.NestedType != nil {
			lines = append(lines, attributeLines(name, attribute.NestedType.Attributes)...)
		}
	}
	return lines
}

func attributeType(attribute *tfprotov6.SchemaAttribute) string {
	switch nested := attribute.NestedType; {
	case nested == nil:
		return typeName(attribute.Type)
	case nested.Nesting == tfprotov6.SchemaObjectNestingModeSingle:
		return "object"
	default:
		return strings.ToLower(nested.Nesting.String()) + " of objects"
	}
}

func functionLine(name string, function *tfprotov6.Function) string {
	var parameters []string
	add := func(dots string, parameter *tfprotov6.FunctionParameter) {
		text := parameter.Name + " " + dots + typeName(parameter.Type)
		if parameter.AllowNullValue {
			text += " or null"
		}
		parameters = append(parameters, text)
	}
	for _, parameter := range function.Parameters {
		add("", parameter)
	}
	if function.VariadicParameter != nil {
		add("...", function.VariadicParameter)
	}
	return fmt.Sprintf("function %s(%s) %s", name, strings.Join(parameters, ", "), typeName(function.Return.Type))
}

// typeName writes a type as a configuration does.
func typeName(typ tftypes.Type) string {
	switch typ := typ.(type) {
	case nil:
		return ""
	case tftypes.List:
		return "list(" + typeName(typ.ElementType) + ")"
	case tftypes.Set:
		return "set(" + typeName(typ.ElementType) + ")"
	case tftypes.Map:
		return "map(" + typeName(typ.ElementType) + ")"
	case tftypes.Object:
		var attributes []string
		for _, name := range slices.Sorted(maps.Keys(typ.AttributeTypes)) {
			attributes = append(attributes, name+" = "+typeName(typ.AttributeTypes[name]))
		}
		return "object({ " + strings.Join(attributes, ", ") + " })"
	}
	if typ.Is(tftypes.DynamicPseudoType) {
		return "any"
	}
	return strings.ToLower(strings.TrimPrefix(typ.String(), "tftypes."))
}
