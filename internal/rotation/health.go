// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

// HealthCheck asks one URL whether a consumer of the secret is healthy with its
// new value. It is healthy after Threshold answers in a row with Status.
type HealthCheck struct {
	URL       string
	Status    int
	Timeout   time.Duration // of one request
	Interval  time.Duration // between two
	Threshold int
	Deadline  time.Duration // for all of them
}

const maxRedirects = 5

// CheckURL says what is wrong with the URL of a health check. One with a user name
// or a password is refused: it would be in state.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New(`must be an http or https URL such as "https://api.example.com/health"`)
	case u.User != nil:
		return errors.New("must not hold a user name or password")
	}
	return nil
}

// Checker runs health checks.
type Checker struct {
	Clock clock.Clock
	Sleep func(context.Context, time.Duration) error
	// TLS is for tests; nil verifies certificates against the roots of the system.
	TLS *tls.Config
}

// Run returns nil when every check is healthy, one after the other. The error
// tells what was observed last. It holds no body of an answer: an application may
// print its configuration when it fails.
func (c Checker) Run(ctx context.Context, checks []HealthCheck) error {
	for _, check := range checks {
		if err := c.run(ctx, check); err != nil {
			return err
		}
	}
	return nil
}

func (c Checker) run(ctx context.Context, check HealthCheck) error {
	client := c.client(check)
	defer client.CloseIdleConnections()
	end := c.Clock.Now().Add(check.Deadline)
	healthy, asked := 0, 0
	for {
		asked++
		observed := ask(ctx, client, check)
		if err := ctx.Err(); err != nil {
			return err
		}
		healthy++
		if observed != nil {
			healthy = 0
		}
		if healthy >= check.Threshold {
			return nil
		}
		if left := end.Sub(c.Clock.Now()); left <= check.Interval {
			if observed == nil {
				observed = fmt.Errorf("only %d of %d healthy answers in a row", healthy, check.Threshold)
			}
			return fmt.Errorf("%s was not healthy within %s (%d requests), at last: %w", shown(check.URL), check.Deadline, asked, observed)
		}
		if err := c.Sleep(ctx, check.Interval); err != nil {
			return err
		}
	}
}

// client follows redirects, unless one is the expected answer: to http and https
// only, and never from https to http.
func (c Checker) client(check HealthCheck) *http.Client {
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   c.TLS,
		ForceAttemptHTTP2: true,
		DisableKeepAlives: true, // every request shall show that a connection can be made
	}
	return &http.Client{
		Transport: transport,
		Timeout:   check.Timeout,
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			last := before[len(before)-1].URL
			switch {
			case check.Status >= 300 && check.Status < 400:
				return http.ErrUseLastResponse
			case len(before) > maxRedirects:
				return redirectError(fmt.Sprintf("more than %d redirects", maxRedirects))
			case last.Scheme == "https" && next.URL.Scheme != "https", next.URL.Scheme != "http" && next.URL.Scheme != "https":
				return redirectError(fmt.Sprintf("it redirects from %s to %s, which is not followed", last.Scheme, next.URL.Scheme))
			}
			return nil
		},
	}
}

func ask(ctx context.Context, client *http.Client, check HealthCheck) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, check.URL, nil)
	if err != nil {
		return errors.New("the URL cannot be requested")
	}
	request.Header.Set("User-Agent", "terraform-provider-roi")
	answer, err := client.Do(request)
	if err != nil {
		return observed(err)
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<16)
	_ = answer.Body.Close()
	if answer.StatusCode != check.Status {
		return fmt.Errorf("status %d, expected %d", answer.StatusCode, check.Status)
	}
	return nil
}

// redirectError is for a redirect that is not followed.
type redirectError string

func (e redirectError) Error() string { return string(e) }

// observed is what can be told of an error of the HTTP client: about the connection,
// and nothing that quotes the URL, which may carry a token, or the answer.
func observed(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var network net.Error
	switch {
	case errors.As(err, new(redirectError)), errors.As(err, &network), errors.As(err, new(*tls.CertificateVerificationError)),
		errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed without an answer")
	case strings.Contains(err.Error(), "Location"):
		return errors.New("it redirects to an address that cannot be read")
	}
	return errors.New("the answer is not HTTP")
}

// shown is a URL without what may be confidential in it: the paths of some hold a
// token too.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}
