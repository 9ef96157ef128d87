// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/report"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ datasource.DataSourceWithConfigure = (*rotationReport)(nil)

func newRotationReport() datasource.DataSource { return &rotationReport{} }

// rotationReport is the data source roi_rotation_report.
type rotationReport struct {
	data *providerData
}

type rotationReportModel struct {
	NamePrefix      types.String `tfsdk:"name_prefix"`
	Tags            types.Map    `tfsdk:"tags"`
	Categories      types.Set    `tfsdk:"categories"`
	Classifications types.Set    `tfsdk:"classifications"`
	Statuses        types.Set    `tfsdk:"statuses"`
	IncludeForeign  types.Bool   `tfsdk:"include_foreign"`
	DueWithin       types.String `tfsdk:"due_within"`
	UnusedDays      types.Int64  `tfsdk:"unused_days"`
	PublishMetrics  types.Bool   `tfsdk:"publish_metrics"`

	Secrets  []reportSecretModel `tfsdk:"secrets"`
	Overdue  []string            `tfsdk:"overdue"`
	DueSoon  []string            `tfsdk:"due_soon"`
	Unused   []string            `tfsdk:"unused"`
	Counts   *reportCountsModel  `tfsdk:"counts"`
	Markdown types.String        `tfsdk:"markdown"`
	JSON     types.String        `tfsdk:"json"`
}

type reportSecretModel struct {
	ARN          types.String     `tfsdk:"arn"`
	Name         types.String     `tfsdk:"name"`
	Status       types.String     `tfsdk:"status"`
	Reason       types.String     `tfsdk:"reason"`
	Owner        types.String     `tfsdk:"owner"`
	VersionID    types.String     `tfsdk:"version_id"`
	RotatedAt    types.String     `tfsdk:"rotated_at"`
	DueAt        types.String     `tfsdk:"due_at"`
	DaysLeft     *int             `tfsdk:"days_left"`
	LastAccessed types.String     `tfsdk:"last_accessed"`
	UnusedSince  types.String     `tfsdk:"unused_since"`
	Keys         []reportKeyModel `tfsdk:"keys"`
}

type reportKeyModel struct {
	Key            types.String `tfsdk:"key"`
	Category       types.String `tfsdk:"category"`
	Classification types.String `tfsdk:"classification"`
	RotationDays   types.Int64  `tfsdk:"rotation_days"`
	Supplied       bool         `tfsdk:"supplied"`
	HasRotation    bool         `tfsdk:"has_rotation"`
	VersionID      types.String `tfsdk:"version_id"`
	RotatedAt      types.String `tfsdk:"rotated_at"`
	DueAt          types.String `tfsdk:"due_at"`
	DaysLeft       *int         `tfsdk:"days_left"`
	Status         types.String `tfsdk:"status"`
	Reason         types.String `tfsdk:"reason"`
}

type reportCountsModel struct {
	Total            int `tfsdk:"total"`
	Overdue          int `tfsdk:"overdue"`
	DueSoon          int `tfsdk:"due_soon"`
	Untracked        int `tfsdk:"untracked"`
	Current          int `tfsdk:"current"`
	RotatedElsewhere int `tfsdk:"rotated_elsewhere"`
	Scheduled        int `tfsdk:"scheduled_for_deletion"`
	Unused           int `tfsdk:"unused"`
}

// Metadata implements datasource.DataSource.
func (r *rotationReport) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_rotation_report"
}

// Configure implements datasource.DataSourceWithConfigure.
func (r *rotationReport) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

