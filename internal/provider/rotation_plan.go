// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Where private state keeps what a plan needs and must not be in state.
const (
	rotationMarkKey  = "plan"
	rotationFactsKey = "facts"
	// A create that failed leaves the state of before. Read must not bring it up
	// to date: what the delete of its replacement then finds in the secret shows
	// whether that create has rotated after all.
	rotationFailedKey = "failed"
	// The tag of the record that a create has planned to write, for the delete before it.
	rotationTagKey = "tag"
	// What tells the resource from others of the same keys, whose address a provider
	// is not told. It stays the same from plan to plan.
	rotationResourceKey = "resource"
)

// A mark tells Delete which plan it carries out: Terraform hands it the private
// data of the plan, of the create leg for a replacement, and of a destroy plan for
// everything else.
const (
	markCreate  = "create"  // also the create leg of a replacement
	markElse    = "moved"   // a create leg, because the secret is another one
	markUpdate  = "update"  // a change in place, or the first leg of a replacement
	markDestroy = "destroy" // removed for good, or a deposed object
)

func (r *rotationResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config secretRotationModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if config.Category.IsNull() {
		policyOnly := config.policyArguments
		policyOnly.RotationDays, policyOnly.GracePeriod = types.Int64Null(), types.StringNull()
		if name := policyOnly.setArgument(); name != "" {
			resp.Diagnostics.AddAttributeError(path.Root(name), name+" needs category", name+
				" is a part of a policy, and a secret made by roi_secret carries its policy itself: change it there. Here it is only for a secret made by other means, beside category.")
		}
	}
	if isKnown(config.RotationDays) && !config.RotateBefore.IsUnknown() && !config.GracePeriod.IsUnknown() {
		config.checkDates(rotationDefaults{}, &resp.Diagnostics)
	}
	config.checkDeadlines(ctx, &resp.Diagnostics)
	if !isKnown(config.Keys) || firstUnknown(config.Keys, "") != "" {
		return
	}
	keys := config.named()
	if err := rotation.CheckKeys(keys, config.PreviousKeySuffix.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("keys"), "Keys cannot be recorded", "The keys of the rotation are recorded in a tag of the secret. "+sentence(err))
	}
	for _, key := range keys {
		if suffix := config.PreviousKeySuffix.ValueString(); suffix != "" && slices.Contains(keys, key+suffix) {
			addSuffixTaken(key, suffix, &resp.Diagnostics)
		}
	}
}

// checkDeadlines reports health checks that may take all the time of a rotation:
// none would be left for what comes after them.
func (m secretRotationModel) checkDeadlines(ctx context.Context, diags *diag.Diagnostics) {
	var models []healthCheckModel
	if !isKnown(m.HealthCheck) || m.Timeouts.IsUnknown() || m.HealthCheck.ElementsAs(ctx, &models, false).HasError() {
		return
	}
	limit, problems := m.Timeouts.Create(ctx, defaultRotationTimeout)
	var sum time.Duration
	for _, model := range models {
		if model.Deadline.IsNull() {
			model.Deadline = types.StringValue(defaultDeadline)
		}
		sum += parsed(model.Deadline)
	}
	if !problems.HasError() && sum >= limit {
		diags.AddAttributeError(path.Root("health_check"), "Health checks may take too long", fmt.Sprintf(
			"The deadlines of the health checks are %s in sum, and a rotation has %s for all of it. Shorten them, or raise timeouts.create.", sum, limit))
	}
}

// sentence makes an error the beginning of one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func (r *rotationResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationMarkKey, jsonString(markDestroy))...)
		return
	}
	var plan secretRotationModel
	var state *secretRotationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	before, _ := req.Private.GetKey(ctx, rotationMarkKey)
	mark := markCreate
	switch {
	case state != nil && !sameSecret(plan.SecretID, *state):
		mark = markElse
	case state != nil:
		mark = markUpdate
	case string(before) == string(jsonString(markElse)):
		mark = markElse
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationMarkKey, jsonString(mark))...)
	tag := ""
	if firstUnknown(plan.Keys, "") == "" {
		tag = rotation.TagKey(plan.named())
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationTagKey, jsonString(tag))...)
	r.claim(ctx, plan, state == nil && before == nil, req.Private, resp)
	switch {
	case r.data == nil:
	case state == nil:
		// Terraform shows no warnings of the second leg of a replacement, so that one
		// which was asked for by hand cannot be told from here.
		if before == nil {
			r.planCreate(ctx, plan, &resp.Diagnostics)
		}
	case mark == markElse:
		resp.RequiresReplace = append(resp.RequiresReplace, path.Root("secret_id"))
	default:
		facts, ok := factsIn(ctx, req.Private)
		if !ok {
			return // nothing was looked at: what is to change is unknown
		}
		resp.RequiresReplace = append(resp.RequiresReplace, r.planChange(&plan, *state, facts, &resp.Diagnostics)...)
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
}

