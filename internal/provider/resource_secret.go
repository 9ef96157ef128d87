// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
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

var (
	secretNameRule = matching("must be 1 to 512 characters, each a letter, a digit or one of / _ + = . @ -", `^[A-Za-z0-9/_+=.@-]+$`).atMost(secretstore.MaxNameLength)
	regionRule     = matching(`must be a region such as "eu-west-1"`, `^[a-z]{2}(-[a-z]+)+-\d+$`)
	keyNameRule    = stringRule{
		must: "must be 1 to 64 characters, each a letter, a digit or one of _ . -",
		ok:   func(name string) bool { return policy.CheckKeyName(name) == nil },
	}
)

func (r *secretResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_secret"
}

func (r *secretResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := policyResourceAttributes()
	attributes["classification"] = schema.StringAttribute{
		MarkdownDescription: "How sensitive the value is: `public`, `internal`, `secret` or `critical`. Default: the category's; " +
			"for a JSON secret it is computed, the highest of its keys. A change is made in place.",
		Optional:   true,
		Computed:   true,
		Validators: []validator.String{stringvalidator.OneOf("public", "internal", "secret", "critical")},
	}
	maps.Copy(attributes, secretArguments())
	maps.Copy(attributes, secretComputed())
	resp.Schema = schema.Schema{
		MarkdownDescription: "A secret with its policy and its first value, in AWS Secrets Manager or in the embedded store. " +
			"The value is generated by the policy of its category, or supplied through a write-only argument; it is never in a plan or in state.",
		Attributes: attributes,
	}
}

func secretArguments() map[string]schema.Attribute {
	keyAttributes := policyResourceAttributes()
	keyAttributes["category"] = schema.StringAttribute{
		MarkdownDescription: "Category of the key: " + categoryList() + ", or one that the provider's `policies` define. " +
			"A key of category `external` or `tls` takes its value from `values_wo`.",
		Required: true,
	}
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			MarkdownDescription: "Name of the secret: 1 to 512 characters of `A-Z a-z 0-9 / _ + = . @ -`. " +
				"A name that ends in a hyphen and six characters looks like the end of an ARN and gives a warning. A change replaces the secret.",
			Required:      true,
			Validators:    []validator.String{secretNameRule},
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
		},
		"category": schema.StringAttribute{
			MarkdownDescription: "Category of a secret that is one string: " + categoryList() + ", or one that the provider's `policies` define. " +
				"Exactly one of `category`, `keys` and `value_wo` decides what the secret is; beside `value_wo`, `category` is the policy " +
				"that the supplied value is checked against (default `external`).",
			Optional: true,
		},
		"keys": schema.MapNestedAttribute{
			MarkdownDescription: "Keys of a JSON secret, each with its policy. Names: 1 to 64 of `A-Z a-z 0-9 _ . -`. A key that is added gets a value in " +
				"a new version, a key that is removed goes with a new version; all others keep their values. Keys that someone else put into the secret are kept.",
			Optional:     true,
			NestedObject: schema.NestedAttributeObject{Attributes: keyAttributes},
			Validators:   []validator.Map{mapvalidator.KeysAre(keyNameRule), mapvalidator.NoNullValues()},
		},
		"static": schema.MapAttribute{
			MarkdownDescription: "Plain values that are stored beside the keys of a JSON secret, such as a host or a user name. They are **not secret**: " +
				"they are in state and in plans. A change writes a new version; other keys keep their values.",
			Optional:    true,
			ElementType: types.StringType,
			Validators:  []validator.Map{mapvalidator.KeysAre(stringvalidator.LengthBetween(1, 256)), mapvalidator.NoNullValues()},
		},
		"value_wo": schema.StringAttribute{
			MarkdownDescription: "Write-only: a value from outside, 1 to 65,536 bytes, checked against its policy at plan time. Needs `value_wo_version`.",
			Optional:            true,
			Sensitive:           true,
			WriteOnly:           true,
			Validators:          []validator.String{stringvalidator.AlsoRequires(path.MatchRoot("value_wo_version"))},
		},
		"value_wo_version": schema.Int64Attribute{
			MarkdownDescription: "Any number that changes when `value_wo` does: Terraform cannot see a write-only value change. " +
				"A change stores `value_wo` as a new version. After an import the first number is recorded and the stored value is kept.",
			Optional:   true,
			Validators: []validator.Int64{int64validator.AlsoRequires(path.MatchRoot("value_wo"))},
		},
		"values_wo": schema.MapAttribute{
			MarkdownDescription: "Write-only: values from outside for keys of a JSON secret. A key that `keys` names too is checked against that policy, " +
				"any other against category `external`. Needs `keys` and `values_wo_version`.",
			Optional:    true,
			Sensitive:   true,
			WriteOnly:   true,
			ElementType: types.StringType,
			Validators: []validator.Map{
				mapvalidator.AlsoRequires(path.MatchRoot("values_wo_version")),
				mapvalidator.KeysAre(keyNameRule),
				mapvalidator.NoNullValues(),
			},
		},
		"values_wo_version": schema.Int64Attribute{
			MarkdownDescription: "Any number that changes when `values_wo` does. A change stores all of `values_wo` in a new version.",
			Optional:            true,
			Validators:          []validator.Int64{int64validator.AlsoRequires(path.MatchRoot("values_wo"))},
		},
		"description": schema.StringAttribute{
			MarkdownDescription: "Description, at most 2,048 characters. A change is made in place.",
			Optional:            true,
			Validators:          []validator.String{stringvalidator.LengthAtMost(maxDescriptionLength)},
		},
		"kms_key_id": schema.StringAttribute{
			MarkdownDescription: "KMS key that encrypts the secret: id, ARN, `alias/name` or alias ARN. Default: the account's `aws/secretsmanager` key, " +
				"which production refuses (see `kms` in the provider). The plan checks that the key exists, is enabled, is symmetric and is not pending deletion. " +
				"A change is made in place. The embedded store records it and encrypts with its own identity.",
			Optional:   true,
			Validators: []validator.String{stringvalidator.LengthBetween(1, 2048)},
		},
		"tags": schema.MapAttribute{
			MarkdownDescription: "Tags of the secret, beside the provider's `tags`; the same key here wins. Keys that begin with `aws:` or `roi:` are refused: " +
				"under `roi:` the provider keeps the policy. At most 50 tags in all, of which a rotation needs one and the policies one or more.",
			Optional:    true,
			ElementType: types.StringType,
			Validators:  tagValidators(),
		},
		"recovery_window_in_days": schema.Int64Attribute{
			MarkdownDescription: "Days in which a deleted secret can be restored: 7 to 30, or 0 to delete at once and for good (default: `30`).",
			Optional:            true,
			Computed:            true,
			Default:             int64default.StaticInt64(defaultRecoveryWindow),
			Validators: []validator.Int64{int64validator.Any(
				int64validator.OneOf(0),
				int64validator.Between(7, 30),
			)},
		},
		"replicas": schema.SetNestedAttribute{
			MarkdownDescription: "Copies of the secret in other regions. Added and removed in place. The embedded store only records them.",
			Optional:            true,
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"region": schema.StringAttribute{
					MarkdownDescription: "Region of the copy, other than the secret's own.",
					Required:            true,
					Validators:          []validator.String{regionRule},
				},
				"kms_key_id": schema.StringAttribute{
					MarkdownDescription: "KMS key in that region. Default: its `aws/secretsmanager` key. A change replaces the copy.",
					Optional:            true,
					Validators:          []validator.String{stringvalidator.LengthBetween(1, 2048)},
				},
			}},
		},
		"force_overwrite_replica_secret": schema.BoolAttribute{
			MarkdownDescription: "Whether a copy may overwrite a secret of the same name in its region (default: `false`).",
			Optional:            true,
		},
		"adopt_existing": schema.BoolAttribute{
			MarkdownDescription: "Whether a create may take over a live secret of this name, or restore one that is scheduled for deletion, " +
				"without changing its value (default: `false`, which is an error that shows the `import` block to write).",
			Optional: true,
		},
	}
}

