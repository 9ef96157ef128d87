// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ ephemeral.EphemeralResourceWithConfigure = (*secretValue)(nil)

func newSecretValue() ephemeral.EphemeralResource { return &secretValue{} }

// secretValue is the ephemeral resource roi_secret_value.
type secretValue struct {
	data *providerData
}

type secretValueModel struct {
	SecretID      types.String `tfsdk:"secret_id"`
	VersionStage  types.String `tfsdk:"version_stage"`
	VersionID     types.String `tfsdk:"version_id"`
	Key           types.String `tfsdk:"key"`
	Value         types.String `tfsdk:"value"`
	Values        types.Map    `tfsdk:"values"`
	VersionStages types.List   `tfsdk:"version_stages"`
}

// Metadata implements ephemeral.EphemeralResource.
func (r *secretValue) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_secret_value"
}

// Schema implements ephemeral.EphemeralResource.
func (r *secretValue) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Reads the value of a secret for the time that Terraform runs, without writing it into plan or state. Give it to write-only arguments " +
			"(`password_wo` and the like) or to the configuration of another provider. Terraform opens it in every plan, so whoever plans must be allowed to read the secret.",
		Attributes: map[string]schema.Attribute{
			"secret_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "Name or ARN of the secret. Where the configuration rotates it: `roi_secret_rotation.NAME.secret_id`, so that an apply reads after the rotation.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"version_stage": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Staging label of the version to read, such as `AWSPREVIOUS`. Default: `AWSCURRENT`. Conflicts with `version_id`.",
				Validators:          []validator.String{stringvalidator.LengthBetween(1, 256), stringvalidator.ConflictsWith(siblings("version_id")...)},
			},
			"version_id": schema.StringAttribute{
				Optional: true,
				Computed: true,
				MarkdownDescription: "Id of the version to read; if it is left out, the id of the version that was read. A store drops old versions, so prefer `version_stage`. " +
					"Conflicts with `version_stage`.",
				Validators: []validator.String{stringvalidator.LengthBetween(1, 64)},
			},
			"key": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Key of a JSON secret whose string `value` becomes. Default: `value` is the whole secret.",
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"value": schema.StringAttribute{
				Computed:            true,
				Sensitive:           true,
				MarkdownDescription: "The secret value, or that of `key`.",
			},
			"values": schema.MapAttribute{
				ElementType: types.StringType,
				Computed:    true,
				Sensitive:   true,
				MarkdownDescription: "The strings of a JSON secret by key; null when the secret is not a JSON object. " +
					"Members that are not strings are left out: `jsondecode(….value)` has them all.",
			},
			"version_stages": schema.ListAttribute{
				ElementType:         types.StringType,
				Computed:            true,
				MarkdownDescription: "Staging labels of the version that was read, sorted.",
			},
		},
	}
}

// Configure implements ephemeral.EphemeralResourceWithConfigure.
func (r *secretValue) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

// Open implements ephemeral.EphemeralResource.
func (r *secretValue) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model secretValueModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := model.SecretID.ValueString()
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(r.data.diagnose("read", id, err))
		return
	}
	at := secretstore.VersionRef{ID: model.VersionID.ValueString(), Label: model.VersionStage.ValueString()}
	value, err := store.Value(ctx, id, at)
	if err != nil {
		resp.Diagnostics.Append(r.readProblem(id, at, err))
		return
	}
	if value.Plaintext.Binary() {
		resp.Diagnostics.AddAttributeError(path.Root("secret_id"), "Secret is binary",
			fmt.Sprintf("The secret %q holds a binary value (SecretBinary), which Terraform cannot represent: its strings are Unicode text. "+
				"Let the consumer read it from the store, or store it as base64 text.", id))
		return
	}
	if !model.setValue(value.Plaintext.Reveal(), &resp.Diagnostics) {
		return
	}
	model.VersionID = types.StringValue(value.VersionID)
	model.VersionStages = stringListValue(slices.Sorted(slices.Values(value.Labels)))
	resp.Diagnostics.Append(resp.Result.Set(ctx, model)...)
}

// setValue sets value and values from the text of a secret, or says why not.
// Errors name keys, never values, and leave out what a JSON decoder says, since
// that quotes the text.
func (m *secretValueModel) setValue(text string, diags *diag.Diagnostics) bool {
	m.Value = types.StringValue(text)
	m.Values = types.MapNull(types.StringType)

	object, err := secretstore.ParseObject(text)
	if err != nil {
		if m.Key.IsNull() {
			return true
		}
		diags.AddAttributeError(path.Root("key"), "Secret has no keys",
			fmt.Sprintf("The key %q of the secret %q cannot be read: %v. Leave out key to get the whole value.", m.Key.ValueString(), m.SecretID.ValueString(), err))
		return false
	}
	values := map[string]attr.Value{}
	for _, key := range object.Keys() {
		if s, ok := object.String(key); ok {
			values[key] = types.StringValue(s)
		}
	}
	m.Values = types.MapValueMust(types.StringType, values)
	if m.Key.IsNull() {
		return true
	}

	key := m.Key.ValueString()
	if s, ok := object.String(key); ok {
		m.Value = types.StringValue(s)
		return true
	}
	if object.Has(key) {
		diags.AddAttributeError(path.Root("key"), "Value is not a string",
			fmt.Sprintf("The key %q of the secret %q holds JSON that is not a string. Leave out key and use jsondecode on the whole value.", key, m.SecretID.ValueString()))
		return false
	}
	keys := "The secret has no keys."
	if len(object.Keys()) > 0 {
		keys = "Its keys are: " + strings.Join(slices.Sorted(slices.Values(object.Keys())), ", ") + "."
	}
	diags.AddAttributeError(path.Root("key"), "Key not found", fmt.Sprintf("The secret %q has no key %q. %s", m.SecretID.ValueString(), key, keys))
	return false
}

// readProblem adds to the general errors of a store what is special about
// reading a value.
func (r *secretValue) readProblem(id string, at secretstore.VersionRef, err error) diag.Diagnostic {
	switch {
	case errors.Is(err, secretstore.ErrNotFound):
		version := "with a version labelled " + secretstore.Current
		if at.Label != "" {
			version = "with a version labelled " + at.Label
		} else if at.ID != "" {
			version = "with the version " + at.ID
		}
		return diag.NewAttributeErrorDiagnostic(path.Root("secret_id"), "Secret value not found",
			fmt.Sprintf("There is no secret %q %s in this account and region. If the same configuration makes the secret, refer to it "+
				"(secret_id = roi_secret.NAME.id), so that Terraform reads it only when it is there.\n\n%v", id, version, err))
	case errors.Is(err, secretstore.ErrAccessDenied):
		return diag.NewAttributeErrorDiagnostic(path.Root("secret_id"), "Access to secret value denied",
			fmt.Sprintf("The value of the secret %q may not be read with these credentials. It takes secretsmanager:GetSecretValue on the secret and, with a customer-managed key, "+
				"kms:Decrypt on that key. Terraform opens an ephemeral roi_secret_value in every plan: where plans must not read secrets, keep it in another root module.\n\n%v", id, err))
	}
	return r.data.diagnose("read", id, err)
}
