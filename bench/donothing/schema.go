// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// schemas are those of one provider.
type schemas struct {
	provider  providerschema.Schema
	resources map[string]schema.Schema
}

// block and attribute are the parts of `terraform providers schema -json` that make
// a schema: https://developer.hashicorp.com/terraform/cli/commands/providers/schema
type block struct {
	Attributes  map[string]attribute       `json:"attributes"`
	BlockTypes  map[string]json.RawMessage `json:"block_types"`
	Description string                     `json:"description"`
}

type attribute struct {
	Type        json.RawMessage `json:"type"`
	Nested      *nested         `json:"nested_type"`
	Description string          `json:"description"`
	Required    bool            `json:"required"`
	Optional    bool            `json:"optional"`
	Computed    bool            `json:"computed"`
	Sensitive   bool            `json:"sensitive"`
	WriteOnly   bool            `json:"write_only"`
}

type nested struct {
	Attributes map[string]attribute `json:"attributes"`
	Mode       string               `json:"nesting_mode"`
}

func readSchemas(file, address string) (*schemas, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The benchmark names its own file.
	if err != nil {
		return nil, err
	}
	var all struct {
		Providers map[string]struct {
			Provider  struct{ Block block }            `json:"provider"`
			Resources map[string]struct{ Block block } `json:"resource_schemas"`
		} `json:"provider_schemas"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	found, ok := all.Providers[address]
	if !ok {
		return nil, fmt.Errorf("no schema of %s in %s", address, file)
	}
	attributes, err := resourceAttributes(found.Provider.Block)
	if err != nil {
		return nil, err
	}
	s := &schemas{resources: map[string]schema.Schema{}}
	s.provider.MarkdownDescription = found.Provider.Block.Description
	s.provider.Attributes = map[string]providerschema.Attribute{}
	for name, a := range attributes {
		s.provider.Attributes[name] = a
	}
	for name, r := range found.Resources {
		attributes, err := resourceAttributes(r.Block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.resources[name] = schema.Schema{MarkdownDescription: r.Block.Description, Attributes: attributes}
	}
	return s, nil
}

func resourceAttributes(b block) (map[string]schema.Attribute, error) {
	if len(b.BlockTypes) > 0 {
		return nil, errors.New("blocks are not supported here")
	}
	return convert(b.Attributes)
}

func convert(from map[string]attribute) (map[string]schema.Attribute, error) {
	to := make(map[string]schema.Attribute, len(from))
	for name, a := range from {
		converted, err := a.convert()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		to[name] = converted
	}
	return to, nil
}

func (a attribute) convert() (schema.Attribute, error) {
	if a.Nested != nil {
		return a.convertNested()
	}
	typ, err := typeOf(a.Type)
	if err != nil {
		return nil, err
	}
	switch typ := typ.(type) {
	case basetypes.StringType:
		return schema.StringAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case basetypes.NumberType:
		return schema.NumberAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case basetypes.BoolType:
		return schema.BoolAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case types.MapType:
		return schema.MapAttribute{
			ElementType: typ.ElemType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case types.ListType:
		return schema.ListAttribute{
			ElementType: typ.ElemType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case types.SetType:
		return schema.SetAttribute{
			ElementType: typ.ElemType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, MarkdownDescription: a.Description,
		}, nil
	default:
		return nil, fmt.Errorf("the type %s is not supported here", a.Type)
	}
}

// typeOf decodes a type: "string", or a pair such as ["map", "string"].
func typeOf(text json.RawMessage) (attr.Type, error) {
	var name string
	if json.Unmarshal(text, &name) == nil {
		switch name {
		case "string":
			return types.StringType, nil
		case "number":
			return types.NumberType, nil
		case "bool":
			return types.BoolType, nil
		}
		return nil, fmt.Errorf("the type %s is not supported here", text)
	}
	var of json.RawMessage
	if err := json.Unmarshal(text, &[]any{&name, &of}); err != nil {
		return nil, err
	}
	if name == "object" {
		var attributes map[string]json.RawMessage
		if err := json.Unmarshal(of, &attributes); err != nil {
			return nil, err
		}
		object := types.ObjectType{AttrTypes: map[string]attr.Type{}}
		for name, text := range attributes {
			typ, err := typeOf(text)
			if err != nil {
				return nil, err
			}
			object.AttrTypes[name] = typ
		}
		return object, nil
	}
	element, err := typeOf(of)
	if err != nil {
		return nil, err
	}
	switch name {
	case "map":
		return types.MapType{ElemType: element}, nil
	case "list":
		return types.ListType{ElemType: element}, nil
	case "set":
		return types.SetType{ElemType: element}, nil
	}
	return nil, fmt.Errorf("the type %s is not supported here", text)
}

func (a attribute) convertNested() (schema.Attribute, error) {
	attributes, err := convert(a.Nested.Attributes)
	if err != nil {
		return nil, err
	}
	object := schema.NestedAttributeObject{Attributes: attributes}
	switch a.Nested.Mode {
	case "single":
		return schema.SingleNestedAttribute{
			Attributes: attributes,
			Required:   a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "map":
		return schema.MapNestedAttribute{
			NestedObject: object,
			Required:     a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "list":
		return schema.ListNestedAttribute{
			NestedObject: object,
			Required:     a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "set":
		return schema.SetNestedAttribute{
			NestedObject: object,
			Required:     a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, MarkdownDescription: a.Description,
		}, nil
	default:
		return nil, fmt.Errorf("the nesting mode %q is not supported here", a.Nested.Mode)
	}
}
