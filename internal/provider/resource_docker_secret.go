// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

var (
	_ resource.Resource                   = (*dockerSecretResource)(nil)
	_ resource.ResourceWithConfigure      = (*dockerSecretResource)(nil)
	_ resource.ResourceWithValidateConfig = (*dockerSecretResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*dockerSecretResource)(nil)
	_ resource.ResourceWithImportState    = (*dockerSecretResource)(nil)
)

func newDockerSecretResource() resource.Resource { return &dockerSecretResource{} }

// dockerSecretResource is roi_docker_secret: the versions of a secret in Docker
// Swarm, and the services that use it.
type dockerSecretResource struct {
	data *providerData
}

// dockerSecretModel is a roi_docker_secret. value_wo is null in every plan and
// state and is read from the configuration.
type dockerSecretModel struct {
	Name           types.String   `tfsdk:"name"`
	SecretID       types.String   `tfsdk:"secret_id"`
	Key            types.String   `tfsdk:"key"`
	VersionID      types.String   `tfsdk:"version_id"`
	ValueWO        types.String   `tfsdk:"value_wo"`
	ValueWOVersion types.Int64    `tfsdk:"value_wo_version"`
	Labels         types.Map      `tfsdk:"labels"`
	Target         types.Object   `tfsdk:"target"`
	KeepVersions   types.Int64    `tfsdk:"keep_versions"`
	Services       types.List     `tfsdk:"services"`
	Timeouts       timeouts.Value `tfsdk:"timeouts"`

	ID            types.String `tfsdk:"id"`
	Version       types.Int64  `tfsdk:"version"`
	VersionedName types.String `tfsdk:"versioned_name"`
	CreatedAt     types.String `tfsdk:"created_at"`
	Superseded    types.List   `tfsdk:"superseded"`
}

// dockerTargetModel is target.
type dockerTargetModel struct {
	File types.String `tfsdk:"file"`
	UID  types.Int64  `tfsdk:"uid"`
	GID  types.Int64  `tfsdk:"gid"`
	Mode types.String `tfsdk:"mode"`
}

// What private state keeps of a refresh for the plan and the apply after it.
const (
	dockerLastKey   = "last-version" // number of a version that someone removed, so that no other gets it
	dockerUnusedKey = "unused"       // whether there are versions that are neither kept nor used, or that an apply has left
)

const (
	defaultKeepVersions  = 1
	maxKeepVersions      = 100
	defaultDockerTimeout = 10 * time.Minute
	maxLinuxID           = 1<<32 - 2 // 4294967295 stands for no user
)

var (
	// A target may be an absolute path, as Docker allows; else it is below
	// /run/secrets.
	targetFileRule = matching("must be a file name or a path of 1 to 255 characters", `^[^\x00]+$`).atMost(255)
	fileModeRule   = stringvalidator.RegexMatches(regexp.MustCompile(`^0?[0-7]{3}$`), `must be a file mode in octal, such as "0440"`)

	dockerValueRule = stringRule{
		must:   fmt.Sprintf("must have 1 to %d bytes, which is what Docker takes", swarm.MaxValueBytes),
		ok:     func(s string) bool { return s != "" && len(s) <= swarm.MaxValueBytes },
		hidden: true,
	}
)

func (r *dockerSecretResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_docker_secret"
}

