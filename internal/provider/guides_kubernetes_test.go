// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// parseBlock reads a block of YAML or JSON, whatever else is done with it.
func parseBlock(block guideBlock) error {
	switch block.language {
	case "yaml":
		_, err := yamlDocuments(block.text)
		return err
	case "json":
		return json.Unmarshal([]byte(block.text), new(any))
	}
	return nil
}

func yamlDocuments(text string) (documents []any, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// guidePod is what the Pod of a guide may have.
type guidePod struct {
	kubernetesObject `yaml:",inline"`
	Spec             podSpec
}

// checkGuideManifests validates what a guide has written for Kubernetes: what the
// External Secrets Operator reads against its schemas, and a Pod against what the
// operator makes of it.
func checkGuideManifests(t *testing.T, w *tfcli.Workspace) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]string{} // by namespace and name, the keys that a Secret will have
	for _, file := range files {
		documents, err := yamlDocuments(readGuideFile(t, file))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		for _, value := range documents {
			document, _ := value.(map[string]any)
			group, _, _ := strings.Cut(fmt.Sprint(document["apiVersion"]), "/")
			if group != "external-secrets.io" {
				continue
			}
			object, err := decodeExternal(document)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
			for _, from := range object.Spec.DataFrom {
				secrets[object.Metadata.Namespace+"/"+object.Spec.Target.Name] = secretKeys(t, w, from.Extract.Key)
			}
		}
	}
	if pod := filepath.Join(w.Dir, "pod.yaml"); slices.Contains(files, pod) {
		checkGuidePod(t, readGuideFile(t, pod), secrets)
	}
}

// secretKeys returns the keys that a secret has while all of its grace periods run.
func secretKeys(t *testing.T, w *tfcli.Workspace, name string) []string {
	t.Helper()
	var keys []string
	resources := w.Show().Values.RootModule.Resources
	for _, resource := range resources {
		if resource.Type == "roi_secret" && resource.Values["name"] == name {
			keys = textsOf(resource.Values["key_names"])
		}
	}
	if len(keys) == 0 {
		t.Fatalf("there is no secret %s with keys", name)
	}
	all := slices.Clone(keys)
	for _, resource := range resources {
		suffix, _ := resource.Values["previous_key_suffix"].(string)
		if resource.Type != "roi_secret_rotation" || suffix == "" {
			continue
		}
		rotated := textsOf(resource.Values["keys"])
		if len(rotated) == 0 {
			rotated = keys
		}
		for _, key := range rotated {
			all = append(all, key+suffix)
		}
	}
	return all
}

func textsOf(value any) []string {
	elements, _ := value.([]any)
	var texts []string
	for _, element := range elements {
		texts = append(texts, fmt.Sprint(element))
	}
	return texts
}

func checkGuidePod(t *testing.T, text string, secrets map[string][]string) {
	t.Helper()
	var pod guidePod
	if err := decodeStrictly([]byte(text), &pod); err != nil || pod.APIVersion != "v1" || pod.Kind != "Pod" {
		t.Fatalf("%s %s: %v", pod.APIVersion, pod.Kind, err)
	}
	own := map[string][]string{}
	for name, keys := range secrets {
		own[strings.TrimPrefix(name, pod.Metadata.Namespace+"/")] = keys
	}
	checkPodFiles(t, pod.Spec, own)
}

func readGuideFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
