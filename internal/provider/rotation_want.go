// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

// rotationDefaults are what a rotation leaves to the policies of its values.
type rotationDefaults struct {
	Interval time.Duration `json:"interval"` // 0: never due
	Grace    time.Duration `json:"grace"`
	NoEnd    bool          `json:"no_end,omitempty"`   // the grace period never ends
	Supplied bool          `json:"supplied,omitempty"` // the values come from outside
	Targets  []string      `json:"targets,omitempty"`  // those that a server must be given
}

// resolve works out what a configuration makes of a secret, and reports what is
// wrong with it.
func (r *rotationResource) resolve(v rotation.View, m secretRotationModel, diags *diag.Diagnostics) (rotation.Plan, rotationDefaults) {
	plan, defaults := r.arguments(v, m, diags)
	if m.Category.IsNull() {
		for _, key := range slices.Sorted(maps.Keys(plan.Policies)) {
			r.checkFloor(key, plan.Policies[key], diags)
		}
	}
	return plan, defaults
}

// arguments is resolve for a change that makes no value: what the policies demand
// of one is not looked at.
func (r *rotationResource) arguments(v rotation.View, m secretRotationModel, diags *diag.Diagnostics) (rotation.Plan, rotationDefaults) {
	settings, err := r.data.Rotation()
	if err != nil {
		diags.Append(r.data.diagnose("rotate", v.Secret.ARN, err))
		return rotation.Plan{}, rotationDefaults{}
	}
	policies := r.policies(v, m, diags)
	defaults := defaultsOf(policies)
	m.checkRecords(v, diags)
	m.checkSuffix(v, policies, diags)
	schedule, grace := m.checkDates(defaults, diags)
	return rotation.Plan{
		Want: rotation.Want{
			Schedule:       schedule,
			Grace:          grace,
			Days:           int(m.RotationDays.ValueInt64()),
			Triggers:       m.fingerprint(),
			RotateOnCreate: m.RotateOnCreate.ValueBool(),
			Overdue:        settings.Overdue,
			PlanAsOf:       settings.PlanAsOf,
			Supplied:       defaults.Supplied,
		},
		Values: rotation.Values{Policies: policies, Suffix: m.PreviousKeySuffix.ValueString(), Unknown: len(v.Policies) == 0},
	}, defaults
}

// policies returns the policies of the values to rotate, by key; that of one
// string has the key "".
func (r *rotationResource) policies(v rotation.View, m secretRotationModel, diags *diag.Diagnostics) map[string]policy.Policy {
	switch {
	case v.PolicyError != nil && m.Category.IsNull():
		diags.AddAttributeError(path.Root("secret_id"), "Recorded policy cannot be read", fmt.Sprintf(
			"The tags under %q of the secret %s do not hold a policy that this provider can read. An apply of its roi_secret writes them anew.\n\n%s",
			policy.RecordTag, v.Secret.ARN, v.PolicyError))
		return nil
	case m.Category.IsNull() && len(v.Policies) == 0:
		diags.AddAttributeError(path.Root("category"), "Secret has no policy", fmt.Sprintf(
			"The secret %s carries no policy in its tags, so that nothing says what a new value must be. Manage it with a roi_secret, or set category here.", v.Secret.ARN))
		return nil
	case !m.Category.IsNull() && len(v.Policies) > 0:
		diags.AddAttributeError(path.Root("category"), "Secret has a policy of its own", fmt.Sprintf(
			"The secret %s carries its policy in its tags. category and the arguments of a policy here are only for a secret without one: "+
				"leave them out, and change the policy in its roi_secret.", v.Secret.ARN))
		return nil
	case !m.Category.IsNull():
		return r.ownPolicies(m, diags)
	}
	if _, whole := v.Policies[""]; whole && len(v.Keys) > 0 {
		diags.AddAttributeError(path.Root("keys"), "Secret has no keys", fmt.Sprintf(
			"The secret %s is one string and has no keys. Leave keys out.", v.Secret.ARN))
		return nil
	}
	names := v.Concerned()
	if !v.JSON {
		names = []string{""}
	}
	if len(names) == 0 {
		diags.AddAttributeError(path.Root("keys"), "Nothing to rotate", fmt.Sprintf(
			"Every generated key of the secret %s is named by another rotation, and keys of category \"encryption\" are rotated only when they are named. "+
				"Name keys, or remove this rotation.", v.Secret.ARN))
		return nil
	}
	policies := map[string]policy.Policy{}
	for _, key := range names {
		record, known := v.Policies[key]
		if !known {
			diags.AddAttributeError(path.Root("keys"), "Unknown key", fmt.Sprintf(
				"The secret %s has no key %q with a policy. It has: %s.", v.Secret.ARN, key, strings.Join(sortedKeys(v.Policies), ", ")))
			continue
		}
		policies[key] = record.Policy
	}
	addMixed(v, policies, diags)
	return policies
}