func (r *dockerSecretResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "A secret of Docker Swarm that can change. Docker's own secrets can neither be changed nor removed while a service uses them; this resource makes an object " +
			"for each value (`NAME-v1`, `NAME-v2`, …), moves services from one to the next, waits until they run with it, puts everything back if one does not, and removes versions that are no longer needed.",
		Attributes: map[string]schema.Attribute{
			"name": schema.StringAttribute{
				MarkdownDescription: "Name without the version. Docker allows 64 characters with `-v` and the number: letters, digits and `-_.`, with a letter or digit at both ends; no slash. " +
					"A change makes the next version under the new name and moves the services to it.",
				Required: true,
			},
			"secret_id": schema.StringAttribute{
				MarkdownDescription: "Name or ARN of the secret in the store whose current value is copied, best the `id` of its `roi_secret`. The value is read in an apply that makes a version, never in a plan. " +
					"Exactly one of `secret_id` and `value_wo` must be given.",
				Optional:   true,
				Validators: []validator.String{stringvalidator.LengthBetween(1, 2048)},
			},
			"key": schema.StringAttribute{
				MarkdownDescription: "Key of a JSON secret whose string is copied. Default: the whole secret.",
				Optional:            true,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1), stringvalidator.AlsoRequires(path.MatchRoot("secret_id"))},
			},
			"version_id": schema.StringAttribute{
				MarkdownDescription: "Tells when there is a new value: the `version_id` of the secret's `roi_secret_rotation`. Another one makes the next version, in the same plan as the rotation. " +
					"Without it only a change of `secret_id` or `key` does.",
				Optional:   true,
				Validators: []validator.String{stringvalidator.LengthAtLeast(1), stringvalidator.AlsoRequires(path.MatchRoot("secret_id"))},
			},
			"value_wo": schema.StringAttribute{
				MarkdownDescription: fmt.Sprintf("Write-only: the value, 1 to %d bytes, instead of `secret_id`. Needs `value_wo_version`.", swarm.MaxValueBytes),
				Optional:            true,
				Sensitive:           true,
				WriteOnly:           true,
				Validators:          []validator.String{dockerValueRule, stringvalidator.AlsoRequires(path.MatchRoot("value_wo_version"))},
			},
			"value_wo_version": schema.Int64Attribute{
				MarkdownDescription: "Any number that changes when `value_wo` does: Terraform cannot see a write-only value change. Another one makes the next version. " +
					"After an import the first number is recorded and the object is kept.",
				Optional:   true,
				Validators: []validator.Int64{int64validator.AlsoRequires(path.MatchRoot("value_wo"))},
			},
			"labels": schema.MapAttribute{
				MarkdownDescription: "Labels of the Docker object. They are **not secret**. Keys that begin with `roi.` are refused: under them the provider keeps which secret and version the object holds. " +
					"A change is made in place on the current version.",
				Optional:    true,
				ElementType: types.StringType,
				Validators:  []validator.Map{mapvalidator.NoNullValues()},
			},
			"target": schema.SingleNestedAttribute{
				MarkdownDescription: "How services get the secret. What is left out stays as it is in a service that uses the secret already. A change updates the services.",
				Optional:            true,
				Attributes: map[string]schema.Attribute{
					"file": schema.StringAttribute{
						MarkdownDescription: "Name of the file in `/run/secrets`, or an absolute path; the same for every version. Default for a service that does not use the secret yet: `name`.",
						Optional:            true,
						Validators:          []validator.String{targetFileRule},
					},
					"uid": schema.Int64Attribute{
						MarkdownDescription: "Numeric user that owns the file (default: `0`).",
						Optional:            true,
						Validators:          []validator.Int64{int64validator.Between(0, maxLinuxID)},
					},
					"gid": schema.Int64Attribute{
						MarkdownDescription: "Numeric group of the file (default: `0`).",
						Optional:            true,
						Validators:          []validator.Int64{int64validator.Between(0, maxLinuxID)},
					},
					"mode": schema.StringAttribute{
						MarkdownDescription: "File mode in octal (default: `0444`).",
						Optional:            true,
						Validators:          []validator.String{fileModeRule},
					},
				},
			},
			"keep_versions": schema.Int64Attribute{
				MarkdownDescription: fmt.Sprintf("How many superseded versions are kept, 0 to %d (default: `1`). Older ones are removed as soon as no service refers to them, "+
					"also not in the specification that `docker service rollback` returns to.", maxKeepVersions),
				Optional:   true,
				Computed:   true,
				Default:    int64default.StaticInt64(defaultKeepVersions),
				Validators: []validator.Int64{int64validator.Between(0, maxKeepVersions)},
			},
			"services": schema.ListAttribute{
				MarkdownDescription: "Names or ids of the services that are moved to the new version, one after the other in this order. One that does not use the secret yet gets it added; all must exist, and " +
					"jobs are refused. `[\"*\"]` is every service that uses a version of the secret, which may be none. A service that is taken from the list keeps what it has.",
				Optional:    true,
				ElementType: types.StringType,
				Validators: []validator.List{
					listvalidator.UniqueValues(), listvalidator.NoNullValues(), listvalidator.ValueStringsAre(stringvalidator.LengthAtLeast(1)),
				},
			},
			"timeouts": timeoutsAttribute(ctx, "How long each operation may take: numbers with units `s`, `m`, `h`.", map[string]string{
				"create": "Time for all services together (default: `10m`). What is not done then is undone, for which there is as much time again.",
				"update": "Time for all services together (default: `10m`). What is not done then is undone, for which there is as much time again.",
				"delete": "Time to remove the versions (default: `10m`).",
			}),

			"id": schema.StringAttribute{
				MarkdownDescription: "Docker's id of the current version.",
				Computed:            true,
			},
			"version": schema.Int64Attribute{
				MarkdownDescription: "Number of the current version. A new version has a higher number than all that are there. If someone removes the current one, a refresh shows the one before.",
				Computed:            true,
			},
			"versioned_name": schema.StringAttribute{
				MarkdownDescription: "Name of the current version, `NAME-vN`: what a service refers to.",
				Computed:            true,
			},
			"created_at": schema.StringAttribute{
				MarkdownDescription: "When the current version was made (RFC 3339, UTC).",
				Computed:            true,
			},
			"superseded": schema.ListAttribute{
				MarkdownDescription: "Names of earlier versions that are still there, the newest first.",
				Computed:            true,
				ElementType:         types.StringType,
			},
		},
	}
}

