// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"encoding/json"
	"strings"
)

// Resource policies are stored and checked for syntax; they grant and deny
// nothing here.

type resourcePolicyInput struct {
	SecretID          string `json:"SecretId"`
	ResourcePolicy    string
	BlockPublicPolicy bool
}

type resourcePolicyOutput struct {
	ARN            string
	Name           string
	ResourcePolicy string `json:",omitempty"`
}

func (r *request) getResourcePolicy(in describeSecretInput) (any, error) {
	rec, err := r.find(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := rec.live(); err != nil {
		return nil, err
	}
	return resourcePolicyOutput{ARN: rec.arn, Name: rec.name, ResourcePolicy: rec.policy}, nil
}

func (r *request) putResourcePolicy(in resourcePolicyInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := checkPolicy(in.ResourcePolicy); err != nil {
		return nil, err
	}
	// Service model, PublicPolicyException: "The BlockPublicPolicy parameter is
	// set to true, and the resource policy did not prevent broad access".
	if in.BlockPublicPolicy && isPublic(in.ResourcePolicy) {
		return nil, fail("PublicPolicyException", "The resource policy allows broad access to the secret.")
	}
	rec.policy = in.ResourcePolicy
	r.commit(rec)
	return nameOutput{ARN: rec.arn, Name: rec.name}, nil
}

func (r *request) deleteResourcePolicy(in describeSecretInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	rec.policy = ""
	r.commit(rec)
	return nameOutput{ARN: rec.arn, Name: rec.name}, nil
}

type validateResourcePolicyInput struct {
	SecretID       string `json:"SecretId"`
	ResourcePolicy string
}

type policyError struct {
	CheckName    string
	ErrorMessage string
}

type validateResourcePolicyOutput struct {
	PolicyValidationPassed bool
	ValidationErrors       []policyError
}

func (r *request) validateResourcePolicy(in validateResourcePolicyInput) (any, error) {
	// Service model: "Required permissions: secretsmanager:ValidateResourcePolicy
	// and secretsmanager:PutResourcePolicy."
	if err := r.authorize("secretsmanager:PutResourcePolicy", in.SecretID); err != nil {
		return nil, err
	}
	if in.SecretID != "" {
		if _, err := r.find(in.SecretID); err != nil {
			return nil, err
		}
	}
	if err := checkPolicy(in.ResourcePolicy); err != nil {
		return nil, err
	}
	out := validateResourcePolicyOutput{PolicyValidationPassed: true, ValidationErrors: []policyError{}}
	if isPublic(in.ResourcePolicy) {
		out.PolicyValidationPassed = false
		out.ValidationErrors = append(out.ValidationErrors, policyError{"PUBLIC_POLICY", "The resource policy allows broad access to the secret."})
	}
	return out, nil
}

type policyDocument struct {
	Version   string
	Statement []struct {
		Effect    string
		Principal any
		Condition any
	}
}

// checkPolicy checks the syntax, and the 20,480 characters that a policy may have:
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
func checkPolicy(policy string) error {
	var doc policyDocument
	if len(policy) > 20480 || json.Unmarshal([]byte(policy), &doc) != nil || len(doc.Statement) == 0 {
		return fail("MalformedPolicyDocumentException", "This resource policy contains invalid Json or has a length of more than 20480.")
	}
	return nil
}

// isPublic: a wildcard principal is allowed something without a condition.
func isPublic(policy string) bool {
	var doc policyDocument
	if err := json.Unmarshal([]byte(policy), &doc); err != nil {
		return false
	}
	for _, st := range doc.Statement {
		principal, err := json.Marshal(st.Principal)
		if err == nil && st.Effect == "Allow" && st.Condition == nil && strings.Contains(string(principal), `"*"`) {
			return true
		}
	}
	return false
}