// addMixed reports a rotation of values of which only some are generated: it could
// never rotate any.
func addMixed(v rotation.View, policies map[string]policy.Policy, diags *diag.Diagnostics) {
	var generated, supplied []string
	for _, key := range slices.Sorted(maps.Keys(policies)) {
		if policies[key].Supplied {
			supplied = append(supplied, key)
		} else {
			generated = append(generated, key)
		}
	}
	if len(generated) > 0 && len(supplied) > 0 {
		diags.AddAttributeError(path.Root("keys"), "Supplied and generated keys in one rotation", fmt.Sprintf(
			"Of the keys of the secret %s that this rotation names, %s come from outside and are never made up, so that the generated ones, %s, could not be rotated with them. "+
				"Give each kind a roi_secret_rotation of its own.", v.Secret.ARN, strings.Join(supplied, ", "), strings.Join(generated, ", ")))
	}
}

// ownPolicies is for a secret that was made by other means.
func (r *rotationResource) ownPolicies(m secretRotationModel, diags *diag.Diagnostics) map[string]policy.Policy {
	environment, err := r.data.Environment()
	var categories map[string]policy.Overrides
	if err == nil {
		categories, err = r.data.Policies()
	}
	if err != nil {
		diags.Append(r.data.diagnose("rotate", m.SecretID.ValueString(), err))
		return nil
	}
	p, err := policy.Resolve(environment, m.Category.ValueString(), categories, m.overrides())
	if err != nil {
		addPolicyProblems(diags, path.Empty(), err)
		return nil
	}
	policies := map[string]policy.Policy{}
	for _, key := range m.named() {
		policies[key] = p
	}
	if len(policies) == 0 {
		policies[""] = p
	}
	return policies
}

// checkFloor reports a recorded policy that the environment does not allow for
// new values. It may have been recorded elsewhere, or before a change.
func (r *rotationResource) checkFloor(key string, p policy.Policy, diags *diag.Diagnostics) {
	environment, err := r.data.Environment()
	if err != nil || p.Supplied {
		return
	}
	if _, err := policy.Resolve(environment, p.Base, nil, overridesOf(p)); err != nil {
		name := ""
		if key != "" {
			name = fmt.Sprintf(" of the key %q", key)
		}
		diags.AddAttributeError(path.Root("secret_id"), "Recorded policy is below the floor", fmt.Sprintf(
			"The policy%s that the secret carries does not allow a new value in %s. Raise it in its roi_secret, and apply that first.\n\n%s", name, environment, err))
	}
}

// overridesOf writes a policy as changes of its base category.
func overridesOf(p policy.Policy) policy.Overrides {
	overrides := policy.Overrides{
		Length: &p.Length, Encoding: &p.Encoding, MinLower: &p.MinLower, MinUpper: &p.MinUpper, MinDigits: &p.MinDigits, MinSpecial: &p.MinSpecial,
		ExcludeCharacters: &p.ExcludeCharacters, FirstCharacter: &p.FirstCharacter, PatternRules: &p.PatternRules,
	}
	if p.SpecialCharacters != "" {
		overrides.SpecialCharacters = &p.SpecialCharacters
	}
	if p.MaxLength > 0 {
		overrides.MaxLength = &p.MaxLength
	}
	if p.MinEntropyBits > 0 {
		overrides.MinEntropyBits = &p.MinEntropyBits
	}
	return overrides
}

