// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

const (
	// defaultAttempts is the AWS provider's default of max_retries. It is meant
	// for throttling: the delay between attempts grows up to 20 s.
	defaultAttempts = 25

	// dialAttempts is how often a host is tried that cannot be connected to. The
	// AWS provider tries ten times, half a minute and more for a typing error.
	dialAttempts = 2

	// dialDelay lies between these attempts: long enough for a name server to
	// recover, short enough for a person who waits.
	dialDelay = time.Second

	// dialTimeout is how long a connection may take to come about. The SDK's
	// default of 30 s is made for slower networks than a build machine's.
	dialTimeout = 10 * time.Second
)

// impatient is the SDK's retryer, but for errors that more attempts do not mend.
type impatient struct {
	aws.RetryerV2
}

// IsErrorRetryable implements aws.Retryer. The SDK takes LimitExceededException
// for throttling (retry.DefaultThrottleErrorCodes). In Secrets Manager and KMS it
// says that a quota is used up, such as that of labels, and the 25th attempt
// says so too.
func (r impatient) IsErrorRetryable(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "LimitExceededException" {
		return false
	}
	return !wrongServer(err) && r.RetryerV2.IsErrorRetryable(err)
}

// RetryDelay implements aws.Retryer. It is the one place where a retryer is told
// the number of the attempt.
func (r impatient) RetryDelay(attempt int, err error) (time.Duration, error) {
	if !cannotConnect(err) {
		return r.RetryerV2.RetryDelay(attempt, err)
	}
	if attempt >= dialAttempts {
		return 0, &retry.MaxAttemptsError{Attempt: attempt, Err: err}
	}
	return dialDelay, nil
}

// cannotConnect tells whether no connection came about: refused, no route, no
// such host, a proxy that is not there, a failed TLS handshake.
func cannotConnect(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "remote error") {
		return true
	}
	var dns *net.DNSError
	var alert tls.AlertError
	return errors.As(err, &dns) || errors.As(err, &alert) || wrongServer(err)
}

// wrongServer tells whether a server answered, but not with TLS, or with a
// certificate that is not to be trusted. It will do the same again.
func wrongServer(err error) bool {
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &notTLS) || errors.Is(err, http.ErrSchemeMismatch)
}
