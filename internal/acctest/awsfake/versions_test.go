// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"
)

func (f fixture) versions(name string, all bool) []smtypes.SecretVersionsListEntry {
	f.Helper()
	var entries []smtypes.SecretVersionsListEntry
	pages := secretsmanager.NewListSecretVersionIdsPaginator(f.sm, &secretsmanager.ListSecretVersionIdsInput{SecretId: &name, IncludeDeprecated: &all})
	for pages.HasMorePages() {
		page, err := pages.NextPage(f.Context())
		f.ok(err)
		entries = append(entries, page.Versions...)
	}
	return entries
}

func TestVersionRules(t *testing.T) {
	const staging = "https://github.com/hashicorp/terraform-provider-aws/issues/19943"
	runRules(t, []rule{
		{"put without labels moves AWSCURRENT and AWSPREVIOUS", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b")
			f.labels("app", map[string]string{"AWSCURRENT": v2, "AWSPREVIOUS": v1})
			v3 := f.put("app", "c")
			f.labels("app", map[string]string{"AWSCURRENT": v3, "AWSPREVIOUS": v2})
		}},
		{"put with labels leaves AWSCURRENT", recorded, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING", "mine")
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPENDING": v2, "mine": v2})
		}},
		{"put takes labels from other versions without being asked", recorded, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING", "mine")
			v3 := f.put("app", "c", "AWSPENDING")
			f.labels("app", map[string]string{"AWSCURRENT": v1, "mine": v2, "AWSPENDING": v3})
		}},
		{"put needs a value", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			_, err := f.sm.PutSecretValue(f.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("app")})
			f.fails(err, "InvalidRequestException", "SecretString or SecretBinary")
		}},
		{"put again with token and content does nothing", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			f.ok(f.move("app", "AWSCURRENT", v1, v2))
			f.ok(f.move("app", "AWSPENDING", v2, ""))
			f.ok(f.tryPut("app", v2, "b", "AWSPENDING"))
			f.labels("app", map[string]string{"AWSCURRENT": v2, "AWSPREVIOUS": v1})
		}},
		{"put again with token and other content fails", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			f.fails(f.tryPut("app", v2, "c", "AWSPENDING"), "ResourceExistsException", v2)
			f.fails(f.tryPut("app", v1, "c"), "ResourceExistsException", v1)
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPENDING": v2})
		}},
		{"the first version gets AWSCURRENT besides what is asked for", serviceModel, nil, func(f fixture) {
			f.s.Seed(Seed{Name: "app"})
			v := f.put("app", "a", "mine")
			f.labels("app", map[string]string{"AWSCURRENT": v, "mine": v})
		}},
		{"an AWSPENDING id can have no value yet, and gets its first", serviceModel, nil, func(f fixture) {
			f.s.Seed(Seed{Name: "app", Versions: []SeedVersion{
				{ID: token1, Labels: []string{"AWSCURRENT"}},
				{ID: token2, Labels: []string{"AWSPENDING"}, NoValue: true},
			}})
			same(f, "described", slices.Equal(f.describe("app").VersionIdsToStages[token2], []string{"AWSPENDING"}), true)
			_, err := f.get("app", byLabel("AWSPENDING"))
			f.fails(err, "ResourceNotFoundException", "staging label: AWSPENDING")
			_, err = f.get("app", byID(token2))
			f.fails(err, "ResourceNotFoundException", "VersionId: "+token2)
			f.fails(f.move("app", "AWSCURRENT", token1, token2), "InvalidRequestException", "")
			f.ok(f.tryPut("app", token2, "b", "AWSPENDING"))
			_, err = f.get("app", byID(token2))
			f.ok(err)
			f.fails(f.tryPut("app", token2, "c", "AWSPENDING"), "ResourceExistsException", "")
		}},
		{"moving AWSCURRENT moves AWSPREVIOUS and leaves AWSPENDING", recorded, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			f.ok(f.move("app", "AWSCURRENT", v1, v2))
			f.labels("app", map[string]string{"AWSCURRENT": v2, "AWSPENDING": v2, "AWSPREVIOUS": v1})
		}},
		{"moving AWSCURRENT back leaves AWSPREVIOUS on the version it left", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b")
			f.ok(f.move("app", "AWSCURRENT", v2, v1))
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPREVIOUS": v2})
		}},
		{"a label on another version needs RemoveFromVersionId", staging, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			f.fails(f.move("app", "AWSCURRENT", "", v2), "InvalidParameterException",
				"The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "+v1)
		}},
		{"RemoveFromVersionId has to be the version with the label", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			v3 := f.put("app", "c", "mine")
			f.fails(f.move("app", "AWSCURRENT", v3, v2), "InvalidParameterException", v3)
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPENDING": v2, "mine": v3})
		}},
		{"a move that was made already fails when repeated", "assumed", nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			f.ok(f.move("app", "AWSCURRENT", v1, v2))
			f.fails(f.move("app", "AWSCURRENT", v1, v2), "InvalidParameterException", v1)
			f.ok(f.move("app", "AWSCURRENT", "", v2))
		}},
		{"AWSCURRENT cannot be removed", "https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/secretsmanager/secret_version.go", nil, func(f fixture) {
			v := f.create("app", "a")
			f.fails(f.move("app", "AWSCURRENT", v, ""), "InvalidParameterException", "You can only move staging label AWSCURRENT")
		}},
		{"other labels can be added and removed", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b")
			f.ok(f.move("app", "mine", "", v1))
			f.ok(f.move("app", "mine", v1, v2))
			f.ok(f.move("app", "AWSPREVIOUS", v1, ""))
			f.labels("app", map[string]string{"AWSCURRENT": v2, "mine": v2})
			f.fails(f.move("app", "AWSPREVIOUS", v1, ""), "InvalidParameterException", "not attached")
		}},
		{"unknown versions and empty moves are refused", serviceModel, nil, func(f fixture) {
			v := f.create("app", "a")
			f.fails(f.move("app", "mine", "", token1), "InvalidParameterException", token1)
			f.fails(f.move("app", "AWSCURRENT", token1, v), "InvalidParameterException", token1)
			f.fails(f.move("app", "mine", "", ""), "InvalidParameterException", "")
		}},
		{"20 labels on a secret", quotas, nil, func(f fixture) {
			v := f.create("app", "a")
			for i := range 19 {
				f.ok(f.move("app", fmt.Sprintf("label-%d", i), "", v))
			}
			f.fails(f.move("app", "more", "", v), "LimitExceededException", "20")
			f.fails(f.tryPut("app", token1, "b", "more"), "LimitExceededException", "20")
			_, err := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("app"), SecretString: aws.String("b")})
			f.fails(err, "LimitExceededException", "20") // AWSPREVIOUS would be the 21st
			same(f, "labels", len(f.s.Secret("app").Labels), 20)
		}},
		{"get by default, label, id", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			f.s.Advance(time.Hour)
			v2 := f.put("app", "b")
			f.ok(f.move("app", "AWSPENDING", "", v2))
			for want, edits := range map[string][]func(*secretsmanager.GetSecretValueInput){
				v1: {byID(v1), byLabel("AWSPREVIOUS")},
				v2: {byID(v2), byLabel("AWSPENDING"), byLabel("AWSCURRENT"), func(*secretsmanager.GetSecretValueInput) {}},
			} {
				for _, edit := range edits {
					out, err := f.get("app", edit)
					f.ok(err)
					same(f, "version", *out.VersionId, want)
					same(f, "created", *out.CreatedDate, f.s.Secret("app").Versions[want].CreatedAt)
				}
			}
			out, err := f.get("app")
			f.ok(err)
			same(f, "labels in order", slices.Equal(out.VersionStages, []string{"AWSCURRENT", "AWSPENDING"}), true)
		}},
		{"get of what is not there", recorded, nil, func(f fixture) {
			v1 := f.create("app", "a")
			_, err := f.get("nothing")
			f.fails(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
			_, err = f.get("app", byLabel("AWSPREVIOUS"))
			f.fails(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS")
			_, err = f.get("app", byID(token1))
			f.fails(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: "+token1)
			f.put("app", "b")
			_, err = f.get("app", byID(v1), byLabel("AWSCURRENT"))
			f.fails(err, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
		}},
		{"binary comes back as binary", recorded, nil, func(f fixture) {
			_, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app"), SecretBinary: []byte{0, 1, 255}})
			f.ok(err)
			out, err := f.get("app")
			f.ok(err)
			same(f, "binary", slices.Equal(out.SecretBinary, []byte{0, 1, 255}) && out.SecretString == nil, true)
		}},
		{"text comes back byte for byte", serviceModel, nil, func(f fixture) {
			text := "<&>\"\\u2028 é\n\t\x00"
			f.create("app", text)
			out, err := f.get("app")
			f.ok(err)
			same(f, "equal", *out.SecretString == text, true)
		}},
		{"reading sets LastAccessedDate to the day", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			_, err := f.get("app")
			f.ok(err)
			day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			same(f, "secret", *f.describe("app").LastAccessedDate, day)
			same(f, "version", *f.versions("app", false)[0].LastAccessedDate, day)
			same(f, "changed", f.s.Secret("app").ChangedAt, f.start)
		}},
		{"a version without labels is deprecated, but readable by id", recorded, nil, func(f fixture) {
			v1 := f.create("app", "a")
			f.s.Advance(time.Second)
			v2 := f.put("app", "b")
			f.ok(f.move("app", "AWSPREVIOUS", v1, ""))
			same(f, "described", len(f.describe("app").VersionIdsToStages), 1)
			same(f, "listed", len(f.versions("app", false)), 1)
			all := f.versions("app", true)
			same(f, "with deprecated", len(all), 2)
			same(f, "oldest first", *all[0].VersionId+*all[1].VersionId, v1+v2)
			same(f, "its date", *all[0].CreatedDate, f.start)
			same(f, "its labels", all[0].VersionStages == nil, true)
			_, err := f.get("app", byID(v1))
			f.ok(err)
		}},
		{"KmsKeyIds", recorded, nil, func(f fixture) {
			f.create("app", "a")
			same(f, "default", f.versions("app", false)[0].KmsKeyIds[0], "DefaultEncryptionKey")
			id := f.s.AddKey(Key{})
			f.create("own", "a", withKey(id))
			same(f, "own", f.versions("own", false)[0].KmsKeyIds[0], id)
		}},
		{"versions come in pages", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			for range 120 {
				f.put("app", uuid.NewString())
			}
			same(f, "all", len(f.versions("app", true)), 121)
			same(f, "requests", f.s.Count("ListSecretVersionIds"), 2)
		}},
		{"unlabelled versions above 100 go when older than a day", quotas, nil, func(f fixture) {
			first := f.create("app", "a")
			f.ok(f.move("app", "keep", "", first))
			f.s.Advance(time.Second)
			for range 120 {
				f.put("app", uuid.NewString())
			}
			same(f, "none is a day old", len(f.s.Secret("app").Versions), 121)
			f.s.Advance(24*time.Hour + time.Second)
			last := f.put("app", "z")
			got := f.s.Secret("app")
			same(f, "kept", len(got.Versions), 100)
			same(f, "labelled ones stay", got.Versions[first].ID+got.Versions[last].ID, first+last)
		}},
		{"also without another write", quotas, nil, func(f fixture) {
			f.create("app", "a")
			for range 110 {
				f.put("app", uuid.NewString())
			}
			f.s.Advance(24*time.Hour + time.Second)
			same(f, "kept", len(f.versions("app", true)), 100)
		}},
		{"deprecated versions may go at any time", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b")
			same(f, "dropped", f.s.DropDeprecated("app"), 0)
			f.ok(f.move("app", "AWSPREVIOUS", v1, ""))
			same(f, "dropped", f.s.DropDeprecated("app"), 1)
			_, err := f.get("app", byID(v1))
			f.fails(err, "ResourceNotFoundException", "VersionId: "+v1)
			f.labels("app", map[string]string{"AWSCURRENT": v2})
		}},
		{"the value of a version has its own date", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.s.Advance(90 * 24 * time.Hour)
			f.put("app", "b")
			out, err := f.get("app")
			f.ok(err)
			same(f, "created", *out.CreatedDate, f.start.Add(90*24*time.Hour))
			same(f, "secret", *f.describe("app").CreatedDate, f.start)
		}},
	})
}

