// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/docker"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// sshVariable makes this test binary stand for the ssh command: it connects its
// standard streams with the daemon's socket, as `docker system dial-stdio` on the
// other machine would, and notes its arguments.
const sshVariable = "ROI_TEST_SSH_SOCKET"

func standInForSSH(socket string) {
	if err := os.WriteFile(os.Getenv("ROI_TEST_SSH_ARGUMENTS"), []byte(strings.Join(os.Args[1:], " ")), 0o600); err != nil {
		os.Exit(1)
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(connection, os.Stdin)
		os.Exit(0)
	}()
	_, _ = io.Copy(os.Stdout, connection)
}

// authority signs certificates for a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue returns a certificate for 127.0.0.1 and its key.
func (a *authority) issue(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// tlsDaemon serves the engine over TLS, to clients of an authority, as dockerd
// does with --tlsverify. It returns its tcp:// address.
func tlsDaemon(t *testing.T, engine *docker.Daemon, a *authority) string {
	t.Helper()
	certificate, key := a.issue(t)
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.certificate)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(engine.Host, "unix://"))
	}}
	server := httptest.NewUnstartedServer(proxy)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

func writeCertificates(t *testing.T, folder, ca, certificate, key string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"ca.pem": ca, "cert.pem": certificate, "key.pem": key} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// writeContext stores a context as the docker command does, and returns the folder
// for DOCKER_CONFIG.
func writeContext(t *testing.T, name, host string, skipVerify bool) string {
	t.Helper()
	folder := t.TempDir()
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	meta := filepath.Join(folder, "contexts", "meta", id)
	if err := os.MkdirAll(meta, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Name": name, "Endpoints": map[string]any{"docker": map[string]any{"Host": host, "SkipTLSVerify": skipVerify}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(meta, "meta.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func contextTLS(folder, name string) string {
	return filepath.Join(folder, "contexts", "tls", fmt.Sprintf("%x", sha256.Sum256([]byte(name))), "docker")
}

// nodeID connects and returns the id of the node, which shows which engine it was.
func nodeID(c Connection) (string, error) {
	api, err := c.Client()
	if err != nil {
		return "", err
	}
	defer func() { _ = api.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	info, err := api.Info(ctx, client.InfoOptions{})
	return info.Info.Swarm.NodeID, err
}

// Every way to say where the daemon is leads to it, and counts for more than those
// before it in the order of the docker command.
func TestConnectionReachesTheEngine(t *testing.T) {
	engine := docker.Engine(t)
	want, err := nodeID(Connection{Host: engine.Host})
	if err != nil || want == "" {
		t.Fatal(err)
	}
	const nowhere = "unix:///nonexistent/docker.sock"
	signer, other := newAuthority(t), newAuthority(t)
	certificate, key := signer.issue(t)
	secure := tlsDaemon(t, engine, signer)
	folder := writeCertificates(t, t.TempDir(), signer.pem, certificate, key)
	plain := writeContext(t, "swarm", engine.Host, false)
	withTLS := writeContext(t, "secure", secure, false)
	writeCertificates(t, contextTLS(withTLS, "secure"), signer.pem, certificate, key)
	wrong := writeCertificates(t, t.TempDir(), other.pem, certificate, key)

	for name, test := range map[string]struct {
		connection Connection
		env        map[string]string
	}{
		"host":                  {Connection{Host: engine.Host}, map[string]string{envHost: nowhere, envContext: "missing"}},
		"DOCKER_HOST":           {Connection{}, map[string]string{envHost: engine.Host, envContext: "missing"}},
		"context":               {Connection{Context: "swarm"}, map[string]string{envConfig: plain, envHost: nowhere}},
		"DOCKER_CONTEXT":        {Connection{}, map[string]string{envConfig: plain, envContext: "swarm"}},
		"default context":       {Connection{Context: "default", Host: ""}, map[string]string{envContext: "missing"}},
		"default and the host":  {Connection{Context: "default"}, map[string]string{envHost: engine.Host, envContext: "missing"}},
		"default in env":        {Connection{}, map[string]string{envHost: engine.Host, envContext: "default"}},
		"material":              {Connection{Host: secure, CA: signer.pem, Cert: certificate, Key: secretstore.NewPlaintext(key)}, map[string]string{envCertPath: wrong}},
		"cert_path":             {Connection{Host: secure, CertPath: folder}, map[string]string{envCertPath: wrong}},
		"DOCKER_CERT_PATH":      {Connection{Host: secure}, map[string]string{envCertPath: folder}},
		"DOCKER_TLS_VERIFY":     {Connection{}, map[string]string{envHost: secure, envTLSVerify: "1", envConfig: folder}},
		"context with TLS":      {Connection{Context: "secure"}, map[string]string{envConfig: withTLS, envCertPath: wrong}},
		"context and cert_path": {Connection{Context: "secure", CertPath: folder}, map[string]string{envConfig: withTLS}},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			if name == "default context" {
				target, err := test.connection.endpoint()
				if err != nil || target.host != "" {
					t.Errorf("host %q, %v; want the daemon of this machine", target.host, err)
				}
				return
			}
			if got, err := nodeID(test.connection); err != nil || got != want {
				t.Errorf("reached the node %q, want %q: %v", got, want, err)
			}
		})
	}
}

func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, variable := range []string{envHost, envContext, envTLSVerify, envCertPath, envConfig} {
		t.Setenv(variable, "")
	}
	t.Setenv("HOME", t.TempDir())
}

