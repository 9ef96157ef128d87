// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// What the manifests of stacks and guides may have: a field that is not here is
// misspelt, or new to these tests.
// Source: https://kubernetes.io/docs/reference/kubernetes-api/
type (
	kubernetesObject struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   kubernetesMeta
	}

	kubernetesMeta struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}

	serviceAccount struct {
		kubernetesObject             `yaml:",inline"`
		AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	}

	role struct {
		kubernetesObject `yaml:",inline"`
		Rules            []struct {
			APIGroups     []string `yaml:"apiGroups"`
			Resources     []string
			ResourceNames []string `yaml:"resourceNames"`
			Verbs         []string
		}
	}

	roleBinding struct {
		kubernetesObject `yaml:",inline"`
		RoleRef          roleReference `yaml:"roleRef"`
		Subjects         []roleReference
	}

	roleReference struct {
		APIGroup   string `yaml:"apiGroup"`
		Kind, Name string
	}

	networkPolicy struct {
		kubernetesObject `yaml:",inline"`
		Spec             struct {
			PodSelector labelSelector `yaml:"podSelector"`
			PolicyTypes []string      `yaml:"policyTypes"`
			Ingress     []struct {
				From  []networkPeer
				Ports []networkPort
			}
			Egress []struct {
				To    []networkPeer
				Ports []networkPort
			}
		}
	}

	networkPeer struct {
		NamespaceSelector labelSelector `yaml:"namespaceSelector"`
		PodSelector       labelSelector `yaml:"podSelector"`
	}

	networkPort struct {
		Protocol string
		Port     int
	}

	labelSelector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}

	deployment struct {
		kubernetesObject `yaml:",inline"`
		Spec             struct {
			Replicas int
			Selector labelSelector
			Strategy struct {
				Type          string
				RollingUpdate struct {
					MaxUnavailable int `yaml:"maxUnavailable"`
					MaxSurge       int `yaml:"maxSurge"`
				} `yaml:"rollingUpdate"`
			}
			Template struct {
				Metadata kubernetesMeta
				Spec     podSpec
			}
		}
	}

	podSpec struct {
		ServiceAccountName           string `yaml:"serviceAccountName"`
		AutomountServiceAccountToken *bool  `yaml:"automountServiceAccountToken"`
		SecurityContext              struct {
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			FSGroup        int                   `yaml:"fsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Containers []container
		Volumes    []struct {
			Name   string
			Secret struct {
				SecretName  string `yaml:"secretName"`
				Optional    bool
				DefaultMode int `yaml:"defaultMode"`
			}
		}
	}

	container struct {
		Name, Image string
		Ports       []struct {
			ContainerPort int `yaml:"containerPort"`
		}
		Env             []struct{ Name, Value string }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		ReadinessProbe struct {
			HTTPGet struct {
				Path string
				Port int
			} `yaml:"httpGet"`
			PeriodSeconds int `yaml:"periodSeconds"`
		} `yaml:"readinessProbe"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
)

// externalObject is what these tests look at in a SecretStore or an ExternalSecret.
// What they may have says the operator's schema.
type externalObject struct {
	kubernetesObject `yaml:",inline"`
	Spec             struct {
		SecretStoreRef  struct{ Kind, Name string } `yaml:"secretStoreRef"`
		RefreshInterval string                      `yaml:"refreshInterval"`
		Target          struct{ Name string }
		Data            []struct {
			SecretKey string `yaml:"secretKey"`
		}
		DataFrom []struct {
			Extract struct{ Key, Version string }
		} `yaml:"dataFrom"`
		Provider struct {
			AWS struct {
				Region string
				Auth   struct {
					JWT struct {
						ServiceAccountRef struct{ Name string } `yaml:"serviceAccountRef"`
					}
				}
			} `yaml:"aws"`
		}
	}
}

// decodeStrictly refuses a field that into does not have.
func decodeStrictly(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}

// decodeExternal holds an object of the operator against its schema.
func decodeExternal(document any) (object externalObject, err error) {
	members, _ := document.(map[string]any)
	kind, _ := members["kind"].(string)
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "manifest", "testdata", strings.ToLower(kind)+".json"))
	if err != nil {
		return object, err
	}
	text, err := yaml.Marshal(document)
	return object, errors.Join(err, schema.Validate(document), yaml.Unmarshal(text, &object))
}

