// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// closedPort is a URL at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return "http://" + listener.Addr().String()
}

// tlsServer is a server whose certificate nobody knows. It counts handshakes.
func tlsServer(t *testing.T, handler http.Handler) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	var connections atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, &connections
}

// TestUnreachableFailsFast: with the default of 25 attempts, somebody who
// mistyped an endpoint must not wait for a minute.
func TestUnreachableFailsFast(t *testing.T) {
	const patience = 10 * time.Second
	closed := closedPort(t)
	tls, _ := tlsServer(t, http.NotFoundHandler())
	notTLS := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notTLS.Close)
	profile := filepath.Join(t.TempDir(), "config")
	const hop = "[profile work]\naws_access_key_id = AKIAPROFILE000000000\naws_secret_access_key = x\n" +
		"[profile hop]\nsource_profile = work\nrole_arn = arn:aws:iam::666666666666:role/hop\n"
	if err := os.WriteFile(profile, []byte(hop), 0o600); err != nil {
		t.Fatal(err)
	}
	skip := func(c *Config) { c.SkipCredentialsValidation, c.SkipRequestingAccountID = true, true }
	for name, test := range map[string]struct {
		url  string
		edit func(*Config)
		want string
	}{
		"Secrets Manager refuses": {closed, skip, "connection refused"},
		"STS refuses":             {closed, func(*Config) {}, "connection refused"},
		"STS refuses while a role is assumed": {closed, func(c *Config) {
			c.AssumeRole = []AssumeRole{{RoleARN: "arn:aws:iam::222222222222:role/deploy"}}
		}, "connection refused"},
		"STS refuses while a role is assumed, with many retries": {closed, func(c *Config) {
			c.AssumeRole = []AssumeRole{{RoleARN: "arn:aws:iam::222222222222:role/deploy"}}
			c.MaxRetries = aws.Int(25)
		}, "connection refused"},
		"STS refuses while the role of a profile is assumed": {closed, func(c *Config) {
			c.AccessKey, c.SecretKey, c.Token = "", "", ""
			c.Profile, c.SharedConfigFiles = "hop", []string{profile}
		}, "connection refused"},
		"STS refuses while a role is assumed by web identity": {closed, func(c *Config) {
			c.AccessKey, c.SecretKey, c.Token = "", "", ""
			c.AssumeRoleWithWebIdentity = &AssumeRoleWithWebIdentity{RoleARN: "arn:aws:iam::222222222222:role/ci", WebIdentityToken: testToken}
		}, "connection refused"},
		"a proxy refuses": {"http://secretsmanager.test", func(c *Config) {
			skip(c)
			c.HTTPProxy = aws.String(strings.Replace(closed, "http://", "http://user:"+testSecretKey[:4]+"@", 1))
		}, "connection refused"},
		"unknown certificate":        {tls.URL, skip, "certificate signed by unknown authority"},
		"unknown certificate of STS": {tls.URL, func(*Config) {}, "certificate signed by unknown authority"},
		"unknown certificate while a role is assumed": {tls.URL, func(c *Config) {
			c.AssumeRole = []AssumeRole{{RoleARN: "arn:aws:iam::222222222222:role/deploy"}}
		}, "certificate signed by unknown authority"},
		"no TLS at all": {strings.Replace(notTLS.URL, "http:", "https:", 1), skip, "server gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, test.url)
			test.edit(&config)
			start := time.Now()
			_, err := New(config).Describe(t.Context(), "app")
			if elapsed := time.Since(start); elapsed > patience {
				t.Errorf("it took %s, want at most %s", elapsed, patience)
			}
			if !errors.Is(err, secretstore.ErrUnreachable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Describe: %v, want %v: …%s", err, secretstore.ErrUnreachable, test.want)
			}
			for _, noise := range []string{"operation error", "exceeded maximum", "StatusCode", testSecretKey[:4] + "@"} {
				if strings.Contains(err.Error(), noise) {
					t.Errorf("the error holds %q: %v", noise, err)
				}
			}
		})
	}
}

// TestRetryer: what more attempts do not mend is not tried 25 times.
func TestRetryer(t *testing.T) {
	retryer := impatient{retry.NewStandard()}
	noHost := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "x.test", IsTemporary: true}}
	if !retryer.IsErrorRetryable(noHost) {
		t.Error("a failed look-up is not tried again")
	}
	if delay, err := retryer.RetryDelay(1, noHost); err != nil || delay != dialDelay {
		t.Errorf("the delay after the first failed look-up is %s, %v; want %s", delay, err, dialDelay)
	}
	if _, err := retryer.RetryDelay(dialAttempts, noHost); !errors.As(err, new(*retry.MaxAttemptsError)) {
		t.Errorf("after %d failed look-ups: %v, want the end", dialAttempts, err)
	}
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	if _, err := retryer.RetryDelay(dialAttempts, reset); err != nil {
		t.Errorf("a connection that broke is given up: %v", err)
	}
}

