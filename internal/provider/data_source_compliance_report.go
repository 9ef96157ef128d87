// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var (
	_ datasource.DataSourceWithConfigure      = (*complianceReport)(nil)
	_ datasource.DataSourceWithValidateConfig = (*complianceReport)(nil)
)

func newComplianceReport() datasource.DataSource { return &complianceReport{} }

// complianceReport is the data source roi_compliance_report.
type complianceReport struct {
	data *providerData
}

type complianceReportModel struct {
	NamePrefix types.String `tfsdk:"name_prefix"`
	Tags       types.Map    `tfsdk:"tags"`
	SecretIDs  types.Set    `tfsdk:"secret_ids"`
	Categories types.Set    `tfsdk:"categories"`
	ReadValues types.Bool   `tfsdk:"read_values"`

	Results  []complianceResultModel `tfsdk:"results"`
	Totals   *complianceTotalsModel  `tfsdk:"totals"`
	Markdown types.String            `tfsdk:"markdown"`
	JSON     types.String            `tfsdk:"json"`
	SARIF    types.String            `tfsdk:"sarif"`
}

type complianceResultModel struct {
	ID       string       `tfsdk:"id"`
	Subject  string       `tfsdk:"subject"`
	Name     string       `tfsdk:"name"`
	Key      types.String `tfsdk:"key"`
	Status   string       `tfsdk:"status"`
	Reason   string       `tfsdk:"reason"`
	Controls []string     `tfsdk:"controls"`
}

type complianceTotalsModel struct {
	Secrets      int `tfsdk:"secrets"`
	Pass         int `tfsdk:"pass"`
	Fail         int `tfsdk:"fail"`
	NotEvaluated int `tfsdk:"not_evaluated"`
}

// Metadata implements datasource.DataSource.
func (r *complianceReport) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_compliance_report"
}

// Configure implements datasource.DataSourceWithConfigure.
func (r *complianceReport) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	r.data = configure(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig implements datasource.DataSourceWithValidateConfig.
func (r *complianceReport) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var config complianceReportModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() || config.SecretIDs.IsNull() {
		return
	}
	for argument, set := range map[string]bool{"name_prefix": !config.NamePrefix.IsNull(), "tags": !config.Tags.IsNull()} {
		if set {
			resp.Diagnostics.AddAttributeError(path.Root(argument), argument+" beside secret_ids",
				"secret_ids names the secrets to look at, and "+argument+" looks for them. Leave one of the two out.")
		}
	}
}

const cannotCheck = "The compliance report cannot be made"

