// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

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
