// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// FuzzImportID: an import id is either refused, with an example of a right one, or
// taken over whole.
func FuzzImportID(f *testing.F) {
	type importer interface {
		resource.Resource
		resource.ResourceWithImportState
	}
	var (
		importers = []importer{&secretResource{}, &rotationResource{}, &dockerSecretResource{}}
		names     = []string{"id", "secret_id", "id"}
		empty     []tfsdk.State
	)
	for _, r := range importers {
		var resp resource.SchemaResponse
		r.Schema(context.Background(), resource.SchemaRequest{}, &resp)
		empty = append(empty, tfsdk.State{Schema: resp.Schema, Raw: tftypes.NewValue(resp.Schema.Type().TerraformType(context.Background()), nil)})
	}
	f.Fuzz(func(t *testing.T, id string, which uint8) {
		ctx, i := context.Background(), int(which)%len(importers)
		resp := resource.ImportStateResponse{State: empty[i]}
		importers[i].ImportState(ctx, resource.ImportStateRequest{ID: id}, &resp)
		if resp.Diagnostics.HasError() {
			for _, d := range resp.Diagnostics {
				if d.Summary() != "Invalid import id" || !strings.Contains(d.Detail(), "terraform import roi_") {
					t.Errorf("%q: %s: %s", id, d.Summary(), d.Detail())
				}
			}
			return
		}
		var got types.String
		if diags := resp.State.GetAttribute(ctx, path.Root(names[i]), &got); diags.HasError() {
			t.Fatal(diags)
		}
		want, rest, hasKeys := id, "", false
		if names[i] == "secret_id" {
			want, rest, hasKeys = strings.Cut(id, ",")
			var keys types.Set
			if diags := resp.State.GetAttribute(ctx, path.Root("keys"), &keys); diags.HasError() {
				t.Fatal(diags)
			}
			if hasKeys && strings.Join(stringElements(keys.Elements()), ",") != rest || hasKeys == keys.IsNull() {
				t.Errorf("%q is imported with the keys %s", id, keys)
			}
		}
		if got.ValueString() != want || want == "" || strings.TrimSpace(want) != want {
			t.Errorf("%q is imported as %s", id, got)
		}
	})
}

// FuzzSecretName: the name of a secret is found in its ARN.
func FuzzSecretName(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsFunc(name, func(c rune) bool { return !isNameRune(c) }) {
			return
		}
		if got := secretName("arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + name + "-Ab1Cd2"); got != name {
			t.Errorf("the secret %q has the name %q", name, got)
		}
		if got := secretName(name); got != name {
			t.Errorf("the name %q becomes %q", name, got)
		}
	})
}

// isNameRune: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html.
func isNameRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/_+=.@-", c)
}
