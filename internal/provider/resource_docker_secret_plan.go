// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

func (r *dockerSecretResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config dockerSecretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	checkDockerName(config.Name, 1, &resp.Diagnostics)
	const choose = "Write one of:\n\n" +
		"  secret_id = roi_secret.jwt.id    # copied from the store, with version_id\n" +
		"  value_wo  = var.value            # supplied, with value_wo_version"
	switch {
	case config.SecretID.IsNull() && config.ValueWO.IsNull():
		resp.Diagnostics.AddError("Missing secret_id or value_wo", "Nothing says what the value of the Docker secret is. "+choose)
	case isKnown(config.SecretID) && isKnown(config.ValueWO):
		resp.Diagnostics.AddAttributeError(path.Root("value_wo"), "secret_id and value_wo exclude each other", "The value would be that of a secret in the store and a supplied one. "+choose)
	}
	for _, key := range sortedKeys(config.Labels.Elements()) {
		if err := swarm.CheckLabels(map[string]string{key: stringElement(config.Labels, key).ValueString()}); err != nil {
			resp.Diagnostics.AddAttributeError(path.Root("labels").AtMapKey(key), "Invalid label", sentence(err))
		}
	}
	services := stringElements(config.Services.Elements())
	if slices.Contains(services, swarm.AllServices) && len(services) > 1 {
		resp.Diagnostics.AddAttributeError(path.Root("services"), "Invalid list of services",
			`"*" is every service that uses a version of the secret, and must be alone: services = ["*"]`)
	}
}

// checkDockerName checks a name for the version with this number.
func checkDockerName(name types.String, number int, diags *diag.Diagnostics) {
	if !isKnown(name) {
		return
	}
	if err := swarm.CheckName(name.ValueString(), number); err != nil {
		diags.AddAttributeError(path.Root("name"), "Invalid name of a Docker secret", fmt.Sprintf("The name %q: %v.", name.ValueString(), err))
	}
}

