// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// judgePolicy says whether a resource policy opens a secret to everyone: whether a
// statement allows something to the principal "*" without a condition that only
// some can fulfil. Secrets Manager decides the same by automated reasoning when a
// policy is put with BlockPublicPolicy; this follows what AWS documents of it, and
// of the like for buckets. What identity policies and the policy of the KMS key
// allow is not looked at.
// Sources: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutResourcePolicy.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
func judgePolicy(document string) (Status, string) {
	var policy struct {
		Statement oneOrMore[statement]
	}
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return NotEvaluated, "the resource policy cannot be read as JSON"
	}
	public := -1
	for i, s := range policy.Statement {
		if s.Effect == "Allow" && s.everyone() && !s.Condition.narrow() {
			public = i
			break
		}
	}
	if public < 0 {
		return Pass, "no statement of the resource policy allows anything to everyone"
	}
	where := fmt.Sprintf("statement %d", public+1)
	if sid := policy.Statement[public].Sid; sid != "" {
		where += fmt.Sprintf(" (%s)", sid)
	}
	for _, s := range policy.Statement {
		if s.Effect != "Deny" || !s.everyone() || !s.everything() {
			continue
		}
		if len(s.Condition) == 0 {
			return Pass, where + " of the resource policy allows something to everyone, and another statement takes it back"
		}
		return NotEvaluated, where + " of the resource policy allows something to everyone, and whether a statement that denies takes all of it back cannot be told here; " +
			"ask AWS: aws secretsmanager validate-resource-policy"
	}
	return Fail, where + " of the resource policy allows something to everyone, without a condition that only some can fulfil"
}

// oneOrMore is a list of which JSON may give the only element by itself.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	var one T
	if err := json.Unmarshal(raw, &one); err == nil {
		*o = oneOrMore[T]{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]T)(o))
}

// text is a string, a number or a boolean: conditions may have either.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	if raw[0] == '{' || raw[0] == '[' {
		return errors.New("not a single value")
	}
	if json.Unmarshal(raw, (*string)(t)) != nil {
		*t = text(raw)
	}
	return nil
}

type statement struct {
	Sid          string
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Action       oneOrMore[text]
	Condition    conditions
}

// everyone reports whether the statement is about all principals: "*", or, what
// amounts to it, all but some.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (s statement) everyone() bool {
	if len(s.NotPrincipal) > 0 {
		return true
	}
	var star string
	if json.Unmarshal(s.Principal, &star) == nil {
		return star == "*"
	}
	var kinds map[string]oneOrMore[text]
	if json.Unmarshal(s.Principal, &kinds) != nil {
		return false
	}
	for _, names := range kinds {
		if slices.Contains(names, "*") {
			return true
		}
	}
	return false
}

// everything reports whether the statement is about all that can be done to a
// secret.
func (s statement) everything() bool {
	return slices.ContainsFunc(s.Action, func(action text) bool {
		return action == "*" || strings.EqualFold(string(action), "secretsmanager:*")
	})
}

// conditions are operators, each with the values of its keys.
type conditions map[string]map[string]oneOrMore[text]

// narrow reports whether only some can fulfil the conditions. All of them have to
// be fulfilled, so that one that narrows is enough.
func (c conditions) narrow() bool {
	for operator, keys := range c {
		for key, values := range keys {
			if len(values) > 0 && narrows(operator, strings.ToLower(key), values) {
				return true
			}
		}
	}
	return false
}

// narrowKeys are keys of the request that a stranger cannot choose, with whether a
// value of them is fixed. Those not here, such as tags of a principal, anyone can
// give to himself.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
var narrowKeys = map[string]func(string) bool{
	"aws:principalaccount":  literal,
	"aws:principalarn":      fixedARN,
	"aws:principalorgid":    literal,
	"aws:principalorgpaths": fixedPath,
	"aws:sourceaccount":     literal,
	"aws:sourcearn":         fixedARN,
	"aws:sourceip":          fixedNetwork,
	"aws:sourceorgid":       literal,
	"aws:sourceorgpaths":    fixedPath,
	"aws:sourceowner":       literal,
	"aws:sourcevpc":         literal,
	"aws:sourcevpce":        literal,
	"aws:userid":            literal,
}

// narrowOperators are those that compare with what must be. One that ends in
// IfExists, or begins with ForAllValues, is also fulfilled by a request without
// the key.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
var narrowOperators = []string{
	"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress",
}

func narrows(operator, key string, values []text) bool {
	operator = strings.TrimPrefix(strings.ToLower(operator), "foranyvalue:")
	fixed := narrowKeys[key]
	if fixed == nil || !slices.Contains(narrowOperators, operator) {
		return false
	}
	return !slices.ContainsFunc(values, func(value text) bool { return !fixed(string(value)) })
}

func literal(value string) bool { return value != "" && !strings.ContainsAny(value, "*?") }

// fixedPath is for paths of organizations, o-…/r-…/ou-…/, which begin with the
// organization.
func fixedPath(value string) bool {
	organization, _, _ := strings.Cut(value, "/")
	return literal(organization)
}

// fixedARN accepts wildcards in what an ARN names, but not in its account, nor in
// an ARN without one, such as that of a bucket.
func fixedARN(value string) bool {
	parts := strings.SplitN(value, ":", 6)
	return len(parts) == 6 && (literal(parts[4]) || literal(value))
}

// fixedNetwork refuses networks that are wider than /8 for IPv4 and /32 for IPv6,
// where Amazon S3 draws the line.
func fixedNetwork(value string) bool {
	if _, err := netip.ParseAddr(value); err == nil {
		return true
	}
	network, err := netip.ParsePrefix(value)
	if err != nil {
		return false
	}
	least := 8
	if network.Addr().Is6() {
		least = 32
	}
	return network.Bits() >= least
}
