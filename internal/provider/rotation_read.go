// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func (r *rotationResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state secretRotationModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.SecretID.ValueString()
	if arn, _, _ := strings.Cut(state.ID.ValueString(), ","); arn != "" {
		id = arn
	}
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	view, found, err := r.read(ctx, store, id, state)
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	if !found {
		resp.State.RemoveResource(ctx)
		return
	}
	if view.Unreadable != nil {
		resp.Diagnostics.AddWarning("Record of a rotation cannot be read", fmt.Sprintf(
			"A tag of the secret %s does not hold what this provider wrote there. If it is the one of this rotation, the next change writes it anew. "+
				"As long as it is there, the previous version keeps %s.\n\n%s", id, secretstore.Previous, view.Unreadable))
	}
	failed, diags := req.Private.GetKey(ctx, rotationFailedKey)
	resp.Diagnostics.Append(diags...)
	known := rotation.State{ARN: view.Secret.ARN}
	if failed == nil {
		known, err = r.known(ctx, store, view, state)
	}
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	looked, err := r.looked()
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	var problems diag.Diagnostics
	_, defaults := r.resolve(view, state, &problems)
	facts := rotationFacts{rotationDefaults: defaults, Looked: looked, Unfinished: view.Unfinished() || failed != nil}
	if view.Record != nil {
		facts.HasRecord, facts.Triggers = true, view.Record.Triggers
	}
	facts.Needed, facts.Always = view.NeededUntil(known.Previous)
	facts.Damaged = view.PolicyError != nil && state.Category.IsNull()
	facts.Tags, facts.Labels = map[string]string{}, view.Secret.Labels
	for key, text := range view.Secret.Tags {
		if rotation.IsTag(key) || policy.IsRecordTag(key) {
			facts.Tags[key] = text
		}
	}
	var foreign *secretstore.ForeignRotationError
	if errors.As(view.CheckForeign(), &foreign) {
		facts.Foreign = foreign.By
	}
	facts.Problem = problem(problems)
	resp.Diagnostics.Append(facts.keep(ctx, resp.Private)...)
	if self, _ := req.Private.GetKey(ctx, rotationResourceKey); self == nil {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationResourceKey, jsonString(uuid.NewString()))...)
	}
	if failed == nil {
		state.setState(known, state.schedule(defaults), looked)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// read describes the secret. An answer that shows the version before the one in
// state may be out of date, and is not believed at once.
func (r *rotationResource) read(ctx context.Context, store secretstore.Store, id string, state secretRotationModel) (rotation.View, bool, error) {
	made := types.StringNull()
	if !state.Generation.IsNull() {
		made = timestamp(state.changedAt())
	}
	secret, found, err := r.data.describe(ctx, store, id, made)
	if err != nil || !found || !secret.DeletedAt.IsZero() {
		return rotation.View{}, false, err
	}
	for patience := settleTime; ; patience -= settleStep {
		view, err := rotation.Look(secret, state.named())
		stale := !state.PreviousVersionID.IsNull() && view.State().Version == state.PreviousVersionID.ValueString()
		if err != nil || !stale || patience <= 0 {
			return view, true, err
		}
		if err := sleep(ctx, settleStep); err != nil {
			return view, false, err
		}
		if secret, err = store.Describe(ctx, id); err != nil {
			return view, false, err
		}
	}
}

// known is what a View tells of the value. Where it does not tell when a version
// was made, the state may.
func (r *rotationResource) known(ctx context.Context, store secretstore.Store, view rotation.View, state secretRotationModel) (rotation.State, error) {
	s := view.State()
	switch {
	case s.Version == "":
		return s, nil
	case s.Changed.IsZero() && s.Version == state.VersionID.ValueString():
		s.Changed, s.Made = state.changedAt(), state.rotatedAt()
	case view.JSON && !s.Changed.IsZero() && s.Changed.Equal(state.changedAt()):
		// Which version a key was made anew in is not recorded: it was the current
		// one when that was first seen.
		s.Version = state.VersionID.ValueString()
	}
	if !s.Changed.IsZero() {
		return s, nil
	}
	return r.rotator(ctx, store, state).State(ctx, view)
}