func (r *dockerSecretResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return
	}
	unused, diags := req.Private.GetKey(ctx, dockerUnusedKey)
	resp.Diagnostics.Append(diags...)
	if req.Plan.Raw.Equal(req.State.Raw) && string(unused) != "true" {
		return
	}
	var plan, state dockerSecretModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	plan.ID, plan.Version, plan.VersionedName, plan.CreatedAt = state.ID, state.Version, state.VersionedName, state.CreatedAt
	plan.Superseded = state.Superseded
	switch {
	case plan.newValue(state):
		checkDockerName(plan.Name, int(state.Version.ValueInt64())+1, &resp.Diagnostics)
		plan.ID, plan.Version, plan.VersionedName, plan.CreatedAt = types.StringUnknown(), types.Int64Unknown(), types.StringUnknown(), types.StringUnknown()
		plan.Superseded = types.ListUnknown(types.StringType)
	case !state.unsourced():
		// Services that leave a superseded version let it be removed.
		plan.Superseded = types.ListUnknown(types.StringType)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// newValue reports whether a plan asks for a value other than that of the current
// version, as far as that can be told.
func (m dockerSecretModel) newValue(state dockerSecretModel) bool {
	switch {
	case !m.Name.Equal(state.Name):
		return true
	case state.unsourced():
		return false
	case !m.ValueWOVersion.Equal(state.ValueWOVersion):
		return true
	}
	return !m.Key.Equal(state.Key) || !m.VersionID.Equal(state.VersionID) || !sameStoredSecret(m.SecretID, state.SecretID)
}

// unsourced reports whether it is not known what the current version holds: after
// an import, or when someone removed the labels that tell it.
func (m dockerSecretModel) unsourced() bool { return m.SecretID.IsNull() && m.ValueWOVersion.IsNull() }

// sameStoredSecret reports whether two ids mean the same secret: a name and an ARN
// can.
func sameStoredSecret(a, b types.String) bool {
	if a.IsUnknown() || b.IsUnknown() || a.IsNull() || b.IsNull() {
		return a.Equal(b) && !a.IsUnknown()
	}
	one, other := a.ValueString(), b.ValueString()
	return one == other || one == secretName(other) || other == secretName(one)
}

// want is what the arguments ask Docker for, without a value.
func (m dockerSecretModel) want(ctx context.Context, diags *diag.Diagnostics) swarm.Want {
	want := swarm.Want{
		Name:       m.Name.ValueString(),
		Labels:     stringMap(m.Labels),
		Keep:       int(m.KeepVersions.ValueInt64()),
		Services:   stringElements(m.Services.Elements()),
		Superseded: stringElements(m.Superseded.Elements()),
	}
	if !m.SecretID.IsNull() {
		want.Source = swarm.Source{SecretID: m.SecretID.ValueString(), Key: m.Key.ValueString(), VersionID: m.VersionID.ValueString()}
	} else if !m.ValueWOVersion.IsNull() {
		want.Source.ValueVersion = strconv.FormatInt(m.ValueWOVersion.ValueInt64(), 10)
	}
	if m.Target.IsNull() {
		return want
	}
	var target dockerTargetModel
	diags.Append(m.Target.As(ctx, &target, basetypes.ObjectAsOptions{})...)
	want.Target.Name = target.File.ValueString()
	if !target.UID.IsNull() {
		want.Target.UID = strconv.FormatInt(target.UID.ValueInt64(), 10)
	}
	if !target.GID.IsNull() {
		want.Target.GID = strconv.FormatInt(target.GID.ValueInt64(), 10)
	}
	if !target.Mode.IsNull() {
		mode, _ := strconv.ParseUint(target.Mode.ValueString(), 8, 32) // the schema has checked it
		want.Target.Mode = new(os.FileMode(mode))
	}
	return want
}

// setVersion takes over what Docker says of the current version.
func (m *dockerSecretModel) setVersion(version swarm.Version, superseded []string) {
	m.ID = types.StringValue(version.ID)
	m.Version = types.Int64Value(int64(version.Number))
	m.VersionedName = types.StringValue(version.Name)
	m.CreatedAt = timestamp(version.CreatedAt)
	m.Superseded = stringListValue(superseded)
}

// refresh takes over what can have been changed by others: the labels, and with
// them where the value is from. Without those the next apply labels the object
// anew, as after an import.
func (m *dockerSecretModel) refresh(version swarm.Version) {
	m.Name = types.StringValue(version.Base())
	if len(version.Labels) > 0 || !m.Labels.IsNull() {
		m.Labels = stringMapValue(version.Labels)
	}
	source := version.Source
	if !sameStoredSecret(m.SecretID, optionalString(source.SecretID)) {
		m.SecretID = optionalString(source.SecretID)
	}
	m.Key, m.VersionID, m.ValueWOVersion = optionalString(source.Key), optionalString(source.VersionID), types.Int64Null()
	if number, err := strconv.ParseInt(source.ValueVersion, 10, 64); err == nil {
		m.ValueWOVersion = types.Int64Value(number)
	}
}

// dropServices takes the services that do not use the current version from the
// list, so that the next plan moves them. unfinished are the versions that interrupted
// applies have left.
func (m *dockerSecretModel) dropServices(outdated, unfinished []string, diags *diag.Diagnostics) {
	if len(outdated) == 0 {
		return
	}
	var kept []attr.Value
	for _, service := range m.Services.Elements() {
		if s, ok := service.(types.String); ok && s.ValueString() != swarm.AllServices && !slices.Contains(outdated, s.ValueString()) {
			kept = append(kept, service)
		}
	}
	if len(kept) == len(m.Services.Elements()) {
		kept = nil // they are listed by id
	}
	m.Services = types.ListValueMust(types.StringType, kept)
	text := fmt.Sprintf("These services should use %s, which is current, and do not: %s. ", m.VersionedName.ValueString(), strings.Join(outdated, ", "))
	if len(unfinished) > 0 {
		text += fmt.Sprintf("An apply that was interrupted, or still runs, has begun to move services to %s; the next apply finishes or undoes that.", strings.Join(unfinished, ", "))
	} else {
		text += "Someone changed them, for example with docker service update or docker stack deploy. The next apply moves them back."
	}
	diags.AddWarning("Services do not use the current version", text)
}
