// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// call calls a function as Terraform does. The arguments are made of strings,
// numbers, bools, slices, objects and nil, and so is what it returns.
func call(t *testing.T, name string, arguments ...any) (any, *tfprotov6.FunctionError) {
	t.Helper()
	server := newTestServer(t)
	functions, err := server.GetFunctions(t.Context(), &tfprotov6.GetFunctionsRequest{})
	if err != nil || functions.Diagnostics != nil {
		t.Fatal(err, functions.Diagnostics)
	}
	definition, ok := functions.Functions[name]
	if !ok {
		t.Fatalf("there is no function %s", name)
	}
	var values []*tfprotov6.DynamicValue
	for i, argument := range arguments {
		parameter := definition.VariadicParameter
		if i < len(definition.Parameters) {
			parameter = definition.Parameters[i]
		}
		value := inferred(t, argument)
		if !parameter.Type.Is(tftypes.DynamicPseudoType) {
			value = terraformValue(t, parameter.Type, argument)
		}
		values = append(values, dynamic(t, parameter.Type, value))
	}
	resp, err := server.CallFunction(t.Context(), &tfprotov6.CallFunctionRequest{Name: name, Arguments: values})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Error != nil {
		return nil, resp.Error
	}
	result, err := resp.Result.Unmarshal(definition.Return.Type)
	if err != nil {
		t.Fatal(err)
	}
	return goValue(t, result), nil
}

// inferred makes a value of the type that it has.
func inferred(t *testing.T, argument any) tftypes.Value {
	t.Helper()
	switch argument := argument.(type) {
	case nil:
		return tftypes.NewValue(tftypes.DynamicPseudoType, nil)
	case string:
		return tftypes.NewValue(tftypes.String, argument)
	case bool:
		return tftypes.NewValue(tftypes.Bool, argument)
	case int:
		return tftypes.NewValue(tftypes.Number, big.NewFloat(float64(argument)))
	case float64:
		return tftypes.NewValue(tftypes.Number, big.NewFloat(argument))
	case object:
		values, valueTypes := map[string]tftypes.Value{}, map[string]tftypes.Type{}
		for name, member := range argument {
			values[name] = inferred(t, member)
			valueTypes[name] = values[name].Type()
		}
		return tftypes.NewValue(tftypes.Object{AttributeTypes: valueTypes}, values)
	case []any:
		values, valueTypes := []tftypes.Value{}, []tftypes.Type{}
		for _, element := range argument {
			value := inferred(t, element)
			values, valueTypes = append(values, value), append(valueTypes, value.Type())
		}
		return tftypes.NewValue(tftypes.Tuple{ElementTypes: valueTypes}, values)
	}
	t.Fatalf("no argument can be made of %T", argument)
	return tftypes.Value{}
}

// goValue is the reverse of inferred.
func goValue(t *testing.T, value tftypes.Value) any {
	t.Helper()
	if value.IsNull() {
		return nil
	}
	as := func(to any) {
		if err := value.As(to); err != nil {
			t.Fatal(err)
		}
	}
	switch typ := value.Type(); {
	case typ.Is(tftypes.String):
		var s string
		as(&s)
		return s
	case typ.Is(tftypes.Bool):
		var b bool
		as(&b)
		return b
	case typ.Is(tftypes.Number):
		var n *big.Float
		as(&n)
		f, _ := n.Float64()
		return f
	case typ.Is(tftypes.Object{}):
		var members map[string]tftypes.Value
		as(&members)
		result := object{}
		for name, member := range members {
			result[name] = goValue(t, member)
		}
		return result
	}
	var elements []tftypes.Value
	as(&elements)
	result := []any{}
	for _, element := range elements {
		result = append(result, goValue(t, element))
	}
	return result
}

// refusal is a call that must fail, at an argument that counts from 0, with an
// error that says something.
type refusal struct {
	arguments []any
	at        int64
	says      string
}

func checkRefusals(t *testing.T, name string, refusals map[string]refusal) {
	t.Helper()
	for label, test := range refusals {
		t.Run(label, func(t *testing.T) {
			_, problem := call(t, name, test.arguments...)
			switch {
			case problem == nil:
				t.Fatal("the call succeeds")
			case problem.FunctionArgument == nil || *problem.FunctionArgument != test.at:
				t.Errorf("the error points at argument %v, want %d", problem.FunctionArgument, test.at)
			}
			if !strings.Contains(problem.Text, test.says) {
				t.Errorf("the error does not say %q:\n%s", test.says, problem.Text)
			}
		})
	}
}

// TestFunctionsAreDocumented holds that every function and argument says what it
// is.
func TestFunctionsAreDocumented(t *testing.T) {
	functions, err := newTestServer(t).GetFunctions(t.Context(), &tfprotov6.GetFunctionsRequest{})
	if err != nil || functions.Diagnostics != nil {
		t.Fatal(err, functions.Diagnostics)
	}
	if len(functions.Functions) != 7 {
		t.Errorf("there are %d functions", len(functions.Functions))
	}
	for name, f := range functions.Functions {
		if f.Summary == "" || f.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for _, parameter := range append(f.Parameters, f.VariadicParameter) {
			if parameter != nil && (parameter.Name == "" || parameter.Description == "") {
				t.Errorf("%s has a parameter %q without description", name, parameter.Name)
			}
		}
	}
}
