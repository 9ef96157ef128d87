// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// operation is one of the Store's: its name for errors, and the IAM action that
// it needs.
type operation struct {
	name   string
	action string
	// settles is set for operations that may come too early for a secret that
	// was just written. See Store.settle.
	settles bool
}

var (
	// opCredentials stands for whatever is asked while credentials are found.
	opCredentials    = operation{name: "find credentials", action: "sts:AssumeRole"}
	opScope          = operation{name: "locate the store", action: "sts:GetCallerIdentity"}
	opCreate         = operation{name: "create secret", action: "secretsmanager:CreateSecret"}
	opDescribe       = operation{name: "describe secret", action: "secretsmanager:DescribeSecret", settles: true}
	opVersions       = operation{name: "list the versions of secret", action: "secretsmanager:ListSecretVersionIds"}
	opValue          = operation{name: "read secret", action: "secretsmanager:GetSecretValue", settles: true}
	opPut            = operation{name: "put a version into secret", action: "secretsmanager:PutSecretValue", settles: true}
	opMoveLabel      = operation{name: "move a label of secret", action: "secretsmanager:UpdateSecretVersionStage", settles: true}
	opUpdate         = operation{name: "update secret", action: "secretsmanager:UpdateSecret"}
	opTag            = operation{name: "tag secret", action: "secretsmanager:TagResource", settles: true}
	opUntag          = operation{name: "untag secret", action: "secretsmanager:UntagResource"}
	opReplicate      = operation{name: "replicate secret", action: "secretsmanager:ReplicateSecretToRegions"}
	opRemoveReplicas = operation{name: "remove replicas of secret", action: "secretsmanager:RemoveRegionsFromReplication"}
	opDelete         = operation{name: "delete secret", action: "secretsmanager:DeleteSecret"}
	opRestore        = operation{name: "restore secret", action: "secretsmanager:RestoreSecret"}
	opDescribeKey    = operation{name: "describe key", action: "kms:DescribeKey"}
)

// kinds maps the codes of Secrets Manager, KMS and STS to what they mean to a
// caller. Those whose meaning depends on the message are in kindOf.
// Sources: the errors of each operation in
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html,
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html and
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html, those
// they have in common
// (https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html),
// and the SDK's list of throttling errors (retry.DefaultThrottleErrorCodes).
var kinds = func() map[string]error {
	all := map[string]error{}
	for kind, codes := range map[error]string{
		secretstore.ErrNotFound: "ResourceNotFoundException NotFoundException",
		secretstore.ErrExists:   "ResourceExistsException",
		secretstore.ErrAccessDenied: "AccessDenied AccessDeniedException KMSAccessDeniedException NotAuthorized " +
			"UnauthorizedOperation",
		secretstore.ErrNoCredentials: "ExpiredToken ExpiredTokenException IDPCommunicationError IDPRejectedClaim " +
			"IncompleteSignature IncompleteSignatureException InvalidClientTokenId InvalidIdentityToken " +
			"InvalidSignatureException MissingAuthenticationToken MissingAuthenticationTokenException RequestExpired " +
			"SignatureDoesNotMatch UnauthorizedException UnrecognizedClientException",
		secretstore.ErrThrottled: "PriorRequestNotComplete ProvisionedThroughputExceededException RequestLimitExceeded " +
			"RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException " +
			"TooManyRequestsException",
		secretstore.ErrLimit: "LimitExceededException",
		secretstore.ErrKey: "DecryptionFailure DisabledException EncryptionFailure IncorrectKeyException " +
			"InvalidKeyUsageException KeyUnavailableException",
		secretstore.ErrInvalid: "InvalidArnException InvalidParameterException InvalidRequestException ValidationError " +
			"ValidationException",
		secretstore.ErrInternal: "DependencyTimeoutException InternalFailure InternalServiceError KMSInternalException " +
			"ServiceUnavailable",
	} {
		for code := range strings.FieldsSeq(codes) {
			all[code] = kind
		}
	}
	return all
}()

// kindOf tells what an answer of AWS means. Messages are matched by substrings
// that differ in nothing but the wording around them: AWS has several for the
// same thing, some with a curly apostrophe.
func kindOf(op operation, status int, code, message string) error {
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(message, part) {
				return true
			}
		}
		return false
	}
	switch code {
	case "InvalidRequestException", "InvalidParameterException", "ValidationException":
		switch {
		case has("scheduled for deletion", "marked for deletion", "marked deleted", "was deleted"):
			return secretstore.ErrScheduledForDeletion
		case has("replica secret"):
			return secretstore.ErrReplica
		case op == opMoveLabel && has("RemoveFromVersionId", "attached to version", "not found in version"):
			return secretstore.ErrConflict
		case mentionsValue(message) && has("less than or equal to", "length", "size"):
			return secretstore.ErrLimit
		case has("KMS key"):
			return secretstore.ErrKey
		}
	}
	if kind := kinds[code]; kind != nil {
		return kind
	}
	switch {
	case strings.HasPrefix(code, "KMS"):
		return secretstore.ErrKey
	case strings.HasSuffix(code, "NotFoundException"):
		return secretstore.ErrNotFound
	case status == http.StatusTooManyRequests:
		return secretstore.ErrThrottled
	case status == http.StatusUnauthorized:
		return secretstore.ErrNoCredentials
	case status == http.StatusForbidden:
		return secretstore.ErrAccessDenied
	case status >= 400 && status < 500:
		return secretstore.ErrInvalid
	}
	return secretstore.ErrInternal
}