func (r *dockerSecretResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

func (r *dockerSecretResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config dockerSecretModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	timeout, diags := plan.Timeouts.Create(ctx, defaultDockerTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	name := plan.Name.ValueString()
	docker, err := r.data.Docker(ctx)
	if err != nil {
		resp.Diagnostics.Append(explainDocker("Cannot create the Docker secret "+quote(name), err))
		return
	}
	want := plan.want(ctx, &resp.Diagnostics)
	want.Value, want.Timeout = r.value(config), timeout
	if resp.Diagnostics.HasError() {
		return
	}
	out, err := docker.Apply(ctx, want)
	if err != nil {
		resp.Diagnostics.Append(explainDocker("Cannot create the Docker secret "+quote(name), err))
		return
	}
	if out.Reused {
		r.data.docker.take(out.Version.ID)
	}
	if len(out.Found) > 0 {
		resp.Diagnostics.AddWarning("Docker secret was there already", fmt.Sprintf(
			"Versions of %s that this provider made were there, and Terraform did not know of them: %s. They are superseded by %s now. If another configuration manages them, "+
				"give one of the two another name.", quote(name), strings.Join(out.Found, ", "), out.Version.Name))
	}
	warnOutcome(name, out, &resp.Diagnostics)
	plan.setVersion(out.Version, out.Superseded)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *dockerSecretResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state dockerSecretModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	what := "Cannot read the Docker secret " + quote(state.ID.ValueString())
	if !state.VersionedName.IsNull() {
		what = "Cannot read the Docker secret " + quote(state.VersionedName.ValueString())
	}
	docker, err := r.data.Docker(ctx)
	if err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	}
	imported := state.Name.IsNull()
	version, superseded, err := r.read(ctx, docker, state)
	switch {
	case isGone(err) && !imported:
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	case version.Number == 0:
		resp.Diagnostics.AddError("Docker secret has no version", fmt.Sprintf(
			"%s: its name %q does not end in -v and a number, and Docker cannot rename it. Write a roi_docker_secret without an import: it makes the first version, and moves the services.", what, version.Name))
		return
	}
	r.data.docker.owned(version.ID)
	if last := state.Version.ValueInt64(); last > int64(version.Number) {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, dockerLastKey, []byte(strconv.FormatInt(last, 10)))...)
	}
	state.refresh(version)
	state.setVersion(version, superseded)
	if imported {
		state.KeepVersions = types.Int64Value(defaultKeepVersions)
	}
	want := state.want(ctx, &resp.Diagnostics)
	outdated, err := docker.Outdated(ctx, version, want)
	if err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	}
	unfinished, err := docker.Unfinished(ctx, version)
	if err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	}
	state.dropServices(outdated, unfinished, &resp.Diagnostics)
	unused, err := docker.Unused(ctx, slices.Concat(superseded[min(want.Keep, len(superseded)):], unfinished))
	if err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, dockerUnusedKey, []byte(strconv.FormatBool(len(unused) > 0)))...)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

