// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package tfcli

import (
	"encoding/json"
	"slices"
)

// Plan is the part of a plan in JSON that tests look at.
// Source: https://developer.hashicorp.com/terraform/internals/json-format
type Plan struct {
	ResourceChanges []ResourceChange  `json:"resource_changes"`
	ResourceDrift   []ResourceChange  `json:"resource_drift"`
	OutputChanges   map[string]Change `json:"output_changes"`
}

// ResourceChange is what is planned for one resource.
type ResourceChange struct {
	Address      string `json:"address"`
	Mode         string `json:"mode"`
	Type         string `json:"type"`
	Name         string `json:"name"`
	Deposed      string `json:"deposed"`
	ActionReason string `json:"action_reason"`
	Change       Change `json:"change"`
}

// Change is what is planned for a resource or an output. Actions is one of
// [no-op], [create], [read], [update], [delete], [delete create] and
// [create delete].
type Change struct {
	Actions         []string        `json:"actions"`
	Before          json.RawMessage `json:"before"`
	After           json.RawMessage `json:"after"`
	AfterUnknown    json.RawMessage `json:"after_unknown"`
	BeforeSensitive json.RawMessage `json:"before_sensitive"`
	AfterSensitive  json.RawMessage `json:"after_sensitive"`
	ReplacePaths    json.RawMessage `json:"replace_paths"`
}

// Change returns what is planned for a resource; ok is false when the plan does
// not mention it.
func (p Plan) Change(address string) (change ResourceChange, ok bool) {
	i := slices.IndexFunc(p.ResourceChanges, func(c ResourceChange) bool { return c.Address == address && c.Deposed == "" })
	if i < 0 {
		return ResourceChange{}, false
	}
	return p.ResourceChanges[i], true
}

// State is the part of a state in JSON that tests look at.
type State struct {
	Values struct {
		Outputs    map[string]Output `json:"outputs"`
		RootModule Module            `json:"root_module"`
	} `json:"values"`
}

// Output is an output value.
type Output struct {
	Sensitive bool            `json:"sensitive"`
	Value     json.RawMessage `json:"value"`
}

// Module holds the resources of a module and of those below it.
type Module struct {
	Address      string     `json:"address"`
	Resources    []Resource `json:"resources"`
	ChildModules []Module   `json:"child_modules"`
}

// Resource is a resource in the state.
type Resource struct {
	Address string         `json:"address"`
	Mode    string         `json:"mode"`
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Tainted bool           `json:"tainted"`
	Values  map[string]any `json:"values"`
}

// Resource returns a resource in the state, of any module; ok is false when it is
// not there.
func (s State) Resource(address string) (resource Resource, ok bool) {
	return s.Values.RootModule.resource(address)
}

func (m Module) resource(address string) (Resource, bool) {
	i := slices.IndexFunc(m.Resources, func(r Resource) bool { return r.Address == address })
	if i >= 0 {
		return m.Resources[i], true
	}
	for _, child := range m.ChildModules {
		if r, ok := child.resource(address); ok {
			return r, true
		}
	}
	return Resource{}, false
}
