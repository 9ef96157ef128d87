// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// calls are all operations, on a secret named app.
var calls = map[string]func(context.Context, *Store) error{
	"Create": func(ctx context.Context, s *Store) error {
		_, err := s.Create(ctx, newSecret("app"))
		return err
	},
	"Describe": func(ctx context.Context, s *Store) error {
		_, err := s.Describe(ctx, "app")
		return err
	},
	"Versions": func(ctx context.Context, s *Store) error {
		_, err := s.Versions(ctx, "app")
		return err
	},
	"Value": func(ctx context.Context, s *Store) error {
		_, err := s.Value(ctx, "app", secretstore.VersionRef{})
		return err
	},
	"Put": func(ctx context.Context, s *Store) error {
		return s.Put(ctx, secretstore.PutInput{
			ID: "app", Token: uuid.NewString(), Value: secretstore.NewPlaintext(testValue), Labels: []string{secretstore.Pending},
		})
	},
	"MoveLabel": func(ctx context.Context, s *Store) error {
		return s.MoveLabel(ctx, "app", secretstore.Current, "one", "two")
	},
	"Update": func(ctx context.Context, s *Store) error {
		return s.Update(ctx, "app", secretstore.UpdateInput{Description: aws.String("x")})
	},
	"Tag":   func(ctx context.Context, s *Store) error { return s.Tag(ctx, "app", map[string]string{"a": "b"}) },
	"Untag": func(ctx context.Context, s *Store) error { return s.Untag(ctx, "app", []string{"a"}) },
	"Replicate": func(ctx context.Context, s *Store) error {
		return s.Replicate(ctx, "app", []secretstore.ReplicaSpec{{Region: "eu-west-1"}}, false)
	},
	"RemoveReplicas": func(ctx context.Context, s *Store) error { return s.RemoveReplicas(ctx, "app", []string{"eu-west-1"}) },
	"Delete": func(ctx context.Context, s *Store) error {
		_, err := s.Delete(ctx, "app", 7)
		return err
	},
	"Restore": func(ctx context.Context, s *Store) error { return s.Restore(ctx, "app") },
	"DescribeKey": func(ctx context.Context, s *Store) error {
		_, err := s.DescribeKey(ctx, "alias/app", "")
		return err
	},
}

// answering is a Store over a service that always gives the same answer, and
// that needs no STS. Unless a test is about retries, there are none.
func answering(t *testing.T, status int, code, message string) *Store {
	t.Helper()
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		t.Fatal(err)
	}
	return answeringWith(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-RequestId", "request-1")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func answeringWith(t *testing.T, handler http.HandlerFunc) *Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := testConfig(t, server.URL)
	config.SkipCredentialsValidation, config.SkipRequestingAccountID = true, true
	config.MaxRetries = aws.Int(1)
	return New(config)
}

