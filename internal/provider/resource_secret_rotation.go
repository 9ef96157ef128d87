// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
)

var (
	_ resource.Resource                   = (*rotationResource)(nil)
	_ resource.ResourceWithConfigure      = (*rotationResource)(nil)
	_ resource.ResourceWithValidateConfig = (*rotationResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*rotationResource)(nil)
	_ resource.ResourceWithImportState    = (*rotationResource)(nil)
)

func newRotationResource() resource.Resource { return &rotationResource{} }

// rotationResource is roi_secret_rotation: the current version of a secret, or of
// some of its keys, and when it is due.
type rotationResource struct {
	data *providerData
}

// secretRotationModel is a roi_secret_rotation.
type secretRotationModel struct {
	policyArguments

	SecretID          types.String   `tfsdk:"secret_id"`
	Keys              types.Set      `tfsdk:"keys"`
	RotateBefore      types.String   `tfsdk:"rotate_before"`
	PreviousKeySuffix types.String   `tfsdk:"previous_key_suffix"`
	Triggers          types.Map      `tfsdk:"triggers"`
	RotateOnCreate    types.Bool     `tfsdk:"rotate_on_create"`
	Category          types.String   `tfsdk:"category"`
	HealthCheck       types.List     `tfsdk:"health_check"`
	Timeouts          timeouts.Value `tfsdk:"timeouts"`

	ID                types.String `tfsdk:"id"`
	VersionID         types.String `tfsdk:"version_id"`
	PreviousVersionID types.String `tfsdk:"previous_version_id"`
	Generation        types.Int64  `tfsdk:"generation"`
	RotatedAt         types.String `tfsdk:"rotated_at"`
	RotationDueAt     types.String `tfsdk:"rotation_due_at"`
	Overdue           types.Bool   `tfsdk:"overdue"`
	GraceEndsAt       types.String `tfsdk:"grace_ends_at"`
	GraceOver         types.Bool   `tfsdk:"grace_over"`
	PreviousRetired   types.Bool   `tfsdk:"previous_retired"`
}

// healthCheckModel is one entry of health_check.
type healthCheckModel struct {
	URL              types.String `tfsdk:"url"`
	ExpectStatus     types.Int64  `tfsdk:"expect_status"`
	Timeout          types.String `tfsdk:"timeout"`
	Interval         types.String `tfsdk:"interval"`
	HealthyThreshold types.Int64  `tfsdk:"healthy_threshold"`
	Deadline         types.String `tfsdk:"deadline"`
}

const (
	defaultRotationTimeout = 20 * time.Minute
	defaultDeadline        = "2m"
	maxRotationTime        = rotation.MaxDays * day
)

var (
	suffixPattern    = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)
	positiveDuration = duration(`must be a duration of more than 0 and at most "1h", such as "5s"`, time.Millisecond, time.Hour)

	healthURLRule = stringRule{
		must: `must be an http or https URL without a user name or password, such as "https://api.example.com/health"`,
		ok:   func(s string) bool { return rotation.CheckURL(s) == nil },
		// What is wrong with it may be a password.
		hidden: true,
	}
)

func (r *rotationResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_secret_rotation"
}

func (r *rotationResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := policyResourceAttributes()
	maps.Copy(attributes, rotationArguments(ctx))
	maps.Copy(attributes, rotationComputed())
	resp.Schema = schema.Schema{
		MarkdownDescription: "The current version of a secret, or of some keys of a JSON secret, and when it is due. An overdue value is planned as a " +
			"replacement of this resource, so that everything that depends on it follows in the same plan; the secret itself is kept, and gets a new version without a gap.",
		Attributes: attributes,
	}
}

