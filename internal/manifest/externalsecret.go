// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultRefresh is how often a Secret is refreshed unless something else is
// asked for. The operator's own default, an hour, is as long as the grace period
// of most categories: the value before a rotation could end before the new one is
// there.
const DefaultRefresh = 15 * time.Minute

// An ExternalSecret makes the External Secrets Operator keep a Kubernetes Secret
// that holds values of a secret in AWS Secrets Manager.
type ExternalSecret struct {
	Name      string   // of the ExternalSecret and of the Secret that it keeps
	Namespace string   // "": that of whoever applies the manifest
	SecretID  string   // name or ARN in Secrets Manager
	AllKeys   bool     // whatever keys a JSON secret has at the time, each a key of the Secret
	Keys      []string // these keys of a JSON secret, instead of AllKeys
	Key       string   // key of the Secret for a value that is one string, instead of both
	Previous  []string // those of the keys whose previous value is kept too, as KEY_PREVIOUS of a Secret of its own
	Refresh   time.Duration
	Store     SecretStore
}

// A Manifest is one object of Kubernetes. Kind and Name tell those of one call
// apart.
type Manifest struct {
	Kind, Name string
	Body       Map
}

// A SecretStore says where the operator reads, and as whom.
type SecretStore struct {
	Name           string
	Cluster        bool   // a ClusterSecretStore, which exists already
	Region         string // of Secrets Manager; "": the store exists already
	Role           string // ARN of the IAM role to assume; "": the credentials as they are
	ServiceAccount string // in the same namespace, with an IAM role of its own; "": the operator's credentials
}

const (
	apiVersion = "external-secrets.io/v1"

	// previousSuffix is added to the key, and previousName to the name of the
	// Secret, for previous values.
	previousSuffix = "_PREVIOUS"
	previousName   = "-previous"

	maxName      = 253 // of objects and keys
	maxNamespace = 63
)