// claim reports keys that another resource of the configuration rotates too. isNew
// is for one that has no state, nor a leg of a replacement that was planned before.
func (r *rotationResource) claim(ctx context.Context, plan secretRotationModel, isNew bool, private interface {
	GetKey(context.Context, string) ([]byte, diag.Diagnostics)
}, resp *resource.ModifyPlanResponse) {
	self, _ := private.GetKey(ctx, rotationResourceKey)
	if self == nil && isNew {
		self = jsonString(uuid.NewString())
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationResourceKey, self)...)
	}
	if r.data == nil || !r.data.plansOnce() || self == nil || plan.SecretID.IsUnknown() || firstUnknown(plan.Keys, "") != "" {
		return
	}
	id := plan.SecretID.ValueString()
	key, taken := r.data.rotations.claim(id, string(self), plan.named())
	switch {
	case taken && key != "":
		resp.Diagnostics.AddAttributeError(path.Root("keys"), "Key has another rotation", fmt.Sprintf(
			"The key %q of the secret %s is in the keys of another roi_secret_rotation of this configuration too. A key can have one rotation: take it out of one of them.", key, id))
	case taken:
		resp.Diagnostics.AddAttributeError(path.Root("secret_id"), "Secret has another rotation", fmt.Sprintf(
			"Another roi_secret_rotation of this configuration is for the secret %s too, and neither names keys. Remove one of them, or name the keys of each.", id))
	}
}

// sameSecret reports whether an id means the secret of a state: a name and an ARN
// can mean the same one.
func sameSecret(id types.String, state secretRotationModel) bool {
	if id.IsUnknown() {
		return false
	}
	arn, _, _ := strings.Cut(state.ID.ValueString(), ",")
	return id.Equal(state.SecretID) || id.ValueString() == arn || arn != "" && id.ValueString() == secretName(arn)
}

// planCreate says what is wrong with a new rotation, and whether it will rotate.
// Nothing of that is a planned value, since the secret decides in the apply.
func (r *rotationResource) planCreate(ctx context.Context, plan secretRotationModel, diags *diag.Diagnostics) {
	id := plan.SecretID.ValueString()
	if plan.SecretID.IsUnknown() || firstUnknown(plan.Keys, "") != "" || firstUnknown(plan.Triggers, "") != "" || plan.Category.IsUnknown() ||
		plan.RotateBefore.IsUnknown() || plan.PreviousKeySuffix.IsUnknown() || plan.unknownArgument() != "" {
		return
	}
	if _, deleted := r.data.rotations.wasDeleted(identify(id, plan.named())); deleted {
		return // the other half of a replacement, which was planned already
	}
	var unknown *unknownArgumentError
	store, err := r.data.Store(ctx)
	if err == nil {
		_, err = r.data.Rotation()
	}
	if errors.As(err, &unknown) {
		return
	}
	if err != nil {
		diags.Append(r.data.diagnose("plan the rotation of", id, err))
		return
	}
	secret, err := describeKnown(ctx, store, id)
	if errors.Is(err, secretstore.ErrNotFound) || err == nil && !secret.DeletedAt.IsZero() {
		return // it may be made, or restored, in the same apply
	}
	if err != nil {
		diags.Append(r.data.diagnose("plan the rotation of", id, err))
		return
	}
	view, err := rotation.Look(secret, plan.named())
	if err == nil {
		err = view.CheckManaged()
	}
	if err != nil {
		diags.Append(r.data.diagnose("plan the rotation of", id, err))
		return
	}
	view, _ = r.planned(view, id, r.data.Clock().Now())
	want, defaults := r.resolve(view, plan, diags)
	tags := slices.AppendSeq(r.data.rotations.tags(id), maps.Keys(view.Others))
	slices.Sort(tags)
	if count := len(slices.Compact(tags)); count > rotation.MaxRecords && len(view.Others) < rotation.MaxRecords {
		addTooManyRotations(secret.ARN, count, diags)
	}
	if diags.HasError() {
		return
	}
	state, err := r.rotator(ctx, store, plan).State(ctx, view)
	if err != nil {
		diags.Append(r.data.diagnose("plan the rotation of", id, err))
		return
	}
	decision, err := rotation.Decide(view, want.Want, state.Made, r.data.Clock().Now())
	if looked, problem := r.looked(); err == nil && problem == nil && decision.Action != rotation.Adopt && want.Overdue == overdueError && want.Schedule.Overdue(state.Made, looked) {
		err = &rotation.DueError{ARN: secret.ARN, Due: want.Schedule.Due(state.Made)}
	}
	switch {
	case err != nil:
		diags.Append(r.data.diagnoseRotation("rotate", id, err))
	case decision.Action != rotation.Adopt:
		warnRotation(id, decision.Reason, want.Grace, defaults.Targets, diags)
	case decision.Overdue:
		warnOverdue(id, want.Schedule.Due(state.Made), defaults.Supplied, diags)
	}
}