// failure is an error before it is bound to an operation and an id.
type failure struct {
	kind      error
	requestID string
	text      string // whole, with what it may quote; see Store.fail
	attempts  int
}

func (f *failure) Error() string { return f.text }

func failed(kind error, format string, args ...any) *failure {
	return &failure{kind: kind, text: fmt.Sprintf(format, args...)}
}

// errNotAWS is a success without what a success has: not AWS answered, but a
// proxy or another service.
var errNotAWS = failed(secretstore.ErrInternal, "the response is not one of AWS")

// understand reduces an error of the SDK to what a person needs. The SDK's own
// text repeats service, operation, status and request id at every level, and the
// original is not kept: nothing that it may hold can then reach a log.
func understand(op operation, id string, attempts int, err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	f := &failure{kind: secretstore.ErrInternal, text: "the response could not be read", attempts: attempts}
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		f.requestID = response.ServiceRequestID()
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	var unreadable *smithy.DeserializationError
	var unsent *smithyhttp.RequestSendError
	var unfit smithy.InvalidParamsError
	switch {
	case errors.As(err, &api):
		f.kind = kindOf(op, status, api.ErrorCode(), api.ErrorMessage())
		f.text = apiText(op, id, f.kind, api)
	case cannotConnect(err):
		f.kind, f.text = secretstore.ErrUnreachable, rootText(err)
	case errors.As(err, &unreadable):
		if status >= 400 {
			f.kind = kindOf(op, status, "", "")
			f.text = fmt.Sprintf("HTTP status %d without an error code", status)
		}
	case errors.As(err, &unfit):
		f.kind, f.text = secretstore.ErrInvalid, unfit.Error()
	case errors.As(err, &unsent):
		f.kind, f.text = secretstore.ErrUnreachable, rootText(err)
	case strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity"):
		f.kind, f.text = secretstore.ErrNoCredentials, rootText(err)
	default:
		f.text = rootText(err)
	}
	return f
}

// apiText is the code and the message of an answer, and for a denial the action
// that is missing, unless AWS names it.
func apiText(op operation, id string, kind error, api smithy.APIError) string {
	text := api.ErrorCode()
	if message := strings.TrimSpace(api.ErrorMessage()); message != "" && message != "UnknownError" { // the SDK's word for none
		text += ": " + message
	}
	if mentionsValue(api.ErrorMessage()) {
		// A validation error may quote what it does not like.
		text = api.ErrorCode() + ": the value was refused"
	}
	if kind != secretstore.ErrAccessDenied || strings.Contains(text, "perform: ") {
		return text
	}
	if strings.Contains(text, "KMS") && op.action != opDescribeKey.action {
		return fmt.Sprintf("%s needs %s on the key of %q: %s", op.action, keyActions(op), id, text)
	}
	if id == "" {
		return fmt.Sprintf("%s is missing: %s", op.action, text)
	}
	return fmt.Sprintf("%s is missing on %q: %s", op.action, id, text)
}

// keyActions are the KMS actions that an operation on a secret needs. Source:
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
func keyActions(op operation) string {
	switch op {
	case opValue:
		return "kms:Decrypt"
	case opUpdate:
		return "kms:GenerateDataKey, kms:Decrypt and kms:Encrypt"
	}
	return "kms:GenerateDataKey and kms:Decrypt"
}

func mentionsValue(message string) bool {
	lower := strings.ToLower(message)
	return strings.Contains(lower, "secretstring") || strings.Contains(lower, "secretbinary")
}

// rootText is the innermost error that still says what it is about.
func rootText(err error) string {
	for {
		var noProfile config.SharedConfigProfileNotExistError
		switch e := err.(type) {
		case *url.Error, *fs.PathError:
			return e.Error()
		}
		inner := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
			inner = joined.Unwrap()[0]
		}
		if inner == nil || (errors.As(err, &noProfile) && !errors.As(inner, &noProfile)) {
			return err.Error()
		}
		err = inner
	}
}

// maxText, in bytes, keeps an error readable, and with firstLine it keeps out what
// SignatureDoesNotMatch adds: the signed headers, the session token among them.
const maxText = 500

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + " …"
	}
	return s
}

// canceled tells whether the caller gave up, which says nothing about the store.
func canceled(ctx context.Context, err error) bool {
	var sdk *smithy.CanceledError
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.As(err, &sdk))
}