func rotationArguments(ctx context.Context) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"secret_id": schema.StringAttribute{
			MarkdownDescription: "Name or ARN of the secret, best the `id` of its `roi_secret`. Another secret replaces the rotation and rotates nothing.",
			Required:            true,
			Validators:          []validator.String{stringvalidator.LengthBetween(1, 2048)},
		},
		"keys": schema.SetAttribute{
			MarkdownDescription: "Rotate only these keys of a JSON secret. Default: all generated keys that no other rotation of the secret names, except " +
				"those of category `encryption`, which are rotated only when they are named here. A secret has at most 15 rotations, and no key is in two.",
			Optional:    true,
			ElementType: types.StringType,
			Validators:  []validator.Set{setvalidator.SizeAtLeast(1), setvalidator.ValueStringsAre(keyNameRule)},
		},
		"rotation_days": schema.Int64Attribute{
			MarkdownDescription: "Days of 24 hours after which the value is due: 1 to 1000. Default: the shortest interval of the policies concerned. " +
				"A change that makes the value overdue rotates it in the same apply.",
			Optional:   true,
			Validators: []validator.Int64{int64validator.Between(1, rotation.MaxDays)},
		},
		"rotate_before": schema.StringAttribute{
			MarkdownDescription: "Lead time, such as `72h`: the value is due that much earlier. Shorter than the interval. Default: `0s`.",
			Optional:            true,
			Validators:          []validator.String{nonNegativeDuration},
		},
		"grace_period": schema.StringAttribute{
			MarkdownDescription: "How long the previous value stays valid after a rotation, such as `1h`; at most the interval. Until then `AWSPREVIOUS` is on the " +
				"version that holds it; the first apply after that takes the label away. Default: the longest of the policies concerned. " +
				"For category `encryption` it never ends, and cannot be set.",
			Optional:   true,
			Validators: []validator.String{duration(`must be a duration of 0 or more and at most 1000 days, such as "90m" or "168h"`, 0, maxRotationTime)},
		},
		"previous_key_suffix": schema.StringAttribute{
			MarkdownDescription: "While the grace period runs the JSON object also holds the previous value, under the name of the key with this suffix " +
				"(`_OLD` makes `JWT_SECRET_OLD`): for consumers that read one version only. 1 to 32 of `A-Z a-z 0-9 _ . -`.",
			Optional: true,
			Validators: []validator.String{stringvalidator.RegexMatches(suffixPattern,
				"must be 1 to 32 characters, each a letter, a digit or one of _ . -")},
		},
		"triggers": schema.MapAttribute{
			MarkdownDescription: "Any values: when one changes, the value is rotated. They are **not secret**; a short hash of them is kept in the secret's tags.",
			Optional:            true,
			ElementType:         types.StringType,
		},
		"rotate_on_create": schema.BoolAttribute{
			MarkdownDescription: "Whether the create of this resource rotates a value that it never rotated before, for a value that others may know. " +
				"Default: `false`, which takes over the present version.",
			Optional: true,
		},
		"category": schema.StringAttribute{
			MarkdownDescription: "Category of the value, for a secret that carries no policy because it was made by other means: " + categoryList() +
				", or one that the provider's `policies` define. The arguments of the policy beside it are only for that.",
			Optional: true,
		},
		"health_check": schema.ListNestedAttribute{
			MarkdownDescription: "Asked one after the other when the new version is current. If one fails, every label is put back where it was and the apply fails. " +
				"Answers are read for their status only and are never shown.",
			Optional:     true,
			NestedObject: schema.NestedAttributeObject{Attributes: healthCheckAttributes()},
			Validators:   []validator.List{listvalidator.SizeBetween(1, 10)},
		},
		"timeouts": timeoutsAttribute(ctx,
			"How long each operation may take: numbers with units `s`, `m`, `h`. What is unfinished then is finished by the next apply.",
			map[string]string{
				"create": "Time for a rotation, health checks included (default: `20m`).",
				"update": "Time for a change in place (default: `20m`).",
				"delete": "Time for the first half of a replacement (default: `20m`).",
			}),
	}
}

// timeoutsAttribute is the library's attribute with descriptions in Markdown,
// which it does not take.
func timeoutsAttribute(ctx context.Context, description string, operations map[string]string) schema.Attribute {
	attribute, ok := timeouts.Attributes(ctx, timeouts.Opts{Create: true, Update: true, Delete: true}).(schema.SingleNestedAttribute)
	if !ok {
		panic("terraform-plugin-framework-timeouts returned another kind of attribute")
	}
	attribute.MarkdownDescription = description
	for name, description := range operations {
		text, ok := attribute.Attributes[name].(schema.StringAttribute)
		if !ok {
			panic("terraform-plugin-framework-timeouts returned another kind of attribute for " + name)
		}
		text.MarkdownDescription = description
		attribute.Attributes[name] = text
	}
	return attribute
}

func healthCheckAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"url": schema.StringAttribute{
			MarkdownDescription: "`http` or `https` URL to GET. Certificates are verified. Up to 5 redirects are followed, to http and https only and never from https to http, " +
				"unless `expect_status` is itself a redirect.",
			Required:   true,
			Validators: []validator.String{healthURLRule},
		},
		"expect_status": schema.Int64Attribute{
			MarkdownDescription: "Status of a healthy answer, 100 to 599 (default: `200`).",
			Optional:            true, Computed: true,
			Default:    int64default.StaticInt64(200),
			Validators: []validator.Int64{int64validator.Between(100, 599)},
		},
		"timeout": schema.StringAttribute{
			MarkdownDescription: "Time for one request (default: `5s`).",
			Optional:            true, Computed: true,
			Default:    stringdefault.StaticString("5s"),
			Validators: []validator.String{positiveDuration},
		},
		"interval": schema.StringAttribute{
			MarkdownDescription: "Time between two requests (default: `2s`).",
			Optional:            true, Computed: true,
			Default:    stringdefault.StaticString("2s"),
			Validators: []validator.String{positiveDuration},
		},
		"healthy_threshold": schema.Int64Attribute{
			MarkdownDescription: "How many healthy answers in a row are needed, 1 to 100 (default: `3`).",
			Optional:            true, Computed: true,
			Default:    int64default.StaticInt64(3),
			Validators: []validator.Int64{int64validator.Between(1, 100)},
		},
		"deadline": schema.StringAttribute{
			MarkdownDescription: "Time after which a check that is not healthy has failed (default: `2m`).",
			Optional:            true, Computed: true,
			Default:    stringdefault.StaticString(defaultDeadline),
			Validators: []validator.String{positiveDuration},
		},
	}
}

func rotationComputed() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{
			MarkdownDescription: "The secret's ARN, and the named keys after commas, as `terraform import` takes it.",
			Computed:            true,
		},
		"version_id": schema.StringAttribute{
			MarkdownDescription: "The version in which the value last changed; one made elsewhere counts. It is what dependents watch " +
				"(`replace_triggered_by = [roi_secret_rotation.NAME.version_id]`); they read `AWSCURRENT`.",
			Computed: true,
		},
		"previous_version_id": schema.StringAttribute{
			MarkdownDescription: "The version with the value before. Null where this provider did not rotate the present value.",
			Computed:            true,
		},
		"generation": schema.Int64Attribute{
			MarkdownDescription: "Unix seconds at which `version_id` was made: a number for the `*_wo_version` arguments of other providers.",
			Computed:            true,
		},
		"rotated_at": schema.StringAttribute{
			MarkdownDescription: "When the value was made (RFC 3339, UTC); of several keys, the oldest.",
			Computed:            true,
		},
		"rotation_due_at": schema.StringAttribute{
			MarkdownDescription: "When the value is due (RFC 3339, UTC), lead time included. Null when it never is.",
			Computed:            true,
		},
		"overdue": schema.BoolAttribute{
			MarkdownDescription: "Whether it was due when Terraform last looked.",
			Computed:            true,
		},
		"grace_ends_at": schema.StringAttribute{
			MarkdownDescription: "When the grace period of the previous value ends (RFC 3339, UTC). Null when there is none, or no end.",
			Computed:            true,
		},
		"grace_over": schema.BoolAttribute{
			MarkdownDescription: "Whether the grace period was over when Terraform last looked.",
			Computed:            true,
		},
		"previous_retired": schema.BoolAttribute{
			MarkdownDescription: "Whether the previous version has lost `AWSPREVIOUS`.",
			Computed:            true,
		},
	}
}

