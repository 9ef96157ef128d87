// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
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
	"go.yaml.in/yaml/v3"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// stackKeys are what the application of examples/stacks has in every environment.
var stackKeys = []string{
	"DB_PASSWORD", "ENCRYPTION_KEY", "INTERNAL_API_KEY", "JWT_REFRESH_SECRET", "JWT_SECRET", "REDIS_PASSWORD", "SESSION_SECRET", "WEBHOOK_SECRET",
}

// newStack is a copy of examples/stacks, with Terraform in one of the root modules.
func newStack(t *testing.T, name string) *tfcli.Workspace {
	t.Helper()
	w := tfcli.New(t)
	copyExample(t, "stacks", w.Dir)
	w.Dir = filepath.Join(w.Dir, name)
	return w
}

// onFake lets a workspace use the fake, as it would use AWS.
func onFake(w *tfcli.Workspace, b backend) {
	for variable, value := range map[string]string{
		"AWS_REGION": awsfake.DefaultRegion, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-key", "AWS_ENDPOINT_URL": b.fake.URL(),
	} {
		w.SetEnv(variable, value)
	}
}

// stackValues returns the values of a stack, and lets the scanner look for them.
func stackValues(t *testing.T, b backend, id string, scanner *leak.Scanner) map[string]string {
	t.Helper()
	text := b.value(t, id, "")
	object, err := secretstore.ParseObject(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stackKeys, slices.Sorted(slices.Values(object.Keys()))); diff != "" {
		t.Fatalf("keys of %s (-want +got):\n%s", id, diff)
	}
	scanner.Add(t, text)
	values := map[string]string{}
	for _, key := range object.Keys() {
		values[key] = b.key(t, id, key)
		scanner.Add(t, values[key])
	}
	return values
}

// changed returns the names under which two maps differ.
func changed(before, after map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	return names
}

// without returns names but for one.
func without(names []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == one })
}

// stackTests runs the test files of a root module, in a copy of its own.
func stackTests(t *testing.T, w *tfcli.Workspace) {
	t.Helper()
	w.Init()
	result := w.Run("test", "-no-color")
	result.Require(t, 0)
	if !strings.Contains(result.Stdout, "Success!") || strings.Contains(result.Stdout, "Success! 0 passed") {
		t.Errorf("terraform test ran nothing:\n%s", result.Stdout)
	}
}

func TestStackDevelopment(t *testing.T) {
	t.Parallel()
	w := newStack(t, "development")
	stackTests(t, w)
	w.Run("validate", "-no-color").Require(t, 0)
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	const id = "shop/development/app"
	b := backend{store: localstore.New(localstore.Config{Path: filepath.Join(w.Dir, localstore.DefaultPath)}, clock.System{})}
	scanner := leak.New(t)
	before := stackValues(t, b, id, scanner)
	checkStackFile(t, w, before, nil)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	w.PlanJSON()
	w.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	after := stackValues(t, b, id, scanner)
	rotated := changed(before, after)
	if diff := cmp.Diff(without(stackKeys, "ENCRYPTION_KEY"), rotated); diff != "" {
		t.Errorf("rotated after 91 days (-want +got):\n%s", diff)
	}
	checkStackFile(t, w, after, before)
	w.Plan().Require(t, 0)
	w.LeakCheck(scanner, "development/.env.development", "development/.env.development.roi/previous")
}

// checkStackFile asserts that the file has all values, in a line of their own, and
// none of those before that are not current any longer.
func checkStackFile(t *testing.T, w *tfcli.Workspace, values, before map[string]string) {
	t.Helper()
	file := filepath.Join(w.Dir, ".env.development")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %o, want 600", info.Mode().Perm())
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	for _, key := range stackKeys {
		if !slices.ContainsFunc(lines, func(line string) bool {
			value, ok := strings.CutPrefix(line, key+"=")
			return ok && strings.Trim(value, `'"`) == values[key]
		}) {
			t.Errorf("the file does not have the value of %s", key)
		}
		if before != nil && before[key] != values[key] && strings.Contains(string(content), before[key]) {
			t.Errorf("the file still has the value of %s before the rotation", key)
		}
	}
	if !slices.Contains(lines, "PORT='8080'") && !slices.Contains(lines, "PORT=8080") {
		t.Error("the file does not have the plain settings")
	}
}

