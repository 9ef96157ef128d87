// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

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

// rotationFacts are what Read saw of a secret, for the plans that follow. A plan
// is made twice, once more in the apply, and has to give the same answer: it
// looks neither at the clock nor at the secret.
type rotationFacts struct {
	rotationDefaults

	Looked     time.Time `json:"looked"` // the present, or plan_as_of
	HasRecord  bool      `json:"has_record"`
	Triggers   string    `json:"triggers"`          // fingerprint in the record
	Unfinished bool      `json:"unfinished"`        // a rotation was interrupted or failed
	Needed     time.Time `json:"needed"`            // until then other rotations need AWSPREVIOUS where it is
	Always     bool      `json:"always"`            // for good
	Foreign    string    `json:"foreign,omitempty"` // who else rotates it
	Problem    string    `json:"problem,omitempty"` // why it cannot be rotated
}

// keep writes the facts into private data, and factsIn reads them; ok is false when
// there are none.
func (f rotationFacts) keep(ctx context.Context, private interface {
	SetKey(context.Context, string, []byte) diag.Diagnostics
}) diag.Diagnostics {
	text, err := json.Marshal(f)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Facts cannot be kept", err.Error())}
	}
	return private.SetKey(ctx, rotationFactsKey, text)
}

func factsIn(ctx context.Context, private interface {
	GetKey(context.Context, string) ([]byte, diag.Diagnostics)
}) (facts rotationFacts, ok bool) {
	text, _ := private.GetKey(ctx, rotationFactsKey)
	return facts, text != nil && json.Unmarshal(text, &facts) == nil
}

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
	if !isKnown(config.Keys) || firstUnknown(config.Keys, "") != "" {
		return
	}
	keys := config.named()
	if err := rotation.CheckKeys(keys); err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("keys"), "Keys cannot be recorded", "The keys of the rotation are recorded in a tag of the secret. "+sentence(err))
	}
	for _, key := range keys {
		if suffix := config.PreviousKeySuffix.ValueString(); suffix != "" && slices.Contains(keys, key+suffix) {
			addSuffixTaken(key, suffix, &resp.Diagnostics)
		}
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
	switch {
	case r.data == nil:
	case state == nil:
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
		resp.RequiresReplace = append(resp.RequiresReplace, r.planChange(ctx, &plan, *state, facts, &resp.Diagnostics)...)
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
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
	want, defaults := r.resolve(view, plan, diags)
	if diags.HasError() {
		return
	}
	state, err := r.rotator(ctx, store, plan).State(ctx, view)
	if err != nil {
		diags.Append(r.data.diagnose("plan the rotation of", id, err))
		return
	}
	decision, err := rotation.Decide(view, want.Want, state.Made, r.data.Clock().Now())
	switch {
	case err != nil:
		diags.Append(r.data.diagnoseRotation("rotate", id, err))
	case decision.Action != rotation.Adopt:
		warnRotation(id, decision.Reason, defaults, diags)
	case decision.Overdue:
		warnOverdue(id, want.Schedule.Due(state.Made), defaults.Supplied, diags)
	}
}

// planChange plans the change of a rotation from a state, and returns the
// attributes because of which it has to be replaced, which is to rotate.
func (r *rotationResource) planChange(ctx context.Context, plan *secretRotationModel, state secretRotationModel, facts rotationFacts, diags *diag.Diagnostics) path.Paths {
	settings, err := r.data.Rotation()
	if err != nil {
		settings = rotationSettings{Overdue: overdueReplace}
		facts.Looked = time.Time{} // what is due is judged when the provider is known
	}
	id := state.ID.ValueString()
	plan.keepState(state)
	if plan.scheduleUnknown() {
		plan.RotationDueAt, plan.Overdue, plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.BoolUnknown(), types.StringUnknown(), types.BoolUnknown()
		return nil
	}
	schedule, grace := plan.checkDates(facts.rotationDefaults, diags)
	plan.setDue(schedule, facts.Looked)
	plan.setGrace(grace, facts.Looked)
	if !plan.Keys.Equal(state.Keys) {
		r.planKeys(ctx, plan, state, diags)
	}

	var replace path.Paths
	reason := ""
	because := func(at path.Path, why string) {
		replace = append(replace, at)
		if reason == "" {
			reason = why
		}
	}
	due := schedule.Due(plan.rotatedAt())
	if facts.Unfinished && settings.Overdue != overdueWarn {
		plan.Overdue = types.BoolUnknown()
		because(path.Root("overdue"), "an earlier rotation of it was interrupted or failed")
	}
	if plan.triggersChanged(state, facts) {
		because(path.Root("triggers"), "its triggers changed")
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
	} else if !due.IsZero() && !facts.Looked.IsZero() && !facts.Looked.Before(due.Add(-settings.WarnBefore)) && settings.WarnBefore > 0 {
		diags.AddWarning("Secret is due soon", fmt.Sprintf(
			"The value of %s is due for rotation at %s. The first plan after that replaces it.", id, due.Format(time.RFC3339)))
	}
	if len(replace) > 0 {
		facts.checkRotation(id, diags)
		warnRotation(id, reason, facts.rotationDefaults, diags)
		return replace
	}
	if facts.retires(*plan) {
		plan.PreviousRetired = types.BoolUnknown()
	}
	return nil
}

// keepState carries over what only the secret can change.
func (m *secretRotationModel) keepState(state secretRotationModel) {
	arn, _, _ := strings.Cut(state.ID.ValueString(), ",")
	m.ID = types.StringValue(rotationImportID(arn, m.named()))
	m.VersionID, m.PreviousVersionID, m.Generation = state.VersionID, state.PreviousVersionID, state.Generation
	m.RotatedAt, m.PreviousRetired = state.RotatedAt, state.PreviousRetired
}

func (m secretRotationModel) scheduleUnknown() bool {
	return m.RotationDays.IsUnknown() || m.RotateBefore.IsUnknown() || m.GracePeriod.IsUnknown() || firstUnknown(m.Keys, "") != ""
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

// planKeys plans a change of the keys: it changes no value, but dates may differ.
func (r *rotationResource) planKeys(ctx context.Context, plan *secretRotationModel, state secretRotationModel, diags *diag.Diagnostics) {
	plan.RotatedAt, plan.RotationDueAt, plan.Overdue = types.StringUnknown(), types.StringUnknown(), types.BoolUnknown()
	plan.GraceEndsAt, plan.GraceOver = types.StringUnknown(), types.BoolUnknown()
	store, err := r.data.Store(ctx)
	if err != nil {
		return // the apply says so
	}
	secret, err := describeKnown(ctx, store, state.SecretID.ValueString())
	if err != nil {
		return
	}
	view, err := rotation.Look(secret, plan.named())
	if err != nil {
		return
	}
	delete(view.Others, rotation.TagKey(state.named()))
	r.resolve(view, *plan, diags)
}

// retires reports whether the version before is to lose AWSPREVIOUS: its grace
// period is over, and that of every other rotation that needs it.
func (f rotationFacts) retires(plan secretRotationModel) bool {
	return plan.GraceOver.ValueBool() && !plan.PreviousRetired.ValueBool() && !f.Always && !f.Needed.After(f.Looked)
}

// checkRotation reports why a value that is to be rotated cannot be.
func (f rotationFacts) checkRotation(id string, diags *diag.Diagnostics) {
	switch {
	case f.Foreign != "":
		diags.AddError("Secret is changed by someone else", fmt.Sprintf(
			"The rotation of %s would collide: the secret is %s. Nothing was changed.\n\nLet that finish or switch it off, then plan again.", id, f.Foreign))
	case f.Problem != "":
		diags.AddError("Secret cannot be rotated", fmt.Sprintf("A new value of %s cannot be made.\n\n%s", id, f.Problem))
	case f.Supplied:
		diags.AddError("Supplied value cannot be rotated", fmt.Sprintf(
			"The value of %s comes from outside and is never made up. Supply a new one in its roi_secret (value_wo with value_wo_version, or values_wo with values_wo_version).", id))
	}
}

func warnRotation(id, reason string, defaults rotationDefaults, diags *diag.Diagnostics) {
	diags.AddWarning("Secret will be rotated", fmt.Sprintf("The apply gives %s a new value, because %s. The present one stays readable as %s for its grace period.",
		id, reason, secretstore.Previous))
	if len(defaults.Targets) > 0 {
		diags.AddWarning("Target must take over the new value", fmt.Sprintf(
			"%s of %s is a database or cache password. The server must be given the new one in the same apply, or clients that read it can no longer log in.",
			strings.Join(defaults.Targets, ", "), id))
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
