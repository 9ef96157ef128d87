// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
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

// guidePod is what the Pod of a guide may have: a field that is not here is
// misspelt, or new to this test.
// Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
type guidePod struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		ServiceAccountName string `yaml:"serviceAccountName"`
		SecurityContext    struct {
			RunAsUser    int  `yaml:"runAsUser"`
			RunAsNonRoot bool `yaml:"runAsNonRoot"`
			FSGroup      int  `yaml:"fsGroup"`
		} `yaml:"securityContext"`
		Containers []struct {
			Name, Image  string
			Env          []struct{ Name, Value string }
			VolumeMounts []struct {
				Name      string
				MountPath string `yaml:"mountPath"`
				ReadOnly  bool   `yaml:"readOnly"`
			} `yaml:"volumeMounts"`
		}
		Volumes []struct {
			Name   string
			Secret struct {
				SecretName  string `yaml:"secretName"`
				Optional    bool
				DefaultMode int `yaml:"defaultMode"`
			}
		}
	}
}

// checkGuideManifests validates what a guide has written for Kubernetes: what the
// External Secrets Operator reads against its schemas, and a Pod against what the
// operator makes of it.
func checkGuideManifests(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]string{} // the keys that a Secret will have
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
			schema := filepath.Join("..", "manifest", "testdata", strings.ToLower(fmt.Sprint(document["kind"]))+".json")
			if err := jsonschema.NewCompiler().MustCompile(schema).Validate(document); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
			var object kubernetesObject
			text, err := yaml.Marshal(document)
			if err = errors.Join(err, yaml.Unmarshal(text, &object)); err != nil {
				t.Fatal(err)
			}
			for _, data := range object.Spec.Data {
				name := object.Metadata.Namespace + "/" + object.Spec.Target.Name
				secrets[name] = append(secrets[name], data.SecretKey)
			}
		}
	}
	if pod := filepath.Join(folder, "pod.yaml"); slices.Contains(files, pod) {
		checkGuidePod(t, readGuideFile(t, pod), secrets)
	}
}

func checkGuidePod(t *testing.T, text string, secrets map[string][]string) {
	t.Helper()
	var pod guidePod
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&pod); err != nil || pod.APIVersion != "v1" || pod.Kind != "Pod" {
		t.Fatalf("%s %s: %v", pod.APIVersion, pod.Kind, err)
	}
	var mounted []string
	files := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		name := pod.Metadata.Namespace + "/" + volume.Secret.SecretName
		mounted = append(mounted, name)
		for _, mount := range pod.Spec.Containers[0].VolumeMounts {
			for _, key := range secrets[name] {
				if mount.Name == volume.Name {
					files[mount.MountPath+"/"+key] = true
				}
			}
		}
		// What never was has no previous value.
		if previous := strings.HasSuffix(name, "-previous"); volume.Secret.Optional != previous {
			t.Errorf("volume %s: optional is %t", volume.Name, volume.Secret.Optional)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(secrets)), slices.Sorted(slices.Values(mounted))); diff != "" {
		t.Errorf("Secrets (-made by the operator +mounted):\n%s", diff)
	}
	for _, variable := range pod.Spec.Containers[0].Env {
		if !strings.HasSuffix(variable.Name, "_FILE") || !files[variable.Value] {
			t.Errorf("%s names a file that is not there: %s", variable.Name, variable.Value)
		}
	}
}

func readGuideFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