func defaultsOf(policies map[string]policy.Policy) rotationDefaults {
	var d rotationDefaults
	for _, key := range slices.Sorted(maps.Keys(policies)) {
		p := policies[key]
		if p.Rotation > 0 && (d.Interval == 0 || p.Rotation < d.Interval) {
			d.Interval = p.Rotation
		}
		d.Grace = max(d.Grace, p.Grace)
		d.NoEnd = d.NoEnd || p.GraceNeverEnds
		d.Supplied = d.Supplied || p.Supplied
		if p.Base == "database" || p.Base == "cache" {
			if key == "" {
				key = "the value"
			}
			d.Targets = append(d.Targets, key)
		}
	}
	return d
}

// schedule and grace are what the arguments say, or else the policies.
func (m secretRotationModel) schedule(d rotationDefaults) rotation.Schedule {
	interval := d.Interval
	if !m.RotationDays.IsNull() {
		interval = time.Duration(m.RotationDays.ValueInt64()) * day
	}
	return rotation.Schedule{Interval: interval, Lead: parsed(m.RotateBefore)}
}

func (m secretRotationModel) grace(d rotationDefaults) rotation.Grace {
	switch {
	case d.NoEnd:
		return rotation.Grace{Never: true}
	case m.GracePeriod.IsNull():
		return rotation.Grace{Period: d.Grace}
	}
	return rotation.Grace{Period: parsed(m.GracePeriod).Truncate(time.Second)}
}

// checkDates reports a lead time or a grace period that does not fit the interval.
func (m secretRotationModel) checkDates(d rotationDefaults, diags *diag.Diagnostics) (rotation.Schedule, rotation.Grace) {
	schedule, grace := m.schedule(d), m.grace(d)
	days := int(schedule.Interval / day)
	if schedule.Interval > 0 && schedule.Lead >= schedule.Interval {
		diags.AddAttributeError(path.Root("rotate_before"), "rotate_before is too long", fmt.Sprintf(
			"rotate_before = %q must be shorter than the rotation interval of %d days, or the value would be due as soon as it is made.", m.RotateBefore.ValueString(), days))
	}
	switch {
	case m.GracePeriod.IsNull():
		if schedule.Interval > 0 {
			grace.Period = min(grace.Period, schedule.Interval)
		}
	case d.NoEnd:
		diags.AddAttributeError(path.Root("grace_period"), "Grace period cannot end",
			"What a key of category \"encryption\" has encrypted must stay readable: its grace period never ends. Leave grace_period out.")
	case schedule.Interval > 0 && grace.Period > schedule.Interval:
		diags.AddAttributeError(path.Root("grace_period"), "grace_period is too long", fmt.Sprintf(
			"grace_period = %q must not be longer than the rotation interval of %d days: the next rotation ends it.", m.GracePeriod.ValueString(), days))
	}
	return schedule, grace
}

// checkRecords reports keys that two rotations would change, and too many
// rotations.
func (m secretRotationModel) checkRecords(v rotation.View, diags *diag.Diagnostics) {
	for _, key := range v.Keys {
		switch tag := v.NamedBy(key); {
		case tag == "" || tag == v.AskedBefore():
		case v.UnderWay(tag):
			diags.AddAttributeError(path.Root("keys"), "Key is being rotated", fmt.Sprintf(
				"The key %q of the secret %s is named by a rotation that is under way or was interrupted, whose record is the tag %q. If it is one of this resource with other keys: "+
					"take the change of keys back, apply, so that it is finished, and make the change again.", key, v.Secret.ARN, tag))
		default:
			diags.AddAttributeError(path.Root("keys"), "Key has another rotation", fmt.Sprintf(
				"The key %q of the secret %s is named by another rotation, whose record is the tag %q. A key can have one rotation. "+
					"If this one replaces it with create_before_destroy, change the keys in an apply of their own first. "+
					"If that one is gone for good, remove the tag:\n\n  aws secretsmanager untag-resource --secret-id %s --tag-keys %s",
				key, v.Secret.ARN, tag, v.Secret.ARN, tag))
		}
	}
	if whole := v.Others[rotation.RecordTag]; v.Record == nil && whole.Suffix != "" {
		for _, key := range v.Keys {
			if policy, known := v.Policies[key]; known && !policy.Policy.Supplied && !policy.Policy.GraceNeverEnds && v.NamedBy(key) == "" {
				addLeaving(v.Secret.ARN, key, whole.Suffix, diags)
			}
		}
	}
	if v.Record == nil && len(v.Others) >= rotation.MaxRecords {
		addTooManyRotations(v.Secret.ARN, len(v.Others)+1, diags)
	}
}

