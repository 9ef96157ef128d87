// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package manifest

import (
	"context"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	stack "github.com/docker/cli/cli/compose/loader"
	stacktypes "github.com/docker/cli/cli/compose/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const services = `
services:
  api:
    image: shop/api
    secrets:
      - source: other
        target: other
  worker:
    image: shop/worker
secrets:
  other:
    external: true
`

func TestCompose(t *testing.T) {
	got, err := Compose(map[string]ComposeSecret{
		"jwt": {Object: "shop-jwt-v2", Services: []string{"worker", "api", "api"}},
		"db-password": {
			Object: "shop-db-v7", Target: "/run/app/db.password", UID: "1000", GID: "0", Mode: "0440", Services: []string{"api"},
		},
		"spare": {Object: "1"},
	})
	const want = `services:
  api:
    secrets:
      - source: db-password
        target: "/run/app/db.password"
        uid: "1000"
        gid: "0"
        mode: 0440
      - source: jwt
        target: jwt
  worker:
    secrets:
      - source: jwt
        target: jwt
secrets:
  db-password:
    external: true
    name: shop-db-v7
  jwt:
    external: true
    name: shop-jwt-v2
  spare:
    external: true
    name: "1"
`
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestComposeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		secrets map[string]ComposeSecret
		want    string
	}{
		"nothing":         {nil, "no secret is given"},
		"name in compose": {map[string]ComposeSecret{"a b": {Object: "x", Target: "x"}}, `secrets["a b"]: the name of a secret`},
		"no object":       {map[string]ComposeSecret{"a": {}}, `secrets["a"]: name = "" is not`},
		"path as object":  {map[string]ComposeSecret{"a": {Object: "shop/jwt"}}, `secrets["a"]: name = "shop/jwt" is not`},
		"long object":     {map[string]ComposeSecret{"a": {Object: strings.Repeat("x", 65)}}, "has 65 characters, Docker allows 64"},
		"target":          {map[string]ComposeSecret{"a": {Object: "x", Target: "$HOME"}}, `target = "$HOME"`},
		"target above":    {map[string]ComposeSecret{"a": {Object: "x", Target: "../x"}}, `target = "../x"`},
		"uid":             {map[string]ComposeSecret{"a": {Object: "x", UID: "app"}}, `uid = "app"`},
		"gid":             {map[string]ComposeSecret{"a": {Object: "x", GID: "4294967296"}}, `gid = "4294967296"`},
		"mode":            {map[string]ComposeSecret{"a": {Object: "x", Mode: "440 "}}, `mode = "440 "`},
		"decimal mode":    {map[string]ComposeSecret{"a": {Object: "x", Mode: "288"}}, `mode = "288"`},
		"service":         {map[string]ComposeSecret{"a": {Object: "x", Services: []string{"a/b"}}}, `"a/b" is not the name of a service`},
		"one file twice": {map[string]ComposeSecret{
			"a": {Object: "x", Target: "t", Services: []string{"api"}}, "b": {Object: "y", Target: "t", Services: []string{"api"}},
		}, `secrets "a" and "b" are the same file "t" in the service "api"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Compose(test.secrets)
			if err == nil || !strings.Contains(err.Error(), test.want) || got != "" {
				t.Errorf("got %q, %v; want an error with %q", got, err, test.want)
			}
		})
	}
}

