// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/manifest"
)

var _ function.Function = (*externalSecretFunction)(nil)

func newExternalSecretFunction() function.Function { return &externalSecretFunction{} }

// externalSecretFunction is the function external_secret.
type externalSecretFunction struct{}

// Metadata implements function.Function.
func (*externalSecretFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "external_secret"
}

// Definition implements function.Function.
func (*externalSecretFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Manifests for the External Secrets Operator",
		MarkdownDescription: "Returns manifests (`external-secrets.io/v1`) with which the [External Secrets Operator](https://external-secrets.io) keeps a Kubernetes Secret that holds values of a secret in " +
			"AWS Secrets Manager. The result is an object:\n\n" +
			"- `manifests`: the manifests as objects, by kind and name, such as `ExternalSecret/app`; made for `for_each` over `kubernetes_manifest`.\n" +
			"- `yaml`: the same as one stream of YAML documents, for a repository that Argo CD or Flux deploys, or for `kubectl apply`.\n\n" +
			"They hold names, never a value. Fields that the operator would fill in are written out, so that tools which compare find no difference.\n\n" +
			"```terraform\nresource \"kubernetes_manifest\" \"app\" {\n  for_each = provider::roi::external_secret({ … }).manifests\n  manifest = each.value\n}\n```\n\n" +
			"The Secret is named like the ExternalSecret, is owned by it, and is kept as it is if the secret in AWS is gone. It follows `AWSCURRENT`, so a rotation arrives within the refresh interval; " +
			"keep that well below the grace period of the secret. Pods read a Secret in their environment only when they start; mount it as a volume, or have them restarted.\n\n" +
			"`all_keys = true` is the form without a gap: one read puts every key of a JSON secret into the Secret in one step, so that what a pod mounts is one version of the secret. With `previous_key_suffix` in the " +
			"`roi_secret_rotation` the values before a rotation are among them while the grace period runs (`JWT_SECRET_OLD`), and go when it is over. Pods get the other keys of the secret, too, also those that are added later.\n\n" +
			"Keys in `previous` also get their value in `AWSPREVIOUS`, as `KEY_PREVIOUS` of a second Secret, named with `-previous` at the end: for a secret that is one string, or whose values are not all for the pods. " +
			"It is a Secret of its own, because before the first rotation " +
			"and after a grace period there is no previous version: then the operator removes this Secret, and goes on with the other one. Reference it with `optional: true`. A key that the previous version does not have yet " +
			"makes the second one wait for the next rotation. **The two are refreshed at times of their own**: for up to the refresh interval, and about a minute for the kubelet, pods can have the new value and not the one before it, and refuse " +
			"what was signed with that, unless the one named `-previous` is refreshed first after each rotation.\n\n" +
			"The operator's IAM role needs `secretsmanager:GetSecretValue` on the secret and `kms:Decrypt` on its key.",
		Parameters: []function.Parameter{
			function.DynamicParameter{
				Name: "configuration",
				MarkdownDescription: "An object:\n" +
					"   - `name` (string, required): name of the ExternalSecret and of the Secret.\n" +
					"   - `namespace` (string): namespace of all manifests. Default: none is written.\n" +
					"   - `secret_id` (string, required): name or ARN of the secret, such as `roi_secret.app.name`.\n" +
					"   - `all_keys` (bool): `true` makes whatever keys a JSON secret has keys of the Secret. Excludes `keys`, `key` and `previous`. Default: `false`.\n" +
					"   - `keys` (list of strings): instead of `all_keys`, some keys of a JSON secret, such as `roi_secret.app.key_names`. Each becomes a key of the Secret, and must be there.\n" +
					"   - `key` (string): instead of both, for a secret that is one string: the key of the Secret that gets it.\n" +
					"   - `previous` (list of strings): those of the keys whose previous value is wanted too.\n" +
					"   - `refresh_interval` (string): how often the operator reads, such as `5m`; a second or more. Default: `15m`.\n" +
					"   - `store` (object, required): where it reads:\n" +
					"     - `name` (string, required): name of the SecretStore.\n" +
					"     - `kind` (string): `SecretStore` (default) or `ClusterSecretStore`.\n" +
					"     - `region` (string): AWS region. With it the manifest of the SecretStore is part of the result; without it the store exists already. Not for a ClusterSecretStore.\n" +
					"     - `service_account` (string): ServiceAccount in the same namespace whose IAM role is used. Default: the operator's own credentials.\n" +
					"     - `role` (string): ARN of an IAM role to assume with them.",
			},
		},
		Return: function.ObjectReturn{AttributeTypes: externalSecretTypes},
	}
}

