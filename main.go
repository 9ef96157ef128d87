// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-roi serves the roi provider to Terraform.
package main

import (
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

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
	var options []tf6server.ServeOpt
	if *debug {
		options = append(options, tf6server.WithManagedDebug())
	}
	serve := func() tfprotov6.ProviderServer { return provider.NewServer(provider.New(version)()) }
	if err := tf6server.Serve("registry.terraform.io/roi-systems/roi", serve, options...); err != nil {
		log.Fatal(err)
	}
}