// awsStub stands for production/aws.tf, since the fake has neither IAM nor alarms.
const awsStub = `
module "aws" {
  source = "./stub"
}
`

// The key and the role are those of stubOutputs, as production/aws would make them.
const stubOutputs = `
output "kms_key_arn" { value = %q }
output "replica_kms_key_arn" { value = %q }
output "role_arn" { value = "` + stubRole + `" }
`

const stubRole = "arn:aws:iam::123456789012:role/shop-production-secrets-read"

const secondRegion = "eu-west-1"

func TestStackProduction(t *testing.T) {
	t.Parallel()
	b := fakeBackend(t)
	key := func(region string) string {
		id := b.fake.AddKey(awsfake.Key{Region: region, Rotation: true})
		return fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", region, awsfake.DefaultAccount, id)
	}
	w := newStack(t, "production")
	onFake(w, b)
	w.SetEnv("TF_VAR_image", "registry.shop.example/api:1.0")
	w.WriteFile("aws.tf", awsStub)
	w.WriteFile("stub/main.tf", fmt.Sprintf(stubOutputs, key(awsfake.DefaultRegion), key(secondRegion)))
	w.Init()
	w.Apply().Require(t, 0)
	w.Plan().Require(t, 0)

	const id = productionSecret
	scanner := leak.New(t)
	before := stackValues(t, b, id, scanner)
	if got := b.fake.Secret(id); len(got.Replicas) != 1 || got.KMSKeyID == "" {
		t.Errorf("key %q, replicas %v", got.KMSKeyID, got.Replicas)
	}
	checkManifests(t, w, stubRole)

	w.SetEnv("ROI_PLAN_AS_OF", "+91d")
	w.Apply().Require(t, 0)
	w.SetEnv("ROI_PLAN_AS_OF", "")
	after := stackValues(t, b, id, scanner)
	if diff := cmp.Diff(without(stackKeys, "ENCRYPTION_KEY"), changed(before, after)); diff != "" {
		t.Errorf("rotated after 91 days (-want +got):\n%s", diff)
	}
	current := func(region string) string {
		return b.fake.SecretIn(awsfake.DefaultAccount, region, id).Current().ID
	}
	if current(awsfake.DefaultRegion) != current(secondRegion) {
		t.Error("the replica has another current version")
	}
	published := map[string]bool{}
	for _, metric := range b.fake.Metrics() {
		published[metric.Name+" "+metric.Dimensions["Secret"]+" "+metric.Dimensions["Environment"]] = true
	}
	if !published["SecretRotationSuccess shop/production/app production"] {
		t.Errorf("metrics: %v", published)
	}
	w.Plan().Require(t, 0)
	checkManifests(t, w, stubRole)
	w.LeakCheck(scanner)
}

// With hashicorp/aws: the whole root module is valid, and its tests pass.
func TestStackProductionWithAWS(t *testing.T) {
	t.Parallel()
	w := newProduction(t, "")
	w.Run("validate", "-no-color").Require(t, 0)
	stackTests(t, w)
}

