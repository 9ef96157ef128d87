// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var (
	_ resource.Resource                   = (*secretResource)(nil)
	_ resource.ResourceWithConfigure      = (*secretResource)(nil)
	_ resource.ResourceWithValidateConfig = (*secretResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*secretResource)(nil)
	_ resource.ResourceWithImportState    = (*secretResource)(nil)
	_ resource.ResourceWithMoveState      = (*secretResource)(nil)
)

func newSecretResource() resource.Resource { return &secretResource{} }

// secretResource is roi_secret: a secret, its policy and its first value.
type secretResource struct {
	data *providerData
}

// secretModel is a roi_secret. The write-only arguments are null in every plan
// and state and are read from the configuration.
type secretModel struct {
	policyArguments

	Name                        types.String `tfsdk:"name"`
	Category                    types.String `tfsdk:"category"`
	Keys                        types.Map    `tfsdk:"keys"`
	Static                      types.Map    `tfsdk:"static"`
	ValueWO                     types.String `tfsdk:"value_wo"`
	ValueWOVersion              types.Int64  `tfsdk:"value_wo_version"`
	ValuesWO                    types.Map    `tfsdk:"values_wo"`
	ValuesWOVersion             types.Int64  `tfsdk:"values_wo_version"`
	Description                 types.String `tfsdk:"description"`
	KMSKeyID                    types.String `tfsdk:"kms_key_id"`
	Tags                        types.Map    `tfsdk:"tags"`
	RecoveryWindowInDays        types.Int64  `tfsdk:"recovery_window_in_days"`
	Replicas                    types.Set    `tfsdk:"replicas"`
	ForceOverwriteReplicaSecret types.Bool   `tfsdk:"force_overwrite_replica_secret"`
	AdoptExisting               types.Bool   `tfsdk:"adopt_existing"`

	ID              types.String `tfsdk:"id"`
	ARN             types.String `tfsdk:"arn"`
	CreatedAt       types.String `tfsdk:"created_at"`
	EntropyBits     types.Int64  `tfsdk:"entropy_bits"`
	KeyNames        types.List   `tfsdk:"key_names"`
	TagsAll         types.Map    `tfsdk:"tags_all"`
	EffectivePolicy types.Map    `tfsdk:"effective_policy"`
}

// secretKeyModel is one entry of keys.
type secretKeyModel struct {
	policyArguments

	Category types.String `tfsdk:"category"`
}

// replicaModel is one entry of replicas.
type replicaModel struct {
	Region   types.String `tfsdk:"region"`
	KMSKeyID types.String `tfsdk:"kms_key_id"`
}

var replicaType = types.ObjectType{AttrTypes: map[string]attr.Type{
	"region":     types.StringType,
	"kms_key_id": types.StringType,
}}

const (
	defaultRecoveryWindow = 30
	maxDescriptionLength  = 2048 // service model of CreateSecret
)

func (r *secretResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_secret"
}

