// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// arnLikeName matches names that Secrets Manager may take for the end of a
// partial ARN.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
var arnLikeName = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// externalCategory is the policy of supplied values that name none.
const externalCategory = "external"

// replacesKey is where ModifyPlan leaves the ARN of the present object for the
// create leg of its replacement, which Terraform plans with that private data
// and without a prior state.
const replacesKey = "replaces"

func (r *secretResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config secretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	validateKind(config, &resp.Diagnostics)
	validateReplicas(ctx, config, &resp.Diagnostics)
	if name := config.Name.ValueString(); arnLikeName.MatchString(name) {
		resp.Diagnostics.AddAttributeWarning(path.Root("name"), "Name looks like the end of an ARN",
			fmt.Sprintf("The name %q ends in a hyphen and six characters, as the ARN of a secret does. Secrets Manager may then take the name for a "+
				"partial ARN and not find the secret. This provider uses the full ARN as soon as it is known; other tools should too, or choose another name.", name))
	}
}

// validateKind checks that the configuration says exactly one thing about what
// the secret is: one generated string, one supplied string, or a JSON object.
func validateKind(config secretModel, diags *diag.Diagnostics) {
	const choose = "Write exactly one of:\n\n" +
		"  category = \"jwt\"                                  # one generated string\n" +
		"  keys     = { JWT_SECRET = { category = \"jwt\" } }  # a JSON object\n" +
		"  value_wo = var.value                              # one supplied string, with value_wo_version"
	isJSON, isSupplied, isCategory := isKnown(config.Keys), isKnown(config.ValueWO), isKnown(config.Category)
	switch {
	case isJSON && isCategory:
		diags.AddAttributeError(path.Root("category"), "category and keys exclude each other",
			"The secret would be one string by category and a JSON object by keys. "+choose)
	case isJSON && isSupplied:
		diags.AddAttributeError(path.Root("value_wo"), "value_wo and keys exclude each other",
			"The secret would be one string by value_wo and a JSON object by keys. Values for keys of a JSON object go into values_wo. "+choose)
	case config.Keys.IsNull() && config.ValueWO.IsNull() && config.Category.IsNull():
		diags.AddError("Missing category, keys or value_wo", "Nothing says what the value of the secret is. "+choose)
	}
	if config.Keys.IsNull() {
		for _, argument := range []struct {
			name string
			set  bool
		}{{"static", isKnown(config.Static)}, {"values_wo", isKnown(config.ValuesWO)}} {
			if argument.set {
				diags.AddAttributeError(path.Root(argument.name), argument.name+" needs keys",
					argument.name+" adds keys to a JSON secret, and this secret is one string. Add keys, which may be empty: keys = {}")
			}
		}
	}
	if !isJSON {
		return
	}
	if name := config.setArgument(); name != "" {
		diags.AddAttributeError(path.Root(name), name+" belongs to a key",
			"In a JSON secret each key has a policy of its own. Write "+name+" inside the entry of keys that it is meant for.")
	}
	for name := range config.Static.Elements() {
		_, key := config.Keys.Elements()[name]
		_, supplied := config.ValuesWO.Elements()[name]
		if key || supplied {
			diags.AddAttributeError(path.Root("static").AtMapKey(name), "Key is named twice",
				fmt.Sprintf("%q is in static, in plain text, and among the secret keys. Leave it in one of them.", name))
		}
	}
}

func (r *secretResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || r.data == nil {
		return
	}
	var config, plan secretModel
	var state *secretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	want, known := r.resolve(ctx, config, &resp.Diagnostics)
	if known {
		plan.setComputed(want)
	} else {
		plan.setComputedUnknown(config)
	}
	if state == nil {
		if mark, _ := req.Private.GetKey(ctx, replacesKey); mark != nil {
			var arn string
			if json.Unmarshal(mark, &arn) == nil {
				r.data.secrets.replacing(plan.Name.ValueString(), arn)
			}
		}
	} else {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, replacesKey, jsonString(state.ARN.ValueString()))...)
		if plan.Name.Equal(state.Name) {
			plan.ID, plan.ARN, plan.CreatedAt = state.ID, state.ARN, state.CreatedAt
		}
	}
	r.checkKeys(ctx, config, state, &resp.Diagnostics)
	if known && state == nil && r.data.secrets.isReplacement(plan.Name.ValueString()) {
		recreate(want, "").warnTargets(want, &resp.Diagnostics)
	}
	planned := plannedSecret{policies: want.policies}
	if known && state != nil && plan.Name.Equal(state.Name) {
		change := changeBetween(*state, config, want)
		change.warn(want, &resp.Diagnostics)
		planned.written = change.write
	}
	if known && !resp.Diagnostics.HasError() && isKnown(plan.Name) {
		r.data.secrets.planning(plan.Name.ValueString(), planned)
	}
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
}