func TestErrors(t *testing.T) {
	const denied = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: secretsmanager:DescribeSecret on resource: app " +
		"because no identity-based policy allows the secretsmanager:DescribeSecret action"
	for _, test := range []struct {
		call    string
		status  int
		code    string
		message string
		kind    error
		text    string // of Err; "" is code and message
	}{
		{"Describe", 400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", secretstore.ErrNotFound, ""},
		{"DescribeKey", 400, "NotFoundException", "Alias arn:aws:kms:eu-central-1:1:alias/app is not found.", secretstore.ErrNotFound, ""},
		{"Create", 400, "ResourceExistsException", "The operation failed because the secret app already exists.", secretstore.ErrExists, ""},
		{"Create", 400, "InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.", secretstore.ErrScheduledForDeletion, ""},
		{"Create", 400, "InvalidRequestException", "You can’t create this secret because a secret with this name is already scheduled for deletion.", secretstore.ErrScheduledForDeletion, ""},
		{"Value", 400, "InvalidRequestException", "You can't perform this operation on the secret because it was deleted.", secretstore.ErrScheduledForDeletion, ""},
		{"Value", 400, "InvalidRequestException", "You can’t perform this operation on the secret because it was marked for deletion.", secretstore.ErrScheduledForDeletion, ""},
		{"Tag", 400, "InvalidRequestException", "You tried to perform the operation on a secret that's currently marked deleted.", secretstore.ErrScheduledForDeletion, ""},
		{"Delete", 400, "InvalidRequestException", "You can't delete secret app that still has replica regions [eu-west-1]", secretstore.ErrInvalid, ""},
		{"Put", 400, "InvalidParameterException", "Operation not permitted on a replica secret. Call must be made in primary secret's region.", secretstore.ErrReplica, ""},
		{"Put", 400, "InvalidRequestException", "Operation not permitted on a replica secret. Call must be made in primary secret’s region.", secretstore.ErrReplica, ""},
		{"MoveLabel", 400, "InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version x, so you must explicitly reference that version in RemoveFromVersionId.", secretstore.ErrConflict, ""},
		{"MoveLabel", 400, "InvalidParameterException", "Staging label AWSCURRENT is not attached to version one.", secretstore.ErrConflict, ""},
		{"MoveLabel", 404, "InvalidParameterException", "Not a valid version: one", secretstore.ErrConflict, ""},
		{"MoveLabel", 404, "ResourceNotFoundException", "Secrets Manager can't find the specified secret version one.", secretstore.ErrConflict, ""},
		{"MoveLabel", 404, "InvalidParameterException", "Not a valid version: two", secretstore.ErrNotFound, ""},
		{"MoveLabel", 404, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", secretstore.ErrNotFound, ""},
		{"MoveLabel", 400, "InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.", secretstore.ErrInvalid, ""},
		{"Update", 400, "InvalidParameterException", "Staging label x is not attached to version one.", secretstore.ErrInvalid, ""},
		{"Create", 400, "InvalidParameterException", "The operation failed because of an invalid KMS key: Invalid keyId 'x'", secretstore.ErrKey, ""},
		{"Create", 400, "EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key.", secretstore.ErrKey, ""},
		{"Value", 400, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", secretstore.ErrKey, ""},
		{"Value", 400, "KMSInvalidStateException", "The key is pending deletion.", secretstore.ErrKey, ""},
		{"Value", 400, "KMSSomethingNewException", "New.", secretstore.ErrKey, ""},
		{"DescribeKey", 500, "KMSInternalException", "Internal.", secretstore.ErrInternal, ""},
		{"DescribeKey", 400, "InvalidArnException", "Invalid arn x", secretstore.ErrInvalid, ""},
		{"Put", 400, "LimitExceededException", "A secret can have at most 20 staging labels.", secretstore.ErrLimit, ""},
		{"Put", 400, "ValidationException", "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536", secretstore.ErrLimit, "ValidationException: the value was refused"},
		{"Put", 400, "InvalidRequestException", "You can't specify both a binary secret value and SecretString.", secretstore.ErrInvalid, "InvalidRequestException: the value was refused"},
		{"Create", 400, "ValidationException", "1 validation error detected: Value at 'name' is not allowed", secretstore.ErrInvalid, ""},
		{"Describe", 400, "AccessDeniedException", denied, secretstore.ErrAccessDenied, ""},
		{"Tag", 400, "AccessDeniedException", "", secretstore.ErrAccessDenied, `secretsmanager:TagResource is missing on "app": AccessDeniedException`},
		{"DescribeKey", 400, "AccessDeniedException", "no", secretstore.ErrAccessDenied, `kms:DescribeKey is missing on "alias/app": AccessDeniedException: no`},
		{"Value", 400, "AccessDeniedException", "Access to KMS is not allowed", secretstore.ErrAccessDenied, `secretsmanager:GetSecretValue needs kms:Decrypt on the key of "app": AccessDeniedException: Access to KMS is not allowed`},
		{"Create", 400, "AccessDeniedException", "Access to KMS is not allowed", secretstore.ErrAccessDenied, `secretsmanager:CreateSecret needs kms:GenerateDataKey and kms:Decrypt on the key of "app": AccessDeniedException: Access to KMS is not allowed`},
		{"Describe", 403, "SomethingForbidden", "no", secretstore.ErrAccessDenied, `secretsmanager:DescribeSecret is missing on "app": SomethingForbidden: no`},
		{"Describe", 400, "UnrecognizedClientException", "The security token included in the request is invalid.", secretstore.ErrNoCredentials, ""},
		{"Describe", 400, "ExpiredTokenException", "The security token included in the request is expired", secretstore.ErrNoCredentials, ""},
		{"Describe", 400, "InvalidSignatureException", "The request signature does not match.\n\nThe Canonical String should have been\nx-amz-security-token:" + testToken, secretstore.ErrNoCredentials, "InvalidSignatureException: The request signature does not match."},
		{"Describe", 400, "ThrottlingException", "Rate exceeded", secretstore.ErrThrottled, ""},
		{"Describe", 429, "SlowPlease", "Rate exceeded", secretstore.ErrThrottled, ""},
		{"Describe", 500, "InternalServiceError", "An error occurred on the server side.", secretstore.ErrInternal, ""},
		{"Describe", 503, "ServiceUnavailable", "", secretstore.ErrInternal, "ServiceUnavailable"},
		{"Describe", 400, "NeverSeenBefore", "?", secretstore.ErrInvalid, ""},
		{"Describe", 502, "NeverSeenBefore", "?", secretstore.ErrInternal, ""},
	} {
		t.Run(fmt.Sprint(test.call, " ", test.code), func(t *testing.T) {
			store := answering(t, test.status, test.code, test.message)
			err := calls[test.call](t.Context(), store)
			var typed *secretstore.Error
			if !errors.As(err, &typed) {
				t.Fatalf("the error is a %T, want a *secretstore.Error: %v", err, err)
			}
			if typed.Kind != test.kind {
				t.Errorf("the kind is %q, want %q", typed.Kind, test.kind)
			}
			if typed.RequestID != "request-1" {
				t.Errorf("the request id is %q, want request-1", typed.RequestID)
			}
			want := test.text
			if want == "" {
				want = test.code + ": " + test.message
			}
			if typed.Err.Error() != want {
				t.Errorf("text: %s\nwant: %s", typed.Err, want)
			}
		})
	}
}

// TestErrorsOfEveryOperation: whatever fails, it is an error of the store that
// says what was tried with what.
func TestErrorsOfEveryOperation(t *testing.T) {
	store := answering(t, http.StatusBadRequest, "AccessDeniedException", "no")
	for name, call := range calls {
		err := call(t.Context(), store)
		var typed *secretstore.Error
		if !errors.As(err, &typed) {
			t.Errorf("%s: the error is a %T, want a *secretstore.Error: %v", name, err, err)
			continue
		}
		if typed.Kind != secretstore.ErrAccessDenied || typed.Op == "" || !strings.Contains(typed.ID, "app") || typed.RequestID != "request-1" {
			t.Errorf("%s: %#v", name, typed)
		}
	}
}

// TestErrorsHoldNoValue: a service may quote the request in its answer, or a part of
// it, at the end of a long one.
func TestErrorsHoldNoValue(t *testing.T) {
	const marker = "must-appear-nowhere"
	long := strings.Repeat(marker+"-", 100)
	lines := marker + "-1\n" + marker + "-2\n"
	object := `{"A":"` + marker + `-A","B":{"C":["` + marker + `-C"]},"D":"` + long + `"}`
	quoted := func(value string) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	encoded := func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }
	for name, test := range map[string]struct{ value, quotes string }{
		"as it is":             {testValue, testValue},
		"in JSON":              {testValue, quoted(testValue)},
		"in base64":            {testValue, encoded(testValue)},
		"long":                 {long, long},
		"long, in base64":      {long, encoded(long)},
		"two lines":            {lines, lines},
		"two lines, trimmed":   {lines, strings.TrimSpace(lines)},
		"two lines, in JSON":   {lines, quoted(lines)},
		"two lines, in base64": {lines, encoded(lines)},
		"object":               {object, object},
		"object, in JSON":      {object, quoted(object)},
		"member":               {object, marker + "-A"},
		"member of a member":   {object, marker + "-C"},
		"long member":          {object, long},
		"credentials":          {testValue, testSecretKey + " " + testToken},
	} {
		for _, before := range []string{"the request ", strings.Repeat("the request ", maxText/12-3)} {
			store := answering(t, http.StatusBadRequest, "ValidationException", before+test.quotes+" is not to my liking")
			value := secretstore.NewPlaintext(test.value)
			_, create := store.Create(t.Context(), secretstore.CreateInput{Name: "app", Token: uuid.NewString(), Value: value})
			put := store.Put(t.Context(), secretstore.PutInput{ID: "app", Token: uuid.NewString(), Value: value, Labels: []string{secretstore.Pending}})
			for _, err := range []error{create, put} {
				text := fmt.Sprintf("%v %+v %#v", err, err, err)
				if !errors.Is(err, secretstore.ErrInvalid) || !strings.Contains(text, "the request") {
					t.Errorf("%s: the error is not the one of this test", name)
				}
				for _, part := range []string{marker[:8], "appear-nowhere", encoded(marker)[:8], test.quotes[:8], testSecretKey[:8], testToken[:8]} {
					if strings.Contains(text, part) {
						t.Errorf("%s: the error holds a part of a value", name)
					}
				}
			}
		}
	}
}

// TestSuccessOfSomethingElse: an empty answer is neither a secret nor a key.
func TestSuccessOfSomethingElse(t *testing.T) {
	store := answeringWith(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	for _, name := range []string{"Create", "Describe", "Value", "DescribeKey"} {
		if err := calls[name](t.Context(), store); !errors.Is(err, secretstore.ErrInternal) {
			t.Errorf("%s: %v, want %v", name, err, secretstore.ErrInternal)
		}
	}
}

// TestUnreadableResponses: what answers may not be AWS at all.
func TestUnreadableResponses(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		text    string
	}{
		"not JSON": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"SecretString":"`+testValue) },
			secretstore.ErrInternal, "the response could not be read",
		},
		"JSON of something else": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, testValue) },
			secretstore.ErrInternal, "the response is not one of AWS",
		},
		"a page of a proxy": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, "<html>"+testValue)
			},
			secretstore.ErrInternal, "HTTP status 502 without an error code",
		},
		"a login page": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<html>")
			},
			secretstore.ErrAccessDenied, "HTTP status 403 without an error code",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answeringWith(t, test.handler).Value(t.Context(), "app", secretstore.VersionRef{})
			wantError(t, err, test.kind, `read secret "app": `+test.kind.Error()+": "+test.text)
		})
	}
}