// planChange plans the change of a rotation from a state, and returns the
// attributes because of which it has to be replaced, which is to rotate.
func (r *rotationResource) planChange(plan *secretRotationModel, state secretRotationModel, facts rotationFacts, diags *diag.Diagnostics) path.Paths {
	settings, err := r.data.Rotation()
	if err != nil {
		settings = rotationSettings{Overdue: overdueReplace}
		facts.Looked = time.Time{} // what is due is judged when the provider is known
	}
	id := state.ID.ValueString()
	plan.keepState(state)
	var replace path.Paths
	reason := ""
	because := func(at path.Path, why string) {
		replace = append(replace, at)
		if reason == "" {
			reason = why
		}
	}
	if facts.Unfinished && settings.Overdue != overdueWarn {
		because(path.Root("overdue"), "an earlier rotation of it was interrupted or failed")
	}
	if plan.triggersChanged(state, facts) {
		because(path.Root("triggers"), "its triggers changed")
	}
	unknown := plan.unknownDate()
	switch {
	case unknown == "":
		if err == nil {
			facts = r.look(plan, state, facts)
		}
		r.planDates(plan, state, settings, facts, because, diags)
	case len(replace) == 0:
		diags.AddAttributeError(path.Root(unknown), unknown+" is not known yet", fmt.Sprintf(
			"Whether the value of %s is due depends on %s, which comes from something that is itself yet to be applied. "+
				"Apply that first, with -target, or write the value down.", id, unknown))
		return nil
	default:
		plan.RotationDueAt, plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.StringUnknown(), types.BoolUnknown()
	}
	if facts.Unfinished && settings.Overdue != overdueWarn {
		plan.Overdue = types.BoolUnknown()
	}
	switch {
	case len(replace) > 0:
		facts.checkRotation(id, diags)
		warnRotation(id, reason, plan.grace(facts.rotationDefaults), facts.Targets, diags)
		return replace
	case facts.Problem != "":
		diags.AddWarning("Secret cannot be rotated", fmt.Sprintf("A new value of %s cannot be made when it is due.\n\n%s", id, facts.Problem))
	}
	if facts.retires(*plan) {
		plan.PreviousRetired = types.BoolUnknown()
	}
	return nil
}

// planDates plans what follows from the dates of a value; because is told that it
// has to be replaced.
func (r *rotationResource) planDates(plan *secretRotationModel, state secretRotationModel, settings rotationSettings, facts rotationFacts, because func(path.Path, string), diags *diag.Diagnostics) {
	id := state.ID.ValueString()
	schedule, grace := plan.checkDates(facts.rotationDefaults, diags)
	due := schedule.Due(state.rotatedAt())
	switch {
	case plan.VersionID.IsUnknown():
		plan.RotationDueAt, plan.Overdue = types.StringUnknown(), types.BoolUnknown()
		plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.BoolUnknown()
		if facts.renewed {
			return
		}
		if schedule.Overdue(state.rotatedAt(), facts.Looked) && !facts.Looked.IsZero() {
			plan.Overdue = types.BoolValue(true)
		}
	case !plan.Keys.Equal(state.Keys):
		due = facts.planKeys(plan, diags)
	default:
		plan.setDue(schedule, facts.Looked)
		plan.setGrace(grace, facts.Looked)
		if !plan.PreviousKeySuffix.Equal(state.PreviousKeySuffix) {
			plan.checkNewSuffix(state, facts, diags)
		}
	}
	switch {
	case facts.Damaged: // nothing says how long it is
		plan.GraceEndsAt, plan.GraceOver = state.GraceEndsAt, state.GraceOver
	case plan.GracePeriod.IsUnknown():
		plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.BoolUnknown()
		if !plan.PreviousRetired.ValueBool() {
			plan.PreviousRetired = types.BoolUnknown()
		}
	}
	if plan.Overdue.ValueBool() {
		switch {
		case settings.Overdue == overdueError:
			diags.Append(overdueDiagnostic(id, due, facts.Supplied))
		case settings.Overdue == overdueWarn || facts.Supplied:
			warnOverdue(id, due, facts.Supplied, diags)
		default:
			plan.Overdue = types.BoolUnknown()
			because(path.Root("overdue"), "it has been due since "+due.Format(time.RFC3339))
		}
		return
	}
	if !due.IsZero() && !facts.Looked.IsZero() && !facts.Looked.Before(due.Add(-settings.WarnBefore)) && settings.WarnBefore > 0 {
		diags.AddWarning("Secret is due soon", fmt.Sprintf(
			"The value of %s is due for rotation at %s. %s", id, due.Format(time.RFC3339), facts.afterDue(settings.Overdue)))
	}
}

