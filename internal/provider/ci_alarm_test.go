// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

// An alarm finds a metric by its exact name, namespace and dimensions.
func TestExampleOfAlarms(t *testing.T) {
	t.Parallel()
	example := readExample(t, "cloudwatch/main.tf")
	quoted := regexp.MustCompile(`(?m)^ *(?:namespace|metric_name) += "(.*)"$`)
	var names []string
	for _, match := range quoted.FindAllStringSubmatch(example, -1) {
		names = append(names, match[1])
	}
	if want := fmt.Sprint([]string{metrics.DefaultNamespace, metrics.DaysRemaining, metrics.RotationFailure}); fmt.Sprint(names) != want {
		t.Errorf("the alarms are on %v, want %v", names, want)
	}
	for _, alarm := range regexp.MustCompile(`(?s)dimensions = \{(.*?)\}`).FindAllStringSubmatch(example, -1) {
		keys := regexp.MustCompile(`(?m)^ *(\w+) +=`).FindAllStringSubmatch(alarm[1], -1)
		if len(keys) != 2 || keys[0][1] != metrics.DimensionSecret || keys[1][1] != metrics.DimensionEnvironment {
			t.Errorf("the dimensions are %v", keys)
		}
	}
	if !regexp.MustCompile(`comparison_operator = "LessThanThreshold"\n +threshold +  = 7\n`).MatchString(example) {
		t.Error("the alarm is not at seven days")
	}

	t.Run("validate", func(t *testing.T) {
		t.Parallel()
		w := tfcli.New(t)
		copyExample(t, "cloudwatch", w.Dir)
		useHashicorpProviders(t, w)
		if result := w.Run("init", "-input=false", "-no-color"); result.ExitCode != 0 {
			missing(t, "hashicorp/aws is neither in a mirror nor to be had from the registry, so the example of alarms was not validated:\n"+result.Message())
		}
		w.Run("validate", "-no-color").Require(t, 0)
		w.WriteFile("main.tf", strings.Replace(example, "comparison_operator", "comparison", 1))
		w.Run("validate", "-no-color").Require(t, 1)
	})
}

// useHashicorpProviders lets Terraform find the providers that examples have beside
// this one where mirrors usually are, or else in the registry.
// Source: https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
func useHashicorpProviders(t *testing.T, w *tfcli.Workspace) {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	mirrors := []string{filepath.Join(home, ".terraform.d", "plugins"), "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"}
	others, err := filepath.Glob("/opt/*")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(w.Dir)
	here := `"registry.terraform.io/roi-systems/roi", "registry.opentofu.org/roi-systems/roi"`
	for _, name := range []string{"aws", "random"} {
		for _, mirror := range append(mirrors, others...) {
			platforms, err := filepath.Glob(filepath.Join(mirror, "registry.terraform.io", "hashicorp", name, "*", runtime.GOOS+"_"+runtime.GOARCH))
			if err != nil || len(platforms) == 0 {
				continue
			}
			for _, host := range []string{"registry.terraform.io", "registry.opentofu.org"} {
				here += fmt.Sprintf(", %q", host+"/hashicorp/"+name)
				for _, platform := range platforms {
					version := filepath.Join(root, "mirror", host, "hashicorp", name, filepath.Base(filepath.Dir(platform)))
					if err := os.MkdirAll(version, 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.Symlink(platform, filepath.Join(version, filepath.Base(platform))); err != nil {
						t.Fatal(err)
					}
				}
			}
			break
		}
	}
	installation := fmt.Sprintf("  direct { exclude = [%s] }\n  filesystem_mirror {\n    path    = %q\n    include = [%[1]s]\n  }\n", here, filepath.Join(root, "mirror"))
	file := filepath.Join(root, "with-mirrors.tfrc")
	if err := os.WriteFile(file, []byte("disable_checkpoint = true\nprovider_installation {\n"+installation+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.SetEnv("TF_CLI_CONFIG_FILE", file)
}
