// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	for name, test := range map[string]struct{ id, region, want string }{
		"another region": {
			id:     "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf",
			region: testRegion,
			want: `describe secret "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf": invalid request: ` +
				`the secret is in region us-east-1, but the provider is configured for eu-central-1`,
		},
		"another region than that of the environment": {
			id: "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf",
			want: `describe secret "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf": invalid request: ` +
				`the secret is in region us-east-1, but the provider is configured for eu-west-1`,
		},
		"another account": {
			id:     "arn:aws:secretsmanager:eu-central-1:210987654321:secret:app-AbCdEf",
			region: testRegion,
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
			config := testConfig(t, fake.URL())
			t.Setenv("AWS_REGION", "eu-west-1")
			config.Region = test.region
			_, err := New(config).Describe(t.Context(), test.id)
			wantError(t, err, secretstore.ErrInvalid, test.want)
		})
	}
	if n := fake.Count("DescribeSecret"); n > 0 {
		t.Errorf("%d requests to Secrets Manager, want none", n)
	}
}

func TestInvalidConfiguration(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		edit func(*Config)
		kind error
		want string // a part of it
	}{
		"no region":           {func(c *Config) { c.Region = "" }, secretstore.ErrInvalid, noRegion},
		"unknown region":      {func(c *Config) { c.Region = "eu-centra-1" }, secretstore.ErrInvalid, `"eu-centra-1" is not a known AWS region`},
		"unknown retry mode":  {func(c *Config) { c.RetryMode = "often" }, secretstore.ErrInvalid, "often"},
		"missing CA bundle":   {func(c *Config) { c.CustomCABundle = missing }, secretstore.ErrInvalid, missing},
		"bad proxy":           {func(c *Config) { c.HTTPSProxy = aws.String("http://u:pass\x7fword@x") }, secretstore.ErrInvalid, "Invalid HTTPS Proxy"},
		"role without an ARN": {func(c *Config) { c.AssumeRole = []AssumeRole{{}} }, secretstore.ErrInvalid, "IAM Role ARN not set"},
		"no credentials at all": {
			func(c *Config) { c.AccessKey, c.SecretKey, c.Token = "", "", "" },
			secretstore.ErrNoCredentials,
			"there are none in the configuration, the environment, the shared configuration and credentials files, or a role of the container or instance",
		},
		"half a key": {func(c *Config) { c.SecretKey, c.Token = "", "" }, secretstore.ErrNoCredentials, "static credentials are empty"},
		"unknown profile": {
			func(c *Config) { c.AccessKey, c.SecretKey, c.Token, c.Profile = "", "", "", "production" },
			secretstore.ErrInvalid,
			"failed to get shared config profile, production",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, "http://127.0.0.1:1") // nothing may be asked
			test.edit(&config)
			_, err := New(config).Scope(t.Context())
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Scope: %v\nwant %v: …%s…", err, test.kind, test.want)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "pass\x7fword") || strings.Contains(text, `pass\x7fword`) {
				t.Error("the error holds the password of the proxy")
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

// TestEnvironment: what the configuration leaves out comes from where AWS tools
// look.
func TestEnvironment(t *testing.T) {
	fake := awsfake.Start(t, awsfake.OnlyKnownKeys(), awsfake.AccessKey("AKIAENVIRONMENT00000", "444444444444"),
		awsfake.AccessKey("AKIAPROFILE000000000", "555555555555"))
	files := t.TempDir()
	configFile, credentialsFile := filepath.Join(files, "config"), filepath.Join(files, "credentials")
	for path, content := range map[string]string{
		configFile: "[profile work]\nregion = eu-west-3\nservices = fakes\n" +
			"[services fakes]\nsecrets_manager =\n  endpoint_url = " + fake.URL() + "\nsts =\n  endpoint_url = " + fake.URL() + "\n" +
			"[profile hop]\nregion = eu-west-3\nservices = fakes\nsource_profile = work\nrole_arn = arn:aws:iam::666666666666:role/hop\n",
		credentialsFile: "[work]\naws_access_key_id = AKIAPROFILE000000000\naws_secret_access_key = x\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-2"}
	for name, test := range map[string]struct {
		config Config
		env    []map[string]string
		want   secretstore.Scope
	}{
		"one endpoint for all": {
			env:  []map[string]string{keys, {"AWS_ENDPOINT_URL": fake.URL()}},
			want: secretstore.Scope{Partition: "aws", Account: "444444444444", Region: "eu-west-2"},
		},
		"an endpoint for each": {
			env:  []map[string]string{keys, {"AWS_ENDPOINT_URL_SECRETS_MANAGER": fake.URL(), "AWS_ENDPOINT_URL_STS": fake.URL()}},
			want: secretstore.Scope{Partition: "aws", Account: "444444444444", Region: "eu-west-2"},
		},
		"role with an endpoint from the environment": {
			config: Config{AssumeRole: []AssumeRole{{RoleARN: "arn:aws:iam::777777777777:role/r"}}},
			env:    []map[string]string{keys, {"AWS_ENDPOINT_URL_SECRETS_MANAGER": fake.URL(), "AWS_ENDPOINT_URL_STS": fake.URL()}},
			want:   secretstore.Scope{Partition: "aws", Account: "777777777777", Region: "eu-west-2"},
		},
		"profile from the environment": {
			env: []map[string]string{{
				"AWS_PROFILE": "work", "AWS_CONFIG_FILE": configFile, "AWS_SHARED_CREDENTIALS_FILE": credentialsFile,
			}},
			want: secretstore.Scope{Partition: "aws", Account: "555555555555", Region: "eu-west-3"},
		},
		"profile and files from the configuration": {
			config: Config{Profile: "work", SharedConfigFiles: []string{configFile}, SharedCredentialsFiles: []string{credentialsFile}},
			env:    []map[string]string{{"AWS_PROFILE": "other"}},
			want:   secretstore.Scope{Partition: "aws", Account: "555555555555", Region: "eu-west-3"},
		},
		"profile with a role": {
			config: Config{Profile: "hop", SharedConfigFiles: []string{configFile}, SharedCredentialsFiles: []string{credentialsFile}},
			want:   secretstore.Scope{Partition: "aws", Account: "666666666666", Region: "eu-west-3"},
		},
		"the configuration wins": {
			config: Config{Region: "eu-north-1", AccessKey: "AKIAPROFILE000000000", SecretKey: "x"},
			env:    []map[string]string{keys, {"AWS_ENDPOINT_URL": fake.URL()}},
			want:   secretstore.Scope{Partition: "aws", Account: "555555555555", Region: "eu-north-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			for _, env := range test.env {
				for name, value := range env {
					t.Setenv(name, value)
				}
			}
			store := New(test.config)
			got, err := store.Scope(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("Scope is %+v, want %+v", got, test.want)
			}
			if _, err := store.Describe(t.Context(), "missing"); !errors.Is(err, secretstore.ErrNotFound) {
				t.Errorf("Describe: %v, want %v", err, secretstore.ErrNotFound)
			}
		})
	}
}

func TestConfigDoesNotPrint(t *testing.T) {
	config := Config{
		Region: testRegion, Profile: "work", AccessKey: testAccessKey, SecretKey: testSecretKey, Token: testToken,
		AssumeRoleWithWebIdentity: &AssumeRoleWithWebIdentity{RoleARN: "arn:role", WebIdentityToken: testToken},
		HTTPProxy:                 aws.String("http://user:" + testSecretKey + "@proxy"),
	}
	store := New(config)
	type holder struct {
		public  any
		private *Store
	}
	for _, value := range []any{config, &config, config.AssumeRoleWithWebIdentity, *config.AssumeRoleWithWebIdentity, store, holder{store, store}} {
		texts := []string{
			fmt.Sprint(value), fmt.Sprintf("%s %q %v %+v %#v %x %d", value, value, value, value, value, value, value),
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range append(texts, string(text)) {
			for _, secret := range []string{testSecretKey, testToken, testAccessKey} {
				if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("a %T prints its secrets", value)
				}
			}
		}
	}
	if got, want := fmt.Sprintf("%+v", config), `AWS (region "eu-central-1", profile "work")`; got != want {
		t.Errorf("a Config prints as %s, want %s", got, want)
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
