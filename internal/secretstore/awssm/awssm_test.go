// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
)

func TestMain(m *testing.M) {
	code := m.Run()
	moto.Stop()
	os.Exit(code)
}

const (
	testRegion    = "eu-central-1"
	testAccount   = "123456789012"
	testAccessKey = "AKIATESTTESTTESTTEST"
	testSecretKey = "test/secret+key/that-must-appear-nowhere"
	testToken     = "test-session-token-that-must-appear-nowhere"
)

// isolate keeps what the machine knows about AWS away from a test.
func isolate(t *testing.T) {
	t.Helper()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", empty)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", empty)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// testConfig is a complete configuration for a service behind a URL.
func testConfig(t *testing.T, url string) Config {
	t.Helper()
	isolate(t)
	return Config{
		Region:    testRegion,
		AccessKey: testAccessKey,
		SecretKey: testSecretKey,
		Token:     testToken,
		Endpoints: Endpoints{SecretsManager: url, KMS: url, STS: url, SSO: url},
	}
}
