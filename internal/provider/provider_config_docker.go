// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func dockerAttribute() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach a Docker Swarm manager, for the resources that work on Docker. What is left out comes from the same " +
			"environment variables that the `docker` command reads. Docker is contacted only when such a resource is used.",
		Attributes: map[string]schema.Attribute{
			"host": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Address of the Docker daemon: `unix://`, `tcp://`, `npipe://`, or `ssh://user@host`, which runs `docker` on that host through the `ssh` " +
					"command. Default: the environment variable `DOCKER_HOST`, also where `context` is `default`; then the daemon of this machine. It must not hold a password. Conflicts with `context`.",
				Validators: []validator.String{dockerHostRule, stringvalidator.ConflictsWith(siblings("context")...)},
			},
			"context": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name of a context of the `docker` command (`docker context ls`) to take address and certificates from. Default: the environment " +
					"variable `DOCKER_CONTEXT`. A context that was chosen with `docker context use` is not followed. Conflicts with `host`.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			"ssh_opts": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Further options for the `ssh` command, such as `[\"-o\", \"ConnectTimeout=5\"]`. Used when `host` is an `ssh://` address.",
			},
			"ca_material": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "PEM text of the certificate authority that signed the daemon's certificate. Conflicts with `cert_path`.",
				Validators:          []validator.String{pemRule, stringvalidator.ConflictsWith(siblings("cert_path")...)},
			},
			"cert_material": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "PEM text of the client certificate. Needs `key_material`; conflicts with `cert_path`.",
				Validators: []validator.String{pemRule, stringvalidator.ConflictsWith(siblings("cert_path")...),
					stringvalidator.AlsoRequires(siblings("key_material")...)},
			},
			"key_material": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "PEM text of the client's private key. Needs `cert_material`; conflicts with `cert_path`.",
				Validators: []validator.String{pemRule, stringvalidator.ConflictsWith(siblings("cert_path")...),
					stringvalidator.AlsoRequires(siblings("cert_material")...)},
			},
			"cert_path": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Folder with `ca.pem`, `cert.pem` and `key.pem`. Default: the environment variable `DOCKER_CERT_PATH`. Conflicts with " +
					"`ca_material`, `cert_material` and `key_material`.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
		},
	}
}