// The names of Kubernetes, and the rules of the operator's API, which are those of
// its custom resource definitions.
//
// Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/,
// https://github.com/external-secrets/external-secrets/blob/v2.9.0/apis/externalsecrets/v1/externalsecret_types.go.
var (
	objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	namespace  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	secretKey  = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)

	// secretID is a name or an ARN. How long it may be is checked apart: a repetition
	// with a large limit takes half a megabyte.
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
	secretID = regexp.MustCompile(`^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?([A-Za-z0-9/_+=.@-]+)$`)
	region   = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
	roleARN  = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9/_+=,.@-]+$`)
)

// maxSecretID is the length of the longest name, with the seven characters that an
// ARN has behind it.
const maxSecretID = 512 + 7

// Manifests returns the manifests to apply, in this order: the SecretStore, if it
// has a region; the ExternalSecret of the current values; and one for the previous
// values, if any are asked for. The error is Problems.
//
// Previous values have a Secret of their own because there often are none, before
// the first rotation and after a grace period. The operator would then refuse to
// refresh a Secret that holds both. With the deletion policy Delete it takes the
// absence for what it is, and removes the Secret; for current values that would be
// wrong, and Retain keeps what the pods run with. But two Secrets are refreshed at
// two times: with AllKeys, and the previous values under keys of their own in the
// secret itself, there is one.
func (e ExternalSecret) Manifests() ([]Manifest, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	var manifests []Manifest
	if e.Store.Region != "" {
		manifests = append(manifests, e.store())
	}
	data := Member{"data", e.data(e.keys(), "", "AWSCURRENT")}
	if e.AllKeys {
		data = Member{"dataFrom", []Map{{{"extract", e.remoteRef("", "AWSCURRENT")}}}}
	}
	manifests = append(manifests, e.externalSecret(e.Name, "Retain", data))
	if len(e.Previous) > 0 {
		manifests = append(manifests, e.externalSecret(e.Name+previousName, "Delete", Member{"data", e.data(e.Previous, previousSuffix, "AWSPREVIOUS")}))
	}
	return manifests, nil
}

// Documents writes manifests as one stream of YAML documents.
func Documents(manifests []Manifest) string {
	texts := make([]string, len(manifests))
	for i, m := range manifests {
		texts[i] = YAML(m.Body)
	}
	return strings.Join(texts, "---\n")
}

func (e ExternalSecret) check() error {
	var problems Problems
	longest := maxName
	if len(e.Previous) > 0 {
		longest -= len(previousName)
	}
	checkObjectName(&problems, "name", e.Name, longest)
	if e.Namespace != "" && (!namespace.MatchString(e.Namespace) || len(e.Namespace) > maxNamespace) {
		problems.add("namespace = %q is not a namespace: lower-case letters, digits and hyphens, a letter or digit at both ends, at most %d characters", e.Namespace, maxNamespace)
	}
	if id := secretID.FindStringSubmatch(e.SecretID); id == nil || len(id[2]) > maxSecretID {
		problems.add("secret_id = %q is neither the name nor the ARN of a secret in Secrets Manager", e.SecretID)
	}
	e.checkKeys(&problems)
	if e.Refresh < time.Second {
		problems.add("refresh_interval = %q must be a second or more: otherwise the operator reads the secret once, and a rotation never arrives", e.Refresh)
	}
	e.Store.check(&problems)
	return problems.err()
}

func (e ExternalSecret) checkKeys(problems *Problems) {
	switch {
	case e.AllKeys && (e.Key != "" || len(e.Keys) > 0):
		problems.add("all_keys excludes key and keys: with it every key of the JSON secret becomes a key of the Secret")
	case e.Key != "" && len(e.Keys) > 0:
		problems.add("key and keys exclude each other: key is for a secret that is one string, keys for a JSON secret")
	case !e.AllKeys && e.Key == "" && len(e.Keys) == 0:
		problems.add("one of all_keys, keys and key is needed: all_keys or keys for a JSON secret, key for a secret that is one string")
	}
	keys := e.keys()
	for _, key := range keys {
		if !secretKey.MatchString(key) || len(key) > maxName-len(previousSuffix) {
			problems.add("%q cannot be a key of a Secret: it must have letters, digits, dots, hyphens and underscores only, at most %d", key, maxName-len(previousSuffix))
		}
	}
	if e.AllKeys && len(e.Previous) > 0 {
		problems.add("all_keys excludes previous: give the roi_secret_rotation a previous_key_suffix, and the previous values are among all keys")
		return
	}
	for _, key := range e.Previous {
		if !slices.Contains(keys, key) {
			problems.add("previous: %q is not among the keys", key)
		}
	}
}

// keys returns the keys of the Secret that are asked for by name.
func (e ExternalSecret) keys() []string {
	if e.Key != "" {
		return []string{e.Key}
	}
	return e.Keys
}

func (s SecretStore) check(problems *Problems) {
	checkObjectName(problems, "store.name", s.Name, maxName)
	switch {
	case s.Region == "" && (s.Role != "" || s.ServiceAccount != ""):
		problems.add("store.region is needed with role or service_account, to make the store; without them the store is one that exists")
	case s.Region != "" && s.Cluster:
		problems.add("store.region cannot be set for kind = \"ClusterSecretStore\": such a store serves the whole cluster and is made once, not for one secret; " +
			"give its name and kind only, or make a SecretStore")
	case s.Region != "" && !region.MatchString(s.Region):
		problems.add("store.region = %q is not the name of an AWS region, such as eu-central-1", s.Region)
	}
	if s.Role != "" && !roleARN.MatchString(s.Role) {
		problems.add("store.role = %q is not the ARN of an IAM role", s.Role)
	}
	if s.ServiceAccount != "" {
		checkObjectName(problems, "store.service_account", s.ServiceAccount, maxName)
	}
}

func checkObjectName(problems *Problems, argument, name string, longest int) {
	if !objectName.MatchString(name) || len(name) > longest {
		problems.add("%s = %q is not a name in Kubernetes: lower-case letters, digits, hyphens and dots, a letter or digit at both ends, at most %d characters",
			argument, name, longest)
	}
}

func (e ExternalSecret) manifest(kind, name string, spec Map) Manifest {
	metadata := Map{{"name", name}}
	if e.Namespace != "" {
		metadata = append(metadata, Member{"namespace", e.Namespace})
	}
	return Manifest{kind, name, Map{{"apiVersion", apiVersion}, {"kind", kind}, {"metadata", metadata}, {"spec", spec}}}
}

func (e ExternalSecret) store() Manifest {
	aws := Map{{"service", "SecretsManager"}, {"region", e.Store.Region}}
	if e.Store.Role != "" {
		aws = append(aws, Member{"role", e.Store.Role})
	}
	if e.Store.ServiceAccount != "" {
		aws = append(aws, Member{"auth", Map{{"jwt", Map{{"serviceAccountRef", Map{{"name", e.Store.ServiceAccount}}}}}}})
	}
	return e.manifest("SecretStore", e.Store.Name, Map{{"provider", Map{{"aws", aws}}}})
}

func (e ExternalSecret) externalSecret(name, deletionPolicy string, data Member) Manifest {
	kind := "SecretStore"
	if e.Store.Cluster {
		kind = "ClusterSecretStore"
	}
	// What the operator would fill in is written out, here and in remoteRef, so that
	// tools which compare find no difference.
	return e.manifest("ExternalSecret", name, Map{
		{"refreshPolicy", "Periodic"},
		{"refreshInterval", e.Refresh.String()},
		{"secretStoreRef", Map{{"kind", kind}, {"name", e.Store.Name}}},
		{"target", Map{{"name", name}, {"creationPolicy", "Owner"}, {"deletionPolicy", deletionPolicy}}},
		data,
	})
}

func (e ExternalSecret) data(keys []string, suffix, version string) []Map {
	var data []Map
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		property := key
		if e.Key != "" {
			property = ""
		}
		data = append(data, Map{{"secretKey", key + suffix}, {"remoteRef", e.remoteRef(property, version)}})
	}
	return data
}

// remoteRef is a version of the secret, or one property of it.
func (e ExternalSecret) remoteRef(property, version string) Map {
	remote := Map{{"key", e.SecretID}}
	if property != "" {
		remote = append(remote, Member{"property", property})
	}
	return append(remote, Member{"version", version},
		Member{"conversionStrategy", "Default"}, Member{"decodingStrategy", "None"}, Member{"metadataPolicy", "None"})
}
