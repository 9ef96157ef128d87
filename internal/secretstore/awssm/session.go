// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/aws-sdk-go-base/v2/diag"
	"github.com/hashicorp/aws-sdk-go-base/v2/endpoints"
	"github.com/hashicorp/aws-sdk-go-base/v2/validation"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// maxIdleConnections keeps connections open for a Terraform run with
// -parallelism well above its default of 10; the SDK keeps 10 per host.
const maxIdleConnections = 100

// session is what the Store has once it knows its credentials.
type session struct {
	config  aws.Config
	scope   secretstore.Scope
	secrets *secretsmanager.Client
}

// open finds the credentials and checks the account. The order is that of the
// AWS provider; its errors come as *failure or, when the caller gave up, as they
// are.
func open(ctx context.Context, c *Config) (*session, error) {
	base, err := c.base()
	if err != nil {
		return nil, failed(secretstore.ErrInvalid, "%v", err)
	}
	if c.Region != "" {
		if err := validRegion(c, c.Region); err != nil {
			return nil, err
		}
	}

	// GetAwsConfig would ask STS who we are, and not tell. Once is enough.
	validate := *base
	base.SkipCredsValidation = true
	_, cfg, diags := awsbase.GetAwsConfig(ctx, base)
	if err := diagnosed(ctx, diags); err != nil {
		return nil, err
	}
	if err := validRegion(c, cfg.Region); err != nil {
		return nil, err
	}
	refine(c, &cfg)

	account, partition, diags := identify(ctx, cfg, &validate)
	if err := diagnosed(ctx, diags); err != nil {
		return nil, err
	}
	if err := allowedAccount(c, account); err != nil {
		return nil, err
	}
	if c.SkipRequestingAccountID {
		account = ""
	}
	return &session{
		config:  cfg,
		scope:   secretstore.Scope{Partition: partition, Account: account, Region: cfg.Region},
		secrets: secretsmanager.NewFromConfig(cfg, secretsEndpoint(c)),
	}, nil
}

// identify asks STS for account and partition, unless both the check of the
// credentials and the account are skipped. The AWS provider asks IAM as well where
// STS does not answer; that fallback would make the binary 5.4 MB larger.
func identify(ctx context.Context, cfg aws.Config, c *awsbase.Config) (account, partition string, diags diag.Diagnostics) {
	if c.SkipCredsValidation && c.SkipRequestingAccountId {
		partition, _ := endpoints.PartitionForRegion(endpoints.DefaultPartitions(), cfg.Region)
		return "", partition.ID(), nil
	}
	client := sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.Region = cmp.Or(c.StsRegion, o.Region)
		if c.StsEndpoint != "" {
			o.BaseEndpoint = &c.StsEndpoint
		}
	})
	who, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err == nil {
		var parsed arn.ARN
		if parsed, err = arn.Parse(aws.ToString(who.Arn)); err == nil {
			return parsed.AccountID, parsed.Partition, nil
		}
	}
	if c.SkipCredsValidation {
		return "", "", diags.AddSimpleError(fmt.Errorf("the account is not known (skip_requesting_account_id = true does without it): retrieving caller identity from STS: %w", err))
	}
	return "", "", diags.AddSimpleError(fmt.Errorf("validating provider credentials: retrieving caller identity from STS: %w", err))
}

// refine sets what aws-sdk-go-base cannot be told: patience, the connections
// that are kept, and the log.
func refine(c *Config, cfg *aws.Config) {
	switch n := aws.ToInt(c.MaxRetries); {
	case n > 0:
		cfg.RetryMaxAttempts = n
	case cfg.RetryMaxAttempts == 0: // else it is from the environment or the profile
		cfg.RetryMaxAttempts = defaultAttempts
	}
	standard := cfg.Retryer
	cfg.Retryer = func() aws.Retryer {
		r := standard()
		if v2, ok := r.(aws.RetryerV2); ok {
			return impatient{v2}
		}
		return r
	}
	if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = readingClient{client.
			WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConns = maxIdleConnections
				t.MaxIdleConnsPerHost = maxIdleConnections
			}).
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })}
	}
	cfg.ClientLogMode = 0
	cfg.Logger = logging.Nop{}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), addLog)
}

