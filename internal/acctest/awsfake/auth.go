// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"net/http"
	"path"
	"strings"
	"time"
)

// identity is who an access key stands for.
type identity struct {
	account string
	arn     string
	userID  string
	expires time.Time // zero: never
}

func userIdentity(account string) identity {
	return identity{account: account, arn: "arn:aws:iam::" + account + ":user/fake", userID: "AIDAFAKEFAKEFAKEFAKE"}
}

// credentialScope is the part of a SigV4 signature that says who asks whom.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type credentialScope struct{ accessKey, region, service string }

// scopeOf parses an Authorization header; it returns the zero value when the
// request is not signed.
func scopeOf(hr *http.Request) credentialScope {
	header, ok := strings.CutPrefix(hr.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return credentialScope{}
	}
	for field := range strings.SplitSeq(header, ",") {
		credential, ok := strings.CutPrefix(strings.TrimSpace(field), "Credential=")
		if !ok {
			continue
		}
		// key/date/region/service/aws4_request
		if parts := strings.Split(credential, "/"); len(parts) == 5 && parts[4] == "aws4_request" {
			return credentialScope{accessKey: parts[0], region: parts[2], service: parts[3]}
		}
	}
	return credentialScope{}
}

// authenticate finds the identity behind a request.
// Source of the error codes: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
// (STS names them as the query protocol does, the others with Exception).
func (s *Server) authenticate(hr *http.Request, call *Call) (identity, error) {
	sts := call.Service == tokenService
	if sts && call.Op == "AssumeRoleWithWebIdentity" {
		// Service model: "does not require the use of Amazon Web Services
		// security credentials".
		return identity{account: s.account, arn: "anonymous"}, nil
	}
	refuse := func(jsonCode, queryCode, message string) (identity, error) {
		if sts {
			return identity{}, &apiError{code: queryCode, message: message, status: http.StatusForbidden}
		}
		return identity{}, fail(jsonCode, "%s", message)
	}
	scope := scopeOf(hr)
	if scope.accessKey == "" {
		return refuse("MissingAuthenticationTokenException", "MissingAuthenticationToken",
			"Request is missing Authentication Token")
	}
	if service := scope.service; service != call.Service && !(service == cloudWatchSigning && call.Service == cloudWatch) {
		return refuse("InvalidSignatureException", "SignatureDoesNotMatch",
			"Credential should be scoped to correct service: '"+call.Service+"'.")
	}
	who, known := s.accessKeys[scope.accessKey]
	if !known {
		if s.strictKeys {
			return refuse("UnrecognizedClientException", "InvalidClientTokenId",
				"The security token included in the request is invalid.")
		}
		who = userIdentity(s.account)
	}
	if !who.expires.IsZero() && !s.now().Before(who.expires) {
		return refuse("ExpiredTokenException", "ExpiredToken",
			"The security token included in the request is expired")
	}
	call.Account = who.account
	return who, nil
}

// permissions are what identities may do. Patterns are names of operations or
// IAM actions, with * at the end for any ending.
type permissions struct {
	denied    []string
	onlyThese []string // nil: everything that is not denied
	policies  []iamPolicy
}

// actionsBeside are IAM actions that are no operation of the fake, but that
// operations need (service model, "Required permissions").
var actionsBeside = []string{"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"}

// Deny refuses actions: an operation ("GetSecretValue"), an IAM action
// ("kms:Decrypt"), or a prefix with * ("Put*").
func (s *Server) Deny(patterns ...string) {
	s.checkPatterns(patterns)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permission.denied = append(s.permission.denied, patterns...)
}

// DenyAllBut refuses every action but these.
func (s *Server) DenyAllBut(patterns ...string) {
	s.checkPatterns(patterns)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permission.onlyThese = append([]string{}, patterns...)
}

// AllowAll takes back Deny, DenyAllBut and Attach.
func (s *Server) AllowAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permission = permissions{}
}

// checkPatterns fails the test for a pattern that can never match, since a
// misspelt denial denies nothing.
func (s *Server) checkPatterns(patterns []string) {
	s.t.Helper()
	actions := append([]string{}, actionsBeside...)
	for service, ops := range operations {
		for name := range ops {
			actions = append(actions, service+":"+name)
		}
	}
	for _, pattern := range patterns {
		found := false
		for _, action := range actions {
			found = found || matchAction(pattern, action)
		}
		if !found {
			s.t.Fatalf("awsfake: no action is named %q", pattern)
		}
	}
}

func matchAction(pattern, action string) bool {
	if !strings.Contains(pattern, ":") {
		_, action, _ = strings.Cut(action, ":")
	}
	ok, err := path.Match(pattern, action)
	return err == nil && ok
}

func (p permissions) allow(action string) bool {
	// Service model: "If an administrator attaches a policy to your identity that
	// explicitly denies access to the sts:GetCallerIdentity action, you can still
	// perform this operation."
	if action == "sts:GetCallerIdentity" {
		return true
	}
	for _, pattern := range p.denied {
		if matchAction(pattern, action) {
			return false
		}
	}
	if p.onlyThese == nil {
		return true
	}
	for _, pattern := range p.onlyThese {
		if matchAction(pattern, action) {
			return true
		}
	}
	return false
}

// authorize fails unless the caller may do an action. Wording: AWS's own, see
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (r *request) authorize(action, resource string) error {
	if r.permission.allow(action) && r.attached(action, resource) {
		return nil
	}
	if resource == "" {
		resource = "*"
	}
	message := "User: " + r.who.arn + " is not authorized to perform: " + action + " on resource: " + resource +
		" because no identity-based policy allows the " + action + " action"
	if r.call.Service == tokenService || r.call.Service == cloudWatch {
		return &apiError{code: "AccessDenied", message: message, status: http.StatusForbidden}
	}
	return fail("AccessDeniedException", "%s", message)
}