// Read implements datasource.DataSource.
func (r *complianceReport) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model complianceReportModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	store, err := r.data.Store(ctx)
	if err != nil {
		resp.Diagnostics.Append(providerProblem(cannotCheck, err))
		return
	}
	checker := r.checker(store, model, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	files, err := storeFiles(store)
	if err != nil {
		resp.Diagnostics.Append(explain(cannotCheck, "*", err))
		return
	}
	secrets := r.secrets(ctx, store, model, failed(files), &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	report, err := checker.Check(ctx, secrets)
	if err != nil {
		resp.Diagnostics.Append(explain(cannotCheck, "*", err))
		return
	}
	report = compliance.NewReport(slices.Concat(files, report.Results))
	model.set(report, r.data.version)
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
}

// checker is what the configuration asks for.
func (r *complianceReport) checker(store secretstore.Store, m complianceReportModel, diags *diag.Diagnostics) compliance.Checker {
	report := func(err error) compliance.Checker {
		diags.Append(providerProblem(cannotCheck, err))
		return compliance.Checker{}
	}
	environment, err := r.data.Environment()
	if err != nil {
		return report(err)
	}
	rules, err := r.data.KMSRules()
	if err != nil {
		return report(err)
	}
	settings, err := r.data.Rotation()
	if err != nil {
		return report(err)
	}
	categories := stringElements(m.Categories.Elements())
	if len(categories) > 0 {
		configured, err := r.data.Policies()
		if err != nil {
			return report(err)
		}
		checkCategories(categories, configured, diags)
	}
	now := r.data.Clock().Now()
	if !settings.PlanAsOf.IsZero() {
		now = settings.PlanAsOf
	}
	keys, _ := inner(store).(secretstore.KeyDescriber)
	policies, _ := inner(store).(secretstore.PolicyReader)
	return compliance.Checker{
		Store: store, Keys: keys, Policies: policies,
		Floor:      func(p policy.Policy) error { return belowFloor(environment, p) },
		RequireHSM: rules.RequireHSM, ReadValues: m.ReadValues.ValueBool(), Categories: categories, Now: now,
	}
}

// belowFloor says what is wrong with a recorded policy in an environment.
func belowFloor(environment policy.Environment, p policy.Policy) error {
	resolve := policy.Resolve
	if p.Supplied {
		resolve = policy.ResolveSupplied
	}
	_, err := resolve(environment, p.Base, nil, overridesOf(p))
	return err
}

func checkCategories(names []string, configured map[string]policy.Overrides, diags *diag.Diagnostics) {
	known := slices.Concat(policy.Categories(), sortedKeys(configured))
	for _, name := range names {
		if !slices.Contains(known, name) {
			diags.AddAttributeError(path.Root("categories"), "Unknown category", fmt.Sprintf(
				"There is no category %q. Known are: %s. One that another configuration has made is known here when the provider's policies define it.",
				name, strings.Join(known, ", ")))
		}
	}
}

// storeFiles looks at the files of a store that has some.
func storeFiles(store secretstore.Store) ([]compliance.Result, error) {
	keeper, ok := inner(store).(secretstore.FileKeeper)
	if !ok {
		return nil, nil
	}
	files, err := keeper.Files()
	return compliance.Files(files), err
}

func failed(results []compliance.Result) bool {
	return slices.ContainsFunc(results, func(r compliance.Result) bool { return r.Status == compliance.Fail })
}

// secrets are those to look at. openFiles says that the store refuses its own files
// because others can use them: that is what the report is to tell, and no reason
// for not making one.
func (r *complianceReport) secrets(ctx context.Context, store secretstore.Store, m complianceReportModel, openFiles bool, diags *diag.Diagnostics) []secretstore.Secret {
	refused := func(err error) bool {
		if !openFiles || !errors.Is(err, secretstore.ErrAccessDenied) {
			return false
		}
		diags.AddWarning("Secrets could not be looked at",
			"The report holds only what is wrong with the files of the embedded store, which are not used until that is mended. Run the command below, then plan again.\n\n"+err.Error())
		return true
	}
	if !m.SecretIDs.IsNull() {
		var secrets []secretstore.Secret
		for _, id := range slices.Compact(slices.Sorted(slices.Values(stringElements(m.SecretIDs.Elements())))) {
			secret, err := store.Describe(ctx, id)
			if err != nil {
				if !refused(err) {
					diags.Append(diag.WithPath(path.Root("secret_ids"), explain(fmt.Sprintf("Cannot look at the secret %q", id), id, err)))
				}
				return nil
			}
			secrets = append(secrets, secret)
		}
		return unique(secrets)
	}
	lister, ok := inner(store).(secretstore.Lister)
	if !ok {
		diags.AddError("Store cannot be listed", cannotCheck+": this store cannot list its secrets. Name them in secret_ids.")
		return nil
	}
	var secrets []secretstore.Secret
	for secret, err := range lister.List(ctx, secretstore.ListFilter{NamePrefix: m.NamePrefix.ValueString(), Tags: stringMap(m.Tags)}) {
		if err != nil {
			if !refused(err) {
				diags.Append(listProblem(err))
			}
			return nil
		}
		secrets = append(secrets, secret.Secret)
	}
	if len(secrets) == 0 {
		m.warnEmpty(diags)
	}
	return secrets
}

// unique leaves out what was named twice, by name and by ARN.
func unique(secrets []secretstore.Secret) []secretstore.Secret {
	slices.SortFunc(secrets, func(a, b secretstore.Secret) int { return strings.Compare(a.ARN, b.ARN) })
	return slices.CompactFunc(secrets, func(a, b secretstore.Secret) bool { return a.ARN == b.ARN })
}

func listProblem(err error) diag.Diagnostic {
	if errors.Is(err, secretstore.ErrAccessDenied) {
		return diag.NewErrorDiagnostic("Listing secrets is denied", cannotCheck+": these credentials may not list secrets. "+
			"Allow the action secretsmanager:ListSecrets, which AWS knows for all secrets only (Resource \"*\"), or name the secrets in secret_ids.\n\n"+err.Error())
	}
	return explain(cannotCheck, "*", err)
}

func (m complianceReportModel) warnEmpty(diags *diag.Diagnostics) {
	const detail = " The report is empty. A secret that was made in the last five minutes may not be listed yet."
	if m.NamePrefix.IsNull() {
		diags.AddWarning("No secret matches", "No secret in this account and region passes all filters."+detail)
		return
	}
	diags.AddAttributeWarning(path.Root("name_prefix"), "No secret matches", fmt.Sprintf(
		"No secret in this account and region has a name that begins with %q and passes all other filters.", m.NamePrefix.ValueString())+detail)
}

// set fills in what is computed.
func (m *complianceReportModel) set(report compliance.Report, version string) {
	totals := complianceTotalsModel(report.Totals)
	m.Totals = &totals
	m.Results = make([]complianceResultModel, len(report.Results))
	for i, result := range report.Results {
		m.Results[i] = complianceResultModel{
			ID: result.Check, Subject: result.Subject, Name: result.Name, Key: optionalString(result.Key),
			Status: string(result.Status), Reason: result.Reason, Controls: result.Controls,
		}
	}
	m.Markdown = types.StringValue(report.Markdown())
	m.JSON = types.StringValue(report.JSON())
	m.SARIF = types.StringValue(report.SARIF(version))
}
