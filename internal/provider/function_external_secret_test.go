// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// externalSecretOptions are valid; changes replaces some, and takes away those
// that are nil.
func externalSecretOptions(changes object) object {
	options := object{
		"name": "app", "namespace": "shop", "secret_id": "shop/production/app", "keys": []any{"JWT_SECRET"}, "previous": []any{"JWT_SECRET"},
		"refresh_interval": "5m",
		"store":            object{"name": "aws", "region": "eu-central-1", "role": "arn:aws:iam::123456789012:role/shop", "service_account": "app"},
	}
	for name, value := range changes {
		options[name] = value
		if value == nil {
			delete(options, name)
		}
	}
	return options
}

func TestExternalSecretFunction(t *testing.T) {
	got, problem := call(t, "external_secret", externalSecretOptions(nil))
	if problem != nil {
		t.Fatal(problem.Text)
	}
	external := func(name, key, version, deletion string) object {
		return object{
			"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": object{"name": name, "namespace": "shop"},
			"spec": object{
				"refreshPolicy": "Periodic", "refreshInterval": "5m0s", "secretStoreRef": object{"kind": "SecretStore", "name": "aws"},
				"target": object{"name": name, "creationPolicy": "Owner", "deletionPolicy": deletion},
				"data": []any{object{"secretKey": key, "remoteRef": object{
					"key": "shop/production/app", "property": "JWT_SECRET", "version": version,
					"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
				}}},
			},
		}
	}
	want := object{
		"SecretStore/aws": object{
			"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": object{"name": "aws", "namespace": "shop"},
			"spec": object{"provider": object{"aws": object{
				"service": "SecretsManager", "region": "eu-central-1", "role": "arn:aws:iam::123456789012:role/shop",
				"auth": object{"jwt": object{"serviceAccountRef": object{"name": "app"}}},
			}}},
		},
		"ExternalSecret/app":          external("app", "JWT_SECRET", "AWSCURRENT", "Retain"),
		"ExternalSecret/app-previous": external("app-previous", "JWT_SECRET_PREVIOUS", "AWSPREVIOUS", "Delete"),
	}
	result, _ := got.(object)
	if diff := cmp.Diff(any(want), result["manifests"]); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	text, _ := result["yaml"].(string)
	if documents := strings.Split(text, "---\n"); len(documents) != 3 || !strings.HasPrefix(text, "apiVersion: external-secrets.io/v1\nkind: SecretStore\n") {
		t.Errorf("got %d documents:\n%s", len(documents), text)
	}
}

func TestExternalSecretFunctionDefaults(t *testing.T) {
	got, problem := call(t, "external_secret", object{"name": "jwt", "secret_id": "shop/jwt-key", "key": "JWT", "store": object{"name": "aws", "kind": "ClusterSecretStore"}})
	if problem != nil {
		t.Fatal(problem.Text)
	}
	result, _ := got.(object)
	manifests, _ := result["manifests"].(object)
	if len(manifests) != 1 || manifests["ExternalSecret/jwt"] == nil {
		t.Errorf("got %v", manifests)
	}
	text, _ := result["yaml"].(string)
	for _, part := range []string{"refreshInterval: \"15m0s\"\n", "kind: ClusterSecretStore\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %s in\n%s", part, text)
		}
	}
}

func TestExternalSecretFunctionOfAllKeys(t *testing.T) {
	got, problem := call(t, "external_secret", externalSecretOptions(object{"all_keys": true, "keys": nil, "previous": nil}))
	if problem != nil {
		t.Fatal(problem.Text)
	}
	result, _ := got.(object)
	manifests, _ := result["manifests"].(object)
	external, _ := manifests["ExternalSecret/app"].(object)
	spec, _ := external["spec"].(object)
	want := []any{object{"extract": object{
		"key": "shop/production/app", "version": "AWSCURRENT", "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
	}}}
	if diff := cmp.Diff(any(want), spec["dataFrom"]); diff != "" || spec["data"] != nil || len(manifests) != 2 {
		t.Errorf("%d manifests, data %v, dataFrom (-want +got):\n%s", len(manifests), spec["data"], diff)
	}
	if _, problem := call(t, "external_secret", externalSecretOptions(object{"all_keys": false})); problem != nil {
		t.Errorf("false is not like nothing: %s", problem.Text)
	}
}

func TestExternalSecretFunctionRefuses(t *testing.T) {
	refusals := map[string]refusal{"a string": {[]any{"app"}, 0, "must be an object, got: a string"}}
	for name, test := range map[string]struct {
		changes object
		says    string
	}{
		"no name":           {object{"name": nil}, `name = "" is not a name in Kubernetes`},
		"no store":          {object{"store": nil}, `store.name = ""`},
		"store of a string": {object{"store": "aws"}, "store must be an object, got: a string"},
		"unknown kind":      {object{"store": object{"name": "aws", "kind": "Store"}}, `store.kind = "Store" is neither`},
		"unknown attribute": {object{"refreshInterval": "1h"}, "refreshInterval is not known; there are: name, namespace"},
		"unknown in store":  {object{"store": object{"name": "aws", "role_arn": "x"}}, "store.role_arn is not known; there are: name, region, role"},
		"interval":          {object{"refresh_interval": "often"}, `refresh_interval = "often" is not a duration`},
		"keys":              {object{"keys": "JWT_SECRET"}, "keys must be a list of strings"},
		"all keys and some": {object{"all_keys": true, "previous": nil}, "all_keys excludes key and keys"},
		"all and previous":  {object{"all_keys": true, "keys": nil}, "all_keys excludes previous"},
		"no keys":           {object{"keys": nil, "previous": nil, "all_keys": false}, "one of all_keys, keys and key is needed"},
		"a word":            {object{"all_keys": "yes"}, "all_keys must be true or false, got: a string"},
		"previous":          {object{"previous": []any{"X"}}, `previous: "X" is not among the keys`},
	} {
		refusals[name] = refusal{[]any{externalSecretOptions(test.changes)}, 0, test.says}
	}
	checkRefusals(t, "external_secret", refusals)
}