// TestComposeReportsEverything expects one line for each mistake.
func TestComposeReportsEverything(t *testing.T) {
	_, err := Compose(map[string]ComposeSecret{"a": {Object: "x", UID: "u", GID: "g"}, "b": {Object: "y", Mode: "m"}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three lines", err)
	}
}

// TestComposeLoads reads what is written as docker compose and docker stack deploy
// do, merged with a file that defines the services.
func TestComposeLoads(t *testing.T) {
	word := func(characters string) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.SampledFrom([]rune(characters)), 1, 8, -1)
	}
	// Words that YAML may take for a number, a boolean or null.
	name := rapid.OneOf(word("abcXYZ019._-"), rapid.SampledFrom([]string{"true", "No", "y", "null", "1", "1e3", "0x1", "0o7", "1_000", "2026-01-01", ".inf", "-", "..", "~"}))
	composable := rapid.Custom(func(t *rapid.T) string { return name.Filter(composeName.MatchString).Draw(t, "name") })
	object := rapid.Custom(func(t *rapid.T) string { return name.Filter(dockerName.MatchString).Draw(t, "object") })
	optional := func(g *rapid.Generator[string]) *rapid.Generator[string] { return rapid.OneOf(rapid.Just(""), g) }
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.MapOfN(composable, rapid.Custom(func(t *rapid.T) ComposeSecret {
			return ComposeSecret{
				Object:   object.Draw(t, "object"),
				Target:   rapid.SampledFrom([]string{"", "/run/x", "a/b", "1", "true"}).Draw(t, "target"),
				UID:      optional(word("0123456789")).Draw(t, "uid"),
				GID:      optional(word("0123456789")).Draw(t, "gid"),
				Mode:     rapid.SampledFrom([]string{"", "0440", "400", "777", "0004"}).Draw(t, "mode"),
				Services: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"api", "worker"}), rapid.ID[string]).Draw(t, "services"),
			}
		}), 1, 4).Draw(t, "secrets")
		delete(secrets, "other")
		text, err := Compose(secrets)
		if err != nil {
			return // the same file twice, or no secret
		}
		project := loadCompose(t, services, text)
		config := loadStack(t, services, text)
		for name, s := range secrets {
			if got := project.Secrets[name]; got.Name != s.Object || !bool(got.External) {
				t.Errorf("docker compose reads secret %q as %+v", name, got)
			}
			if got := config.Secrets[name]; got.Name != s.Object || !got.External.External {
				t.Errorf("docker stack reads secret %q as %+v", name, got)
			}
			for _, service := range s.Services {
				want := reference{name, s.Target, s.UID, s.GID, modes[s.Mode]}
				if s.Target == "" {
					want.target = name
				}
				if got := composeReference(project, service, name); got != want {
					t.Errorf("docker compose gives %s %+v, want %+v", service, got, want)
				}
				if got := stackReference(config, service, name); got != want {
					t.Errorf("docker stack gives %s %+v, want %+v", service, got, want)
				}
			}
		}
		if got := len(project.Services["api"].Secrets); got < 1 {
			t.Error("the secret that the service had is gone")
		}
	})
}

// modes are what the digits mean.
var modes = map[string]int64{"": -1, "0440": 0o440, "400": 0o400, "777": 0o777, "0004": 0o004}

type reference struct {
	source, target, uid, gid string
	mode                     int64
}

func loadCompose(t rapid.TB, files ...string) *types.Project {
	t.Helper()
	details := types.ConfigDetails{WorkingDir: "/"}
	for _, file := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: "compose.yaml", Content: []byte(file)})
	}
	project, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) { o.SetProjectName("shop", true) })
	if err != nil {
		t.Fatalf("docker compose: %v\n%s", err, files)
	}
	return project
}

func composeReference(project *types.Project, service, source string) reference {
	for _, s := range project.Services[service].Secrets {
		if s.Source == source {
			got := reference{s.Source, s.Target, s.UID, s.GID, -1}
			if s.Mode != nil {
				got.mode = int64(*s.Mode)
			}
			return got
		}
	}
	return reference{}
}

func loadStack(t rapid.TB, files ...string) *stacktypes.Config {
	t.Helper()
	details := stacktypes.ConfigDetails{WorkingDir: "/"}
	for _, file := range files {
		content, err := stack.ParseYAML([]byte(file))
		if err != nil {
			t.Fatalf("docker stack: %v\n%s", err, file)
		}
		details.ConfigFiles = append(details.ConfigFiles, stacktypes.ConfigFile{Filename: "compose.yaml", Config: content})
	}
	config, err := stack.Load(details)
	if err != nil {
		t.Fatalf("docker stack: %v\n%s", err, files)
	}
	return config
}

func stackReference(config *stacktypes.Config, service, source string) reference {
	for _, s := range config.Services {
		if s.Name != service {
			continue
		}
		for _, secret := range s.Secrets {
			if secret.Source == source {
				got := reference{secret.Source, secret.Target, secret.UID, secret.GID, -1}
				if secret.Mode != nil {
					got.mode = int64(*secret.Mode)
				}
				return got
			}
		}
	}
	return reference{}
}