// A custom endpoint is used as it is: asked for its FIPS variant as well, the SDK
// would fail. The AWS provider does the same.

func secretsEndpoint(c *Config) func(*secretsmanager.Options) {
	return func(o *secretsmanager.Options) {
		if endpoint := c.Endpoints.SecretsManager; endpoint != "" {
			o.BaseEndpoint = &endpoint
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		}
	}
}

func keysEndpoint(c *Config) func(*kms.Options) {
	return func(o *kms.Options) {
		if endpoint := c.Endpoints.KMS; endpoint != "" {
			o.BaseEndpoint = &endpoint
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		}
	}
}

func validRegion(c *Config, region string) error {
	if region == "" {
		return failed(secretstore.ErrInvalid, "%s", noRegion)
	}
	if c.SkipRegionValidation || validation.SupportedRegion(region) == nil {
		return nil
	}
	return failed(secretstore.ErrInvalid, "%q is not a known AWS region (skip_region_validation accepts any)", region)
}

const noRegion = "no AWS region: set region, the environment variable AWS_REGION, or region in the profile"

// allowedAccount checks the lists of accounts. Unlike the AWS provider it does
// not let an unknown account pass forbidden_account_ids.
func allowedAccount(c *Config, account string) error {
	switch {
	case len(c.AllowedAccountIDs) == 0 && len(c.ForbiddenAccountIDs) == 0:
		return nil
	case account == "":
		return failed(secretstore.ErrInvalid,
			"the AWS account is not known, so that allowed_account_ids and forbidden_account_ids cannot be checked: "+
				"take out skip_requesting_account_id or skip_credentials_validation")
	case slices.Contains(c.ForbiddenAccountIDs, account):
		return failed(secretstore.ErrInvalid, "the credentials are of AWS account %s, which is in forbidden_account_ids", account)
	case len(c.AllowedAccountIDs) > 0 && !slices.Contains(c.AllowedAccountIDs, account):
		return failed(secretstore.ErrInvalid, "the credentials are of AWS account %s, which is not in allowed_account_ids (%s)",
			account, strings.Join(c.AllowedAccountIDs, ", "))
	}
	return nil
}

// diagnosed is the first error among the diagnostics of aws-sdk-go-base.
func diagnosed(ctx context.Context, diags diag.Diagnostics) error {
	if !diags.HasError() {
		return nil
	}
	d := diags.Errors()[0]
	withErr, ok := d.(diag.DiagnosticWithErr)
	if !ok {
		return failed(secretstore.ErrInvalid, "%s: %s", d.Summary(), strings.TrimSpace(d.Detail()))
	}
	err := withErr.Err()
	if canceled(ctx, err) {
		return err
	}
	if strings.Contains(err.Error(), "Missing Region") {
		return failed(secretstore.ErrInvalid, "%s", noRegion)
	}
	if awsbase.IsNoValidCredentialSourcesError(d) && !fromIdentityService(err) {
		// The innermost error is about the last place that was looked at, the
		// instance metadata service, which hardly anyone meant.
		var source *smithy.OperationError
		if errors.As(err, &source) {
			return failed(secretstore.ErrNoCredentials, "there are none in the configuration, the environment, "+
				"the shared configuration and credentials files, or a role of the container or instance")
		}
		return failed(secretstore.ErrNoCredentials, "%s", rootText(err))
	}
	f := understand(opCredentials, "", 1, err)
	if f.kind == secretstore.ErrInternal && !refused(err) {
		// Nobody answered because nobody was asked: it lies here.
		f.kind = secretstore.ErrInvalid
		if strings.Contains(err.Error(), "credentials") && !errors.As(err, new(config.SharedConfigProfileNotExistError)) {
			f.kind = secretstore.ErrNoCredentials
		}
	}
	return f
}

// fromIdentityService tells whether the error comes from a service that the
// configuration names, not from a place where credentials merely may be.
func fromIdentityService(err error) bool {
	var source *smithy.OperationError
	if !errors.As(err, &source) {
		return false
	}
	switch source.ServiceID {
	case sts.ServiceID, sso.ServiceID, ssooidc.ServiceID:
		return true
	}
	return false
}
