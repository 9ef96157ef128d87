// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// providerData is what resources get from the provider. Everything that needs a
// part of the configuration asks for it when it is used, and gets an
// *unknownArgumentError while that part is not known. It is safe for concurrent
// use.
type providerData struct {
	version          string
	terraformVersion string
	clock            clock.Clock
	wrapStore        func(secretstore.Store) secretstore.Store
	wrapDocker       func(swarm.API) swarm.API
	env              environmentVariables
	model            providerModel

	secrets   secretRun
	rotations rotationRun
	envFiles  envFileRun
	docker    dockerConnection

	storeMu sync.Mutex
	store   secretstore.Store

	awsMu       sync.Mutex
	aws         *awssm.Store
	metricsDown atomic.Bool // nothing more is published
}

// configure returns the provider's data in a Configure method of a resource. It
// is nil before the provider is configured, as in terraform validate.
func configure(value any, diags *diag.Diagnostics) *providerData {
	if value == nil {
		return nil
	}
	data, ok := value.(*providerData)
	if !ok {
		diags.AddError("Unexpected provider data",
			fmt.Sprintf("Expected *providerData, got: %T. This is always a bug in the provider and should be reported to its developers.", value))
		return nil
	}
	return data
}

// unknownArgumentError says that a provider argument is not known before apply.
type unknownArgumentError struct {
	Argument string
}

func (e *unknownArgumentError) Error() string {
	return fmt.Sprintf("the provider argument %s is not known before apply", e.Argument)
}

// diagnostic is for what cannot wait until apply; what names it and says what
// cannot be done, as in `roi_secret "name" cannot be read`.
func (e *unknownArgumentError) diagnostic(what string) diag.Diagnostic {
	return diag.NewErrorDiagnostic("Provider argument not known yet",
		fmt.Sprintf("%s: the provider argument %s depends on something that does not exist yet.\n\n"+
			"Create what it depends on first, then plan again:\n\n"+
			"    terraform apply -target=ADDRESS\n\n"+
			"where ADDRESS is the resource or module that the value of %s comes from.", what, e.Argument, e.Argument))
}

// providerProblem turns an error of an accessor of providerData into a diagnostic
// about what.
func providerProblem(what string, err error) diag.Diagnostic {
	var unknown *unknownArgumentError
	if errors.As(err, &unknown) {
		return unknown.diagnostic(what)
	}
	return diag.NewErrorDiagnostic("Invalid provider configuration", what+".\n\n"+err.Error())
}

// environmentVariables are the variables that change the configuration.
type environmentVariables struct {
	environment string
	store       string
	overdue     string
	planAsOf    string
}

const (
	envEnvironment     = "ROI_ENVIRONMENT"
	envStore           = "ROI_STORE"
	envRotationOverdue = "ROI_ROTATION_OVERDUE"
	envPlanAsOf        = "ROI_PLAN_AS_OF"
)

func readEnvironmentVariables() environmentVariables {
	return environmentVariables{
		environment: os.Getenv(envEnvironment),
		store:       os.Getenv(envStore),
		overdue:     os.Getenv(envRotationOverdue),
		planAsOf:    os.Getenv(envPlanAsOf),
	}
}

func (v environmentVariables) problems() diag.Diagnostics {
	var diags diag.Diagnostics
	invalid := func(name, problem string) {
		diags.AddError("Invalid environment variable", fmt.Sprintf("The environment variable %s %s.", name, problem))
	}
	for _, variable := range []struct {
		name, value string
		allowed     []string
	}{
		{envEnvironment, v.environment, environments},
		{envStore, v.store, stores},
		{envRotationOverdue, v.overdue, overdueModes},
	} {
		if variable.value != "" && !slices.Contains(variable.allowed, variable.value) {
			invalid(variable.name, fmt.Sprintf("must be one of %s, got: %q", strings.Join(variable.allowed, ", "), variable.value))
		}
	}
	if v.planAsOf != "" && !planAsOfRule.ok(v.planAsOf) {
		invalid(envPlanAsOf, fmt.Sprintf("%s, got: %q", planAsOfRule.must, v.planAsOf))
	}
	return diags
}

// Clock tells the time.
func (d *providerData) Clock() clock.Clock { return d.clock }

// Environment is the configured environment, by default production.
func (d *providerData) Environment() (policy.Environment, error) {
	s, err := configured(d.model.Environment, "environment", d.env.environment, string(policy.Production))
	return policy.Environment(s), err
}