// addLeaving is for a key whose previous value is stored beside it, and would stay
// there for good if its rotation no longer had the key.
func addLeaving(arn, key, suffix string, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("keys"), "Previous value is still stored", fmt.Sprintf(
		"The key %q of the secret %s cannot go from one rotation to another yet: during a grace period that one keeps its previous value as %q. "+
			"Wait until the grace period is over and apply, or set grace_period = \"0s\" there and apply; then change the keys.", key, arn, key+suffix))
}

func addTooManyRotations(id string, count int, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("secret_id"), "Too many rotations", fmt.Sprintf(
		"With this one the secret %s has %d rotations, and at most %d are possible, since each keeps a record in a tag. Let one rotation have several keys.",
		id, count, rotation.MaxRecords))
}

// checkSuffix reports a name for previous values that is taken.
func (m secretRotationModel) checkSuffix(v rotation.View, policies map[string]policy.Policy, diags *diag.Diagnostics) {
	suffix := m.PreviousKeySuffix.ValueString()
	if suffix == "" {
		return
	}
	if _, whole := policies[""]; whole {
		diags.AddAttributeError(path.Root("previous_key_suffix"), "previous_key_suffix needs a JSON secret",
			"The secret is one string, which has no place for a second value. Consumers read the previous one as AWSPREVIOUS.")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(policies)) {
		if _, taken := v.Policies[key+suffix]; taken {
			addSuffixTaken(key, suffix, diags)
		}
	}
}

func addSuffixTaken(key, suffix string, diags *diag.Diagnostics) {
	diags.AddAttributeError(path.Root("previous_key_suffix"), "previous_key_suffix collides with a key", fmt.Sprintf(
		"With previous_key_suffix = %q the previous value of %q would be stored under %q, which is a key of its own. Choose another suffix.", suffix, key, key+suffix))
}

// diagnoseRotation turns an error of a rotation into a diagnostic.
func (d *providerData) diagnoseRotation(op, id string, err error) diag.Diagnostic {
	what := fmt.Sprintf("Cannot %s the secret %q", op, id)
	var rolledBack *rotation.RolledBackError
	var overdue *rotation.DueError
	switch {
	case errors.As(err, &rolledBack):
		text := "The new version of the secret was made current, and was not healthy: " + rolledBack.Cause.Error() + ".\n\nIt was rolled back:\n"
		for _, step := range rolledBack.Steps {
			text += "\n  - " + step
		}
		if rolledBack.Left != nil {
			text += "\n\nThat could not be completed. The next apply completes it.\n\n" + rolledBack.Left.Error()
		} else {
			text += "\n\nThe value before is valid as it was. The next apply makes another value and tries again."
		}
		return diag.NewErrorDiagnostic("Rotation failed its health check and was rolled back", text)
	case errors.As(err, &overdue):
		return overdueDiagnostic(id, overdue.Due, overdue.Supplied)
	case errors.Is(err, rotation.ErrSupplied):
		return diag.NewErrorDiagnostic("Supplied value cannot be rotated", what+
			": its value comes from outside and is never made up. Supply a new one in its roi_secret (value_wo with value_wo_version, or values_wo with values_wo_version).")
	case errors.Is(err, rotation.ErrLooksLikeJSON):
		return diag.NewAttributeErrorDiagnostic(path.Root("keys"), "Secret is a JSON object", what+": "+err.Error()+". Name keys. Nothing was changed.")
	}
	return d.diagnose(op, id, err)
}

func overdueDiagnostic(id string, due time.Time, supplied bool) diag.Diagnostic {
	next := "Apply with rotation = { overdue = \"replace\" } in the provider, or ROI_ROTATION_OVERDUE=replace, to rotate it; a destroy needs that as well."
	if supplied {
		next = "Its value comes from outside: supply a new one in its roi_secret."
	}
	return diag.NewErrorDiagnostic("Secret is overdue", fmt.Sprintf(
		"The value of %s has been overdue for rotation since %s, and the provider sets rotation.overdue = \"error\". %s", id, due.UTC().Format(time.RFC3339), next))
}
