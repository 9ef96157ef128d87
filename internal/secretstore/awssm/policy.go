// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ secretstore.PolicyReader = (*Store)(nil)

var opResourcePolicy = operation{name: "read the resource policy of secret", action: "secretsmanager:GetResourcePolicy"}

// ResourcePolicy implements secretstore.PolicyReader. The four operations on
// resource policies share a quota of 50 requests per second.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
func (s *Store) ResourcePolicy(ctx context.Context, id string) (string, error) {
	var out *secretsmanager.GetResourcePolicyOutput
	err := s.run(ctx, opResourcePolicy, id, func(ctx context.Context, conn *session) (err error) {
		out, err = conn.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &id})
		if err == nil && out.ARN == nil {
			return errNotAWS
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ResourcePolicy), nil
}
