// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// reservedTagPrefix begins the tags in which the provider keeps its records.
const reservedTagPrefix = "roi:"

const awsTagPrefix = "aws:"

// tagCharacters are what AWS services take in tags.
// Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
var tagCharacters = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// tagValidators check tags that people write, for the provider and the resource.
func tagValidators() []validator.Map {
	characters := stringvalidator.RegexMatches(tagCharacters, "may have letters, digits, spaces and _ . : / = + - @ only")
	return []validator.Map{
		mapvalidator.SizeAtMost(secretstore.MaxTags),
		mapvalidator.NoNullValues(),
		mapvalidator.KeysAre(characters, notReservedTag, stringvalidator.UTF8LengthBetween(1, secretstore.MaxTagKeyLength),
			stringvalidator.RegexMatches(regexp.MustCompile(`^([^aA]|[aA]([^wW]|$)|[aA][wW]([^sS]|$)|[aA][wW][sS]([^:]|$))`), `must not begin with "aws:"`)),
		mapvalidator.ValueStringsAre(characters, stringvalidator.UTF8LengthAtMost(secretstore.MaxTagValueLength)),
	}
}

func isReservedTag(key string) bool { return strings.HasPrefix(key, reservedTagPrefix) }

// mergeTags puts the resource's tags over the provider's.
func mergeTags(defaults map[string]string, own types.Map) (all map[string]string, known bool) {
	all = maps.Clone(defaults)
	if all == nil {
		all = map[string]string{}
	}
	for key := range own.Elements() {
		value := stringElement(own, key)
		if value.IsUnknown() {
			return nil, false
		}
		all[key] = value.ValueString()
	}
	return all, true
}

// ownTags divides the tags that a secret has into those of the resource and all,
// without the ones that the provider or AWS keep there. A tag that equals a
// default counts as the resource's only if the resource had it before.
func ownTags(before types.Map, defaults, present map[string]string) (own, all types.Map) {
	owned, rest := map[string]string{}, map[string]string{}
	for key, value := range present {
		if isReservedTag(key) || strings.HasPrefix(key, awsTagPrefix) {
			continue
		}
		rest[key] = value
		_, had := before.Elements()[key]
		if defaultValue, isDefault := defaults[key]; had || !isDefault || defaultValue != value {
			owned[key] = value
		}
	}
	if len(owned) == 0 && before.IsNull() {
		return types.MapNull(types.StringType), stringMapValue(rest)
	}
	return stringMapValue(owned), stringMapValue(rest)
}
