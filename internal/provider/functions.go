// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"
)

// Functions implements provider.ProviderWithFunctions. Terraform calls functions
// before the provider is configured, and more than once in a run: each is a pure
// function of its arguments, without the clock, the environment or a store.
func (p *roiProvider) Functions(context.Context) []func() function.Function {
	return []func() function.Function{
		newCheckValueFunction,
		newComposeSecretsFunction,
		newDotenvFunction,
		newExternalSecretFunction,
		newPolicyFunction,
		newRotationDueFunction,
		newShannonEntropyFunction,
	}
}
