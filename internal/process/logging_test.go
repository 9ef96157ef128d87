// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package process

import (
	"os"
	"testing"
)

func TestLogLevelIsWhatTerraformShows(t *testing.T) {
	for name, test := range map[string]struct {
		env           map[string]string
		sdk, provider string
	}{
		"nobody listens":              {nil, "OFF", "OFF"},
		"a level for everything":      {map[string]string{"TF_LOG": "warn"}, "warn", "warn"},
		"everything, as JSON":         {map[string]string{"TF_LOG": "json"}, "TRACE", "TRACE"},
		"a level for providers":       {map[string]string{"TF_LOG": "error", "TF_LOG_PROVIDER": "debug"}, "debug", "debug"},
		"only Terraform itself":       {map[string]string{"TF_LOG_CORE": "trace"}, "OFF", "OFF"},
		"a level for this provider":   {map[string]string{"TF_LOG": "trace", "TF_LOG_PROVIDER_ROI": "info"}, "trace", "info"},
		"a level for the framework":   {map[string]string{"TF_LOG": "trace", "TF_LOG_SDK": "error"}, "error", "trace"},
		"switched off for all others": {map[string]string{"TF_LOG": "off", "TF_LOG_PROVIDER_ROI": "debug"}, "off", "debug"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"TF_LOG", "TF_LOG_CORE", "TF_LOG_PROVIDER", "TF_LOG_PROVIDER_ROI", "TF_LOG_SDK"} {
				t.Setenv(variable, test.env[variable])
			}
			if err := SetLogLevel(); err != nil {
				t.Fatal(err)
			}
			if sdk, provider := os.Getenv("TF_LOG_SDK"), os.Getenv("TF_LOG_PROVIDER_ROI"); sdk != test.sdk || provider != test.provider {
				t.Errorf("TF_LOG_SDK=%s TF_LOG_PROVIDER_ROI=%s, want %s and %s", sdk, provider, test.sdk, test.provider)
			}
		})
	}
}