func TestRotationRules(t *testing.T) {
	lambda := aws.String("arn:aws:lambda:eu-central-1:123456789012:function:rotate")
	rotate := func(f fixture, edit ...func(*secretsmanager.RotateSecretInput)) (*secretsmanager.RotateSecretOutput, error) {
		in := &secretsmanager.RotateSecretInput{
			SecretId: aws.String("app"), RotationLambdaARN: lambda, RotationRules: &smtypes.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
		}
		for _, e := range edit {
			e(in)
		}
		return f.sm.RotateSecret(f.Context(), in)
	}
	runRules(t, []rule{
		{"rotation needs a function", recorded, nil, func(f fixture) {
			f.create("app", "a")
			_, err := rotate(f, func(in *secretsmanager.RotateSecretInput) { in.RotationLambdaARN = nil })
			f.fails(err, "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
		}},
		{"rotation begins with AWSPENDING on an id without a value", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			out, err := rotate(f)
			f.ok(err)
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPENDING": *out.VersionId})
			d := f.describe("app")
			same(f, "enabled", *d.RotationEnabled, true)
			same(f, "lambda", *d.RotationLambdaARN, *lambda)
			same(f, "days", *d.RotationRules.AutomaticallyAfterDays, 30)
			same(f, "not rotated yet", d.LastRotatedDate, nil)
		}},
		{"a pending version that is not current blocks the next rotation", "https://github.com/aws/aws-cdk/issues/17288", nil, func(f fixture) {
			v1 := f.create("app", "a")
			v2 := f.put("app", "b", "AWSPENDING")
			_, err := rotate(f)
			f.fails(err, "InvalidRequestException", "A previous rotation isn't complete.")
			f.ok(f.move("app", "AWSCURRENT", v1, v2))
			_, err = rotate(f)
			f.ok(err)
		}},
		{"RotateImmediately=false only configures", serviceModel, nil, func(f fixture) {
			v := f.create("app", "a")
			_, err := rotate(f, func(in *secretsmanager.RotateSecretInput) { in.RotateImmediately = aws.Bool(false) })
			f.ok(err)
			f.labels("app", map[string]string{"AWSCURRENT": v})
		}},
		{"a new value counts as a rotation", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			_, err := rotate(f, func(in *secretsmanager.RotateSecretInput) { in.RotateImmediately = aws.Bool(false) })
			f.ok(err)
			f.s.Advance(time.Hour)
			f.put("app", "b")
			d := f.describe("app")
			same(f, "last", *d.LastRotatedDate, f.start.Add(time.Hour))
			same(f, "next", *d.NextRotationDate, f.start.Add(time.Hour).AddDate(0, 0, 30))
		}},
		{"rules are days or a schedule", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			for _, rules := range []smtypes.RotationRulesType{
				{AutomaticallyAfterDays: aws.Int64(0)}, {AutomaticallyAfterDays: aws.Int64(1001)},
				{AutomaticallyAfterDays: aws.Int64(30), ScheduleExpression: aws.String("rate(10 days)")},
			} {
				_, err := rotate(f, func(in *secretsmanager.RotateSecretInput) { in.RotationRules = &rules })
				f.fails(err, "InvalidParameterException", "RotationRules")
			}
		}},
		{"cancel turns rotation off and leaves labels and settings", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			began, err := rotate(f)
			f.ok(err)
			out, err := f.sm.CancelRotateSecret(f.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "version", *out.VersionId, *began.VersionId)
			f.labels("app", map[string]string{"AWSCURRENT": v1, "AWSPENDING": *began.VersionId})
			d := f.describe("app")
			same(f, "enabled", *d.RotationEnabled, false)
			same(f, "lambda", *d.RotationLambdaARN, *lambda)
			same(f, "dates", d.LastRotatedDate == nil && d.NextRotationDate == nil, true)
		}},
	})
}