// StoreKind is "aws" or "local".
func (d *providerData) StoreKind() (string, error) {
	kind, err := configured(d.model.Store, "store", d.env.store, "")
	if err != nil || kind != "" {
		return kind, err
	}
	environment, err := d.Environment()
	if err != nil {
		return "", err
	}
	if environment == policy.Development {
		return storeLocal, nil
	}
	return storeAWS, nil
}

// configured returns the first that is set of an argument, an environment
// variable and a default.
func configured(argument types.String, name, variable, otherwise string) (string, error) {
	switch {
	case argument.IsUnknown():
		return "", &unknownArgumentError{name}
	case !argument.IsNull():
		return argument.ValueString(), nil
	case variable != "":
		return variable, nil
	}
	return otherwise, nil
}

// overridden is configured with the variable first.
func overridden(variable string, argument types.String, name, otherwise string) (string, error) {
	if variable != "" {
		return variable, nil
	}
	return configured(argument, name, "", otherwise)
}

// DefaultTags are the tags for every secret.
func (d *providerData) DefaultTags() (map[string]string, error) {
	if name := firstUnknown(d.model.Tags, "tags"); name != "" {
		return nil, &unknownArgumentError{name}
	}
	return stringMap(d.model.Tags), nil
}

// Policies are the configured policies by category.
func (d *providerData) Policies() (map[string]policy.Overrides, error) {
	if name := firstUnknown(d.model.Policies, "policies"); name != "" {
		return nil, &unknownArgumentError{name}
	}
	var models map[string]providerPolicyModel
	if diags := d.model.Policies.ElementsAs(context.Background(), &models, false); diags.HasError() {
		return nil, modelError("policies", diags)
	}
	policies := map[string]policy.Overrides{}
	for category, model := range models {
		policies[category] = model.overrides()
	}
	return policies, nil
}

// policyProblems reports the configured policies that no secret could use, once
// and where they are written. What is not known yet is left to the resources.
func (d *providerData) policyProblems() diag.Diagnostics {
	var diags diag.Diagnostics
	environment, err := d.Environment()
	if err != nil {
		return nil
	}
	policies, err := d.Policies()
	if err != nil {
		return nil
	}
	for _, category := range sortedKeys(policies) {
		if _, err := policy.Resolve(environment, category, policies, policy.Overrides{}); err != nil {
			addPolicyProblems(&diags, path.Root("policies").AtMapKey(category), err)
		}
	}
	return diags
}

// kmsRules are demands on the keys that encrypt secrets.
type kmsRules struct {
	RequireCustomerManaged bool
	RequireRotation        bool
	RequireHSM             bool
}

// KMSRules returns what is demanded of keys; a customer-managed one in
// production, unless configured otherwise.
func (d *providerData) KMSRules() (kmsRules, error) {
	model, err := nestedModel[kmsModel](d.model.KMS, "kms")
	if err != nil {
		return kmsRules{}, err
	}
	rules := kmsRules{
		RequireCustomerManaged: model.RequireCustomerManagedKey.ValueBool(),
		RequireRotation:        model.RequireKeyRotation.ValueBool(),
		RequireHSM:             model.RequireHSM.ValueBool(),
	}
	if model.RequireCustomerManagedKey.IsNull() {
		environment, err := d.Environment()
		if err != nil {
			return kmsRules{}, err
		}
		rules.RequireCustomerManaged = environment == policy.Production
	}
	return rules, nil
}

// rotationSettings say what plans do about due dates. PlanAsOf is the zero time
// when plans are made for the present.
type rotationSettings struct {
	Overdue    string // replace, error or warn
	WarnBefore time.Duration
	PlanAsOf   time.Time
}

// Rotation returns what plans do about due dates. The environment variables win
// over the configuration, so that one step of a pipeline can flag what is due
// without a change to it.
func (d *providerData) Rotation() (rotationSettings, error) {
	var model rotationModel
	if d.model.Rotation.IsUnknown() {
		model = rotationModel{types.StringUnknown(), types.StringUnknown(), types.StringUnknown()}
	} else if !d.model.Rotation.IsNull() {
		if diags := d.model.Rotation.As(context.Background(), &model, basetypes.ObjectAsOptions{}); diags.HasError() {
			return rotationSettings{}, modelError("rotation", diags)
		}
	}
	overdue, err := overridden(d.env.overdue, model.Overdue, "rotation.overdue", overdueReplace)
	if err != nil {
		return rotationSettings{}, err
	}
	warnBefore, err := configured(model.WarnBefore, "rotation.warn_before", "", defaultWarnBefore)
	if err != nil {
		return rotationSettings{}, err
	}
	planAsOf, err := overridden(d.env.planAsOf, model.PlanAsOf, "rotation.plan_as_of", "")
	if err != nil {
		return rotationSettings{}, err
	}

	settings := rotationSettings{Overdue: overdue}
	if settings.WarnBefore, err = time.ParseDuration(warnBefore); err != nil {
		return rotationSettings{}, fmt.Errorf("rotation.warn_before: %w", err)
	}
	if settings.PlanAsOf, err = rotation.ParsePlanAsOf(planAsOf, d.clock.Now()); err != nil {
		return rotationSettings{}, fmt.Errorf("rotation.plan_as_of: %w", err)
	}
	return settings, nil
}

