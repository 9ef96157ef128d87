// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
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
	Damaged    bool      `json:"damaged,omitempty"` // the recorded policies cannot be read

	// The tags of ours and the labels, for other keys.
	Tags   map[string]string   `json:"tags,omitempty"`
	Labels map[string][]string `json:"labels,omitempty"`

	// What the arguments that are planned make of them.
	planned  rotation.View
	want     rotation.Plan
	problems diag.Diagnostics
	renewed  bool // all values are made anew by roi_secret
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

// view is what Read saw of the secret, with the keys that are planned.
func (f rotationFacts) view(plan, state secretRotationModel) (rotation.View, error) {
	arn, _, _ := strings.Cut(state.ID.ValueString(), ",")
	return rotation.Look(secretstore.Secret{ARN: arn, Tags: f.Tags, Labels: f.Labels}, plan.named())
}

// look returns the facts as they are for the arguments that are planned, and beside
// what is planned for the secret itself. What that changes of the value is filled in by
// the apply.
func (r *rotationResource) look(plan *secretRotationModel, state secretRotationModel, facts rotationFacts) rotationFacts {
	view, err := facts.view(*plan, state)
	if facts.Tags == nil || err != nil {
		return facts // nothing was looked at, or the apply says what is wrong
	}
	if before := rotation.TagKey(state.named()); !view.UnderWay(before) {
		view = view.Inherit(before)
		if !plan.Keys.Equal(state.Keys) {
			delete(view.Others, before)
		}
	}
	view, anew := r.planned(view, state.SecretID.ValueString(), facts.Looked)
	facts.want, facts.rotationDefaults = r.resolve(view, *plan, &facts.problems)
	facts.checkLeaving(state, view, &facts.problems)
	facts.planned, facts.renewed = view, anew == len(facts.want.Policies)
	facts.Damaged, facts.Problem = view.PolicyError != nil && plan.Category.IsNull(), problem(facts.problems)
	if anew > 0 {
		plan.VersionID, plan.PreviousVersionID, plan.Generation = types.StringUnknown(), types.StringUnknown(), types.Int64Unknown()
		plan.RotatedAt, plan.PreviousRetired = types.StringUnknown(), types.BoolUnknown()
	}
	return facts
}

// planned is what a rotation will see of a secret whose roi_secret is changed in the
// same apply: keys that are being added to it, and policies where there were none.
// anew is how many of the values of the rotation are among those that it makes.
func (r *rotationResource) planned(v rotation.View, id string, now time.Time) (view rotation.View, anew int) {
	planned, ok := r.data.secrets.plans(secretName(id))
	if !ok {
		return v, 0
	}
	v = v.WithPolicies(planned.policies, now)
	keys := v.Concerned()
	if !v.JSON {
		keys = []string{""}
	}
	for _, key := range keys {
		if slices.Contains(planned.written, key) {
			anew++
		}
	}
	return v, anew
}

// checkLeaving reports a key that is taken from the rotation while its previous value
// is stored beside it.
func (f rotationFacts) checkLeaving(state secretRotationModel, after rotation.View, diags *diag.Diagnostics) {
	before, err := f.view(state, state)
	if err != nil || before.Record == nil || before.Record.Suffix == "" {
		return
	}
	for _, key := range before.Concerned() {
		if _, there := after.Policies[key]; there && !slices.Contains(after.Concerned(), key) {
			addLeaving(before.Secret.ARN, key, before.Record.Suffix, diags)
		}
	}
}

// retires reports whether the version before is to lose AWSPREVIOUS: its grace
// period is over, and that of every other rotation that needs it.
func (f rotationFacts) retires(plan secretRotationModel) bool {
	return !f.Damaged && plan.GraceOver.ValueBool() && !plan.PreviousRetired.ValueBool() && !f.Always && !f.Needed.After(f.Looked)
}

// afterDue says what the first plan after the due date does.
func (f rotationFacts) afterDue(mode string) string {
	switch {
	case f.Supplied:
		return "It comes from outside and is never made up: supply a new one in its roi_secret."
	case mode == overdueWarn:
		return "Every plan after that warns of it, because the provider sets rotation.overdue = \"warn\"."
	case mode == overdueError:
		return "Every plan after that fails, because the provider sets rotation.overdue = \"error\"."
	}
	return "The first plan after that replaces it."
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

// problem is the first error of several, in one text, or "".
func problem(diags diag.Diagnostics) string {
	if !diags.HasError() {
		return ""
	}
	return diags.Errors()[0].Summary() + ". " + diags.Errors()[0].Detail()
}
