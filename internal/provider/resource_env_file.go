// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/envfile"
)

var (
	_ resource.Resource                   = (*envFileResource)(nil)
	_ resource.ResourceWithConfigure      = (*envFileResource)(nil)
	_ resource.ResourceWithValidateConfig = (*envFileResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*envFileResource)(nil)
)

func newEnvFileResource() resource.Resource { return &envFileResource{} }

// envFileResource is roi_env_file: a .env file with the values of secrets.
type envFileResource struct {
	data *providerData
}

// envFileModel is a roi_env_file.
type envFileModel struct {
	Path               types.String `tfsdk:"path"`
	Entries            types.List   `tfsdk:"entries"`
	Mode               types.String `tfsdk:"mode"`
	Backup             types.Bool   `tfsdk:"backup"`
	Adopt              types.Bool   `tfsdk:"adopt"`
	AllowOutsideModule types.Bool   `tfsdk:"allow_outside_module"`
	FollowSymlink      types.Bool   `tfsdk:"follow_symlink"`

	ID             types.String `tfsdk:"id"`
	ContentMatches types.Bool   `tfsdk:"content_matches"`
	Revision       types.String `tfsdk:"revision"`
}

// envEntryModel is one element of entries.
type envEntryModel struct {
	Name      types.String `tfsdk:"name"`
	Value     types.String `tfsdk:"value"`
	SecretID  types.String `tfsdk:"secret_id"`
	Key       types.String `tfsdk:"key"`
	VersionID types.String `tfsdk:"version_id"`
}

const defaultEnvFileMode = "0600"

var (
	envFileModeRule = matching(`must be four octal digits without execute bits, with which the owner can read, such as "0600"`, `^0[46][0246]{2}$`)
	envNameRule     = stringRule{
		must: "must be the name of a variable that shells pass on: letters, digits and underscores, not beginning with a digit, and none that bash sets itself",
		ok:   func(name string) bool { return dotenv.CheckName(name) == nil },
	}
)

func (r *envFileResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_env_file"
}

func (r *envFileResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A `.env` file for development, with values from secrets and plain ones, readable by its owner only. It is replaced in one step, so that " +
			"a reader never sees half of it. The values are read from the store in the apply; they are never in a plan or in state, and neither is a hash of them.",
		Attributes: map[string]schema.Attribute{
			"path": schema.StringAttribute{
				MarkdownDescription: "Path of the file, relative to the folder that Terraform runs in, or absolute. It must be in that folder or below it, in a folder that exists, and each file can have one resource. " +
					"A change replaces the resource: the old file is removed, the new one made.",
				Required:      true,
				Validators:    []validator.String{stringvalidator.LengthBetween(1, 4096)},
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"entries": schema.ListNestedAttribute{
				MarkdownDescription: "The variables, in the order in which they are written. No name can be there twice. A change writes the file anew.",
				Required:            true,
				NestedObject:        schema.NestedAttributeObject{Attributes: envEntryAttributes()},
			},
			"mode": schema.StringAttribute{
				MarkdownDescription: "Permissions of the file, as four octal digits (default: `0600`). With an entry that has a `secret_id` only `0600` and `0400` are allowed. " +
					"A change is made in place. On Windows they have no effect.",
				Optional:   true,
				Computed:   true,
				Default:    stringdefault.StaticString(defaultEnvFileMode),
				Validators: []validator.String{envFileModeRule},
			},
			"backup": schema.BoolAttribute{
				MarkdownDescription: "Whether a copy is kept of what is replaced (default: `true`), in the folder that has the name of the file and `.roi` behind it. " +
					"`false` counts from the next write on.",
				Optional: true,
				Computed: true,
				Default:  booldefault.StaticBool(true),
			},
			"adopt": schema.BoolAttribute{
				MarkdownDescription: "Whether a create may replace a file that this resource did not write (default: `false`, which is an error). Its content is not taken over.",
				Optional:            true,
			},
			"allow_outside_module": schema.BoolAttribute{
				MarkdownDescription: "Whether the file may be outside the folder that Terraform runs in, which is that of the root module (default: `false`). " +
					"It is judged with symbolic links resolved.",
				Optional: true,
			},
			"follow_symlink": schema.BoolAttribute{
				MarkdownDescription: "Whether `path` may be a symbolic link (default: `false`). The file that it leads to is then written, and the link stays.",
				Optional:            true,
			},
			"id": schema.StringAttribute{
				MarkdownDescription: "Same as `path`.",
				Computed:            true,
			},
			"content_matches": schema.BoolAttribute{
				MarkdownDescription: "Whether the file held what was written when Terraform last looked. Always planned as `true`: where it is not, the apply writes the file anew.",
				Computed:            true,
			},
			"revision": schema.StringAttribute{
				MarkdownDescription: "Names the last write: a random id that changes whenever the file is written, for `replace_triggered_by` and the like.",
				Computed:            true,
			},
		},
	}
}

func envEntryAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			MarkdownDescription: "Name of the variable: letters, digits and underscores, not beginning with a digit. Names that bash sets itself, such as `UID`, are refused.",
			Required:            true,
			Validators:          []validator.String{envNameRule},
		},
		"value": schema.StringAttribute{
			MarkdownDescription: "A plain value. It is **not secret**: it is in state and in plans. Each entry has either this or `secret_id`.",
			Optional:            true,
			Validators:          []validator.String{stringvalidator.ConflictsWith(siblings("secret_id", "key", "version_id")...)},
		},
		"secret_id": schema.StringAttribute{
			MarkdownDescription: "Name or ARN of the secret whose current value (`AWSCURRENT`) is written, best the `id` of its `roi_secret`.",
			Optional:            true,
			Validators:          []validator.String{stringvalidator.LengthBetween(1, 2048)},
		},
		"key": schema.StringAttribute{
			MarkdownDescription: "Key of a JSON secret whose string is written. Default: the whole secret.",
			Optional:            true,
			Validators:          []validator.String{stringvalidator.LengthAtLeast(1), stringvalidator.AlsoRequires(siblings("secret_id")...)},
		},
		"version_id": schema.StringAttribute{
			MarkdownDescription: "Version in which the value last changed: `roi_secret_rotation.NAME.version_id`. When it changes the file is written anew, " +
				"in the same apply as the rotation. Without it a new value gets into the file only when something else makes it be written. It is not what is read.",
			Optional:   true,
			Validators: []validator.String{stringvalidator.LengthBetween(1, 64), stringvalidator.AlsoRequires(siblings("secret_id")...)},
		},
	}
}

