// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Attach lets requests do only what these identity policies allow, whoever asks,
// and nothing that they deny. Deny and DenyAllBut count beside them; AllowAll takes
// them back. Elements, condition operators and keys that are not modelled fail the
// test, and so does an action that no request can need.
//
// The evaluation is that of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
// for one identity without boundaries. Which resource an action is about, and which
// condition keys a request has, is in
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
// and the pages for KMS and CloudWatch beside it.
func (s *Server) Attach(documents ...string) {
	s.t.Helper()
	var policies []iamPolicy
	for _, document := range documents {
		policy, err := parsePolicy(document)
		if err != nil {
			s.t.Fatalf("awsfake: %v", err)
		}
		for _, statement := range policy.Statement {
			s.checkPatterns(statement.Action)
		}
		policies = append(policies, policy)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.permission.policies = policies
}

// iamPolicy is a policy document.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type iamPolicy struct {
	Version   string
	Statement []iamStatement
}

type iamStatement struct {
	Sid       string
	Effect    string
	Action    oneOrMore
	Resource  oneOrMore
	Condition map[string]map[string]oneOrMore // operator → key → values
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// conditionKeys are those that requests here have.
var conditionKeys = []string{"aws:TagKeys", "cloudwatch:namespace", "kms:ViaService"}

func parsePolicy(document string) (iamPolicy, error) {
	var policy iamPolicy
	decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&policy); err != nil {
		return policy, fmt.Errorf("the policy cannot be read: %w", err)
	}
	if policy.Version != "2012-10-17" || len(policy.Statement) == 0 {
		return policy, fmt.Errorf("the policy has version %q and %d statements", policy.Version, len(policy.Statement))
	}
	for _, s := range policy.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return policy, fmt.Errorf("the statement %q has no effect, action or resource", s.Sid)
		}
		for _, action := range s.Action {
			if !strings.Contains(action, ":") {
				return policy, fmt.Errorf("the action %q names no service", action)
			}
		}
		for operator, keys := range s.Condition {
			for key, values := range keys {
				_, known := operators[operator]
				if !known || !slices.Contains(conditionKeys, key) {
					return policy, fmt.Errorf("the condition %s of %s is not modelled", operator, key)
				}
				if strings.Contains(strings.Join(values, ""), "${") {
					return policy, fmt.Errorf("policy variables are not modelled")
				}
			}
		}
	}
	return policy, nil
}

// operators decide whether what a request has for a key meets the values of a
// condition. Without the key a condition fails, but for ForAllValues, which "also
// returns true if there are no keys in the request".
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
var operators = map[string]func(has, want []string) bool{
	"StringEquals": func(has, want []string) bool { return len(has) == 1 && slices.Contains(want, has[0]) },
	"StringLike":   func(has, want []string) bool { return len(has) == 1 && likeOneOf(has[0], want) },
	"ForAllValues:StringLike": func(has, want []string) bool {
		return !slices.ContainsFunc(has, func(value string) bool { return !likeOneOf(value, want) })
	},
}

func likeOneOf(text string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return like(pattern, text) })
}

// like matches * and ?, which stand for any character, slashes and colons too.
func like(pattern, text string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile("^" + expression + "$").MatchString(text)
}

// attached reports whether the attached policies, if any, allow an action of a
// request on what it names as its resource.
func (r *request) attached(action, resource string) bool {
	return r.evaluate(action, r.resourceARN(action, resource), map[string][]string{
		"aws:TagKeys": r.tagKeys, "cloudwatch:namespace": some(r.namespace),
	})
}

// mayUse reports whether the caller may have Secrets Manager use a key.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
func (r *request) mayUse(action string, k *Key) bool {
	return r.permission.allow(action) &&
		r.evaluate(action, k.arn(), map[string][]string{"kms:ViaService": {"secretsmanager." + r.here.region + ".amazonaws.com"}})
}

func some(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func (r *request) evaluate(action, resource string, context map[string][]string) bool {
	// See permissions.allow; and who assumes a role with a token has no policies yet.
	if r.permission.policies == nil || action == "sts:GetCallerIdentity" || action == "sts:AssumeRoleWithWebIdentity" {
		return true
	}
	allowed := false
	for _, policy := range r.permission.policies {
		for _, statement := range policy.Statement {
			if !statement.matches(action, resource, context) {
				continue
			}
			if statement.Effect == "Deny" {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func (s iamStatement) matches(action, resource string, context map[string][]string) bool {
	if !likeOneOf(action, s.Action) || !likeOneOf(resource, s.Resource) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if !operators[operator](context[key], values) {
				return false
			}
		}
	}
	return true
}

// resourceARN is what an action is about. A secret that does not exist has the ARN
// that it would have (assumed).
func (r *request) resourceARN(action, id string) string {
	service, _, _ := strings.Cut(action, ":")
	switch {
	case id == "" || id == "*":
		return "*" // ListSecrets and PutMetricData know no resources
	case service == keyManagement:
		if k, _, err := r.findKey(id); err == nil {
			return k.arn()
		}
		return r.here.arn(keyManagement, "key/"+id)
	case strings.HasPrefix(id, "arn:"):
		return id
	}
	if rec := r.here.secrets[id]; rec != nil {
		return rec.arn
	}
	return r.here.arn(secretsManager, "secret:"+id+"-"+suffix())
}

// tagKeys are the keys of the tags that a JSON request sets or removes.
func tagKeys(body []byte) []string {
	var named struct {
		Tags    []tag
		TagKeys []string
	}
	if json.Unmarshal(body, &named) != nil {
		return nil
	}
	for _, t := range named.Tags {
		named.TagKeys = append(named.TagKeys, t.Key)
	}
	return named.TagKeys
}
