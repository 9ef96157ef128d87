// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A ComposeSecret is a Docker secret that exists already, and the services that
// read it.
type ComposeSecret struct {
	Object   string   // name of the Docker secret, such as shop-jwt-v2
	Target   string   // file in the container, beneath /run/secrets unless it begins with a slash; "": the name in the compose file
	UID, GID string   // owner of the file, in digits; "": 0
	Mode     string   // permissions of the file, in octal digits such as 0440; "": 0444
	Services []string // services that read it
}

var (
	// composeName is what compose allows for a service and a secret.
	// Source: https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json
	composeName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

	// dockerName and maxDockerName are what Docker allows for a secret.
	// Source: https://github.com/moby/swarmkit/blob/v2.0.0/manager/controlapi/common.go
	dockerName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

	// composeTarget leaves out what compose would interpolate.
	composeTarget = regexp.MustCompile(`^/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

	composeMode = regexp.MustCompile(`^0?[0-7]{3}$`)
)

const maxDockerName = 64

// Compose returns a compose document that declares secrets, by their names in it,
// and gives them to services: one to merge with the file that defines the
// services. The file in the container is named in every reference, so that it
// stays the same from version to version. files are the texts of the other files of
// the project; with them a service that none has is a problem, which otherwise shows
// when the project is deployed. The error is Problems.
func Compose(secrets map[string]ComposeSecret, files ...string) (string, error) {
	var problems Problems
	project, complete := projectServices(files, &problems)
	declared := Map{}
	references := map[string][]Map{}
	targets := map[string]map[string]string{} // secret by service and file
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		s := secrets[name]
		s.Target = cmp.Or(s.Target, name)
		s.check(name, &problems)
		declared = append(declared, Member{name, Map{{"external", true}, {"name", s.Object}}})
		for _, service := range slices.Compact(slices.Sorted(slices.Values(s.Services))) {
			if complete && !slices.Contains(project, service) {
				problems.add("secrets[%q]: services: no compose file has a service %q; there are: %s", name, service, cmp.Or(strings.Join(project, ", "), "none"))
			}
			if other, taken := targets[service][s.Target]; taken {
				problems.add("secrets %q and %q are the same file %q in the service %q; give one of them another target", other, name, s.Target, service)
			}
			if targets[service] == nil {
				targets[service] = map[string]string{}
			}
			targets[service][s.Target] = name
			references[service] = append(references[service], s.reference(name))
		}
	}
	if len(secrets) == 0 {
		problems.add("no secret is given")
	}
	if err := problems.err(); err != nil {
		return "", err
	}
	var document Map
	if len(references) > 0 {
		services := Map{}
		for _, service := range slices.Sorted(maps.Keys(references)) {
			services = append(services, Member{service, Map{{"secrets", references[service]}}})
		}
		document = append(document, Member{"services", services})
	}
	return YAML(append(document, Member{"secrets", declared})), nil
}

// projectServices returns the services of compose files, sorted. complete is whether
// these are all that the project has: not without files, and not if one includes
// others.
// Source: https://github.com/compose-spec/compose-spec/blob/main/14-include.md
func projectServices(files []string, problems *Problems) (names []string, complete bool) {
	complete = len(files) > 0
	for i, text := range files {
		var file struct {
			Services map[string]any `yaml:"services"`
			Include  any            `yaml:"include"`
		}
		if err := yaml.Unmarshal([]byte(text), &file); err != nil {
			problems.add("files[%d] is not a compose file: %v", i, err)
			complete = false
		}
		complete = complete && file.Include == nil
		names = slices.AppendSeq(names, maps.Keys(file.Services))
	}
	slices.Sort(names)
	return slices.Compact(names), complete
}

func (s ComposeSecret) check(name string, problems *Problems) {
	at := fmt.Sprintf("secrets[%q]", name)
	if !composeName.MatchString(name) {
		problems.add("%s: the name of a secret in a compose file has letters, digits, dots, hyphens and underscores only", at)
	}
	switch {
	case !dockerName.MatchString(s.Object):
		problems.add("%s: name = %q is not the name of a Docker secret: it has letters, digits, dots, hyphens and underscores only, and begins and ends with a letter or digit", at, s.Object)
	case len(s.Object) > maxDockerName:
		problems.add("%s: name = %q has %d characters, Docker allows %d", at, s.Object, len(s.Object), maxDockerName)
	}
	if !composeTarget.MatchString(s.Target) || slices.Contains(strings.Split(s.Target, "/"), "..") {
		problems.add("%s: target = %q must be a file name or a path of letters, digits, dots, hyphens and underscores, without \"..\"", at, s.Target)
	}
	for _, owner := range []struct{ argument, id string }{{"uid", s.UID}, {"gid", s.GID}} {
		if _, err := strconv.ParseUint(owner.id, 10, 32); owner.id != "" && err != nil {
			problems.add("%s: %s = %q must be a number of at most 32 bits: the names of a container's users are not known outside it", at, owner.argument, owner.id)
		}
	}
	if s.Mode != "" && !composeMode.MatchString(s.Mode) {
		problems.add("%s: mode = %q must be a string of three or four octal digits, such as \"0440\"", at, s.Mode)
	}
	for _, service := range s.Services {
		if !composeName.MatchString(service) {
			problems.add("%s: services: %q is not the name of a service", at, service)
		}
	}
}

// reference is how a service names the secret.
func (s ComposeSecret) reference(name string) Map {
	reference := Map{{"source", name}, {"target", s.Target}}
	if s.UID != "" {
		reference = append(reference, Member{"uid", s.UID})
	}
	if s.GID != "" {
		reference = append(reference, Member{"gid", s.GID})
	}
	if mode, err := strconv.ParseUint(s.Mode, 8, 32); err == nil {
		reference = append(reference, Member{"mode", Mode(mode)})
	}
	return reference
}
