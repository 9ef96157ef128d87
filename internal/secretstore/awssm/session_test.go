// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestNothingBeforeFirstUse(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	_ = fmt.Sprint(store)
	if calls := fake.Calls(); len(calls) > 0 {
		t.Fatalf("New made %d requests, want none", len(calls))
	}
}

// TestSessionIsMadeOnce: however many resources begin at the same moment, STS is
// asked once.
func TestSessionIsMadeOnce(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := store.Describe(t.Context(), "missing"); !errors.Is(err, secretstore.ErrNotFound) {
				t.Errorf("Describe: %v, want %v", err, secretstore.ErrNotFound)
			}
		})
	}
	group.Wait()
	want := map[string]int{"GetCallerIdentity": 1, "DescribeSecret": 20}
	if diff := cmp.Diff(want, fake.Counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestScope(t *testing.T) {
	fake := awsfake.Start(t)
	for name, test := range map[string]struct {
		edit  func(*Config)
		want  secretstore.Scope
		calls int
	}{
		"plain": {
			edit:  func(*Config) {},
			want:  secretstore.Scope{Partition: "aws", Account: testAccount, Region: testRegion},
			calls: 1,
		},
		"no account wanted": {
			edit:  func(c *Config) { c.SkipRequestingAccountID = true },
			want:  secretstore.Scope{Partition: "aws", Region: testRegion},
			calls: 1,
		},
		"no STS at all": {
			edit: func(c *Config) { c.SkipRequestingAccountID, c.SkipCredentialsValidation = true, true },
			want: secretstore.Scope{Partition: "aws", Region: testRegion},
		},
		"another partition": {
			edit: func(c *Config) {
				c.Region = "cn-north-1"
				c.SkipRequestingAccountID, c.SkipCredentialsValidation = true, true
			},
			want: secretstore.Scope{Partition: "aws-cn", Region: "cn-north-1"},
		},
		"a region from another planet": {
			edit: func(c *Config) {
				c.Region = "mars-north-1"
				c.SkipRegionValidation = true
			},
			want:  secretstore.Scope{Partition: "aws", Account: testAccount, Region: "mars-north-1"},
			calls: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake.ResetCalls()
			config := testConfig(t, fake.URL())
			test.edit(&config)
			store := New(config)
			for range 3 {
				got, err := store.Scope(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got != test.want {
					t.Errorf("Scope is %+v, want %+v", got, test.want)
				}
			}
			if got := len(fake.Calls()); got != test.calls {
				t.Errorf("%d requests, want %d", got, test.calls)
			}
		})
	}
}

func TestAccountLists(t *testing.T) {
	fake := awsfake.Start(t)
	for name, test := range map[string]struct {
		edit func(*Config)
		want string // "" is success
	}{
		"allowed":       {edit: func(c *Config) { c.AllowedAccountIDs = []string{"210987654321", testAccount} }},
		"not forbidden": {edit: func(c *Config) { c.ForbiddenAccountIDs = []string{"210987654321"} }},
		"not allowed": {
			edit: func(c *Config) { c.AllowedAccountIDs = []string{"210987654321"} },
			want: `describe secret "app": invalid request: the credentials are of AWS account 123456789012, which is not in allowed_account_ids (210987654321)`,
		},
		"forbidden": {
			edit: func(c *Config) { c.ForbiddenAccountIDs = []string{testAccount} },
			want: `describe secret "app": invalid request: the credentials are of AWS account 123456789012, which is in forbidden_account_ids`,
		},
		"forbidden although no account was wanted": {
			edit: func(c *Config) {
				c.ForbiddenAccountIDs = []string{testAccount}
				c.SkipRequestingAccountID = true
			},
			want: `describe secret "app": invalid request: the credentials are of AWS account 123456789012, which is in forbidden_account_ids`,
		},
		"cannot be checked": {
			edit: func(c *Config) {
				c.ForbiddenAccountIDs = []string{testAccount}
				c.SkipRequestingAccountID, c.SkipCredentialsValidation = true, true
			},
			want: `describe secret "app": invalid request: the AWS account is not known, so that allowed_account_ids and forbidden_account_ids ` +
				`cannot be checked: take out skip_requesting_account_id or skip_credentials_validation`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake.ResetCalls()
			config := testConfig(t, fake.URL())
			test.edit(&config)
			_, err := New(config).Describe(t.Context(), "app")
			if test.want == "" {
				if !errors.Is(err, secretstore.ErrNotFound) {
					t.Errorf("Describe: %v, want %v", err, secretstore.ErrNotFound)
				}
				return
			}
			if err == nil || err.Error() != test.want {
				t.Errorf("Describe: %v\nwant: %s", err, test.want)
			}
			if n := fake.Count("DescribeSecret"); n > 0 {
				t.Errorf("%d requests to Secrets Manager, want none", n)
			}
		})
	}
}