func (r *rotationResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

// named returns the keys that the configuration names, sorted.
func (m secretRotationModel) named() []string {
	return slices.Compact(slices.Sorted(slices.Values(stringElements(m.Keys.Elements()))))
}

// fingerprint identifies the triggers.
func (m secretRotationModel) fingerprint() string { return rotation.Fingerprint(stringMap(m.Triggers)) }

func (m secretRotationModel) checks(ctx context.Context) []rotation.HealthCheck {
	var models []healthCheckModel
	if m.HealthCheck.ElementsAs(ctx, &models, false).HasError() {
		return nil // the schema rules it out
	}
	var checks []rotation.HealthCheck
	for _, model := range models {
		checks = append(checks, rotation.HealthCheck{
			URL:       model.URL.ValueString(),
			Status:    int(model.ExpectStatus.ValueInt64()),
			Timeout:   parsed(model.Timeout),
			Interval:  parsed(model.Interval),
			Threshold: int(model.HealthyThreshold.ValueInt64()),
			Deadline:  parsed(model.Deadline),
		})
	}
	return checks
}

// parsed is a duration that a validator has accepted; 0 if there is none.
func parsed(text types.String) time.Duration {
	d, _ := time.ParseDuration(text.ValueString())
	return d
}

// setState takes over what is known of the value. looked is the time that dates
// are compared with; the zero time is for "not known".
func (m *secretRotationModel) setState(s rotation.State, schedule rotation.Schedule, looked time.Time) {
	m.ID = types.StringValue(rotationImportID(s.ARN, m.named()))
	m.VersionID = optionalString(s.Version)
	m.PreviousVersionID = optionalString(s.Previous)
	m.Generation, m.RotatedAt = types.Int64Null(), types.StringNull()
	if !s.Changed.IsZero() {
		m.Generation = types.Int64Value(s.Changed.Unix())
		m.RotatedAt = timestamp(s.Made)
	}
	m.setDue(schedule, looked)
	m.setGrace(s.Grace, looked)
	m.PreviousRetired = types.BoolValue(s.Retired)
}

// setDue and setGrace compute dates from those in the model.
func (m *secretRotationModel) setDue(schedule rotation.Schedule, looked time.Time) {
	due := schedule.Due(m.rotatedAt())
	m.RotationDueAt = optionalTimestamp(due)
	m.Overdue = types.BoolValue(!looked.IsZero() && schedule.Overdue(m.rotatedAt(), looked))
}

func (m *secretRotationModel) setGrace(grace rotation.Grace, looked time.Time) {
	m.GraceEndsAt, m.GraceOver = types.StringNull(), types.BoolValue(false)
	if m.PreviousVersionID.IsNull() {
		return
	}
	m.GraceEndsAt = optionalTimestamp(grace.Ends(m.changedAt()))
	m.GraceOver = types.BoolValue(!looked.IsZero() && grace.Over(m.changedAt(), looked))
}

func (m secretRotationModel) rotatedAt() time.Time {
	t, _ := time.Parse(time.RFC3339, m.RotatedAt.ValueString())
	return t
}

func (m secretRotationModel) changedAt() time.Time {
	if m.Generation.IsNull() {
		return time.Time{}
	}
	return time.Unix(m.Generation.ValueInt64(), 0).UTC()
}

func optionalTimestamp(t time.Time) types.String {
	if t.IsZero() {
		return types.StringNull()
	}
	return timestamp(t)
}

func rotationImportID(arn string, keys []string) string {
	id := arn
	for _, key := range keys {
		id += "," + key
	}
	return id
}

func (r *rotationResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	id, rest, hasKeys := strings.Cut(req.ID, ",")
	keys := strings.Split(rest, ",")
	valid := id != "" && strings.TrimSpace(id) == id
	for i, key := range keys {
		valid = valid && (!hasKeys || policy.CheckKeyName(key) == nil && !slices.Contains(keys[:i], key))
	}
	if !valid {
		resp.Diagnostics.AddError("Invalid import id",
			"A roi_secret_rotation is imported by the name or the ARN of the secret, followed by the keys that it names, if any, each once and after a comma, for example:\n\n"+
				"  terraform import roi_secret_rotation.jwt app/production/jwt-secret\n"+
				"  terraform import roi_secret_rotation.jwt app/production/app-secrets,JWT_SECRET")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("secret_id"), id)...)
	if hasKeys {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("keys"), keys)...)
	}
}
