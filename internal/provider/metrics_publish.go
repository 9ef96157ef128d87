// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
	"github.com/roi-systems/terraform-provider-roi/internal/metrics/cloudwatch"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// publishTime is how long an apply waits for CloudWatch.
const publishTime = 10 * time.Second

// publishMetrics publishes values if the provider's metrics is set. What goes wrong
// is a warning.
func (d *providerData) publishMetrics(ctx context.Context, data []metrics.Datum) diag.Diagnostics {
	return d.publish(ctx, func(context.Context) ([]metrics.Datum, error) { return data, nil })
}

// publish is publishMetrics for values that are yet to be found. What was found
// before an error is published all the same. Nothing is said when the run was
// interrupted.
func (d *providerData) publish(ctx context.Context, find func(context.Context) ([]metrics.Datum, error)) diag.Diagnostics {
	if d.model.Metrics.IsNull() || d.metricsDown.Load() {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	data, err := find(limited)
	if len(data) > 0 {
		err = errors.Join(d.putMetrics(limited, data), err)
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	// What does not answer, or refuses these credentials, will do so again: one
	// warning and one wait for a run, not one for each of a thousand rotations.
	var unknown *unknownArgumentError
	if !errors.Is(err, secretstore.ErrThrottled) && !errors.Is(err, secretstore.ErrInternal) && !errors.As(err, &unknown) {
		d.metricsDown.Store(true)
	}
	return diag.Diagnostics{metricsWarning(err, d.metricsDown.Load())}
}

func metricsWarning(err error, down bool) diag.Diagnostic {
	var next []string
	var unknown *unknownArgumentError
	switch {
	case errors.As(err, &unknown):
		next = append(next, "They are published when the provider's configuration is known, which it is in an apply.")
	case errors.Is(err, secretstore.ErrAccessDenied):
		next = append(next, fmt.Sprintf("If it is the action %s that is missing, allow it for these credentials. AWS knows it for all resources only, so its Resource is \"*\"; "+
			"the condition key cloudwatch:namespace limits it to a namespace.", cloudwatch.Action))
	case errors.Is(err, secretstore.ErrNoCredentials):
		next = append(next, "The provider's metrics argument needs AWS credentials whatever the store is. Configure aws, or remove metrics.")
	case errors.Is(err, context.DeadlineExceeded):
		next = append(next, fmt.Sprintf("CloudWatch did not answer within %s.", publishTime))
	}
	if down {
		next = append(next, "Nothing more is published in this run.")
	}
	next = append(next, "Nothing else depends on it: secrets and rotations are as Terraform reports them.")
	return diag.NewWarningDiagnostic("Metrics were not published", fmt.Sprintf(
		"Metrics of rotations could not be published in CloudWatch. %s\n\n%v", strings.Join(next, " "), err))
}

func (d *providerData) putMetrics(ctx context.Context, data []metrics.Datum) error {
	model, err := nestedModel[metricsModel](d.model.Metrics, "metrics")
	if err != nil {
		return err
	}
	endpoint := ""
	account, err := nestedModel[awsModel](d.model.AWS, "aws")
	if err != nil {
		return err
	}
	if account.Endpoints != nil {
		endpoint = account.Endpoints.CloudWatch.ValueString()
	}
	client, err := d.awsStore()
	if err != nil {
		return err
	}
	namespace := stringOr(model.Namespace, metrics.DefaultNamespace)
	return client.Call(ctx, "publish metrics in", namespace, cloudwatch.Action, func(ctx context.Context, config aws.Config) error {
		return cloudwatch.Put(ctx, config, endpoint, namespace, data)
	})
}