// read returns the current version and the names of those before it. If someone
// removed the current one, the newest that is left is it.
func (r *dockerSecretResource) read(ctx context.Context, docker *swarm.Swarm, state dockerSecretModel) (version swarm.Version, superseded []string, err error) {
	version, gone := docker.Read(ctx, state.ID.ValueString())
	if gone != nil && !isGone(gone) {
		return version, nil, gone
	}
	superseded, err = docker.Present(ctx, stringElements(state.Superseded.Elements()))
	if err != nil || gone == nil {
		return version, superseded, err
	}
	if len(superseded) == 0 {
		return version, nil, gone
	}
	version, err = docker.Read(ctx, superseded[0])
	return version, superseded[1:], err
}

func (r *dockerSecretResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state, config dockerSecretModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	timeout, diags := plan.Timeouts.Update(ctx, defaultDockerTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	name := plan.Name.ValueString()
	want := plan.want(ctx, &resp.Diagnostics)
	want.Timeout = timeout
	want.Current, want.Last = state.ID.ValueString(), int(state.Version.ValueInt64())
	want.Superseded = stringElements(state.Superseded.Elements())
	removed, diags := req.Private.GetKey(ctx, dockerLastKey)
	resp.Diagnostics.Append(diags...)
	if last, err := strconv.Atoi(string(removed)); err == nil {
		want.Last = max(want.Last, last)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if plan.newValue(state) {
		want.Value = r.value(config)
	}
	version, superseded, err := r.update(ctx, want, state.unsourced(), &resp.Diagnostics)
	if err != nil {
		resp.Diagnostics.Append(explainDocker("Cannot update the Docker secret "+quote(name), err))
	}
	if resp.Diagnostics.HasError() {
		return // the state stays as it was, and the next apply finishes the change
	}
	plan.setVersion(version, superseded)
	// What could not be removed now is looked at again by the next refresh.
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, dockerUnusedKey, []byte("false"))...)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *dockerSecretResource) update(ctx context.Context, want swarm.Want, unsourced bool, diags *diag.Diagnostics) (swarm.Version, []string, error) {
	docker, err := r.data.Docker(ctx)
	if err != nil {
		return swarm.Version{}, nil, err
	}
	if unsourced && want.Value == nil {
		// Contents cannot be compared, so nothing is moved.
		version, err := docker.Label(ctx, want.Current, want.Source, want.Labels)
		return version, want.Superseded, err
	}
	out, err := docker.Apply(ctx, want)
	warnOutcome(want.Name, out, diags)
	return out.Version, out.Superseded, err
}

func (r *dockerSecretResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state dockerSecretModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diags := state.Timeouts.Delete(ctx, defaultDockerTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	what := "Cannot delete the Docker secret " + quote(state.VersionedName.ValueString())
	if r.data.docker.takenOver(state.ID.ValueString()) {
		resp.Diagnostics.AddWarning("Docker secret was not deleted", fmt.Sprintf(
			"A create of this run took over %s, and then it was to be deleted as the object of another address or as what it replaces. It was kept.", quote(state.VersionedName.ValueString())))
		return
	}
	docker, err := r.data.Docker(ctx)
	if err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := docker.Delete(ctx, state.Name.ValueString(), state.ID.ValueString(), stringElements(state.Superseded.Elements())); err != nil {
		resp.Diagnostics.Append(explainDocker(what, err))
	}
}

func (r *dockerSecretResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if req.ID == "" || strings.TrimSpace(req.ID) != req.ID {
		resp.Diagnostics.AddError("Invalid import id",
			"A roi_docker_secret is imported by the name of its current version or by Docker's id of it, for example:\n\n  terraform import roi_docker_secret.jwt app-jwt-secret-v3")
		return
	}
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}