func secretComputed() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{
			MarkdownDescription: "The secret's ARN.",
			Computed:            true,
		},
		"arn": schema.StringAttribute{
			MarkdownDescription: "The secret's ARN.",
			Computed:            true,
		},
		"created_at": schema.StringAttribute{
			MarkdownDescription: "When the secret was made (RFC 3339, UTC).",
			Computed:            true,
		},
		"entropy_bits": schema.Int64Attribute{
			MarkdownDescription: "Entropy that the policy guarantees, in bits, rounded down; for a JSON secret that of its weakest generated key. " +
				"Null when every value is supplied.",
			Computed: true,
		},
		"key_names": schema.ListAttribute{
			MarkdownDescription: "Names of the keys that this resource manages in a JSON secret, sorted: generated, supplied and static. Null for one string.",
			Computed:            true,
			ElementType:         types.StringType,
		},
		"tags_all": schema.MapAttribute{
			MarkdownDescription: "All tags: the provider's and the resource's, without those under `roi:`.",
			Computed:            true,
			ElementType:         types.StringType,
		},
		"effective_policy": schema.MapAttribute{
			MarkdownDescription: "The policy as it applies, with category, provider `policies` and own arguments resolved, by key; " +
				"for a secret that is one string the only key is `value`. It is recorded in the secret's tags under `roi:policy`. " +
				"`base` is the built-in category whose floor applies, `supplied` says whether the value comes from outside and is never generated, `entropy_bits` is " +
				"the entropy that the policy guarantees, in bits, rounded down, and null for supplied values; the others are the arguments of the same names.",
			Computed:    true,
			ElementType: effectivePolicyType,
		},
	}
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
		err = r.converge(ctx, store, id, plan, want, changeBetween(state, config, want), &resp.Diagnostics)
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
	if !sameKey(ctx, store, secret.ARN, "", state.KMSKeyID.ValueString(), secret.KMSKeyID) {
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
