// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

func stringMapValue(m map[string]string) types.Map {
	elements := map[string]attr.Value{}
	for key, value := range m {
		elements[key] = types.StringValue(value)
	}
	return types.MapValueMust(types.StringType, elements)
}

func stringListValue(list []string) types.List {
	elements := make([]attr.Value, len(list))
	for i, value := range list {
		elements[i] = types.StringValue(value)
	}
	return types.ListValueMust(types.StringType, elements)
}

// stringElement returns one value of a map of strings, null if it is not there.
func stringElement(m types.Map, key string) types.String {
	if s, ok := m.Elements()[key].(types.String); ok {
		return s
	}
	return types.StringNull()
}

func optionalString(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// asObject reads an element of a map of objects.
func asObject(ctx context.Context, element attr.Value, into any, diags *diag.Diagnostics) (ok, unknown bool) {
	object, isObject := element.(types.Object)
	if !isObject || object.IsNull() {
		return false, false
	}
	if object.IsUnknown() {
		return false, true
	}
	problems := object.As(ctx, into, basetypes.ObjectAsOptions{})
	diags.Append(problems...)
	return !problems.HasError(), false
}

// stringElements and stringMap return strings that are known.
func stringElements(elements []attr.Value) []string {
	var texts []string
	for _, element := range elements {
		if s, ok := element.(types.String); ok {
			texts = append(texts, s.ValueString())
		}
	}
	return texts
}

func stringMap(m types.Map) map[string]string {
	texts := map[string]string{}
	for key, element := range m.Elements() {
		if s, ok := element.(types.String); ok {
			texts[key] = s.ValueString()
		}
	}
	return texts
}

func jsonString(s string) []byte {
	text, _ := json.Marshal(s) // a string always marshals
	return text
}
