// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// secretArgs is a configuration in short.
type secretArgs struct {
	category string
	length   int64
	keys     string // "NAME=category[:length] …"; "-" for none
	static   map[string]string
	value    string
	values   map[string]string
	version  int64
}

func (c secretArgs) model() secretModel {
	m := secretModel{
		Category: optionalString(c.category), ValueWO: optionalString(c.value),
		Keys: types.MapNull(keyType), Static: types.MapNull(types.StringType), ValuesWO: types.MapNull(types.StringType),
		Tags: types.MapNull(types.StringType), EffectivePolicy: types.MapNull(effectivePolicyType), Name: types.StringValue("test"),
	}
	if c.length > 0 {
		m.Length = types.Int64Value(c.length)
	}
	if c.keys != "" {
		elements := map[string]attr.Value{}
		for _, entry := range strings.Fields(strings.TrimPrefix(c.keys, "-")) {
			name, rest, _ := strings.Cut(entry, "=")
			category, length, _ := strings.Cut(rest, ":")
			elements[name] = keyValue(category, length)
		}
		m.Keys = types.MapValueMust(keyType, elements)
	}
	if c.static != nil {
		m.Static = stringMapValue(c.static)
	}
	if c.values != nil {
		m.ValuesWO = stringMapValue(c.values)
		m.ValuesWOVersion = types.Int64Value(c.version)
	}
	if c.value != "" {
		m.ValueWOVersion = types.Int64Value(c.version)
	}
	return m
}

var keyType = types.ObjectType{AttrTypes: func() map[string]attr.Type {
	attributes := map[string]attr.Type{"category": types.StringType}
	for name, attribute := range policyResourceAttributes() {
		attributes[name] = attribute.GetType()
	}
	return attributes
}()}

func keyValue(category, length string) attr.Value {
	values := map[string]attr.Value{}
	for name, kind := range keyType.AttrTypes {
		switch kind {
		case types.StringType:
			values[name] = types.StringNull()
		case types.BoolType:
			values[name] = types.BoolNull()
		default:
			values[name] = types.Int64Null()
		}
	}
	values["category"] = types.StringValue(category)
	if length != "" {
		var n int64
		_, _ = fmt.Sscan(length, &n)
		values["length"] = types.Int64Value(n)
	}
	return types.ObjectValueMust(keyType.AttrTypes, values)
}

func resolved(t *testing.T, config secretModel) wanted {
	t.Helper()
	r := &secretResource{data: &providerData{
		clock: clock.System{}, env: environmentVariables{environment: "staging"},
		model: providerModel{Policies: types.MapNull(types.ObjectType{}), Tags: types.MapNull(types.StringType)},
	}}
	var diags diag.Diagnostics
	want, known := r.resolve(t.Context(), config, &diags)
	if !known || diags.HasError() {
		t.Fatalf("known %t, %v", known, diags)
	}
	return want
}