func TestConnectionOverSSH(t *testing.T) {
	engine := docker.Engine(t)
	clearEnvironment(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Symlink(executable, filepath.Join(folder, "ssh")); err != nil {
		t.Fatal(err)
	}
	arguments := filepath.Join(folder, "arguments")
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(sshVariable, strings.TrimPrefix(engine.Host, "unix://"))
	t.Setenv("ROI_TEST_SSH_ARGUMENTS", arguments)
	want, err := nodeID(Connection{Host: engine.Host})
	if err != nil {
		t.Fatal(err)
	}
	got, err := nodeID(Connection{Host: "ssh://deploy@swarm.example:2222", SSHOptions: []string{"-o", "ConnectTimeout=5"}})
	if err != nil || got != want {
		t.Errorf("reached the node %q, want %q: %v", got, want, err)
	}
	text, err := os.ReadFile(arguments)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"-o ConnectTimeout=5", "-l deploy", "-p 2222", "swarm.example", "docker system dial-stdio"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("ssh was called without %q: %s", part, text)
		}
	}
}

func TestConnectionRefusesWhatIsNotVerified(t *testing.T) {
	engine := docker.Engine(t)
	signer, other := newAuthority(t), newAuthority(t)
	certificate, key := signer.issue(t)
	foreign, foreignKey := other.issue(t)
	secure := tlsDaemon(t, engine, signer)
	private := secretstore.NewPlaintext(key)
	careless := writeContext(t, "careless", secure, true)
	folder := writeCertificates(t, t.TempDir(), signer.pem, certificate, key)
	keyOnly := writeCertificates(t, t.TempDir(), signer.pem, "", key)
	for name, test := range map[string]struct {
		connection Connection
		env        map[string]string
		want       string
	}{
		"authority of another":      {Connection{Host: secure, CA: other.pem, Cert: certificate, Key: private}, nil, "certificate signed by unknown authority"},
		"system's authorities":      {Connection{Host: secure, Cert: certificate, Key: private}, nil, "certificate signed by unknown authority"},
		"no client certificate":     {Connection{Host: secure, CA: signer.pem}, nil, "certificate required"},
		"client of another":         {Connection{Host: secure, CA: signer.pem, Cert: foreign, Key: secretstore.NewPlaintext(foreignKey)}, nil, "tls: "},
		"no TLS":                    {Connection{Host: secure}, nil, "HTTPS server"},
		"DOCKER_TLS_VERIFY unset":   {Connection{Host: secure}, map[string]string{envCertPath: writeCertificates(t, t.TempDir(), other.pem, certificate, key)}, "unknown authority"},
		"context that skips it":     {Connection{Context: "careless"}, map[string]string{envConfig: careless}, "skip-tls-verify"},
		"key of another":            {Connection{Host: secure, CA: signer.pem, Cert: certificate, Key: secretstore.NewPlaintext(foreignKey)}, nil, "cert_material and key_material are not a certificate and its"},
		"certificate without key":   {Connection{Host: secure, CA: signer.pem, Cert: certificate}, nil, "belong together"},
		"CA that is none":           {Connection{Host: secure, CA: "-----BEGIN NOTHING"}, nil, "ca_material holds no certificate"},
		"folder without ca.pem":     {Connection{Host: secure, CertPath: t.TempDir()}, nil, "ca.pem"},
		"folder without cert.pem":   {Connection{Host: secure, CertPath: keyOnly}, nil, "cert.pem"},
		"missing context":           {Connection{Context: "missing"}, map[string]string{envConfig: folder}, "docker context ls"},
		"missing context in env":    {Connection{}, map[string]string{envConfig: folder, envContext: "missing"}, "docker context ls"},
		"an address without a host": {Connection{Host: "ssh:///"}, nil, "hostname is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			got, err := nodeID(test.connection)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("node %q, error %v; want an error with %q", got, err, test.want)
			}
			for _, value := range []string{key, foreignKey} {
				if err != nil && strings.Contains(err.Error(), value[40:80]) {
					t.Error("the error holds a part of a private key")
				}
			}
		})
	}
}

