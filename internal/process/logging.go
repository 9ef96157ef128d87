// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package process sets what the provider is as a process: what it logs, and how much
// memory it takes.
package process

import (
	"cmp"
	"os"
	"strings"
)

// SetLogLevel makes the framework write only what Terraform will show. Without a
// level of its own it writes a trace of every call, and Terraform parses that and
// throws it away: a third of the CPU time of a large plan (bench/README.md).
//
// Which variable means what: https://developer.hashicorp.com/terraform/internals/debugging
// and https://developer.hashicorp.com/terraform/plugin/log/managing.
func SetLogLevel() error {
	level := cmp.Or(os.Getenv("TF_LOG_PROVIDER"), os.Getenv("TF_LOG"), "OFF")
	if strings.EqualFold(level, "JSON") { // a trace in another form
		level = "TRACE"
	}
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_PROVIDER_ROI"} {
		if os.Getenv(name) != "" {
			continue
		}
		if err := os.Setenv(name, level); err != nil {
			return err
		}
	}
	return nil
}
