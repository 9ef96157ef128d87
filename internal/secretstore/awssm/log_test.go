// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// captured is everything that a process writes that could be a log.
type captured struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

// capture collects tflog at TRACE, the standard logger, and both standard
// streams, while f runs.
func capture(t *testing.T, f func(ctx context.Context)) (structured, other string) {
	t.Helper()
	t.Setenv("TF_LOG", "TRACE")
	var logs, rest captured
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(&rest, read)
		close(copied)
	}()
	stdout, stderr, standard := os.Stdout, os.Stderr, log.Writer()
	os.Stdout, os.Stderr = write, write
	log.SetOutput(&rest)
	defer func() {
		os.Stdout, os.Stderr = stdout, stderr
		log.SetOutput(standard)
	}()
	f(tflogtest.RootLogger(t.Context(), &logs))
	_ = write.Close()
	<-copied
	return logs.buf.String(), rest.buf.String()
}

// TestLogHoldsNothingSecret runs every operation, with a role assumed, errors
// and retries, and looks for values and credentials in all that was written.
func TestLogHoldsNothingSecret(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "PutSecretValue"})
	fake.Inject(awsfake.Fault{Kind: awsfake.LostResponse, Op: "CreateSecret"})
	config := testConfig(t, fake.URL())
	config.AssumeRole = []AssumeRole{{RoleARN: "arn:aws:iam::222222222222:role/deploy", ExternalID: "external-id-that-must-appear-nowhere"}}
	store := New(config)
	store.settle = briefly
	var credentials []string
	structured, other := capture(t, func(ctx context.Context) {
		for range 2 { // the second time everything exists, and much fails
			for _, name := range slices.Sorted(maps.Keys(calls)) {
				_ = calls[name](ctx, store)
			}
		}
		_, _ = store.Scope(ctx)
		conn, err := store.connect(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		session, err := conn.config.Credentials.Retrieve(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		credentials = []string{session.SecretAccessKey, session.SessionToken}
	})
	if t.Failed() {
		return
	}
	secrets := append(credentials, "appear-nowhere", testValue, testSecretKey, testToken)
	for _, secret := range secrets {
		if secret == "" {
			t.Fatal("an empty secret is found everywhere")
		}
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
			if strings.Contains(structured, form) || strings.Contains(other, form) {
				t.Error("the log holds a value or credentials")
			}
		}
	}
	for _, word := range []string{"SecretString", "Authorization", "Security-Token", "Signature"} {
		if strings.Contains(structured, word) || strings.Contains(other, word) {
			t.Errorf("the log holds %s", word)
		}
	}
	if !strings.Contains(structured, "CreateSecret") {
		t.Error("the log does not name the requests: this test looked at nothing")
	}
}

// TestLog: one entry per attempt, with these fields and no other.
func TestLog(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "DescribeSecret"})
	store := New(testConfig(t, fake.URL()))
	structured, other := capture(t, func(ctx context.Context) {
		if _, err := store.Create(ctx, newSecret("app")); err != nil {
			t.Error(err)
		}
		if _, err := store.Describe(ctx, "app"); err != nil {
			t.Error(err)
		}
	})
	if other != "" {
		t.Errorf("something was written beside the log: %s", other)
	}
	entries, err := tflogtest.MultilineJSONDecode(strings.NewReader(structured))
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	for _, entry := range entries {
		if id, ok := entry["request_id"].(string); !ok || len(id) != 36 {
			t.Errorf("the request id is %v", entry["request_id"])
		}
		if duration, ok := entry["duration_ms"].(float64); !ok || duration < 0 || duration > 60_000 {
			t.Errorf("the duration is %v", entry["duration_ms"])
		}
		for _, varying := range []string{"request_id", "duration_ms", "@module"} {
			delete(entry, varying)
		}
		got = append(got, entry)
	}
	request := func(service, operation string, attempt, status float64) map[string]any {
		return map[string]any{
			"@level": "debug", "@message": "AWS request",
			"service": service, "operation": operation, "attempt": attempt, "status": status,
		}
	}
	want := []map[string]any{
		request("STS", "GetCallerIdentity", 1, 200),
		request("Secrets Manager", "CreateSecret", 1, 200),
		request("Secrets Manager", "DescribeSecret", 1, 400),
		request("Secrets Manager", "DescribeSecret", 2, 200),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestLogCountsByRequest: each page of a list is a request of its own.
func TestLogCountsByRequest(t *testing.T) {
	fake := awsfake.Start(t, awsfake.EmptyPages())
	store := New(testConfig(t, fake.URL()))
	if _, err := store.Create(t.Context(), newSecret("app")); err != nil {
		t.Fatal(err)
	}
	structured, _ := capture(t, func(ctx context.Context) {
		if _, err := store.Versions(ctx, "app"); err != nil {
			t.Error(err)
		}
	})
	pages := fake.Count("ListSecretVersionIds")
	if first := strings.Count(structured, `"attempt":1,`); pages < 2 || first != pages {
		t.Errorf("%d of %d pages are logged as a first attempt", first, pages)
	}
}

// TestLogOfLostRequests: an attempt without a response has status 0.
func TestLogOfLostRequests(t *testing.T) {
	fake := awsfake.Start(t)
	fake.Inject(awsfake.Fault{Kind: awsfake.LostRequest, Op: "DescribeSecret"})
	store := New(testConfig(t, fake.URL()))
	structured, _ := capture(t, func(ctx context.Context) {
		_, _ = store.Value(ctx, "app", secretstore.VersionRef{})
		_, _ = store.Describe(ctx, "app")
	})
	if !strings.Contains(structured, `"attempt":1,"duration_ms":`) || !strings.Contains(structured, `"status":0`) {
		t.Errorf("no attempt without a response in the log: %s", structured)
	}
}