// resolve works out what the configuration asks for and reports what is wrong
// with it. known is false when something is not known yet, and then only what
// is known has been checked.
func (r *secretResource) resolve(ctx context.Context, config secretModel, diags *diag.Diagnostics) (want wanted, known bool) {
	environment, err1 := r.data.Environment()
	categories, err2 := r.data.Policies()
	defaults, err3 := r.data.DefaultTags()
	if err1 != nil || err2 != nil || err3 != nil || config.Keys.IsUnknown() || config.ValuesWO.IsUnknown() ||
		config.Static.IsUnknown() || config.Tags.IsUnknown() {
		return wanted{}, false
	}
	known = true
	want = wanted{
		json:     !config.Keys.IsNull(),
		policies: map[string]policy.Policy{},
		static:   map[string]string{},
		supplied: map[string]string{},
	}
	one := func(key string, at, valueAt path.Path, category types.String, arguments policyArguments, supplied types.String) {
		if category.IsUnknown() || arguments.unknownArgument() != "" {
			known = false
			return
		}
		name := category.ValueString()
		if category.IsNull() {
			name = externalCategory
		}
		resolve := policy.Resolve
		if !supplied.IsNull() {
			resolve = policy.ResolveSupplied
		}
		p, err := resolve(environment, name, categories, arguments.overrides())
		if err != nil {
			addPolicyProblems(diags, at, err)
			return
		}
		want.policies[key] = p
		switch {
		case supplied.IsUnknown():
			known = known && !want.json // its size counts; one string is checked in apply
		case !supplied.IsNull():
			want.supplied[key] = supplied.ValueString()
			checkSupplied(p, supplied.ValueString(), valueAt, diags)
		case p.Supplied:
			addMissingValue(diags, at, key, name)
		}
	}
	if !want.json {
		one("", path.Empty(), path.Root("value_wo"), config.Category, config.policyArguments, config.ValueWO)
	}
	for _, key := range sortedKeys(config.Keys.Elements()) {
		var entry secretKeyModel
		at := path.Root("keys").AtMapKey(key)
		value, isUnknown := asObject(ctx, config.Keys.Elements()[key], &entry, diags)
		if isUnknown || !value {
			known = known && !isUnknown
			continue
		}
		one(key, at, path.Root("values_wo").AtMapKey(key), entry.Category, entry.policyArguments, stringElement(config.ValuesWO, key))
	}
	for _, key := range sortedKeys(config.ValuesWO.Elements()) {
		if _, named := config.Keys.Elements()[key]; named {
			continue
		}
		at := path.Root("values_wo").AtMapKey(key)
		one(key, at, at, types.StringNull(), policyArguments{}, stringElement(config.ValuesWO, key))
	}
	for _, key := range sortedKeys(config.Static.Elements()) {
		value := stringElement(config.Static, key)
		known = known && !value.IsUnknown()
		want.static[key] = value.ValueString()
	}
	var tagsKnown bool
	want.tags, tagsKnown = mergeTags(defaults, config.Tags)
	known = known && tagsKnown
	if known && !diags.HasError() {
		want.checkLimits(config, diags)
	}
	return want, known
}

// checkLimits reports what would not fit into the store.
func (w wanted) checkLimits(config secretModel, diags *diag.Diagnostics) {
	at := path.Root("category")
	if w.json {
		at = path.Root("keys")
	} else if !config.ValueWO.IsNull() {
		at = path.Root("value_wo")
	}
	if size := w.minimumSize(); size > secretstore.MaxValueBytes {
		diags.AddAttributeError(at, "Value is too large", fmt.Sprintf(
			"The value of the secret would have %d bytes; Secrets Manager takes at most %d. Split it over several secrets.", size, secretstore.MaxValueBytes))
	}
	records, err := policy.EncodeRecords(w.records(placeholderTime))
	if err != nil {
		diags.AddAttributeError(at, "Policies cannot be recorded", "The policies of the secret cannot be written into its tags.\n\n"+err.Error())
		return
	}
	rotations := min(max(len(w.policies), 1), rotation.MaxRecords)
	if total := len(w.tags) + len(records) + rotations; total > secretstore.MaxTags {
		diags.AddAttributeError(path.Root("tags"), "Too many tags", fmt.Sprintf(
			"A secret has at most %d tags. This one needs %d of its own and %d for its policies, and %d are kept free for its rotations: %d in all. "+
				"Use fewer tags, shorter key names, or fewer different policies.", secretstore.MaxTags, len(w.tags), len(records), rotations, total))
	}
}

func checkSupplied(p policy.Policy, value string, at path.Path, diags *diag.Diagnostics) {
	if value == "" {
		diags.AddAttributeError(at, "Supplied value is empty", "A secret needs a value of at least one byte.")
		return
	}
	for _, finding := range policy.Check(p, value) {
		diags.AddAttributeError(at, "Supplied value breaks its policy", fmt.Sprintf(
			"The value does not satisfy the policy of category %q: %s. Supply a stronger value, or let the provider generate one by leaving it out.",
			p.Category, finding.Message))
	}
}

func addMissingValue(diags *diag.Diagnostics, at path.Path, key, category string) {
	example := fmt.Sprintf("  category         = %q\n  value_wo         = var.value\n  value_wo_version = 1", category)
	if key != "" {
		example = fmt.Sprintf("  values_wo         = { %s = var.value }\n  values_wo_version = 1", key)
	}
	diags.AddAttributeError(at.AtName("category"), "Value must be supplied", fmt.Sprintf(
		"A value of category %q comes from outside and is never generated. Supply it:\n\n%s", category, example))
}
