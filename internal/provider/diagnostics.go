// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// advice is what a kind of failure is called and what to do about it.
var advice = []struct {
	kind          error
	summary, next string
}{
	{secretstore.ErrNoCredentials, "No AWS credentials",
		"Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or configure the provider's aws argument. To see what is found:\n\n  aws sts get-caller-identity"},
	{secretstore.ErrUnreachable, "Store cannot be reached",
		"Check the network, the region and, if one is configured, the endpoint (aws = { endpoints = { … } } or AWS_ENDPOINT_URL)."},
	{secretstore.ErrAccessDenied, "Access denied",
		"Allow the action that is named below for these credentials, on the secret and on its KMS key."},
	{secretstore.ErrNotFound, "Secret not found",
		"Check the name, the region and the account. A secret that was deleted outside Terraform is made again by the next plan and apply."},
	{secretstore.ErrScheduledForDeletion, "Secret is scheduled for deletion",
		"Restore it first:\n\n  aws secretsmanager restore-secret --secret-id SECRET"},
	{secretstore.ErrExists, "Secret exists already", "Import it, or set adopt_existing = true."},
	{secretstore.ErrConflict, "Secret was changed meanwhile",
		"Another process moved AWSCURRENT at the same moment. Its version is in place and nothing is lost. Plan again."},
	{secretstore.ErrThrottled, "Requests are throttled", "The retries are used up. Apply again later, with a lower -parallelism, or raise max_retries in the provider's aws argument."},
	{secretstore.ErrLimit, "Limit of the store exceeded", "Use a smaller value, or fewer tags and labels."},
	{secretstore.ErrKey, "KMS key cannot be used", "Check that the key of the secret is enabled, and that these credentials may use it (kms:GenerateDataKey and kms:Decrypt)."},
	{secretstore.ErrReplica, "Secret is a replica", "Replicas cannot be written. Point the provider at the primary secret's region."},
	{secretstore.ErrInvalid, "Request was refused", "Check the arguments against the message below."},
	{secretstore.ErrLocked, "Embedded store is locked", "Another process has it open. Wait for it to end, then try again."},
	{secretstore.ErrInternal, "Store failed", "Nothing suggests a mistake of yours. Apply again; what was begun is then finished."},
}

// diagnose turns an error about a secret into a diagnostic: what happened to
// which object, what to do next, and the original error last. op completes
// "Cannot … the secret".
func (d *providerData) diagnose(op, id string, err error) diag.Diagnostic {
	return explain(fmt.Sprintf("Cannot %s the secret %q", op, id), id, err)
}

// explain is diagnose for any object; what says what cannot be done to it.
func explain(what, id string, err error) diag.Diagnostic {
	var unknown *unknownArgumentError
	if errors.As(err, &unknown) {
		return unknown.diagnostic(what)
	}
	var foreign *secretstore.ForeignRotationError
	if errors.As(err, &foreign) {
		return diag.NewErrorDiagnostic("Secret is changed by someone else", fmt.Sprintf(
			"%s: it is %s. Nothing was changed.\n\nLet that finish or switch it off, then apply again.", what, foreign.By))
	}
	if errors.Is(err, secretstore.ErrNotObject) || errors.Is(err, secretstore.ErrDuplicateKey) {
		return diag.NewErrorDiagnostic("Secret is not a JSON object", fmt.Sprintf(
			"%s: keys are configured, but its current value is not a JSON object with unique keys. The value was left as it is.\n\n"+
				"Manage it as one string with category or value_wo, or store a JSON object in it first.\n\n%s", what, err))
	}
	for _, a := range advice {
		if errors.Is(err, a.kind) {
			return diag.NewErrorDiagnostic(a.summary, fmt.Sprintf("%s.\n\n%s\n\n%s", what, strings.ReplaceAll(a.next, "SECRET", id), err))
		}
	}
	// After what the store says of itself: a host that does not answer is a
	// context.DeadlineExceeded too.
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return diag.NewAttributeErrorDiagnostic(path.Root("timeouts"), "Timed out", what+
			": it was not finished in the time that timeouts allows. Apply again, with more time if this happens twice; what was begun is then finished.\n\n"+err.Error())
	case errors.Is(err, context.Canceled):
		return diag.NewErrorDiagnostic("Interrupted", what+": the run was interrupted. Apply again; what was begun is then finished.\n\n"+err.Error())
	}
	return diag.NewErrorDiagnostic("Secret operation failed", what+".\n\n"+err.Error())
}

// timestamp is a time as state keeps it: RFC 3339, UTC, whole seconds.
func timestamp(t time.Time) types.String {
	return types.StringValue(t.UTC().Truncate(time.Second).Format(time.RFC3339))
}