// stackObjects are the manifests of a stack, by kind and name.
type stackObjects map[string]any

func (o stackObjects) decode(t *testing.T, name string, into any) {
	t.Helper()
	text, err := yaml.Marshal(o[name])
	if err = errors.Join(err, decodeStrictly(text, into)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func (o stackObjects) external(t *testing.T, name string) externalObject {
	t.Helper()
	object, err := decodeExternal(o[name])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return object
}

// readManifests asserts that the manifests are those of a stack, each of the version
// that Kubernetes serves and in the namespace that the first one makes.
func readManifests(t *testing.T, w *tfcli.Workspace) stackObjects {
	t.Helper()
	var text string
	w.Output("manifests", &text)
	documents, err := yamlDocuments(text)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{
		"Namespace": "v1", "ServiceAccount": "v1", "Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1", "Deployment": "apps/v1",
		"NetworkPolicy": "networking.k8s.io/v1", "SecretStore": "external-secrets.io/v1", "ExternalSecret": "external-secrets.io/v1",
	}
	objects := stackObjects{}
	for i, document := range documents {
		var object kubernetesObject
		text, err := yaml.Marshal(document)
		if err = errors.Join(err, yaml.Unmarshal(text, &object)); err != nil {
			t.Fatal(err)
		}
		name := object.Kind + "/" + object.Metadata.Name
		namespace := "shop"
		if i == 0 {
			namespace = ""
		}
		if (object.Kind == "Namespace") != (i == 0) || object.APIVersion == "" || object.APIVersion != versions[object.Kind] || object.Metadata.Namespace != namespace {
			t.Errorf("document %d is %s: apiVersion %q, namespace %q", i, name, object.APIVersion, object.Metadata.Namespace)
		}
		objects[name] = document
	}
	want := []string{
		"Deployment/api", "ExternalSecret/app", "Namespace/shop", "NetworkPolicy/api", "Role/shop-secrets-on-call", "RoleBinding/shop-secrets-on-call",
		"SecretStore/app", "ServiceAccount/shop-api", "ServiceAccount/shop-secrets",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(objects))); diff != "" {
		t.Fatalf("manifests (-want +got):\n%s", diff)
	}
	return objects
}

// checkManifests asserts that everything that a manifest refers to is there, and that
// the store reads with a role of AWS. The keys are those that the secret has now.
func checkManifests(t *testing.T, w *tfcli.Workspace, roleARN string, keys []string) {
	t.Helper()
	objects := readManifests(t, w)

	store := objects.external(t, "SecretStore/app").Spec.Provider.AWS
	var reader serviceAccount
	objects.decode(t, "ServiceAccount/"+store.Auth.JWT.ServiceAccountRef.Name, &reader)
	if store.Region != awsfake.DefaultRegion || reader.Metadata.Annotations["eks.amazonaws.com/role-arn"] != roleARN {
		t.Errorf("the store reads in %q with the annotations %v", store.Region, reader.Metadata.Annotations)
	}
	external := objects.external(t, "ExternalSecret/app").Spec
	if external.SecretStoreRef.Kind != "SecretStore" || external.SecretStoreRef.Name != "app" {
		t.Errorf("the ExternalSecret reads %v", external.SecretStoreRef)
	}
	if len(external.Data) > 0 || len(external.DataFrom) != 1 || external.DataFrom[0].Extract.Key != productionSecret || external.DataFrom[0].Extract.Version != "AWSCURRENT" {
		t.Errorf("the Secret is not all of the secret: %v, %v", external.DataFrom, external.Data)
	}

	var binding roleBinding
	objects.decode(t, "RoleBinding/shop-secrets-on-call", &binding)
	var onCall role
	objects.decode(t, binding.RoleRef.Kind+"/"+binding.RoleRef.Name, &onCall)
	for _, rule := range onCall.Rules {
		for _, name := range rule.ResourceNames {
			if objects["ExternalSecret/"+name] == nil {
				t.Errorf("the Role is about an ExternalSecret %s, which is not there", name)
			}
		}
	}

	var app deployment
	objects.decode(t, "Deployment/api", &app)
	var policy networkPolicy
	objects.decode(t, "NetworkPolicy/api", &policy)
	labels := app.Spec.Template.Metadata.Labels
	if !maps.Equal(labels, app.Spec.Selector.MatchLabels) || !maps.Equal(labels, policy.Spec.PodSelector.MatchLabels) {
		t.Errorf("the pods have the labels %v, and others are selected", labels)
	}
	pod := app.Spec.Template.Spec
	var account serviceAccount
	objects.decode(t, "ServiceAccount/"+pod.ServiceAccountName, &account)
	if len(account.Metadata.Annotations) > 0 || account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
		t.Errorf("the account of the pods can do more than it needs: %+v", account)
	}
	port := pod.Containers[0].Ports[0].ContainerPort
	if probe := pod.Containers[0].ReadinessProbe.HTTPGet; probe.Path != "/health" || probe.Port != port || policy.Spec.Ingress[0].Ports[0].Port != port {
		t.Errorf("the probe asks for %v, and requests come to %v of %d", probe, policy.Spec.Ingress[0].Ports, port)
	}
	checkRestricted(t, objects, pod)
	checkPodFiles(t, pod, map[string][]string{external.Target.Name: keys})

	variables := map[string]string{}
	for _, variable := range pod.Containers[0].Env {
		variables[variable.Name] = variable.Value
	}
	want := map[string]string{"LISTEN": fmt.Sprintf(":%d", port), "SIGN_AFTER": "120"}
	for _, key := range slices.Concat(stackKeys, graceKeys) {
		want[key+"_FILE"] = "/run/secrets/app/" + key
	}
	if diff := cmp.Diff(want, variables); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// checkRestricted asserts that the namespace admits the pods.
// Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
func checkRestricted(t *testing.T, objects stackObjects, pod podSpec) {
	t.Helper()
	var namespace kubernetesObject
	objects.decode(t, "Namespace/shop", &namespace)
	if diff := cmp.Diff(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, namespace.Metadata.Labels); diff != "" {
		t.Errorf("labels of the namespace (-want +got):\n%s", diff)
	}
	all := pod.SecurityContext
	if !all.RunAsNonRoot || all.RunAsUser == 0 || all.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pods are not restricted: %+v", all)
	}
	for _, container := range pod.Containers {
		own := container.SecurityContext
		if own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation || !slices.Equal(own.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("the container %s is not restricted: %+v", container.Name, own)
		}
	}
}