func TestUnknownCertificateIsTriedOnce(t *testing.T) {
	server, connections := tlsServer(t, http.NotFoundHandler())
	config := testConfig(t, server.URL)
	config.SkipCredentialsValidation, config.SkipRequestingAccountID = true, true
	_, err := New(config).Describe(t.Context(), "app")
	if !errors.Is(err, secretstore.ErrUnreachable) {
		t.Errorf("Describe: %v, want %v", err, secretstore.ErrUnreachable)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestCertificates(t *testing.T) {
	server, _ := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ARN":"arn:x","Name":"app"}`)
	}))
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*testing.T, *Config){
		"argument":    func(_ *testing.T, c *Config) { c.CustomCABundle = bundle },
		"environment": func(t *testing.T, _ *Config) { t.Setenv("AWS_CA_BUNDLE", bundle) },
		"insecure":    func(_ *testing.T, c *Config) { c.Insecure = true },
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, server.URL)
			config.SkipCredentialsValidation, config.SkipRequestingAccountID = true, true
			edit(t, &config)
			if _, err := New(config).Describe(t.Context(), "app"); err != nil {
				t.Errorf("Describe: %v", err)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	fake := awsfake.Start(t)
	for name, edit := range map[string]func(*testing.T, *Config){
		"argument":    func(_ *testing.T, c *Config) { c.HTTPProxy = aws.String(fake.URL()) },
		"environment": func(t *testing.T, _ *Config) { t.Setenv("HTTP_PROXY", fake.URL()) },
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, "http://aws.test")
			edit(t, &config)
			if _, err := New(config).Describe(t.Context(), "missing"); !errors.Is(err, secretstore.ErrNotFound) {
				t.Errorf("Describe: %v, want %v", err, secretstore.ErrNotFound)
			}
		})
	}
}

func TestThrottling(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "CreateSecret"})
	fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "DescribeSecret", Times: awsfake.Always})
	config := testConfig(t, fake.URL())
	if _, err := New(config).Create(t.Context(), newSecret("app")); err != nil {
		t.Errorf("Create after throttling: %v", err)
	}
	if n := fake.Count("CreateSecret"); n != 2 {
		t.Errorf("CreateSecret was requested %d times, want 2", n)
	}

	config.MaxRetries = aws.Int(2)
	_, err := New(config).Describe(t.Context(), "app")
	wantError(t, err, secretstore.ErrThrottled, `describe secret "app": throttled: ThrottlingException: Rate exceeded (2 attempts)`)
	if n := fake.Count("DescribeSecret"); n != 2 {
		t.Errorf("DescribeSecret was requested %d times, want 2", n)
	}
}

func TestAttempts(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*testing.T, *Config)
		want int
	}{
		"default":       {func(*testing.T, *Config) {}, 25},
		"zero":          {func(_ *testing.T, c *Config) { c.MaxRetries = aws.Int(0) }, 25},
		"argument":      {func(_ *testing.T, c *Config) { c.MaxRetries = aws.Int(7) }, 7},
		"environment":   {func(t *testing.T, _ *Config) { t.Setenv("AWS_MAX_ATTEMPTS", "5") }, 5},
		"adaptive mode": {func(_ *testing.T, c *Config) { c.RetryMode = "adaptive" }, 25},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t, "http://127.0.0.1:1")
			config.SkipCredentialsValidation, config.SkipRequestingAccountID = true, true
			test.edit(t, &config)
			conn, err := New(config).connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := conn.secrets.Options().Retryer.MaxAttempts(); got != test.want {
				t.Errorf("a request is sent %d times at most, want %d", got, test.want)
			}
		})
	}
}

// TestLimitIsNotThrottling: the SDK takes LimitExceededException for throttling.
func TestLimitIsNotThrottling(t *testing.T) {
	var requests atomic.Int64
	store := answeringWith(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"LimitExceededException","Message":"too many"}`)
	})
	store.config.MaxRetries = nil
	if err := calls["Put"](t.Context(), store); !errors.Is(err, secretstore.ErrLimit) {
		t.Errorf("Put: %v, want %v", err, secretstore.ErrLimit)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestConnectionsAreKept: a run with many resources at once does not make a
// connection for each request.
func TestConnectionsAreKept(t *testing.T) {
	const parallel, each = 24, 10
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ARN":"arn:x","Name":"app"}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	config := testConfig(t, server.URL)
	config.SkipCredentialsValidation, config.SkipRequestingAccountID = true, true
	store := New(config)
	for range each {
		var group sync.WaitGroup
		for range parallel {
			group.Go(func() {
				if _, err := store.Describe(t.Context(), "app"); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	// A round may find a connection of the one before not yet back, and makes
	// one more.
	if n := connections.Load(); n > 2*parallel {
		t.Errorf("%d connections for %d requests, %d at once", n, parallel*each, parallel)
	}
}
