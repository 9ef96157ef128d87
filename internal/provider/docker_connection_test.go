// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
)

// Each reason for which Docker cannot be used has an error of its own, with the
// command that mends it.
func TestDockerProblems(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	encrypted := dockerHost("tcp://" + secure.Listener.Addr().String())
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))

	for name, test := range map[string]struct {
		docker func(t *testing.T) string
		want   []string
	}{
		"no socket": {func(t *testing.T) string { return dockerHost("unix://" + filepath.Join(t.TempDir(), "none.sock")) },
			[]string{"Docker cannot be reached", "systemctl start docker", "docker info"}},
		"nobody listens": {func(*testing.T) string { return dockerHost("tcp://" + nobody.Addr().String()) },
			[]string{"Docker cannot be reached", "DOCKER_HOST"}},
		"TLS is missing": {func(*testing.T) string { return encrypted }, []string{"TLS connection to Docker failed", "cert_path", "docker --tlsverify"}},
		"certificate of another host": {func(*testing.T) string {
			return strings.Replace(encrypted, "127.0.0.1", "localhost", 1) + fmt.Sprintf("\nca_material = %q", authority)
		}, []string{"TLS connection to Docker failed", "ca_material"}},
		"an answer that is not Docker's": {func(*testing.T) string { return encrypted + fmt.Sprintf("\nca_material = %q", authority) },
			[]string{"Docker failed", "404 page not found"}},
		"no certificates": {func(t *testing.T) string { return encrypted + fmt.Sprintf("\ncert_path = %q", t.TempDir()) }, []string{"ca.pem"}},
		"no swarm":        {func(t *testing.T) string { return dockerHost(docker.New(t).Host) }, []string{"Docker is in no swarm", "docker swarm init"}},
		"worker":          {func(t *testing.T) string { return dockerHost(docker.Worker(t).Host) }, []string{"Docker node is not a manager", "docker node promote"}},
		"missing context": {func(*testing.T) string { return `context = "none"` }, []string{"docker context ls"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := fmt.Sprintf("provider \"roi\" {\n  environment = \"development\"\n  docker = {\n%s\n}\n}\n", test.docker(t)) +
				"resource \"roi_docker_secret\" \"test\" {\n  name = \"problem\"\n  value_wo = \"a value\"\n  value_wo_version = 1\n}\n"
			var want []string
			for _, text := range test.want {
				want = append(want, matchWords(text).String())
			}
			steps(t, resource.TestStep{Config: config, ExpectError: regexp.MustCompile("(?s)" + strings.Join(want, ".*"))})
		})
	}
}

func dockerHost(address string) string { return fmt.Sprintf("host = %q", address) }

// A daemon that is away is no secret that is away.
func TestDockerOutageIsNoAbsence(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	link := filepath.Join(t.TempDir(), "docker.sock")
	up := func() {
		t.Helper()
		if err := os.Symlink(strings.TrimPrefix(s.Host, "unix://"), link); err != nil {
			t.Fatal(err)
		}
	}
	up()
	config := strings.Replace(s.supplied("a value", 1), s.Host, "unix://"+link, 1)
	s.steps(
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				if err := os.Remove(link); err != nil {
					t.Fatal(err)
				}
			},
			Config: config, PlanOnly: true, ExpectError: matchWords("Docker cannot be reached"),
		},
		resource.TestStep{PreConfig: up, Config: config, PlanOnly: true},
	)
}

// A configuration that does not use Docker does not need it, and one that does needs
// to know where it is: with -target the rest can be made first.
func TestDockerHostNotKnownYet(t *testing.T) {
	t.Parallel()
	s := newSwarmTest(t)
	later := strings.Replace(s.supplied("a value", 1), fmt.Sprintf("%q", s.Host), "terraform_data.host.output", 1) +
		fmt.Sprintf("resource \"terraform_data\" \"host\" {\n  input = %q\n}\n", s.Host)
	s.steps(
		resource.TestStep{Config: later}, // unknown in the plan of a create, which asks Docker nothing
		resource.TestStep{
			Config:      strings.Replace(later, "input = ", "triggers_replace = [1]\n  input = ", 1),
			ExpectError: matchWords("the provider argument docker.host depends on something that does not exist yet"),
		},
		resource.TestStep{Config: later},
	)
}
