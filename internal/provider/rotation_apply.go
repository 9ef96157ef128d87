// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func (r *rotationResource) rotator(ctx context.Context, store secretstore.Store, m secretRotationModel) rotation.Rotator {
	rotator := rotation.Rotator{
		Store: store,
		Clock: r.data.Clock(),
		Sleep: sleep,
		Step: func(ctx context.Context, step, version string) {
			tflog.Info(ctx, "rotation: "+step, map[string]any{"secret_id": m.SecretID.ValueString(), "version_id": version})
		},
	}
	if checks := m.checks(ctx); len(checks) > 0 {
		rotator.Check = func(ctx context.Context) error {
			return rotation.Checker{Clock: r.data.Clock(), Sleep: sleep}.Run(ctx, checks)
		}
	}
	return rotator
}

// looked is the time that dates are compared with.
func (r *rotationResource) looked() (time.Time, error) {
	settings, err := r.data.Rotation()
	if err != nil || !settings.PlanAsOf.IsZero() {
		return settings.PlanAsOf, err
	}
	return r.data.Clock().Now(), nil
}

// How long an apply waits for another rotation of the secret that was interrupted:
// its repair is in the same apply, and may come later.
const (
	repairTime = 30 * time.Second
	repairStep = 2 * time.Second
)

// alone does something while nobody else in this process changes the secret. It is
// tried again as long as the current version is one that another rotation has not
// checked: it would be copied, and outlive its rollback.
func (r *rotationResource) alone(ctx context.Context, id string, do func() error) error {
	for patience := repairTime; ; patience -= repairStep {
		unlock, err := r.data.rotations.lock(ctx, id)
		if err != nil {
			return err
		}
		err = do()
		unlock()
		var unchecked *rotation.UncheckedError
		if !errors.As(err, &unchecked) || patience <= 0 {
			return err
		}
		if err := sleep(ctx, repairStep); err != nil {
			return err
		}
	}
}

// errTakeOver stops a run that first has to take over a record of other keys.
var errTakeOver = errors.New("the record is under the tag of other keys")

// earlierRecord returns the tag of the record that a replacement with other keys
// has to take over, or "".
func earlierRecord(v rotation.View, left deletedRotation) string {
	if _, there := v.Others[left.tag]; there && v.Record == nil {
		return left.tag
	}
	return v.AskedBefore()
}

// seenBy reports whether a description is from after the delete: a store may
// answer from before it. Anything but the record that the delete found is newer.
func (d deletedRotation) seenBy(v rotation.View) bool {
	record := v.Record
	if other, there := v.Others[d.tag]; record == nil && there {
		record = &other
	}
	return d.asked == nil || record != nil && (record.Phase != rotation.Settled || record.Current != d.asked.Current)
}

// errDiagnosed stands for an error that is among the diagnostics already.
var errDiagnosed = errors.New("see the diagnostics")