// A client is made without a word to the daemon: a configuration must be usable
// where there is none.
func TestConnectionContactsNothing(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("PATH", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		if _, err := listener.Accept(); err == nil {
			t.Error("the daemon was contacted")
		}
	}()
	for _, host := range []string{"", "unix:///nonexistent/docker.sock", "tcp://" + listener.Addr().String(), "ssh://deploy@swarm.example"} {
		api, err := Connection{Host: host, UserAgent: "test"}.Client()
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		_ = api.Close()
	}
	time.Sleep(50 * time.Millisecond)
}

// A password in the address of a daemon is refused before anything is asked of it, and
// is in no error, wherever the address is from and however it is written.
func TestConnectionRefusesPasswords(t *testing.T) {
	const marker = "pl4nted"
	for host, want := range map[string]string{
		"ssh://deploy:" + marker + "@swarm.example":      "must not have a password, and a user only with ssh://, which logs in with a key; got ssh://…@swarm.example",
		"tcp://deploy:" + marker + "@swarm.example:2376": "got tcp://…@swarm.example:2376",
		"https://" + marker + "@swarm.example":           "got https://…@swarm.example",
		"ssh://deploy:" + marker + "%zz@swarm.example":   "must be an address such as ssh://NAME:PORT",
		"ssh://deploy:" + marker + "#@swarm.example":     "must be an address",
		"ssh://deploy:12#" + marker + "@swarm.example":   "must be an address",
		"ssh://deploy:12?" + marker + "@swarm.example":   "must be an address",
		"ssh://deploy:12/" + marker + "@swarm.example":   "must be an address",
		"deploy:" + marker + "@swarm.example":            "must begin with unix://",
		"ftp://deploy:" + marker + "@swarm.example":      "must begin with unix://",
	} {
		for source, connection := range map[string]Connection{"argument": {Host: host}, "variable": {}, "context": {Context: "remote"}} {
			clearEnvironment(t)
			switch source {
			case "variable":
				t.Setenv(envHost, host)
			case "context":
				t.Setenv(envConfig, writeContext(t, "remote", host, false))
			}
			_, err := connection.Client()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no error with %q", source, want)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); err != nil && (strings.Contains(text, marker[:4]) || strings.Contains(err.Error(), ":12")) {
				t.Errorf("%s: the error with %q holds a part of the password", source, want)
			}
		}
	}
	for _, host := range []string{"unix:///run/docker.sock", "npipe:////./pipe/docker_engine", "tcp://[::1]:2376/docker", "ssh://deploy@swarm.example:22/run/docker.sock"} {
		if err := CheckHost(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}
