// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import "time"

// rotation is a secret's AWS-managed rotation. Only what a client can see of it
// is modelled: no Lambda function runs.
type rotation struct {
	configured bool
	enabled    bool
	lambda     string
	rules      *rotationRules
	last       time.Time
}

type rotationRules struct {
	AutomaticallyAfterDays *int64 `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

// done notes that the current version changed. Service model, RotationRulesType:
// "Manually updating the secret value by calling PutSecretValue or UpdateSecret
// is considered a valid rotation".
func (rot *rotation) done(at time.Time) {
	if rot.enabled {
		rot.last = at
	}
}

// describe fills in what DescribeSecret tells. Service model: RotationEnabled is
// null "if the secret has never been configured for rotation"; the dates are
// null when it is off; lambda and rules stay after it was turned off.
func (rot *rotation) describe(out *describeSecretOutput) {
	if !rot.configured {
		return
	}
	out.RotationEnabled = &rot.enabled
	out.RotationLambdaARN = rot.lambda
	out.RotationRules = rot.rules
	if !rot.enabled {
		return
	}
	out.LastRotatedDate = optionalEpoch(rot.last)
	if rot.rules != nil && rot.rules.AutomaticallyAfterDays != nil && !rot.last.IsZero() {
		out.NextRotationDate = optionalEpoch(rot.last.AddDate(0, 0, int(*rot.rules.AutomaticallyAfterDays)))
	}
}

type rotateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationLambdaARN  string
	RotationRules      *rotationRules
	RotateImmediately  *bool
}

type versionOutput struct {
	ARN       string
	Name      string
	VersionID string `json:"VersionId,omitempty"`
}

// rotateSecret turns rotation on and begins one: it leaves AWSPENDING on a version
// without a value, which is where the rotation function would take over. A test
// can finish it with PutSecretValue and UpdateSecretVersionStage.
func (r *request) rotateSecret(in rotateSecretInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if in.ClientRequestToken == "" {
		return nil, invalidParameter("You must provide a ClientRequestToken value. We recommend a UUID-type value.") // recorded
	}
	if err := checkToken(in.ClientRequestToken); err != nil {
		return nil, err
	}
	if in.RotationLambdaARN != "" {
		rec.rotation.lambda = in.RotationLambdaARN
	}
	if rec.rotation.lambda == "" {
		return nil, invalidRequest("No Lambda rotation function ARN is associated with this secret.") // recorded
	}
	if in.RotationRules != nil {
		// Service model: "AutomaticallyAfterDays or ScheduleExpression, but not
		// both"; 1 to 1000 days.
		days := in.RotationRules.AutomaticallyAfterDays
		if days != nil && (in.RotationRules.ScheduleExpression != "" || *days < 1 || *days > 1000) {
			return nil, invalidParameter("RotationRules must have either AutomaticallyAfterDays within 1-1000 or ScheduleExpression.")
		}
		rec.rotation.rules = in.RotationRules
	}
	// Service model: "If the AWSPENDING staging label is present but not attached
	// to the same version as AWSCURRENT, then any later invocation of RotateSecret
	// assumes that a previous rotation request is still in progress and returns an
	// error." Message: https://github.com/aws/aws-cdk/issues/17288.
	if pending := rec.labels[labelPending]; pending != "" && pending != rec.labels[labelCurrent] {
		return nil, invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.")
	}
	rec.rotation.configured, rec.rotation.enabled = true, true
	out := versionOutput{ARN: rec.arn, Name: rec.name}
	// Service model: "The default for RotateImmediately is true."
	if in.RotateImmediately == nil || *in.RotateImmediately {
		out.VersionID = in.ClientRequestToken
		if rec.versions[out.VersionID] == nil {
			rec.versions[out.VersionID] = &version{id: out.VersionID, created: r.at}
		}
		rec.labels[labelPending] = out.VersionID
	}
	r.commit(rec)
	return out, nil
}

// cancelRotateSecret turns rotation off. Service model: it "can leave the
// VersionStage labels in an unexpected state".
func (r *request) cancelRotateSecret(in describeSecretInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	rec.rotation.enabled = false
	r.commit(rec)
	out := versionOutput{ARN: rec.arn, Name: rec.name}
	if pending := rec.labels[labelPending]; pending != rec.labels[labelCurrent] {
		out.VersionID = pending
	}
	return out, nil
}
