// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// The labels that make an object ours. An object whose name and labels do not agree
// is somebody else's. None says anything of the value, a hash least of all.
const (
	ourPrefix      = "roi."
	labelName      = ourPrefix + "name"
	labelVersion   = ourPrefix + "version"
	labelSecretID  = ourPrefix + "secret-id"
	labelKey       = ourPrefix + "key"
	labelVersionID = ourPrefix + "version-id"
	labelValue     = ourPrefix + "value-wo-version"
	// labelPending is on a version from its creation until all services are moved.
	labelPending = ourPrefix + "pending"
	// labelLast is the number of a later version that failed and was removed, so
	// that it is not given to another value.
	labelLast = ourPrefix + "last-version"
)

// reservedPrefixes begin labels that are not the user's.
// Source: https://docs.docker.com/engine/manage-resources/labels/
var reservedPrefixes = []string{ourPrefix, "com.docker.", "io.docker.", "org.dockerproject."}

// CheckLabels says what is wrong with the labels of a user: some are kept for this
// package, some for Docker.
func CheckLabels(labels map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case key == "":
			return fmt.Errorf("must not have an empty key")
		case reserved(key):
			return fmt.Errorf("must not have the key %q: keys that begin with %s are reserved", key, strings.Join(reservedPrefixes, ", "))
		}
	}
	return nil
}

func reserved(key string) bool {
	return slices.ContainsFunc(reservedPrefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// versionOf reads what an object is from its name and labels.
func versionOf(secret swarm.Secret) Version {
	labels := secret.Spec.Labels
	v := Version{ID: secret.ID, Name: secret.Spec.Name, CreatedAt: secret.CreatedAt, Labels: map[string]string{}}
	base, number, ok := parseName(v.Name)
	if ok {
		v.Number = number
		v.Ours = labels[labelName] == base && labels[labelVersion] == strconv.Itoa(number)
	}
	if v.Ours {
		v.Source = Source{labels[labelSecretID], labels[labelKey], labels[labelVersionID], labels[labelValue]}
		v.last, _ = strconv.Atoi(labels[labelLast])
		v.pending = labels[labelPending] != ""
	}
	for key, value := range labels {
		if !reserved(key) {
			v.Labels[key] = value
		}
	}
	return v
}

// labelsFor returns the labels of an object. Those that Docker's tools have put on
// it, before, stay.
func labelsFor(v Version, before map[string]string) map[string]string {
	labels := map[string]string{}
	for key, value := range before {
		if reserved(key) && !strings.HasPrefix(key, ourPrefix) {
			labels[key] = value
		}
	}
	maps.Copy(labels, v.Labels)
	labels[labelName] = v.Base()
	labels[labelVersion] = strconv.Itoa(v.Number)
	for key, value := range map[string]string{
		labelSecretID: v.Source.SecretID, labelKey: v.Source.Key, labelVersionID: v.Source.VersionID, labelValue: v.Source.ValueVersion,
	} {
		if value != "" {
			labels[key] = value
		}
	}
	if v.last > 0 {
		labels[labelLast] = strconv.Itoa(v.last)
	}
	if v.pending {
		labels[labelPending] = "true"
	}
	return labels
}
