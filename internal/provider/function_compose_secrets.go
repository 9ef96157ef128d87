// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
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
			"It has no `version`. The Docker command 20.10 refuses a file without one, and files of one stack must not name different ones: put `version: \"3.9\"` before the document for that version.\n\n" +
			"The document holds names, never a value. It does not depend on a Docker daemon, and does not look whether the secrets exist.",
		Parameters: []function.Parameter{
			function.DynamicParameter{
				Name:               "secrets",
				AllowUnknownValues: true,
				MarkdownDescription: "Docker secrets by their name in the compose file. Each is the name of the Docker secret, such as `roi_docker_secret.jwt.versioned_name`, or an object:\n" +
					"   - `name` (string, required): that name; letters, digits, dots, hyphens and underscores, at most 64.\n" +
					"   - `services` (list of strings): services that get it; with `files`, each must be in one of them. Default: none; the secret is only declared.\n" +
					"   - `target` (string): file in the container, beneath `/run/secrets` unless it begins with a slash. Default: the name in the compose file.\n" +
					"   - `uid`, `gid` (string): owner of the file, as numbers. Default: 0.\n" +
					"   - `mode` (string): permissions of the file in octal digits, such as `\"0440\"`. Default: 0444.",
			},
		},
		VariadicParameter: function.StringParameter{
			Name: "files",
			MarkdownDescription: "Texts of the compose files that the document is merged with, such as `file(\"compose.yaml\")`. With them a service that none of them has is an error " +
				"of the plan; without, it shows when the stack is deployed. Not looked at if one of them has `include`.",
		},
		Return: function.StringReturn{},
	}
}

// Run implements function.Function. Names of versions are not known before an apply:
// what is known is checked all the same.
func (*composeSecretsFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var argument types.Dynamic
	var files []string
	if resp.Error = req.Arguments.Get(ctx, &argument, &files); resp.Error != nil {
		return
	}
	if argument.IsUnknown() || argument.IsUnderlyingValueUnknown() {
		resp.Error = resp.Result.Set(ctx, types.StringUnknown())
		return
	}
	var problems []string
	members, ok := membersOf(argument)
	if !ok {
		problems = append(problems, "secrets must be an object or a map, got: "+kindOf(argument))
	}
	secrets := map[string]manifest.ComposeSecret{}
	known := true
	for _, name := range sortedKeys(members) {
		value, whole := knownSecret(ctx, members[name])
		known = known && whole
		if value == nil && !whole {
			continue
		}
		if object, ok := value.(types.String); ok && !object.IsNull() {
			secrets[name] = manifest.ComposeSecret{Object: object.ValueString()}
			continue
		}
		o := newObjectArgument(fmt.Sprintf("secrets[%q]", name), value, &problems)
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
	if !known && len(secrets) == 0 {
		resp.Error = resp.Result.Set(ctx, types.StringUnknown())
		return
	}
	document, err := manifest.Compose(secrets, files...)
	switch {
	case err != nil:
		resp.Error = function.NewArgumentFuncError(0, err.Error())
	case !known:
		resp.Error = resp.Result.Set(ctx, types.StringUnknown())
	default:
		resp.Error = resp.Result.Set(ctx, document)
	}
}

// knownSecret returns what is known of one of the secrets, with another name in place
// of one that is not, and nil if more is unknown. whole is whether all is known.
func knownSecret(ctx context.Context, secret attr.Value) (value attr.Value, whole bool) {
	if isWhollyKnown(ctx, secret) {
		return underlying(secret), true
	}
	object, ok := underlying(secret).(types.Object)
	if !ok || object.IsUnknown() {
		return nil, false
	}
	attributes, attributeTypes := object.Attributes(), object.AttributeTypes(ctx)
	attributes["name"], attributeTypes["name"] = types.StringValue("unknown"), types.StringType
	object = types.ObjectValueMust(attributeTypes, attributes)
	if !isWhollyKnown(ctx, object) {
		return nil, false
	}
	return object, false
}

func isWhollyKnown(ctx context.Context, value attr.Value) bool {
	converted, err := value.ToTerraformValue(ctx)
	return err == nil && converted.IsFullyKnown()
}