func (r *rotationResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan secretRotationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := plan.Timeouts.Create(ctx, defaultRotationTimeout)
	resp.Diagnostics.Append(diags...)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, facts, err := r.create(limited, plan, &resp.Diagnostics)
	state := out.State
	if err != nil {
		if !errors.Is(err, errDiagnosed) {
			resp.Diagnostics.Append(r.data.diagnoseRotation("rotate", plan.SecretID.ValueString(), err))
		}
		// The state is returned with the error: the retry is then a replacement,
		// and what depends on this resource follows it. A state without a version
		// says that there was nothing to rotate, so that the retry does not.
		state = rotation.State{ARN: plan.SecretID.ValueString()}
		if out.Action != "" && out.Action != rotation.Adopt {
			state = out.Before
		}
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationFailedKey, []byte("true"))...)
	}
	resp.Diagnostics.Append(r.publishCreate(ctx, plan, out, err)...)
	plan.setState(state, plan.schedule(facts.rotationDefaults), facts.Looked)
	resp.Diagnostics.Append(facts.keep(ctx, resp.Private)...)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, rotationResourceKey, jsonString(uuid.NewString()))...)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *rotationResource) create(ctx context.Context, plan secretRotationModel, diags *diag.Diagnostics) (out rotation.Outcome, facts rotationFacts, err error) {
	id, keys := plan.SecretID.ValueString(), plan.named()
	settings, err := r.data.Rotation()
	if err != nil {
		return out, facts, err
	}
	if facts.Looked, err = r.looked(); err != nil {
		return out, facts, err
	}
	store, err := r.data.Store(ctx)
	if err != nil {
		return out, facts, err
	}
	left, replaced := r.data.rotations.wasDeleted(identify(id, keys))
	var seen rotation.View
	tookOver := false
	rotator := r.rotator(ctx, store, plan)
	run := func() error {
		if !replaced {
			rotator.Made = justMade(store, id)
		}
		out, err = rotator.Run(ctx, id, keys, func(v rotation.View) (rotation.Plan, error) {
			var problems diag.Diagnostics
			var want rotation.Plan
			seen = v
			if !tookOver && earlierRecord(v, left) != "" {
				return want, errTakeOver
			}
			want, facts.rotationDefaults = r.resolve(v, plan, &problems)
			if replaced && left.asked == nil && v.Record != nil {
				want.PlanAsOf = time.Time{} // another process has rotated since the plan
			}
			diags.Append(problems...)
			if problems.HasError() {
				return want, errDiagnosed
			}
			return want, nil
		}, func(v rotation.View) bool { return left.seenBy(v) && (!tookOver || v.Record != nil) })
		return err
	}
	err = r.alone(ctx, id, func() error {
		err := run()
		if !errors.Is(err, errTakeOver) {
			return err
		}
		if _, err := rotator.TakeOver(ctx, seen, earlierRecord(seen, left)); err != nil {
			return err
		}
		tookOver = true
		return run()
	})
	if err != nil {
		return out, facts, err
	}
	facts.HasRecord, facts.Triggers = true, plan.fingerprint()
	facts.Needed, facts.Always = seen.NeededUntil(out.Previous)
	switch {
	case out.Action == rotation.Adopt && out.Overdue:
		warnOverdue(id, plan.schedule(facts.rotationDefaults).Due(out.Made), facts.Supplied, diags)
	case out.Action == rotation.Adopt && out.HadRecord && out.Reason == "":
		what, next := "nothing asked for a rotation", "To rotate it now, change triggers. (-replace does not rotate with create_before_destroy.)"
		if facts.Supplied {
			what, next = "its value comes from outside and is never made up", "To rotate it, supply a new one in its roi_secret."
		}
		diags.AddWarning("Present version was taken over", fmt.Sprintf(
			"The secret %s was known already, and %s: version %s, made at %s, was taken over. %s", id, what, out.Version, out.Changed.UTC().Format(time.RFC3339), next))
	}
	warnPlanAsOf(settings, diags)
	return out, facts, nil
}

func warnPlanAsOf(settings rotationSettings, diags *diag.Diagnostics) {
	if !settings.PlanAsOf.IsZero() {
		diags.AddWarning("Applied as of another time", fmt.Sprintf(
			"rotation.plan_as_of or %s is set: what is due, and whose grace period is over, was judged as of %s. The times that were stored are those of the real clock.",
			envPlanAsOf, settings.PlanAsOf.Format(time.RFC3339)))
	}
}

