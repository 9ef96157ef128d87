// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-roi serves the roi provider to Terraform.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/roi-systems/terraform-provider-roi/internal/process"
	"github.com/roi-systems/terraform-provider-roi/internal/provider"
)

// version is set by the linker (-ldflags "-X main.version=…") in a release.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "serve under a debugger such as delve")
	flag.Parse()
	if err := process.SetLogLevel(); err != nil {
		log.Fatal(err)
	}
	process.LimitMemory()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/roi-systems/roi",
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