// Read implements datasource.DataSource.
func (r *rotationReport) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model rotationReportModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	query := r.query(model, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(providerProblem(cannotReport, err))
		return
	}
	source, ok := inner(store).(report.Store)
	if !ok {
		resp.Diagnostics.AddError("Store cannot be listed", cannotReport+": this store cannot list its secrets.")
		return
	}
	made, err := report.Make(ctx, source, query)
	if err != nil {
		resp.Diagnostics.Append(reportProblem(err))
		return
	}
	warnReport(made, model, &resp.Diagnostics)
	if model.PublishMetrics.ValueBool() {
		resp.Diagnostics.Append(r.data.publishReport(ctx, made)...)
	}
	resp.Diagnostics.Append(model.set(made)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

const cannotReport = "The rotation report cannot be made"

const (
	defaultUnusedDays = 90
	maxUnusedDays     = 3650
)

// query is what the configuration asks for.
func (r *rotationReport) query(m rotationReportModel, diags *diag.Diagnostics) report.Query {
	settings, err := r.data.Rotation()
	if err != nil {
		diags.Append(providerProblem(cannotReport, err))
		return report.Query{}
	}
	now := r.data.Clock().Now()
	q := report.Query{
		NamePrefix: m.NamePrefix.ValueString(),
		Tags:       stringMap(m.Tags),
		Foreign:    m.IncludeForeign.ValueBool(),
		Categories: stringElements(m.Categories.Elements()),
		Now:        now,
		DueAt:      now,
		DueWithin:  settings.WarnBefore,
		Unused:     defaultUnusedDays * day,
	}
	for _, name := range stringElements(m.Classifications.Elements()) {
		q.Classifications = append(q.Classifications, policy.Classification(name))
	}
	for _, name := range stringElements(m.Statuses.Elements()) {
		q.Statuses = append(q.Statuses, report.Status(name))
	}
	if !settings.PlanAsOf.IsZero() {
		q.DueAt = settings.PlanAsOf
	}
	if !m.DueWithin.IsNull() {
		q.DueWithin = parsed(m.DueWithin)
	}
	if !m.UnusedDays.IsNull() {
		q.Unused = time.Duration(m.UnusedDays.ValueInt64()) * day
	}
	r.checkCategories(q.Categories, diags)
	return q
}

func (r *rotationReport) checkCategories(names []string, diags *diag.Diagnostics) {
	if len(names) == 0 {
		return
	}
	configured, err := r.data.Policies()
	if err != nil {
		diags.Append(providerProblem(cannotReport, err))
		return
	}
	checkCategories(names, configured, diags)
}

// reportProblem adds to the general errors of a store what is special about lists.
func reportProblem(err error) diag.Diagnostic {
	if errors.Is(err, secretstore.ErrAccessDenied) {
		return diag.NewErrorDiagnostic("Listing secrets is denied", cannotReport+
			": these credentials may not list secrets. Allow the action secretsmanager:ListSecrets. AWS knows it for all secrets only, so its Resource is \"*\".\n\n"+err.Error())
	}
	return explain(cannotReport, "*", err)
}

func warnReport(made *report.Report, m rotationReportModel, diags *diag.Diagnostics) {
	if len(made.Denied) > 0 {
		diags.AddWarning("Age of secrets is not known", fmt.Sprintf(
			"These secrets are reported as untracked, since the age of their current version is not known: %s. A list of secrets does not tell it for a version that neither "+
				"a roi_secret created nor a roi_secret_rotation recorded. Allow the action secretsmanager:ListSecretVersionIds on them.\n\n%v",
			shortList(made.Denied), made.DeniedError))
	}
	if made.Counts.Total > 0 {
		return
	}
	detail := "No secret in this account and region passes all filters, and the report is empty."
	if !m.NamePrefix.IsNull() {
		detail = fmt.Sprintf("No secret in this account and region has a name that begins with %q and passes all other filters. The report is empty.", m.NamePrefix.ValueString())
	}
	if !m.IncludeForeign.ValueBool() {
		detail += " Secrets that this provider has not tagged are left out unless include_foreign = true."
	}
	detail += " A secret that was made in the last five minutes may not be listed yet."
	if m.NamePrefix.IsNull() {
		diags.AddWarning("No secret matches", detail)
		return
	}
	diags.AddAttributeWarning(path.Root("name_prefix"), "No secret matches", detail)
}

// shortList names the first few.
func shortList(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// set fills in what is computed.
func (m *rotationReportModel) set(made *report.Report) diag.Diagnostics {
	text, err := json.Marshal(made)
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Report cannot be encoded", cannotReport+".\n\n"+err.Error())}
	}
	m.JSON, m.Markdown = types.StringValue(string(text)), types.StringValue(made.Markdown())
	m.Overdue, m.DueSoon, m.Unused = made.Overdue, made.DueSoon, made.Unused
	counts := reportCountsModel(made.Counts)
	m.Counts = &counts
	m.Secrets = make([]reportSecretModel, len(made.Secrets))
	for i, s := range made.Secrets {
		m.Secrets[i] = reportSecretModel{
			ARN: types.StringValue(s.ARN), Name: types.StringValue(s.Name), Status: types.StringValue(string(s.Status)),
			Reason: optionalString(s.Reason), Owner: optionalString(s.Owner), VersionID: optionalString(s.VersionID),
			RotatedAt: optionalTimestamp(s.RotatedAt), DueAt: optionalTimestamp(s.DueAt), DaysLeft: s.DaysLeft,
			LastAccessed: optionalTimestamp(s.AccessedAt), UnusedSince: optionalTimestamp(s.UnusedSince),
			Keys: make([]reportKeyModel, len(s.Keys)),
		}
		for j, k := range s.Keys {
			key := reportKeyModel{
				Key: optionalString(k.Name), Category: optionalString(k.Category), Classification: optionalString(string(k.Classification)),
				Supplied: k.Supplied, HasRotation: k.HasRotation, VersionID: optionalString(k.VersionID),
				RotatedAt: optionalTimestamp(k.RotatedAt), DueAt: optionalTimestamp(k.DueAt), DaysLeft: k.DaysLeft,
				Status: types.StringValue(string(k.Status)), Reason: optionalString(k.Reason),
			}
			if k.RotationDays > 0 {
				key.RotationDays = types.Int64Value(int64(k.RotationDays))
			}
			m.Secrets[i].Keys[j] = key
		}
	}
	return nil
}
