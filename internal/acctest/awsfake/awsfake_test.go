// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"
)

// fixture is a Server with the real SDK's clients.
type fixture struct {
	*testing.T
	s     *Server
	sm    *secretsmanager.Client
	kms   *kms.Client
	sts   *sts.Client
	start time.Time
}

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func newFixture(t *testing.T, opts ...Option) fixture {
	t.Helper()
	s := Start(t, append([]Option{At(testStart)}, opts...)...)
	cfg := s.Config()
	return fixture{t, s, secretsmanager.NewFromConfig(cfg), kms.NewFromConfig(cfg), sts.NewFromConfig(cfg), testStart}
}

// in returns a Secrets Manager client for another region.
func (f fixture) in(region string) *secretsmanager.Client {
	return secretsmanager.NewFromConfig(f.s.ConfigIn(region))
}

// ok fails the test on an error.
func (f fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// fails fails the test unless err is an API error with this code, and with this
// text in its message.
func (f fixture) fails(err error, code, text string) {
	f.Helper()
	var api smithy.APIError
	switch {
	case !errors.As(err, &api):
		f.Fatalf("got error %v, want %s", err, code)
	case api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text):
		f.Fatalf("got %s %q, want %s with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

// same fails the test unless two things that are no secrets are equal.
func same[T comparable](f fixture, what string, got, want T) {
	f.Helper()
	if got != want {
		f.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// create makes a secret with a value and returns the id of its version.
func (f fixture) create(name, value string, edit ...func(*secretsmanager.CreateSecretInput)) string {
	f.Helper()
	in := &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: &value, ClientRequestToken: aws.String(uuid.NewString()),
	}
	for _, e := range edit {
		e(in)
	}
	_, err := f.sm.CreateSecret(f.Context(), in)
	f.ok(err)
	return *in.ClientRequestToken
}

// put adds a version and returns its id.
func (f fixture) put(name, value string, labels ...string) string {
	f.Helper()
	id := uuid.NewString()
	f.ok(f.tryPut(name, id, value, labels...))
	return id
}

func (f fixture) tryPut(name, token, value string, labels ...string) error {
	_, err := f.sm.PutSecretValue(f.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: &token, SecretString: &value, VersionStages: labels,
	})
	return err
}

func (f fixture) get(name string, edit ...func(*secretsmanager.GetSecretValueInput)) (*secretsmanager.GetSecretValueOutput, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &name}
	for _, e := range edit {
		e(in)
	}
	return f.sm.GetSecretValue(f.Context(), in)
}

func byID(id string) func(*secretsmanager.GetSecretValueInput) {
	return func(in *secretsmanager.GetSecretValueInput) { in.VersionId = &id }
}

func byLabel(label string) func(*secretsmanager.GetSecretValueInput) {
	return func(in *secretsmanager.GetSecretValueInput) { in.VersionStage = &label }
}

func (f fixture) describe(name string) *secretsmanager.DescribeSecretOutput {
	f.Helper()
	out, err := f.sm.DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: &name})
	f.ok(err)
	return out
}

func (f fixture) move(name, label, from, to string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if to != "" {
		in.MoveToVersionId = &to
	}
	_, err := f.sm.UpdateSecretVersionStage(f.Context(), in)
	return err
}

func (f fixture) delete(name string, edit ...func(*secretsmanager.DeleteSecretInput)) error {
	in := &secretsmanager.DeleteSecretInput{SecretId: &name}
	for _, e := range edit {
		e(in)
	}
	_, err := f.sm.DeleteSecret(f.Context(), in)
	return err
}

func force(in *secretsmanager.DeleteSecretInput) { in.ForceDeleteWithoutRecovery = aws.Bool(true) }

func (f fixture) tag(name string, kv ...string) error {
	var tags []smtypes.Tag
	for i := 0; i < len(kv); i += 2 {
		tags = append(tags, smtypes.Tag{Key: &kv[i], Value: &kv[i+1]})
	}
	_, err := f.sm.TagResource(f.Context(), &secretsmanager.TagResourceInput{SecretId: &name, Tags: tags})
	return err
}

// labels fails the test unless the labels are exactly these: label to version.
func (f fixture) labels(name string, want map[string]string) {
	f.Helper()
	got := f.s.Secret(name).Labels
	if len(got) != len(want) {
		f.Fatalf("labels: got %v, want %v", got, want)
	}
	for label, id := range want {
		if got[label] != id {
			f.Fatalf("labels: got %v, want %v", got, want)
		}
	}
}

// rule is one behaviour of AWS, with where it is known from.
type rule struct {
	name   string
	source string
	opts   []Option
	check  func(fixture)
}

const serviceModel = "service model"

func runRules(t *testing.T, rules []rule) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.source == "" {
				t.Fatal("the rule has no source")
			}
			r.check(newFixture(t, r.opts...))
		})
	}
}
