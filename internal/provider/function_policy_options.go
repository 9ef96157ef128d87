// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// functionEnvironmentNote says what functions about policies cannot see.
const functionEnvironmentNote = "A function cannot see the provider's configuration: `environment` and `policies` count only if they are passed. " +
	"With a variable or a local value for both, the provider block and the function say the same."

// policyOptionsParameter is the end of the parameters of functions about policies:
// the environment, then the arguments of the policy. Terraform has optional
// arguments only as a variadic one.
func policyOptionsParameter() function.Parameter {
	names := make([]string, len(policyArgumentTable))
	for i, argument := range policyArgumentTable {
		names[i] = argument.name
	}
	return function.DynamicParameter{
		Name:           "environment_and_arguments",
		AllowNullValue: true,
		MarkdownDescription: "Optional, in this order: the environment, " + quotedList(environments) + " (default, also for null: `production`, the strictest); " +
			"and an object with arguments of the policy, as on `roi_secret`: " + quotedList(names) +
			". With `base` it is an element of the provider's `policies`, and the category one of your own. " +
			"OpenTofu, up to 1.12 at least, does not pass null on: the call fails, or its result stays unknown. Write `\"production\"` or `{}` there.",
	}
}

// A resolver is policy.Resolve or policy.ResolveSupplied.
type resolver func(policy.Environment, string, map[string]policy.Overrides, policy.Overrides) (policy.Policy, error)

// resolveArguments resolves the policy that the end of a function's arguments asks
// for. at is the position of the first option; the category is the one before.
func resolveArguments(resolve resolver, category string, options []types.Dynamic, at int64) (policy.Policy, *function.FuncError) {
	environment := policy.Production
	if len(options) > 0 {
		switch value := underlying(options[0]).(type) {
		case nil:
		case types.String:
			if !value.IsNull() {
				environment = policy.Environment(value.ValueString())
			}
		default:
			return policy.Policy{}, function.NewArgumentFuncError(at, fmt.Sprintf(
				"the environment must be a string, got: %s. Arguments of the policy come after it; write \"production\" for the default", kindOf(options[0])))
		}
	}
	var own policy.Overrides
	if len(options) > 1 && !options[1].IsNull() && !options[1].IsUnderlyingValueNull() {
		var problems []string
		own, problems = policyOverrides(options[1])
		if problem := argumentProblems(at+1, problems); problem != nil {
			return policy.Policy{}, problem
		}
	}
	if len(options) > 2 {
		return policy.Policy{}, function.NewArgumentFuncError(at+2, "there are at most the environment and one object with arguments of the policy")
	}
	var categories map[string]policy.Overrides
	if own.Base != nil {
		categories, own = map[string]policy.Overrides{category: own}, policy.Overrides{}
	}
	p, err := resolve(environment, category, categories, own)
	if err != nil {
		return policy.Policy{}, policyError(err, at, int64(len(options)))
	}
	return p, nil
}

// policyError points at the argument that the first problem is about.
func policyError(err error, at, given int64) *function.FuncError {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return function.NewFuncError(err.Error())
	}
	position := at + 1
	switch problems[0].Argument {
	case "category":
		position = at - 1
	case "environment":
		position = at
	}
	if position >= at+given {
		position = at - 1 // a default clashes with the category
	}
	return function.NewArgumentFuncError(position, strings.TrimSuffix(problems.Error(), "."))
}

var policyArgumentTypes = func() map[string]attr.Type {
	argumentTypes := map[string]attr.Type{"base": types.StringType}
	for _, argument := range policyArgumentTable {
		switch {
		case argument.number != nil:
			argumentTypes[argument.name] = types.Int64Type
		case argument.text != nil:
			argumentTypes[argument.name] = types.StringType
		default:
			argumentTypes[argument.name] = types.BoolType
		}
	}
	return argumentTypes
}()

// policyOverrides reads an object with arguments of a policy, and checks each as a
// schema would.
func policyOverrides(value attr.Value) (policy.Overrides, []string) {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	members, ok := membersOf(value)
	if !ok {
		add("the arguments of the policy must be an object, got: %s", kindOf(value))
	}
	values := map[string]attr.Value{}
	for name, argumentType := range policyArgumentTypes {
		values[name] = types.Int64Null()
		switch argumentType {
		case types.StringType:
			values[name] = types.StringNull()
		case types.BoolType:
			values[name] = types.BoolNull()
		}
	}
	for _, name := range sortedKeys(members) {
		given := underlying(members[name])
		argumentType, known := policyArgumentTypes[name]
		switch {
		case !known:
			add("%q is not an argument of a policy; there are: %s", name, strings.Join(sortedKeys(policyArgumentTypes), ", "))
			continue
		case given == nil || given.IsNull():
			continue
		}
		switch argumentType {
		case types.Int64Type:
			if number, ok := wholeNumber(given); ok {
				values[name] = types.Int64Value(number)
				continue
			}
			add("%s must be a whole number, got: %s", name, kindOf(given))
		case types.StringType:
			if _, ok := given.(types.String); ok {
				values[name] = given
				continue
			}
			add("%s must be a string, got: %s", name, kindOf(given))
		default:
			if _, ok := given.(types.Bool); ok {
				values[name] = given
				continue
			}
			add("%s must be true or false, got: %s", name, kindOf(given))
		}
	}
	for _, argument := range policyArgumentTable {
		for _, d := range argument.validate(values[argument.name]) {
			add("%s", strings.TrimSuffix(d.Detail(), "."))
		}
	}
	if len(problems) > 0 {
		return policy.Overrides{}, problems
	}
	var model providerPolicyModel
	for _, d := range types.ObjectValueMust(policyArgumentTypes, values).As(context.Background(), &model, basetypes.ObjectAsOptions{}) {
		add("%s", d.Detail())
	}
	return model.overrides(), problems
}

// wholeNumber reads a number of a dynamic type, or a string with one, as in a map
// whose elements are of one type.
func wholeNumber(value attr.Value) (int64, bool) {
	switch value := value.(type) {
	case types.Number:
		number, accuracy := value.ValueBigFloat().Int64()
		return number, accuracy == big.Exact
	case types.String:
		number, err := strconv.ParseInt(value.ValueString(), 10, 64)
		return number, err == nil
	}
	return 0, false
}

// validate runs the validators of an argument's attribute on a value.
func (a policyArgument) validate(value attr.Value) diag.Diagnostics {
	ctx, at := context.Background(), path.Root(a.name)
	var diags diag.Diagnostics
	switch value := value.(type) {
	case types.Int64:
		for v := range slices.Values(a.number) {
			resp := validator.Int64Response{}
			v.ValidateInt64(ctx, validator.Int64Request{Path: at, PathExpression: at.Expression(), ConfigValue: value}, &resp)
			diags.Append(resp.Diagnostics...)
		}
	case types.String:
		for v := range slices.Values(a.text) {
			resp := validator.StringResponse{}
			v.ValidateString(ctx, validator.StringRequest{Path: at, PathExpression: at.Expression(), ConfigValue: value}, &resp)
			diags.Append(resp.Diagnostics...)
		}
	}
	return diags
}
