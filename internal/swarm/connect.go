// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Environment variables of the docker command. The context that was chosen with
// `docker context use` does not count: what an apply changes should not depend on
// what someone last looked at.
// Source: https://docs.docker.com/reference/cli/docker/#environment-variables
const (
	envHost       = "DOCKER_HOST"
	envContext    = "DOCKER_CONTEXT"
	envTLSVerify  = "DOCKER_TLS_VERIFY"
	envCertPath   = "DOCKER_CERT_PATH"
	envConfig     = "DOCKER_CONFIG"
	defaultSource = "default" // the context that stands for the environment
)

// Connection says how to reach a Docker daemon. What is left out comes from the
// environment of the docker command, and then is the daemon of this machine.
type Connection struct {
	Host    string // unix://, tcp://, npipe:// or ssh://
	Context string // of the docker command, instead of Host

	// PEM texts, or a folder with ca.pem, cert.pem and key.pem. They are for
	// tcp://, and count more than those of a context. Without CA the system's
	// authorities count.
	CA, Cert string
	Key      secretstore.Plaintext
	CertPath string

	SSHOptions []string // further options of the ssh command
	UserAgent  string
}

// Client returns a client of the daemon. It reads files, and contacts nothing
// before it is used. The daemon's certificate is always verified: secrets are sent
// to it.
func (c Connection) Client() (*client.Client, error) {
	target, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	if target.host != "" {
		if err := CheckHost(target.host); err != nil {
			return nil, fmt.Errorf("the Docker host, from the configuration, %s or a context, %w", envHost, err)
		}
	}
	options := []client.Opt{client.WithAPIVersionFromEnv()}
	if c.UserAgent != "" {
		options = append(options, client.WithUserAgent(c.UserAgent))
	}
	scheme, _, _ := strings.Cut(target.host, "://")
	switch scheme {
	case "": // the daemon of this machine
	case "ssh":
		helper, err := connhelper.GetConnectionHelperWithSSHOpts(target.host, c.SSHOptions)
		if err != nil {
			return nil, fmt.Errorf("docker host %q: %w", target.host, err)
		}
		options = append(options, client.WithHost(helper.Host), client.WithDialContext(helper.Dialer))
	case "tcp", "http", "https":
		config, err := target.files.config()
		if err != nil {
			return nil, err
		}
		if config == nil && scheme == "https" {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if config != nil {
			transport := &http.Transport{TLSClientConfig: config}
			options = append(options, client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}))
		}
		fallthrough
	default:
		options = append(options, client.WithHost(target.host))
	}
	made, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("docker host %q: %w", target.host, err)
	}
	return made, nil
}

// CheckHost reports what is wrong with the address of a daemon, as the end of a
// sentence. What may be a password of it is not in the error.
func CheckHost(host string) error {
	scheme, rest, _ := strings.Cut(host, "://")
	switch {
	case !slices.Contains(hostSchemes, scheme) || rest == "":
		return errors.New(`must begin with unix://, tcp://, http://, https://, npipe:// or ssh://, as in "ssh://deploy@swarm.example"`)
	case scheme == "unix" || scheme == "npipe":
		return nil
	}
	address, err := url.Parse(host)
	if err != nil || address.RawQuery != "" || address.Fragment != "" || strings.Contains(address.Path, "@") {
		// A password with such characters in it would be in the error of the parser.
		return fmt.Errorf("must be an address such as %s://NAME:PORT, with nothing behind it but a path", scheme)
	}
	_, secret := address.User.Password()
	if secret || address.User != nil && scheme != "ssh" {
		return fmt.Errorf("must not have a password, and a user only with ssh://, which logs in with a key; got %s://…@%s", scheme, address.Host)
	}
	return nil
}

var hostSchemes = []string{"unix", "tcp", "http", "https", "npipe", "ssh"}

// endpoint is where a daemon is.
type endpoint struct {
	host  string
	files tlsFiles
}

// endpoint finds the daemon in the order of the docker command: what is asked for,
// DOCKER_HOST, DOCKER_CONTEXT. The context "default" is DOCKER_HOST, too.
// Source: https://github.com/docker/cli/blob/v29.9.3/cli/command/cli.go
// (resolveContextName, resolveDefaultDockerEndpoint).
func (c Connection) endpoint() (endpoint, error) {
	name := c.Context
	target := endpoint{host: c.Host}
	if target.host == "" && (name == "" || name == defaultSource) {
		target.host, name = os.Getenv(envHost), cmp.Or(name, os.Getenv(envContext))
	}
	if target.host == "" && name != "" && name != defaultSource {
		var err error
		if target, err = readContext(name); err != nil {
			return endpoint{}, err
		}
	} else if folder := certFolder(); folder != "" {
		target.files = filesIn(folder)
	}
	switch {
	case c.CertPath != "":
		target.files = filesIn(c.CertPath)
	case c.CA != "" || c.Cert != "":
		target.files = tlsFiles{
			ca: pemText("ca_material", c.CA), cert: pemText("cert_material", c.Cert), key: pemText("key_material", c.Key.Reveal()),
		}
	}
	return target, nil
}