var externalSecretTypes = map[string]attr.Type{
	"manifests": types.DynamicType,
	"yaml":      types.StringType,
}

// Run implements function.Function.
func (*externalSecretFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var argument types.Dynamic
	if resp.Error = req.Arguments.Get(ctx, &argument); resp.Error != nil {
		return
	}
	var problems []string
	secret := externalSecretOf(argument, &problems)
	if resp.Error = argumentProblems(0, problems); resp.Error != nil {
		return
	}
	manifests, err := secret.Manifests()
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	objects := map[string]attr.Value{}
	for _, m := range manifests {
		objects[m.Kind+"/"+m.Name] = objectOf(m.Body)
	}
	resp.Error = resp.Result.Set(ctx, types.ObjectValueMust(externalSecretTypes, map[string]attr.Value{
		"manifests": types.DynamicValue(objectValue(objects)),
		"yaml":      types.StringValue(manifest.Documents(manifests)),
	}))
}

func externalSecretOf(argument attr.Value, problems *[]string) manifest.ExternalSecret {
	o := newObjectArgument("", argument, problems)
	e := manifest.ExternalSecret{
		Name:      o.text("name"),
		Namespace: o.text("namespace"),
		SecretID:  o.text("secret_id"),
		AllKeys:   o.flag("all_keys"),
		Keys:      o.texts("keys"),
		Key:       o.text("key"),
		Previous:  o.texts("previous"),
		Refresh:   manifest.DefaultRefresh,
	}
	if interval := o.text("refresh_interval"); interval != "" {
		refresh, err := time.ParseDuration(interval)
		if err != nil {
			*problems = append(*problems, fmt.Sprintf("refresh_interval = %q is not a duration, such as \"5m\"", interval))
		}
		e.Refresh = refresh
	}
	store := o.object("store")
	e.Store = manifest.SecretStore{
		Name:           store.text("name"),
		Region:         store.text("region"),
		Role:           store.text("role"),
		ServiceAccount: store.text("service_account"),
	}
	switch kind := store.text("kind"); kind {
	case "", "SecretStore":
	case "ClusterSecretStore":
		e.Store.Cluster = true
	default:
		*problems = append(*problems, fmt.Sprintf("store.kind = %q is neither \"SecretStore\" nor \"ClusterSecretStore\"", kind))
	}
	store.finish()
	o.finish()
	return e
}

// objectOf is a manifest as Terraform has it.
func objectOf(m manifest.Map) types.Object {
	attributes := map[string]attr.Value{}
	for _, member := range m {
		switch value := member.Value.(type) {
		case manifest.Map:
			attributes[member.Name] = objectOf(value)
		case []manifest.Map:
			var elements []attr.Value
			var elementTypes []attr.Type
			for _, element := range value {
				object := objectOf(element)
				elements = append(elements, object)
				elementTypes = append(elementTypes, object.Type(context.Background()))
			}
			attributes[member.Name] = types.TupleValueMust(elementTypes, elements)
		case string:
			attributes[member.Name] = types.StringValue(value)
		}
	}
	return objectValue(attributes)
}

// objectValue is an object of the types that its attributes have.
func objectValue(attributes map[string]attr.Value) types.Object {
	attributeTypes := map[string]attr.Type{}
	for name, value := range attributes {
		attributeTypes[name] = value.Type(context.Background())
	}
	return types.ObjectValueMust(attributeTypes, attributes)
}