// TestFailureIsRemembered: 200 resources do not repeat what cannot succeed.
func TestFailureIsRemembered(t *testing.T) {
	fake := awsfake.Start(t, awsfake.OnlyKnownKeys())
	store := New(testConfig(t, fake.URL()))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			_, err := store.Describe(t.Context(), "app")
			if !errors.Is(err, secretstore.ErrNoCredentials) {
				t.Errorf("Describe: %v, want %v", err, secretstore.ErrNoCredentials)
			}
		})
	}
	group.Wait()
	_, err := store.Scope(t.Context())
	wantError(t, err, secretstore.ErrNoCredentials,
		`locate the store "eu-central-1": no valid credentials: InvalidClientTokenId: The security token included in the request is invalid.`)
	if diff := cmp.Diff(map[string]int{"GetCallerIdentity": 1}, fake.Counts()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestGivingUpIsNotRemembered: a caller that gave up says nothing about the next.
func TestGivingUpIsNotRemembered(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Inject(awsfake.Fault{Kind: awsfake.Latency, Op: "GetCallerIdentity", Delay: time.Minute})
	store := New(testConfig(t, fake.URL()))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := store.Describe(ctx, "app")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Describe: %v, want %v", err, context.DeadlineExceeded)
	}
	var typed *secretstore.Error
	if errors.As(err, &typed) {
		t.Errorf("a caller that gave up got an error of the store: %v", err)
	}
	if _, err := store.Scope(t.Context()); err != nil {
		t.Errorf("Scope after that: %v", err)
	}

	canceled, stop := context.WithCancel(t.Context())
	stop()
	if _, err := New(testConfig(t, fake.URL())).Scope(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("Scope: %v, want %v", err, context.Canceled)
	}
}

func TestARNOfElsewhere(t *testing.T) {
	fake := awsfake.Start(t)
	for name, test := range map[string]struct {
		id, region, want string
		calls            int
	}{
		"another region": {
			id:     "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf",
			region: testRegion,
			want: `describe secret "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf": invalid request: ` +
				`the secret is in region us-east-1, but the provider is configured for eu-central-1`,
		},
		"another region than that of the environment": {
			id:    "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf",
			calls: 1,
			want: `describe secret "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf": invalid request: ` +
				`the secret is in region us-east-1, but the provider is configured for eu-west-1`,
		},
		"another account": {
			id:     "arn:aws:secretsmanager:eu-central-1:210987654321:secret:app-AbCdEf",
			region: testRegion,
			calls:  1,
			want: `describe secret "arn:aws:secretsmanager:eu-central-1:210987654321:secret:app-AbCdEf": invalid request: ` +
				`the secret is in account 210987654321, but the credentials are of account 123456789012`,
		},
		"another service": {
			id:     "arn:aws:kms:eu-central-1:123456789012:key/x",
			region: testRegion,
			want:   `describe secret "arn:aws:kms:eu-central-1:123456789012:key/x": invalid request: not the ARN of a secret`,
		},
		"no ARN": {id: "arn:x", region: testRegion, want: `describe secret "arn:x": invalid request: not the ARN of a secret`},
	} {
		t.Run(name, func(t *testing.T) {
			fake.ResetCalls()
			config := testConfig(t, fake.URL())
			t.Setenv("AWS_REGION", "eu-west-1")
			config.Region = test.region
			_, err := New(config).Describe(t.Context(), test.id)
			wantError(t, err, secretstore.ErrInvalid, test.want)
			if got := fake.Count("GetCallerIdentity"); got != test.calls || len(fake.Calls()) != got {
				t.Errorf("%d requests, %d to STS; want %d, all to STS", len(fake.Calls()), got, test.calls)
			}
		})
	}
}

