// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package cloudwatch publishes metrics in Amazon CloudWatch.
package cloudwatch

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

// Action is the IAM action that Put needs. AWS knows it for Resource "*" only.
const Action = "cloudwatch:PutMetricData"

// maxAttempts is how often a request is sent at most: nobody waits for a metric.
const maxAttempts = 3

// Put publishes values with one request for metrics.MaxBatch of them. It stops at
// the first error, which is that of the SDK; values of earlier requests are then
// published. A request whose response was lost is sent again, and counts twice.
// An endpoint that is not "" replaces that of the Region.
func Put(ctx context.Context, config aws.Config, endpoint, namespace string, data []metrics.Datum) error {
	client := cloudwatch.NewFromConfig(config, func(o *cloudwatch.Options) {
		o.RetryMaxAttempts = maxAttempts
		if endpoint != "" {
			// Used as it is: asked for its FIPS variant as well, the SDK would fail.
			o.BaseEndpoint = &endpoint
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		}
	})
	return put(ctx, client, namespace, data)
}

func put(ctx context.Context, client *cloudwatch.Client, namespace string, data []metrics.Datum) error {
	for batch := range metrics.Batches(data) {
		input := &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: make([]types.MetricDatum, len(batch))}
		for i, d := range batch {
			input.MetricData[i] = types.MetricDatum{
				MetricName: &d.Name,
				Dimensions: []types.Dimension{
					{Name: aws.String(metrics.DimensionSecret), Value: &d.Secret},
					{Name: aws.String(metrics.DimensionEnvironment), Value: &d.Environment},
				},
				Value:     &d.Value,
				Unit:      types.StandardUnit(d.Unit),
				Timestamp: &d.At,
			}
		}
		if _, err := client.PutMetricData(ctx, input); err != nil {
			return err
		}
	}
	return nil
}
