// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func clientOf(t *testing.T, host string, options ...client.Opt) *client.Client {
	t.Helper()
	c, err := client.New(append([]client.Opt{client.WithHost(host), client.WithAPIVersion("1.41")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What Docker's daemon answers, through the client. The messages are those of
// https://github.com/moby/moby/tree/v28.5.2/daemon/cluster and of Docker 20.10.
func TestKindsOfFailure(t *testing.T) {
	const id = "abc"
	for _, tc := range []struct {
		status  int
		message string
		plain   bool // not in Docker's form
		want    error
	}{
		{404, "secret abc not found", false, ErrNotFound},
		{404, "rpc error: code = NotFound desc = could not find secret abc", false, ErrNotFound},
		{404, "page not found", false, ErrInternal},
		{404, "404 page not found", true, ErrInternal},
		{404, "<html>no such page</html>", true, ErrInternal},
		{404, "", true, ErrInternal},
		{404, "secret xyz not found", false, ErrInternal},
		{409, "rpc error: code = AlreadyExists desc = secret abc already exists", false, ErrNameTaken},
		{400, "rpc error: code = InvalidArgument desc = secret 'abc' is in use by the following service: api", false, ErrInUse},
		{400, "rpc error: code = InvalidArgument desc = only updates to Labels are allowed", false, ErrInvalid},
		{501, "rpc error: code = Unimplemented desc = renaming services is not supported", false, ErrInvalid},
		{500, "rpc error: code = Unknown desc = update out of sequence", false, ErrConflict},
		{500, "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.", false, ErrNoLeader},
		{500, "something else", false, ErrInternal},
		{503, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`, false, ErrNoSwarm},
		{503, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.", false, ErrWorker},
		{503, "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.", false, ErrNoLeader},
		{503, `Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.`, false, ErrLocked},
		{503, "Swarm certificates have expired. To replace them, leave the swarm and join again.", false, ErrNoSwarm},
		{503, "upstream connect error", true, ErrUnreachable},
		{400, "Client sent an HTTP request to an HTTPS server.", true, ErrTLS},
		{401, "who is it", true, ErrPermission},
		{403, "authorization denied by plugin", false, ErrPermission},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tc.plain {
				w.WriteHeader(tc.status)
				_, _ = fmt.Fprint(w, tc.message)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tc.status)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": tc.message})
		}))
		_, err := (&Swarm{API: clientOf(t, "tcp://"+server.Listener.Addr().String())}).inspectSecret(t.Context(), id)
		var failed *Error
		if !errors.As(err, &failed) || failed.Kind != tc.want || failed.Object != id || !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%d %q: got %v, want %v", tc.status, tc.message, err, tc.want)
		}
		server.Close()
	}
}

func TestConnectionsThatFail(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "{}") })
	plain, encrypted := httptest.NewServer(ok), httptest.NewUnstartedServer(ok)
	encrypted.Config.ErrorLog = nil
	encrypted.StartTLS()
	defer plain.Close()
	defer encrypted.Close()
	demanding := httptest.NewUnstartedServer(ok)
	demanding.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	demanding.StartTLS()
	defer demanding.Close()
	gone := httptest.NewServer(ok)
	gone.Close()

	with := func(config *tls.Config) client.Opt {
		return client.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: config}})
	}
	trusting := &tls.Config{RootCAs: encrypted.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs} //nolint:forcetypeassert // httptest's own
	for name, tc := range map[string]struct {
		server  *httptest.Server
		options []client.Opt
		want    error
	}{
		"a daemon with TLS, without":     {encrypted, nil, ErrTLS},
		"a daemon without TLS, with":     {plain, []client.Opt{with(trusting)}, ErrTLS},
		"another authority":              {encrypted, []client.Opt{with(&tls.Config{})}, ErrTLS},
		"without a client's certificate": {demanding, []client.Opt{with(trusting)}, ErrTLS},
		"nobody there":                   {gone, nil, ErrUnreachable},
	} {
		c := clientOf(t, "tcp://"+tc.server.Listener.Addr().String(), append(tc.options, client.WithHost("tcp://"+tc.server.Listener.Addr().String()))...)
		_, err := (&Swarm{API: c}).Read(t.Context(), "abc")
		if !errors.Is(err, tc.want) || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}

	silent := clientOf(t, "tcp://"+plain.Listener.Addr().String(), client.WithDialContext((&net.Dialer{Timeout: time.Nanosecond}).DialContext))
	if _, err := (&Swarm{API: silent}).Read(t.Context(), "abc"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a host that does not answer: got %v, want %v", err, ErrUnreachable)
	}

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, ctx := range []context.Context{canceled, expired} {
		_, err := (&Swarm{API: clientOf(t, "tcp://"+plain.Listener.Addr().String())}).Read(ctx, "abc")
		var failed *Error
		if !errors.Is(err, ctx.Err()) || errors.As(err, &failed) {
			t.Errorf("got %v for an interrupted request, want %v and no kind", err, ctx.Err())
		}
	}
}

// A service can fail with a version that was there before: that one stays.
func TestRolledBackErrorTellsANewVersion(t *testing.T) {
	for _, made := range []bool{true, false} {
		f := newFake(t)
		f.addService("second", 1, swarm.UpdateFailureActionPause, Version{})
		want := wantFor("bad", scenario{})
		want.Services = nil
		if !made {
			out := f.apply(want)
			want.Current, want.Last, want.Value = out.Version.ID, out.Version.Number, nil
		}
		want.Services = []string{"second"}
		_, err := f.swarm().Apply(t.Context(), want)
		var failed *RolledBackError
		if !errors.As(err, &failed) || failed.New != made || failed.Left != nil {
			t.Errorf("made %t: got %+v", made, err)
		}
		if there := len(f.secrets) == 1; there == made {
			t.Errorf("made %t: the version is there: %t", made, there)
		}
	}
}

// What answers may quote the request, as it is sent or as it is meant, or a part of it.
func TestErrorsHoldNoValue(t *testing.T) {
	const marker = "must-appear-nowhere"
	long, lines := strings.Repeat(marker+"-", 100), marker+"-1\n"+marker+"-2\n"
	object := `{"A":"` + marker + `-A","B":"` + long + `"}`
	encoded := func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }
	for name, test := range map[string]struct{ value, quotes string }{
		"as it is":  {marker, marker},
		"in base64": {marker, encoded(marker)},
		"long":      {long, encoded(long)},
		"two lines": {lines, encoded(lines) + " or " + lines},
		"object":    {object, encoded(object) + " or " + object},
		"member":    {object, marker + "-A"},
	} {
		f := newFake(t)
		api := wrapped{f, func(name, _ string, call func() error) error {
			if name == "SecretCreate" {
				return errdefs.ErrInvalidArgument.WithMessage("the request with " + test.quotes + " is not to my liking")
			}
			return call()
		}}
		want := Want{Name: "key", Value: func(context.Context) (secretstore.Plaintext, error) { return secretstore.NewPlaintext(test.value), nil }}
		_, err := (&Swarm{API: api, Sleep: noSleep}).Apply(t.Context(), want)
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(text, "the request with (secret)") {
			t.Errorf("%s: the error is not the one of this test", name)
		}
		for unwrapped := err; unwrapped != nil; unwrapped = errors.Unwrap(unwrapped) {
			text += unwrapped.Error()
		}
		var failed *Error
		if errors.As(err, &failed) {
			text += fmt.Sprintf("%v %+v %#v", failed.Err, failed.Err, failed.Err)
		}
		if strings.Contains(text, marker[:8]) || strings.Contains(text, encoded(marker)[:8]) {
			t.Errorf("%s: the error holds a part of the value", name)
		}
	}
}