func TestAssumeRole(t *testing.T) {
	fake := awsfake.Start(t)
	config := testConfig(t, fake.URL())
	config.AssumeRole = []AssumeRole{
		{RoleARN: "arn:aws:iam::111111111111:role/hop", SessionName: "hop"},
		{
			RoleARN: "arn:aws:iam::222222222222:role/deploy", SessionName: "deploy", ExternalID: "external",
			Duration: time.Hour, SourceIdentity: "somebody", Policy: `{"Version":"2012-10-17"}`,
		},
	}
	store := New(config)
	if _, err := store.Create(t.Context(), newSecret("app")); err != nil {
		t.Fatal(err)
	}
	scope, err := store.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if scope.Account != "222222222222" {
		t.Errorf("the account is %s, want that of the last role", scope.Account)
	}
	var roles []map[string]string
	for _, call := range fake.Calls() {
		switch call.Op {
		case "AssumeRole":
			roles = append(roles, call.Params)
		case "CreateSecret":
			if call.Account != scope.Account {
				t.Errorf("the secret was made in account %s, want %s", call.Account, scope.Account)
			}
		}
	}
	if len(roles) == 0 {
		t.Fatal("no role was assumed")
	}
	last := roles[len(roles)-1]
	for name, want := range map[string]string{
		"RoleArn": "arn:aws:iam::222222222222:role/deploy", "RoleSessionName": "deploy", "ExternalId": "external",
		"DurationSeconds": "3600", "SourceIdentity": "somebody", "Policy": `{"Version":"2012-10-17"}`,
	} {
		if last[name] != want {
			t.Errorf("%s is %q, want %q", name, last[name], want)
		}
	}
	if n := fake.Count("GetCallerIdentity"); n != 1 {
		t.Errorf("STS was asked %d times who we are, want once", n)
	}
}

func TestAssumeRoleDenied(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Deny("sts:AssumeRole")
	config := testConfig(t, fake.URL())
	config.AssumeRole = []AssumeRole{{RoleARN: "arn:aws:iam::222222222222:role/deploy"}}
	_, err := New(config).Describe(t.Context(), "app")
	if !errors.Is(err, secretstore.ErrAccessDenied) ||
		!strings.Contains(err.Error(), "is not authorized to perform: sts:AssumeRole on resource: ") {
		t.Errorf("Describe: %v", err)
	}
	if strings.Contains(err.Error(), "operation error") {
		t.Errorf("the error is not short: %v", err)
	}
	fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "AssumeRole"})
	_, err = New(config).Describe(t.Context(), "app")
	wantError(t, err, secretstore.ErrAccessDenied,
		`describe secret "app": access denied: sts:AssumeRole is missing: AccessDenied: Access denied by an injected fault`)
}

func TestWebIdentity(t *testing.T) {
	fake := awsfake.Start(t)
	const token = "header.that-must-appear-nowhere.signature"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	role := AssumeRoleWithWebIdentity{RoleARN: "arn:aws:iam::333333333333:role/ci", SessionName: "run-7"}
	inline, byFile := role, role
	inline.WebIdentityToken = token
	byFile.WebIdentityTokenFile = file
	for name, test := range map[string]struct {
		role *AssumeRoleWithWebIdentity
		env  map[string]string
	}{
		"token":       {role: &inline},
		"file":        {role: &byFile},
		"environment": {env: map[string]string{"AWS_ROLE_ARN": role.RoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": file}},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, fake.URL())
			config.AccessKey, config.SecretKey, config.Token = "", "", ""
			config.AssumeRoleWithWebIdentity = test.role
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			scope, err := New(config).Scope(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if scope.Account != "333333333333" {
				t.Errorf("the account is %s, want that of the role", scope.Account)
			}
		})
	}
}

// wantError demands a *secretstore.Error with a kind and a text.
func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	var typed *secretstore.Error
	if !errors.As(err, &typed) {
		t.Errorf("the error is a %T, want a *secretstore.Error: %v", err, err)
		return
	}
	if typed.Kind != kind {
		t.Errorf("the error's kind is %q, want %q", typed.Kind, kind)
	}
	if typed.Error() != text {
		t.Errorf("error: %s\n want: %s", typed.Error(), text)
	}
}

const testValue = `{"password":"value/that+must&appear-nowhere"}`

// newSecret is a secret with a token of its own.
func newSecret(name string) secretstore.CreateInput {
	return secretstore.CreateInput{Name: name, Token: uuid.NewString(), Value: secretstore.NewPlaintext(testValue)}
}
