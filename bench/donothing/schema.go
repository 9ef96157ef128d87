// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
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
	// A type is "string", or a pair such as ["map", "string"].
	var kind, element string
	pair := []any{&kind, &element}
	if json.Unmarshal(a.Type, &kind) != nil {
		if err := json.Unmarshal(a.Type, &pair); err != nil {
			return nil, err
		}
	}
	if element != "" && element != "string" {
		return nil, fmt.Errorf("the type %s is not supported here", a.Type)
	}
	switch kind {
	case "string":
		return schema.StringAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "number":
		return schema.NumberAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "bool":
		return schema.BoolAttribute{
			Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "map":
		return schema.MapAttribute{
			ElementType: types.StringType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "list":
		return schema.ListAttribute{
			ElementType: types.StringType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly, MarkdownDescription: a.Description,
		}, nil
	case "set":
		return schema.SetAttribute{
			ElementType: types.StringType,
			Required:    a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive, MarkdownDescription: a.Description,
		}, nil
	default:
		return nil, fmt.Errorf("the type %s is not supported here", a.Type)
	}
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