func (r *secretResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

func (r *secretResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config secretModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	want, ok := r.want(ctx, config, &resp.Diagnostics)
	if !ok {
		return
	}
	// A resource that is renamed in the configuration is deleted and created at the
	// same moment, and a rotation may be under way.
	unlock, err := r.data.rotations.lock(ctx, plan.Name.ValueString())
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("create", plan.Name.ValueString(), err))
		return
	}
	defer unlock()
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("create", plan.Name.ValueString(), err))
		return
	}
	secret, ok := r.create(ctx, store, plan, want, &resp.Diagnostics)
	if !ok {
		return
	}
	plan.setComputed(want)
	plan.ID = types.StringValue(secret.ARN)
	plan.ARN = plan.ID
	plan.CreatedAt = timestamp(secret.CreatedAt)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *secretResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state secretModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	secret, found, err := r.data.describe(ctx, store, id, state.CreatedAt)
	switch {
	case err != nil:
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	case !found:
		resp.State.RemoveResource(ctx)
		return
	case !secret.DeletedAt.IsZero():
		resp.Diagnostics.AddWarning("Secret is scheduled for deletion", scheduledText(secret)+
			"\n\nTerraform now takes it as deleted. To keep it, restore it before the next apply:\n\n"+restoreCommand(secret))
		resp.State.RemoveResource(ctx)
		return
	}
	if state.Name.IsNull() && secret.OwningService != "" { // an import
		by := "managed by the AWS service " + secret.OwningService
		resp.Diagnostics.Append(r.data.diagnose("import", id, &secretstore.ForeignRotationError{ARN: secret.ARN, By: by}))
		return
	}
	r.data.secrets.owned(secret.ARN)
	resp.Diagnostics.Append(r.refresh(ctx, store, &state, secret)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *secretResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state, config secretModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	want, ok := r.want(ctx, config, &resp.Diagnostics)
	if !ok {
		return
	}
	id := state.ID.ValueString()
	unlock, err := r.data.rotations.lock(ctx, state.Name.ValueString())
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("update", id, err))
		return
	}
	defer unlock()
	store, err := r.data.Store(ctx)
	if err == nil {
		err = r.converge(ctx, store, id, &state, plan, want, changeBetween(state, config, want), &resp.Diagnostics)
	}
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("update", id, err))
	}
	if resp.Diagnostics.HasError() {
		return // the state stays as it was, and the next apply finishes the change
	}
	plan.setComputed(want)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *secretResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state secretModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := state.ID.ValueString()
	unlock, err := r.data.rotations.lock(ctx, state.Name.ValueString())
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("delete", id, err))
		return
	}
	defer unlock()
	if r.data.secrets.takenOver(id) {
		resp.Diagnostics.AddWarning("Secret was not deleted",
			"A create of this run took over the secret "+id+", and then it was to be deleted as the object of another address: both are one secret. "+
				"It was kept, with its value.\n\nTo give a resource another address, write a moved block. A secret cannot be replaced with create_before_destroy unless its name changes.")
		return
	}
	store, err := r.data.Store(ctx)
	if err == nil {
		err = r.delete(ctx, store, id, state)
	}
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("delete", id, err))
		return
	}
	r.data.secrets.deleted(state.Name.ValueString(), id)
}

func (r *secretResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if req.ID == "" || strings.TrimSpace(req.ID) != req.ID {
		resp.Diagnostics.AddError("Invalid import id",
			"A roi_secret is imported by the name or the ARN of the secret, for example:\n\n  terraform import roi_secret.jwt app/production/jwt-secret")
		return
	}
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}

// refresh takes over what the store says of a secret.
func (r *secretResource) refresh(ctx context.Context, store secretstore.Store, state *secretModel, secret secretstore.Secret) (diags diag.Diagnostics) {
	state.ID = types.StringValue(secret.ARN)
	state.ARN = state.ID
	state.Name = types.StringValue(secret.Name)
	if secret.Description != "" || state.Description.ValueString() != "" {
		state.Description = optionalString(secret.Description)
	}
	// A plan must not show drift for lack of rights.
	if !sameKey(ctx, store, secret.ARN, "", state.KMSKeyID.ValueString(), secret.KMSKeyID, true) {
		state.KMSKeyID = optionalString(secret.KMSKeyID)
	}
	if state.CreatedAt.IsNull() {
		state.CreatedAt = timestamp(secret.CreatedAt)
	}
	if state.RecoveryWindowInDays.IsNull() {
		state.RecoveryWindowInDays = types.Int64Value(defaultRecoveryWindow)
	}
	defaults, err := r.data.DefaultTags()
	if err != nil {
		diags.Append(r.data.diagnose("read", secret.ARN, err))
		return diags
	}
	state.Tags, state.TagsAll = ownTags(state.Tags, defaults, secret.Tags)
	diags.Append(state.setReplicas(ctx, store, secret)...)

	records, err := policy.DecodeRecords(secret.Tags)
	if err != nil {
		diags.AddWarning("Recorded policy cannot be read", "The tags under \"roi:policy\" of the secret "+secret.ARN+
			" do not hold a policy that this provider can read. The next apply writes them anew and keeps the value.\n\n"+err.Error())
		records = nil
	}
	state.EffectivePolicy = effectivePolicies(recordedPolicies(records))
	return diags
}