// keepState carries over what only the secret can change.
func (m *secretRotationModel) keepState(state secretRotationModel) {
	arn, _, _ := strings.Cut(state.ID.ValueString(), ",")
	m.ID = types.StringValue(rotationImportID(arn, m.named()))
	m.VersionID, m.PreviousVersionID, m.Generation = state.VersionID, state.PreviousVersionID, state.Generation
	m.RotatedAt, m.PreviousRetired = state.RotatedAt, state.PreviousRetired
}

// unknownDate returns the argument because of which it is not known whether the
// value is due, or "". Such a plan could not say what the apply does.
func (m secretRotationModel) unknownDate() string {
	switch {
	case m.RotationDays.IsUnknown():
		return "rotation_days"
	case m.RotateBefore.IsUnknown():
		return "rotate_before"
	case firstUnknown(m.Keys, "") != "":
		return "keys"
	}
	return ""
}

// triggersChanged reports whether triggers ask for a rotation. After an import the
// state has none, and the record decides.
func (m secretRotationModel) triggersChanged(state secretRotationModel, facts rotationFacts) bool {
	switch {
	case m.Triggers.Equal(state.Triggers), len(m.Triggers.Elements()) == 0 && len(state.Triggers.Elements()) == 0 && !m.Triggers.IsUnknown():
		return false
	case firstUnknown(m.Triggers, "") != "":
		return true
	case facts.HasRecord:
		return m.fingerprint() != facts.Triggers
	}
	return !state.Triggers.IsNull()
}

// planKeys plans a change of the keys, and returns when their values are due. It
// changes no value, unless that is past: then Overdue is set. Other dates are
// filled in by the apply.
func (f rotationFacts) planKeys(plan *secretRotationModel, diags *diag.Diagnostics) time.Time {
	plan.RotatedAt, plan.RotationDueAt, plan.Overdue = types.StringUnknown(), types.StringUnknown(), types.BoolUnknown()
	plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.BoolUnknown()
	diags.Append(f.problems...)
	made := f.planned.State().Made
	if made.IsZero() {
		return made // nothing was looked at
	}
	if f.want.Schedule.Overdue(made, f.Looked) && !f.Looked.IsZero() {
		plan.Overdue = types.BoolValue(true)
	}
	return f.want.Schedule.Due(made)
}

func warnRotation(id, reason string, grace rotation.Grace, targets []string, diags *diag.Diagnostics) {
	text := fmt.Sprintf("The apply gives %s a new value, because %s. ", id, reason)
	if grace == (rotation.Grace{}) {
		text += fmt.Sprintf("It has no grace period: the present one loses %s at once, unless another rotation of the secret needs it.", secretstore.Previous)
	} else {
		text += fmt.Sprintf("The present one stays readable as %s for its grace period.", secretstore.Previous)
	}
	diags.AddWarning("Secret will be rotated", text)
	if len(targets) > 0 {
		diags.AddWarning("Target must take over the new value", fmt.Sprintf(
			"%s of %s is a database or cache password. The server must be given the new one in the same apply, or clients that read it can no longer log in.",
			strings.Join(targets, ", "), id))
	}
}

func warnOverdue(id string, due time.Time, supplied bool, diags *diag.Diagnostics) {
	text := fmt.Sprintf("The value of %s has been overdue for rotation since %s. ", id, due.UTC().Format(time.RFC3339))
	if supplied {
		text += "It comes from outside and is never made up: supply a new one in its roi_secret."
	} else {
		text += "Nothing is planned, because the provider sets rotation.overdue = \"warn\"."
	}
	diags.AddWarning("Secret is overdue", text)
}

// checkNewSuffix checks a suffix that is changed in place.
func (m secretRotationModel) checkNewSuffix(state secretRotationModel, facts rotationFacts, diags *diag.Diagnostics) {
	view, err := facts.view(m, state)
	if facts.Tags == nil || err != nil {
		return // nothing was looked at, or the apply says what is wrong
	}
	policies := map[string]policy.Policy{}
	if !view.JSON {
		policies[""] = policy.Policy{} // one string
	}
	for _, key := range view.Concerned() {
		policies[key] = view.Policies[key].Policy
	}
	m.checkSuffix(view, policies, diags)
}