// certFolder is the folder that the environment names, or "". A folder without
// DOCKER_TLS_VERIFY would be TLS without verification for some clients of Docker;
// here it is TLS.
func certFolder() string {
	if folder := os.Getenv(envCertPath); folder != "" {
		return folder
	}
	if os.Getenv(envTLSVerify) != "" {
		folder, _ := configFolder()
		return folder
	}
	return ""
}

func configFolder() (string, error) {
	if folder := os.Getenv(envConfig); folder != "" {
		return folder, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".docker"), err
}

// tlsFiles are the three parts of a TLS configuration. A nil part is not there.
type tlsFiles struct {
	ca, cert, key *pemSource
}

// pemSource is a PEM text, and what to call it.
type pemSource struct {
	name string
	text []byte
	err  error
}

func pemText(name, text string) *pemSource {
	if text == "" {
		return nil
	}
	return &pemSource{name: name, text: []byte(text)}
}

// filesIn are those of a folder, which must have ca.pem; the other two are for
// daemons that ask for a client's certificate.
func filesIn(folder string) tlsFiles {
	files := tlsFiles{pemFile(folder, "ca.pem"), pemFile(folder, "cert.pem"), pemFile(folder, "key.pem")}
	if errors.Is(files.cert.err, fs.ErrNotExist) && errors.Is(files.key.err, fs.ErrNotExist) {
		files.cert, files.key = nil, nil
	}
	return files
}

func pemFile(folder, name string) *pemSource {
	path := filepath.Join(folder, name)
	text, err := os.ReadFile(path)
	return &pemSource{path, text, err}
}

// config returns nil where there is nothing to configure. What a parser says of a
// key is left out: it may quote it.
func (f tlsFiles) config() (*tls.Config, error) {
	if f == (tlsFiles{}) {
		return nil, nil
	}
	for _, source := range []*pemSource{f.ca, f.cert, f.key} {
		if source != nil && source.err != nil {
			return nil, fmt.Errorf("the TLS files for Docker are incomplete: %w", source.err)
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(f.ca.text) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", f.ca.name)
		}
	}
	switch {
	case f.cert == nil && f.key == nil:
		return config, nil
	case f.cert == nil || f.key == nil:
		return nil, errors.New("a client's certificate and its key belong together, and one of them is missing")
	}
	pair, err := tls.X509KeyPair(f.cert.text, f.key.text)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its unencrypted private key, both in PEM form", f.cert.name, f.key.name)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// readContext reads a context as the docker command stores it: under the SHA-256 of
// its name.
// Source: https://docs.docker.com/engine/manage-resources/contexts/
func readContext(name string) (endpoint, error) {
	folder, err := configFolder()
	if err != nil {
		return endpoint{}, err
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	path := filepath.Join(folder, "contexts", "meta", id, "meta.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return endpoint{}, fmt.Errorf("there is no docker context %q in %s; those that there are: docker context ls", name, folder)
	} else if err != nil {
		return endpoint{}, err
	}
	var meta struct {
		Endpoints struct {
			Docker struct {
				Host          string
				SkipTLSVerify bool
			} `json:"docker"`
		}
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return endpoint{}, fmt.Errorf("%s: %w", path, err)
	}
	if meta.Endpoints.Docker.Host == "" {
		return endpoint{}, fmt.Errorf("the docker context %q has no Docker endpoint", name)
	}
	if meta.Endpoints.Docker.SkipTLSVerify {
		return endpoint{}, fmt.Errorf("the docker context %q does not verify the daemon's certificate (skip-tls-verify), and secrets are not sent to whoever answers", name)
	}
	found := endpoint{host: meta.Endpoints.Docker.Host}
	certificates := filepath.Join(folder, "contexts", "tls", id, "docker")
	if _, err := os.Stat(certificates); err == nil {
		found.files = filesIn(certificates)
		if errors.Is(found.files.ca.err, fs.ErrNotExist) {
			found.files.ca = nil
		}
	}
	return found, nil
}