// plansOnce reports whether this process plans each resource for one configuration
// only, so that two that are planned for the same are two. From Terraform 1.14 on
// `terraform test` keeps a process for all runs of a file.
func (d *providerData) plansOnce() bool {
	v, err := version.NewVersion(d.terraformVersion)
	return err == nil && v.Core().LessThan(keepsProcesses)
}

var keepsProcesses = version.Must(version.NewVersion("1.14.0"))

// Store returns the store that the configuration asks for. It is made once; no
// request is made before it is used.
func (d *providerData) Store(context.Context) (secretstore.Store, error) {
	d.storeMu.Lock()
	defer d.storeMu.Unlock()
	if d.store != nil {
		return d.store, nil
	}
	store, err := d.newStore()
	if err != nil {
		return nil, err
	}
	if d.wrapStore != nil {
		store = d.wrapStore(store)
	}
	d.store = cached(store)
	return d.store, nil
}

func (d *providerData) newStore() (secretstore.Store, error) {
	kind, err := d.StoreKind()
	if err != nil {
		return nil, err
	}
	if kind == storeLocal {
		model, err := nestedModel[localModel](d.model.Local, "local")
		if err != nil {
			return nil, err
		}
		config := localstore.Config{Path: model.Path.ValueString(), IdentityFile: model.IdentityFile.ValueString()}
		return localstore.New(config, d.clock), nil
	}
	return d.awsStore()
}

// awsStore returns the store in AWS, which what is in AWS beside the secrets is
// reached through, too. It is made once.
func (d *providerData) awsStore() (*awssm.Store, error) {
	d.awsMu.Lock()
	defer d.awsMu.Unlock()
	if d.aws != nil {
		return d.aws, nil
	}
	model, err := nestedModel[awsModel](d.model.AWS, "aws")
	if err != nil {
		return nil, err
	}
	config, err := model.config(d.version, d.terraformVersion)
	if err != nil {
		return nil, err
	}
	d.aws = awssm.New(config)
	return d.aws, nil
}

// nestedModel reads one object of the provider's configuration, all of which
// must be known. An object that is left out reads as one without arguments.
func nestedModel[T any](object types.Object, name string) (T, error) {
	var model T
	if argument := firstUnknown(object, name); argument != "" {
		return model, &unknownArgumentError{argument}
	}
	if object.IsNull() {
		return model, nil
	}
	if diags := object.As(context.Background(), &model, basetypes.ObjectAsOptions{}); diags.HasError() {
		return model, modelError(name, diags)
	}
	return model, nil
}

// firstUnknown returns the address of the first unknown value in v, in
// alphabetical order, where name is the address of v; or "".
func firstUnknown(v attr.Value, name string) string {
	if v.IsUnknown() {
		return name
	}
	switch v := v.(type) {
	case types.Object:
		for _, key := range sortedKeys(v.Attributes()) {
			if found := firstUnknown(v.Attributes()[key], name+"."+key); found != "" {
				return found
			}
		}
	case types.Map:
		for _, key := range sortedKeys(v.Elements()) {
			if found := firstUnknown(v.Elements()[key], fmt.Sprintf("%s[%q]", name, key)); found != "" {
				return found
			}
		}
	case types.List:
		for i, element := range v.Elements() {
			if found := firstUnknown(element, fmt.Sprintf("%s[%d]", name, i)); found != "" {
				return found
			}
		}
	case types.Set:
		for _, element := range v.Elements() {
			if element.IsUnknown() {
				return name
			}
		}
	}
	return ""
}

// modelError is for a value that does not fit its model, which the schema rules
// out: a bug in the provider.
func modelError(name string, diags diag.Diagnostics) error {
	return fmt.Errorf("cannot read the provider argument %s: %s", name, diags.Errors()[0].Detail())
}
