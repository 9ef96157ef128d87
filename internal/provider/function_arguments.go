// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// An objectArgument is an argument of a function that is an object with attributes
// to leave out, which the types of parameters do not have. It collects what is
// wrong; a problem never holds a value.
type objectArgument struct {
	name     string // how problems call it; "" for the argument itself
	members  map[string]attr.Value
	known    []string // the attributes that were asked for
	problems *[]string
}

// newObjectArgument reads an object or a map.
func newObjectArgument(name string, value attr.Value, problems *[]string) *objectArgument {
	o := &objectArgument{name: name, problems: problems}
	members, ok := membersOf(value)
	if !ok {
		o.add("must be an object, got: %s", kindOf(value))
	}
	o.members = members
	return o
}

func (o *objectArgument) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if o.name != "" {
		text = o.name + " " + text
	}
	*o.problems = append(*o.problems, text)
}

// path is how problems call an attribute.
func (o *objectArgument) path(name string) string {
	if o.name == "" {
		return name
	}
	return o.name + "." + name
}

// get returns an attribute that is set, or nil.
func (o *objectArgument) get(name string) attr.Value {
	if !slices.Contains(o.known, name) {
		o.known = append(o.known, name)
	}
	value := underlying(o.members[name])
	if value == nil || value.IsNull() {
		return nil
	}
	return value
}

// text returns an attribute that is a string; "" if it is not set.
func (o *objectArgument) text(name string) string {
	value := o.get(name)
	if value == nil {
		return ""
	}
	text, ok := value.(types.String)
	if !ok {
		*o.problems = append(*o.problems, fmt.Sprintf("%s must be a string, got: %s", o.path(name), kindOf(value)))
	}
	return text.ValueString()
}

// number returns an attribute that is a number, or a string with one; "" if it is
// not set.
func (o *objectArgument) number(name string) string {
	if number, ok := o.get(name).(types.Number); ok {
		return number.ValueBigFloat().Text('f', -1)
	}
	return o.text(name)
}

// flag returns an attribute that is true or false; false if it is not set.
func (o *objectArgument) flag(name string) bool {
	value := o.get(name)
	if value == nil {
		return false
	}
	flag, ok := value.(types.Bool)
	if !ok {
		*o.problems = append(*o.problems, fmt.Sprintf("%s must be true or false, got: %s", o.path(name), kindOf(value)))
	}
	return flag.ValueBool()
}

// texts returns an attribute that is a list, set or tuple of strings.
func (o *objectArgument) texts(name string) []string {
	value := o.get(name)
	if value == nil {
		return nil
	}
	elements, ok := elementsOf(value)
	var texts []string
	for _, element := range elements {
		text, isText := underlying(element).(types.String)
		ok = ok && isText && !text.IsNull()
		texts = append(texts, text.ValueString())
	}
	if !ok {
		*o.problems = append(*o.problems, fmt.Sprintf("%s must be a list of strings", o.path(name)))
	}
	return texts
}

// object returns an attribute that is an object.
func (o *objectArgument) object(name string) *objectArgument {
	value := o.get(name)
	if value == nil {
		return &objectArgument{name: o.path(name), problems: o.problems}
	}
	return newObjectArgument(o.path(name), value, o.problems)
}

// finish reports attributes that nobody asked for.
func (o *objectArgument) finish() {
	for _, name := range sortedKeys(o.members) {
		if !slices.Contains(o.known, name) {
			*o.problems = append(*o.problems, fmt.Sprintf("%s is not known; there are: %s", o.path(name), strings.Join(o.known, ", ")))
		}
	}
}

// argumentProblems is the error about an argument, nil if nothing is wrong with
// it. at counts from 0.
func argumentProblems(at int64, problems []string) *function.FuncError {
	if len(problems) == 0 {
		return nil
	}
	return function.NewArgumentFuncError(at, strings.Join(problems, "\n"))
}

// underlying takes the wrapping of a dynamic type away. It is nil for nil, and for
// a null of no type.
func underlying(value attr.Value) attr.Value {
	for {
		dynamic, ok := value.(types.Dynamic)
		if !ok {
			return value
		}
		value = dynamic.UnderlyingValue()
	}
}

func membersOf(value attr.Value) (map[string]attr.Value, bool) {
	switch value := underlying(value).(type) {
	case types.Object:
		return value.Attributes(), true
	case types.Map:
		return value.Elements(), true
	}
	return nil, false
}

func elementsOf(value attr.Value) ([]attr.Value, bool) {
	switch value := value.(type) {
	case types.Tuple:
		return value.Elements(), true
	case types.List:
		return value.Elements(), true
	case types.Set:
		return value.Elements(), true
	}
	return nil, false
}

// kindOf names the type of a value in a message.
func kindOf(value attr.Value) string {
	switch value := underlying(value).(type) {
	case nil:
		return "null"
	case types.String:
		return "a string"
	case types.Number:
		return "a number"
	case types.Bool:
		return "a bool"
	case types.Object, types.Map:
		return "an object"
	case types.Tuple, types.List, types.Set:
		return "a list"
	default:
		return fmt.Sprintf("%T", value)
	}
}