// kubernetesObject is what the manifests of a stack have in common.
type kubernetesObject struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name        string            `yaml:"name"`
		Namespace   string            `yaml:"namespace"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	AutomountServiceAccountToken *bool                 `yaml:"automountServiceAccountToken"`
	RoleRef                      struct{ Name string } `yaml:"roleRef"`
	Spec                         struct {
		SecretStoreRef struct{ Kind, Name string } `yaml:"secretStoreRef"`
		Target         struct{ Name string }
		Data           []struct {
			SecretKey string                                  `yaml:"secretKey"`
			RemoteRef struct{ Key, Property, Version string } `yaml:"remoteRef"`
		}
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
		PodSelector podLabels `yaml:"podSelector"`
		Selector    podLabels
		Template    struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				ServiceAccountName string `yaml:"serviceAccountName"`
				Containers         []struct {
					Env          []struct{ Name, Value string }
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name   string
					Secret struct {
						SecretName string `yaml:"secretName"`
						Optional   bool
					}
				}
			}
		}
	}
}

type podLabels struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

// checkManifests asserts that everything that a manifest refers to is there, and that
// the store reads with a role of AWS.
func checkManifests(t *testing.T, w *tfcli.Workspace, role string) {
	t.Helper()
	var text string
	w.Output("manifests", &text)
	objects := map[string]kubernetesObject{}
	versions := map[string]string{
		"ServiceAccount": "v1", "Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1", "Deployment": "apps/v1",
		"NetworkPolicy": "networking.k8s.io/v1", "SecretStore": "external-secrets.io/v1", "ExternalSecret": "external-secrets.io/v1",
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var object kubernetesObject
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := object.Kind + "/" + object.Metadata.Name
		if object.APIVersion == "" || object.APIVersion != versions[object.Kind] || object.Metadata.Namespace != "shop" {
			t.Errorf("%s: apiVersion %q, namespace %q", name, object.APIVersion, object.Metadata.Namespace)
		}
		objects[name] = object
	}
	want := []string{
		"Deployment/api", "ExternalSecret/app", "ExternalSecret/app-previous", "NetworkPolicy/api", "Role/shop-secrets-on-call", "RoleBinding/shop-secrets-on-call",
		"SecretStore/app", "ServiceAccount/shop-api", "ServiceAccount/shop-secrets",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(objects))); diff != "" {
		t.Fatalf("manifests (-want +got):\n%s", diff)
	}

	store := objects["SecretStore/app"].Spec.Provider.AWS
	reader := objects["ServiceAccount/"+store.Auth.JWT.ServiceAccountRef.Name]
	if store.Region != awsfake.DefaultRegion || reader.Metadata.Annotations["eks.amazonaws.com/role-arn"] != role {
		t.Errorf("the store reads in %q with the annotations %v", store.Region, reader.Metadata.Annotations)
	}
	if _, ok := objects["Role/"+objects["RoleBinding/shop-secrets-on-call"].RoleRef.Name]; !ok {
		t.Error("the RoleBinding refers to another Role")
	}
	secrets := map[string][]string{}
	for name, versionOf := range map[string]string{"app": "AWSCURRENT", "app-previous": "AWSPREVIOUS"} {
		external := objects["ExternalSecret/"+name].Spec
		if external.SecretStoreRef.Kind != "SecretStore" || external.SecretStoreRef.Name != "app" {
			t.Errorf("ExternalSecret %s reads %v", name, external.SecretStoreRef)
		}
		for _, data := range external.Data {
			if data.RemoteRef.Key != productionSecret || data.RemoteRef.Version != versionOf || !slices.Contains(stackKeys, data.RemoteRef.Property) {
				t.Errorf("ExternalSecret %s: %s is %v", name, data.SecretKey, data.RemoteRef)
			}
			secrets[external.Target.Name] = append(secrets[external.Target.Name], data.SecretKey)
		}
	}

	deployment := objects["Deployment/api"].Spec
	labels := deployment.Template.Metadata.Labels
	if !maps.Equal(labels, deployment.Selector.MatchLabels) || !maps.Equal(labels, objects["NetworkPolicy/api"].Spec.PodSelector.MatchLabels) {
		t.Errorf("the pods have the labels %v, and others are selected", labels)
	}
	account := objects["ServiceAccount/"+deployment.Template.Spec.ServiceAccountName]
	if account.Kind == "" || len(account.Metadata.Annotations) > 0 || account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
		t.Errorf("the account of the pods can do more than it needs: %+v", account)
	}
	files := map[string]bool{}
	container := deployment.Template.Spec.Containers[0]
	for _, volume := range deployment.Template.Spec.Volumes {
		if volume.Secret.Optional != (volume.Secret.SecretName == "app-previous") {
			t.Errorf("volume %s: optional is %t", volume.Name, volume.Secret.Optional)
		}
		for _, mount := range container.VolumeMounts {
			for _, key := range secrets[volume.Secret.SecretName] {
				if mount.Name == volume.Name {
					files[mount.MountPath+"/"+key] = true
				}
			}
		}
	}
	if len(container.Env) != len(stackKeys) || len(files) != len(stackKeys)+2 {
		t.Errorf("%d variables, %d files", len(container.Env), len(files))
	}
	for _, variable := range container.Env {
		if !strings.HasSuffix(variable.Name, "_FILE") || !files[variable.Value] {
			t.Errorf("%s names a file that is not there: %s", variable.Name, variable.Value)
		}
	}
}