func TestChangeBetween(t *testing.T) {
	const strong, other = "sTrong.Value-8hG3kQ2x.one", "sTrong.Value-8hG3kQ2x.two"
	const strong64 = "rT9kQ2xW7mZ4vB1nL6pH3jD8sF5gY0cXeA-uI_oKqJwNzRtMbVhEyPdUfSaGiCl2"
	for name, test := range map[string]struct {
		before, after secretArgs
		want          string
	}{
		"nothing":                                {secretArgs{category: "jwt"}, secretArgs{category: "jwt"}, ""},
		"longer":                                 {secretArgs{category: "jwt"}, secretArgs{category: "jwt", length: 96}, "write [] regenerate []"},
		"shorter":                                {secretArgs{category: "jwt", length: 96}, secretArgs{category: "jwt"}, ""},
		"another category with another alphabet": {secretArgs{category: "session"}, secretArgs{category: "encryption"}, "write [] regenerate []"},
		"another category that allows the same":  {secretArgs{category: "jwt"}, secretArgs{category: "session"}, ""},

		"key added":    {secretArgs{keys: "A=jwt"}, secretArgs{keys: "A=jwt B=jwt"}, "write [B] added [B]"},
		"key removed":  {secretArgs{keys: "A=jwt B=jwt"}, secretArgs{keys: "A=jwt"}, "remove [B]"},
		"last removed": {secretArgs{keys: "A=jwt"}, secretArgs{keys: "-"}, "remove [A]"},
		"key renamed":  {secretArgs{keys: "A=jwt"}, secretArgs{keys: "B=jwt"}, "write [B] remove [A] added [B]"},
		"one longer":   {secretArgs{keys: "A=jwt B=jwt"}, secretArgs{keys: "A=jwt B=jwt:96"}, "write [B] regenerate [B]"},

		"static added":   {secretArgs{keys: "A=jwt"}, secretArgs{keys: "A=jwt", static: map[string]string{"H": "1"}}, "write [H] added [H]"},
		"static changed": {secretArgs{keys: "-", static: map[string]string{"H": "1"}}, secretArgs{keys: "-", static: map[string]string{"H": "2"}}, "write [H] changed [H]"},
		"static removed": {secretArgs{keys: "-", static: map[string]string{"H": "1"}}, secretArgs{keys: "-"}, "remove [H]"},
		// What was in plain text in state must not stay as it is once it is secret.
		"static becomes a key": {secretArgs{keys: "-", static: map[string]string{"A": "1"}}, secretArgs{keys: "A=jwt"}, "write [A] added [A]"},
		"key becomes static":   {secretArgs{keys: "A=jwt"}, secretArgs{keys: "-", static: map[string]string{"A": "1"}}, "write [A] added [A]"},

		"same version of a supplied value":  {secretArgs{value: strong, version: 1}, secretArgs{value: other, version: 1}, ""},
		"next version of a supplied value":  {secretArgs{value: strong, version: 1}, secretArgs{value: other, version: 2}, "write [] changed []"},
		"supplied value becomes generated":  {secretArgs{value: strong, version: 1}, secretArgs{category: "jwt"}, "write [] regenerate []"},
		"supplied jwt becomes generated":    {secretArgs{category: "jwt", value: strong64, version: 1}, secretArgs{category: "jwt"}, "write [] regenerate []"},
		"generated value becomes supplied":  {secretArgs{category: "jwt"}, secretArgs{value: strong, version: 1}, "write [] changed []"},
		"next version of supplied keys":     {secretArgs{keys: "A=jwt", values: map[string]string{"G": strong}, version: 1}, secretArgs{keys: "A=jwt", values: map[string]string{"G": other}, version: 2}, "write [G] changed [G]"},
		"supplied key added, same version":  {secretArgs{keys: "A=jwt", values: map[string]string{"G": strong}, version: 1}, secretArgs{keys: "A=jwt", values: map[string]string{"G": strong, "H": other}, version: 1}, "write [H] added [H]"},
		"supplied key removed":              {secretArgs{keys: "-", values: map[string]string{"G": strong, "H": other}, version: 1}, secretArgs{keys: "-", values: map[string]string{"G": strong}, version: 1}, "remove [H]"},
		"one string becomes a JSON object":  {secretArgs{category: "jwt"}, secretArgs{keys: "A=jwt"}, "fresh write [A]"},
		"a JSON object becomes one string":  {secretArgs{keys: "A=jwt"}, secretArgs{category: "jwt"}, "fresh write []"},
		"only the version number was added": {secretArgs{keys: "A=jwt"}, secretArgs{keys: "A=jwt", values: map[string]string{"G": strong}, version: 1}, "write [G] added [G]"},
	} {
		t.Run(name, func(t *testing.T) {
			state := test.before.model()
			state.setComputed(resolved(t, state))
			config := test.after.model()
			change := changeBetween(state, config, resolved(t, config))
			if got := change.text(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if again := changeBetween(state, config, resolved(t, config)); again.what != change.what {
				t.Error("the same change has two names")
			}
		})
	}
}

func (c valueChange) text() string {
	var parts []string
	if c.adopting {
		parts = append(parts, "adopting")
	}
	if c.fresh {
		parts = append(parts, "fresh")
	}
	for _, list := range []struct {
		name string
		keys []string
	}{{"write", c.write}, {"remove", c.remove}, {"regenerate", c.regenerate}, {"added", c.added}, {"changed", c.changed}} {
		if len(list.keys) > 0 {
			parts = append(parts, fmt.Sprintf("%s %v", list.name, list.keys))
		}
	}
	return strings.Join(parts, " ")
}

// A state that knows nothing of the value, as after an import or a move, plans
// nothing that would change it.
func TestChangeBetweenAdopts(t *testing.T) {
	for _, config := range []secretArgs{{category: "jwt", length: 96}, {keys: "A=jwt"}, {value: "sTrong.Value-8hG3kQ2x", version: 1}} {
		state := secretArgs{}.model()
		model := config.model()
		if got := changeBetween(state, model, resolved(t, model)).text(); got != "adopting" {
			t.Errorf("%+v: %q", config.category, got)
		}
	}
}

// Whatever the policies, state says of them what the configuration said.
func TestEffectivePolicyRoundTrip(t *testing.T) {
	policies := map[string]policy.Policy{}
	for _, category := range policy.Categories() {
		p, _ := policy.Builtin(category)
		policies[category] = p
	}
	custom := policies["database"]
	custom.Category, custom.MaxLength, custom.MinEntropyBits, custom.FirstCharacter, custom.Grace = "partner", 99, 120, policy.FirstLetter, 90*60e9
	policies["custom"] = custom
	back := statePolicies(effectivePolicies(policies), true)
	for key, p := range policies {
		if back[key] != p {
			t.Errorf("%s: got %+v, want %+v", key, back[key], p)
		}
	}
	whole := statePolicies(effectivePolicies(map[string]policy.Policy{"": custom}), false)
	if whole[""] != custom {
		t.Errorf("one string: %+v", whole)
	}
}

func TestShortDuration(t *testing.T) {
	for text, want := range map[string]string{"1h": "1h", "90m": "1h30m", "30s": "30s", "0s": "0s", "1m": "1m", "1h0m5s": "1h0m5s", "10h": "10h", "20m": "20m", "100h10m": "100h10m"} {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := shortDuration(d); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// A key of 256 bits is lost with the version that has it, so a change that takes
// it away keeps that version.
func TestChangeKeepsKeyMaterial(t *testing.T) {
	encryption, _ := policy.Builtin("encryption")
	jwt, _ := policy.Builtin("jwt")
	recorded := map[string]policy.Record{"ENC": {Policy: encryption}, "JWT": {Policy: jwt}}
	want := wanted{json: true, policies: map[string]policy.Policy{"ENC": encryption, "JWT": jwt}}
	for name, test := range map[string]struct {
		change valueChange
		want   bool
	}{
		"another key":  {valueChange{write: []string{"JWT"}}, false},
		"written":      {valueChange{write: []string{"ENC"}}, true},
		"removed":      {valueChange{remove: []string{"ENC"}}, true},
		"all anew":     {valueChange{fresh: true, write: []string{""}}, true},
		"other remove": {valueChange{remove: []string{"JWT"}}, false},
		// Someone else may have put it there already.
		"added":       {valueChange{write: []string{"ENC"}, added: []string{"ENC"}}, true},
		"other added": {valueChange{write: []string{"JWT"}, added: []string{"JWT"}}, false},
	} {
		if got := test.change.losesKey(recorded, want); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestSameKey(t *testing.T) {
	const (
		id     = "1234abcd-12ab-34cd-56ef-1234567890ab"
		secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
		home   = "arn:aws:kms:eu-central-1:123456789012:"
	)
	for _, test := range []struct {
		region, a, b string
		want         bool
	}{
		{"", "", "", true},
		{"", "", secretstore.DefaultKey, true},
		{"", "", home + secretstore.DefaultKey, true},
		{"", "alias/app", home + "alias/app", true},
		{"", id, home + "key/" + id, true},
		{"", "alias/app", id, true},
		{"", home + "key/" + id, "alias/app", true},
		{"", "alias/app", "alias/other", false},
		{"", "alias/app", "", false},
		{"", "", id, false},
		{"", "alias/app", "another-id", false},
		{"", "alias/app", "arn:aws:kms:eu-central-1:222222222222:alias/app", false},
		{"", id, "arn:aws:kms:eu-west-1:123456789012:key/" + id, false},
		{"eu-west-1", id, "arn:aws:kms:eu-west-1:123456789012:key/" + id, true},
	} {
		if got := sameKey(t.Context(), describingStore{arn: home + "key/" + id}, secret, test.region, test.a, test.b, !test.want); got != test.want {
			t.Errorf("sameKey(%q, %q, %q) = %t", test.region, test.a, test.b, got)
		}
	}
	denied := describingStore{err: &secretstore.Error{Kind: secretstore.ErrAccessDenied}}
	for _, otherwise := range []bool{true, false} {
		if sameKey(t.Context(), denied, secret, "", "alias/app", id, otherwise) != otherwise {
			t.Errorf("a key that may not be described counts as the same: %t", !otherwise)
		}
	}
}

// describingStore knows one key.
type describingStore struct {
	secretstore.Store
	arn string
	err error
}

func (s describingStore) DescribeKey(context.Context, string, string) (secretstore.Key, error) {
	return secretstore.Key{ARN: s.arn}, s.err
}