func (r *rotationResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state secretRotationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := plan.Timeouts.Update(ctx, defaultRotationTimeout)
	resp.Diagnostics.Append(diags...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	now, defaults, looked, err := r.update(ctx, plan, state, &resp.Diagnostics)
	if err != nil {
		if !errors.Is(err, errDiagnosed) {
			resp.Diagnostics.Append(r.data.diagnoseRotation("update the rotation of", plan.SecretID.ValueString(), err))
		}
		return
	}
	resp.Diagnostics.Append(r.publishDue(ctx, plan, now, false)...)
	plan.settle(now, defaults, looked)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *rotationResource) update(ctx context.Context, plan, state secretRotationModel, diags *diag.Diagnostics) (now rotation.State, defaults rotationDefaults, looked time.Time, err error) {
	settings, err := r.data.Rotation()
	if err != nil {
		return now, defaults, looked, err
	}
	if looked, err = r.looked(); err != nil {
		return now, defaults, looked, err
	}
	warnPlanAsOf(settings, diags)
	store, err := r.data.Store(ctx)
	if err != nil {
		return now, defaults, looked, err
	}
	unlock, err := r.data.rotations.lock(ctx, plan.SecretID.ValueString())
	if err != nil {
		return now, defaults, looked, err
	}
	defer unlock()
	before := state.named()
	if slices.Contains(r.data.rotations.tags(plan.SecretID.ValueString()), rotation.TagKey(before)) {
		before = plan.named() // another resource has these keys now, and with them their record
	}
	now, err = r.rotator(ctx, store, plan).Update(ctx, plan.SecretID.ValueString(), plan.named(), before,
		func(v rotation.View) (rotation.Plan, error) {
			var problems diag.Diagnostics
			var want rotation.Plan
			want, defaults = r.arguments(v, plan, &problems)
			diags.Append(problems...)
			if problems.HasError() {
				return want, errDiagnosed
			}
			return want, nil
		}, looked)
	return now, defaults, looked, err
}

// settle fills in what the plan left open. What it did not stays as planned: if
// another process rotated meanwhile, the next refresh shows it.
func (m *secretRotationModel) settle(s rotation.State, defaults rotationDefaults, looked time.Time) {
	after := *m
	after.setState(s, m.schedule(defaults), looked)
	for _, text := range []struct{ planned, now *types.String }{
		{&m.ID, &after.ID}, {&m.VersionID, &after.VersionID}, {&m.PreviousVersionID, &after.PreviousVersionID},
		{&m.RotatedAt, &after.RotatedAt}, {&m.RotationDueAt, &after.RotationDueAt}, {&m.GraceEndsAt, &after.GraceEndsAt},
	} {
		if text.planned.IsUnknown() {
			*text.planned = *text.now
		}
	}
	for _, flag := range []struct{ planned, now *types.Bool }{
		{&m.Overdue, &after.Overdue}, {&m.GraceOver, &after.GraceOver}, {&m.PreviousRetired, &after.PreviousRetired},
	} {
		if flag.planned.IsUnknown() {
			*flag.planned = *flag.now
		}
	}
	if m.Generation.IsUnknown() {
		m.Generation = after.Generation
	}
}

// Delete changes nothing, unless it is one half of a replacement: then it notes
// with the secret that the other half is to rotate.
func (r *rotationResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	mark, diags := req.Private.GetKey(ctx, rotationMarkKey)
	resp.Diagnostics.Append(diags...)
	var state secretRotationModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || string(mark) != string(jsonString(markCreate)) {
		return
	}
	timeout, diags := state.Timeouts.Delete(ctx, defaultRotationTimeout)
	resp.Diagnostics.Append(diags...)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	id, before := state.SecretID.ValueString(), rotation.TagKey(state.named())
	after := before
	text, diags := req.Private.GetKey(ctx, rotationTagKey)
	resp.Diagnostics.Append(diags...)
	if planned := ""; json.Unmarshal(text, &planned) == nil && planned != "" {
		after = planned
	}
	var asked *rotation.Record
	var err error
	if facts, _ := factsIn(ctx, req.Private); !facts.Supplied {
		asked, err = r.ask(limited, id, state)
	}
	if errors.Is(err, secretstore.ErrNotFound) || errors.Is(err, secretstore.ErrScheduledForDeletion) {
		err = nil // nothing is left to rotate
	}
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnoseRotation("replace the rotation of", id, err))
		resp.Diagnostics.Append(r.publishFailure(ctx, state)...)
		return
	}
	r.data.rotations.deleted(rotationID{secretName(id), after}, deletedRotation{asked, before})
}

func (r *rotationResource) ask(ctx context.Context, id string, state secretRotationModel) (asked *rotation.Record, err error) {
	store, err := r.data.Store(ctx)
	if err != nil {
		return nil, err
	}
	err = r.alone(ctx, id, func() error {
		asked, err = r.rotator(ctx, store, state).Ask(ctx, id, state.named(), state.VersionID.ValueString(), state.changedAt(), state.fingerprint())
		return err
	})
	return asked, err
}
