// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Access keys for clients of a Server. Any others do as well, since signatures
// are not verified, unless OnlyKnownKeys is set.
const (
	AccessKeyID     = "AKIAFAKEFAKEFAKEFAKE"
	SecretAccessKey = "fake"
)

// Config is a configuration for SDK clients of this Server in its own region.
// Nothing is retried, so that a test sees every fault.
func (s *Server) Config() aws.Config { return s.ConfigIn(s.region) }

// ConfigIn is Config for another region.
func (s *Server) ConfigIn(region string) aws.Config {
	return aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
		BaseEndpoint: aws.String(s.URL()),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}