func (r *envFileResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

func (r *envFileResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan envFileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	file, ok := plan.resolve(&resp.Diagnostics)
	if !ok {
		return
	}
	var found diag.Diagnostics
	if !plan.mayCreate(file, &found) {
		resp.Diagnostics.Append(found.Errors()...) // the plan gave the warnings
		return
	}
	if r.write(ctx, file, &plan, nil, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	}
}

// Read compares the file with the record beside it. It asks no store.
func (r *envFileResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state envFileModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	file, err := envfile.Resolve(state.Path.ValueString(), envfile.Allow{OutsideModule: true, Symlink: state.FollowSymlink.ValueBool()})
	if errors.Is(err, envfile.ErrNoFolder) {
		resp.State.RemoveResource(ctx)
		return
	}
	var status envfile.Status
	if err == nil {
		status, err = file.Inspect()
	}
	var problem *envfile.PathError
	switch {
	case errors.As(err, &problem):
		// Something else is in its place. The next plan refuses to write there.
		state.ContentMatches = types.BoolValue(false)
	case err != nil:
		resp.Diagnostics.Append(explainFile("read", state.Path.ValueString(), err))
		return
	case !status.Exists && !status.Recorded:
		resp.State.RemoveResource(ctx)
		return
	default:
		state.look(file, status, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// look takes over what a file is like, and says how it is not what was written.
func (m *envFileModel) look(file envfile.File, status envfile.Status, diags *diag.Diagnostics) {
	if status.Exists && runtime.GOOS != "windows" { // The mode says nothing there.
		m.Mode = types.StringValue(fmt.Sprintf("%04o", status.Mode))
	}
	m.ContentMatches = types.BoolValue(status.Current && status.Revision == m.Revision.ValueString())
	if m.ContentMatches.ValueBool() {
		return
	}
	var how string
	switch {
	case !status.Exists:
		how = "it is gone"
	case !status.Recorded:
		how = fmt.Sprintf("the record of what was written is missing in %q", file.Folder())
	case status.Current:
		how = "it was written by an apply whose state was not saved, or by another roi_env_file. If this is said again after an apply, " +
			"two resources have the same path: give each its own"
	default:
		how = "its content is not what was written"
	}
	diags.AddAttributeWarning(path.Root("path"), "File was changed outside Terraform", fmt.Sprintf(
		"The file %q has to be written again: %s.%s", file.Path(), how, m.keeps(file, status)))
}

// keeps says what becomes of a content that nobody else may have.
func (m envFileModel) keeps(file envfile.File, status envfile.Status) string {
	switch {
	case !status.Exists || status.Ours:
		return ""
	case m.Backup.ValueBool():
		return fmt.Sprintf(" Its present content is kept as a copy in %q.", file.Folder())
	}
	return " Its present content will be lost, because of backup = false."
}

func (r *envFileResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state envFileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	file, ok := plan.resolve(&resp.Diagnostics)
	if !ok {
		return
	}
	if plan.rewrites(state) {
		if !r.write(ctx, file, &plan, &state, &resp.Diagnostics) {
			return
		}
	} else if err := file.SetMode(plan.permissions()); err != nil {
		resp.Diagnostics.Append(explainFile("change the mode of", file.Path(), err))
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// rewrites reports whether a change needs another content, rather than another
// mode at most.
func (m envFileModel) rewrites(state envFileModel) bool {
	return !m.Entries.Equal(state.Entries) || !state.ContentMatches.ValueBool()
}

func (m envFileModel) permissions() fs.FileMode {
	mode, _ := strconv.ParseUint(m.Mode.ValueString(), 8, 32) // a validator has accepted it
	return fs.FileMode(mode)
}

// write reads the values and writes the file. Nothing is written before every
// value is known to fit.
func (r *envFileResource) write(ctx context.Context, file envfile.File, plan, state *envFileModel, diags *diag.Diagnostics) bool {
	content, ok := r.content(ctx, plan, state, diags)
	if !ok {
		return false
	}
	was := ""
	if state != nil {
		was = state.Revision.ValueString()
	}
	written, err := r.data.envFiles.write(file, envfile.Write{
		Content: content, Mode: plan.permissions(), Backup: plan.Backup.ValueBool(), Was: was, Now: r.data.Clock().Now(),
	})
	if err != nil {
		diags.Append(explainFile("write", file.Path(), err))
		return false
	}
	if written.Kept != "" {
		diags.AddAttributeWarning(path.Root("path"), "Copy of the replaced file was kept", fmt.Sprintf(
			"The file %q was not as roi_env_file had written it, and was replaced. What it held is now in %q. It may hold secrets: remove it when you no longer need it.",
			file.Path(), written.Kept))
	}
	plan.ID = plan.Path
	plan.Revision = types.StringValue(written.Revision)
	return true
}

func (r *envFileResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state envFileModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var removed envfile.Removed
	file, err := envfile.Resolve(state.Path.ValueString(), envfile.Allow{OutsideModule: true, Symlink: state.FollowSymlink.ValueBool()})
	if err == nil {
		removed, err = file.Remove(envfile.Remove{
			Revision: state.Revision.ValueString(), Backup: state.Backup.ValueBool(), Now: r.data.Clock().Now(),
		})
	}
	var problem *envfile.PathError
	switch {
	case errors.Is(err, envfile.ErrNoFolder): // gone with everything in it
	case errors.As(err, &problem):
		resp.Diagnostics.AddWarning("File was left as it is", fmt.Sprintf(
			"What is at %q is not what roi_env_file wrote: %s. It was left. Remove it by hand, and the folder with .roi behind the name of the file.",
			problem.Path, problem.Kind))
	case err != nil:
		resp.Diagnostics.Append(explainFile("remove", state.Path.ValueString(), err))
	case removed.Foreign != "" && !r.data.envFiles.wrote(removed.Foreign):
		resp.Diagnostics.AddWarning("File was left as it is", fmt.Sprintf(
			"The file %q was last written by another roi_env_file, or by an apply whose state is not the present one. It was left, with %q. "+
				"If no other resource has this path, remove both by hand: they may hold secrets.", file.Path(), file.Folder()))
	case removed.Kept != "":
		resp.Diagnostics.AddWarning("Copy of the removed file was kept", fmt.Sprintf(
			"The file %q was changed outside Terraform, and was removed. What it held is now in %q. It may hold secrets: remove it when you no longer need it.",
			file.Path(), removed.Kept))
	case removed.Left:
		resp.Diagnostics.AddWarning("Copies of files were left", fmt.Sprintf(
			"The folder %q still holds files that roi_env_file replaced and did not write itself. They may hold secrets: remove it when you no longer need them.",
			file.Folder()))
	}
}