// checkPodFiles asserts that a pod mounts the Secrets, of which it is given the keys
// that they have, and that each variable with the name of a file names that of its key.
// A key that is there during a grace period only may be missing.
func checkPodFiles(t *testing.T, pod podSpec, secrets map[string][]string) {
	t.Helper()
	var mounted []string
	files := map[string]bool{}
	for _, volume := range pod.Volumes {
		mounted = append(mounted, volume.Secret.SecretName)
		if volume.Secret.Optional || volume.Secret.DefaultMode != 0o440 {
			t.Errorf("volume %s: optional is %t, the mode %o", volume.Name, volume.Secret.Optional, volume.Secret.DefaultMode)
		}
		for _, mount := range pod.Containers[0].VolumeMounts {
			for _, key := range secrets[volume.Secret.SecretName] {
				if mount.Name == volume.Name && mount.ReadOnly {
					files[mount.MountPath+"/"+key] = true
				}
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(secrets)), slices.Sorted(slices.Values(mounted))); diff != "" {
		t.Errorf("Secrets (-made by the operator +mounted):\n%s", diff)
	}
	for _, variable := range pod.Containers[0].Env {
		key, isFile := strings.CutSuffix(variable.Name, "_FILE")
		if !isFile {
			if variable.Name != "LISTEN" && variable.Name != "SIGN_AFTER" {
				t.Errorf("%s is nothing that the services of the examples read", variable.Name)
			}
			continue
		}
		held := false
		for _, keys := range secrets {
			held = held || slices.Contains(keys, key)
		}
		there := files[variable.Value] && strings.HasSuffix(variable.Value, "/"+key)
		if there != held || !held && !strings.HasSuffix(key, "_OLD") {
			t.Errorf("%s names another file than that of a key: %s", variable.Name, variable.Value)
		}
	}
}
