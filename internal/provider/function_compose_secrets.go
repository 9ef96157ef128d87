// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/manifest"
)

var _ function.Function = (*composeSecretsFunction)(nil)

func newComposeSecretsFunction() function.Function { return &composeSecretsFunction{} }

// composeSecretsFunction is the function compose_secrets.
type composeSecretsFunction struct{}

// Metadata implements function.Function.
func (*composeSecretsFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "compose_secrets"
}

// Definition implements function.Function.
func (*composeSecretsFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "A compose file for versioned Docker secrets",
		MarkdownDescription: "Returns a compose document (YAML) that declares Docker secrets which exist already, `external: true` with their versioned `name`, and gives them to services. " +
			"Merge it with the file that defines the services:\n\n" +
			"```shell\ndocker stack deploy -c compose.yaml -c compose.secrets.yaml shop\n```\n\n" +
			"The name in the compose file and the file in the container stay the same from version to version; only `name` changes. A stack that is deployed from an older document would put the " +
			"older version back, so write the document in the same apply that makes the version. For a part of it take `yamldecode`.\n\n" +
			"It has no `version`. The Docker command 20.10 refuses a file without one, and files of one stack must not name different ones: there, put `version: \"3.9\"` before the document there.\n\n" +
			"The document holds names, never a value. It does not depend on a Docker daemon, and does not look whether the secrets exist.",
		Parameters: []function.Parameter{
			function.DynamicParameter{
				Name: "secrets",
				MarkdownDescription: "Docker secrets by their name in the compose file. Each is the name of the Docker secret, such as `roi_docker_secret.jwt.versioned_name`, or an object:\n" +
					"   - `name` (string, required): that name; letters, digits, dots, hyphens and underscores, at most 64.\n" +
					"   - `services` (list of strings): services that get it. Default: none; the secret is only declared.\n" +
					"   - `target` (string): file in the container, beneath `/run/secrets` unless it begins with a slash. Default: the name in the compose file.\n" +
					"   - `uid`, `gid` (string): owner of the file, as numbers. Default: 0.\n" +
					"   - `mode` (string): permissions of the file in octal digits, such as `\"0440\"`. Default: 0444.",
			},
		},
		Return: function.StringReturn{},
	}
}

// Run implements function.Function.
func (*composeSecretsFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var argument types.Dynamic
	if resp.Error = req.Arguments.Get(ctx, &argument); resp.Error != nil {
		return
	}
	var problems []string
	members, ok := membersOf(argument)
	if !ok {
		problems = append(problems, "secrets must be an object or a map, got: "+kindOf(argument))
	}
	secrets := map[string]manifest.ComposeSecret{}
	for _, name := range sortedKeys(members) {
		if object, ok := underlying(members[name]).(types.String); ok && !object.IsNull() {
			secrets[name] = manifest.ComposeSecret{Object: object.ValueString()}
			continue
		}
		o := newObjectArgument(fmt.Sprintf("secrets[%q]", name), members[name], &problems)
		secrets[name] = manifest.ComposeSecret{
			Object:   o.text("name"),
			Target:   o.text("target"),
			UID:      o.number("uid"),
			GID:      o.number("gid"),
			Mode:     o.text("mode"),
			Services: o.texts("services"),
		}
		o.finish()
	}
	if resp.Error = argumentProblems(0, problems); resp.Error != nil {
		return
	}
	document, err := manifest.Compose(secrets)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, document)
}
