// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package awsfake is a strict fake of AWS Secrets Manager, and of the parts of
// KMS, STS and CloudWatch that go with it. It speaks the wire protocols of the
// services over loopback HTTP, so that the real SDK, in this process or another,
// is tested against it.
//
// Every rule names its source beside it. Three kinds are used: a URL; "service
// model", which is the API text in the comments of aws-sdk-go-v2's
// service/secretsmanager, service/kms, service/sts and service/cloudwatch (the same
// text as https://docs.aws.amazon.com/secretsmanager/latest/apireference/); and
// "recorded", which is an answer of AWS itself as recorded in
// https://github.com/localstack/localstack/blob/main/tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json.
// A rule without a source says "assumed": there the stricter reading was taken.
//
// What the fake does not model it refuses with a ValidationException, and the
// test fails at its end (see Unmodelled). Signatures are parsed, not verified.
package awsfake

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

// What a Server is unless an option says otherwise.
const (
	DefaultAccount = "123456789012"
	DefaultRegion  = "eu-central-1"
)

// Server is one fake AWS: any number of accounts and regions behind one URL. All
// methods are safe for concurrent use.
type Server struct {
	t    testing.TB
	http *httptest.Server
	done chan struct{} // closed when the test ends: ends injected latency

	connections atomic.Int64

	account string
	region  string

	mu         sync.Mutex
	machine    clock.Clock
	frozen     time.Time     // the zero time: the clock runs
	offset     time.Duration // added to the machine's time
	spaces     map[spaceKey]*space
	nextPurge  time.Time // when settle has a secret to remove; zero: never
	accessKeys map[string]identity
	strictKeys bool

	calls      []*Call
	faults     []*fault
	permission permissions
	before     []func(Call)
	after      []func(Call)
	unmodelled []string
	tolerant   bool

	lag          Lag
	listLag      time.Duration
	unsynced     []primarySecret // whose replicas have to follow
	holdReplicas bool
	emptyPages   bool
	forceDelay   time.Duration
	aliasARNs    bool

	metrics []Metric
}

// An Option changes how a Server starts.
type Option func(*Server)

// Account sets the account of access keys that AccessKey does not name.
func Account(id string) Option { return func(s *Server) { s.account = id } }

// At stops the clock at an instant; only Advance and SetTime move it. Without it
// the clock is the machine's.
func At(t time.Time) Option { return func(s *Server) { s.frozen = t.UTC() } }

// AccessKey maps an access key id to an account and to the user it belongs to.
func AccessKey(id, account string) Option {
	return func(s *Server) { s.accessKeys[id] = userIdentity(account) }
}

// OnlyKnownKeys refuses access keys that neither AccessKey nor STS made known.
func OnlyKnownKeys() Option { return func(s *Server) { s.strictKeys = true } }

// AllowUnmodelled keeps the test from failing when it asked for something that
// the fake does not model. The request is refused all the same.
func AllowUnmodelled() Option { return func(s *Server) { s.tolerant = true } }

// EmptyPages makes every list begin with a page that holds nothing but a
// NextToken, and end with one. Service model: NextToken "can occur even when the
// response includes no values at all, such as when you ask for a filtered view
// of a long list".
func EmptyPages() Option { return func(s *Server) { s.emptyPages = true } }

// SlowForceDelete keeps a name taken for a while after a deletion without
// recovery. Service model, DeleteSecret: "there might be a short delay before
// the secret is permanently deleted". d is measured on the Server's clock.
func SlowForceDelete(d time.Duration) Option { return func(s *Server) { s.forceDelay = d } }

// AliasARNs makes DescribeSecret answer an alias ARN where the key was given as
// an alias name. The service model says "the key ID or alias ARN of the KMS
// key"; by default the fake answers what it was given. Callers should bear both.
func AliasARNs() Option { return func(s *Server) { s.aliasARNs = true } }

// Start runs a Server until the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := &Server{
		t:          t,
		done:       make(chan struct{}),
		account:    DefaultAccount,
		region:     DefaultRegion,
		machine:    clock.System{},
		spaces:     map[spaceKey]*space{},
		accessKeys: map[string]identity{},
	}
	for _, opt := range opts {
		opt(s)
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.http.Start()
	t.Cleanup(func() {
		close(s.done)
		s.http.CloseClientConnections()
		s.http.Close()
		if s.tolerant {
			return
		}
		for _, what := range s.Unmodelled() {
			t.Errorf("the AWS fake was asked for something that it does not model: %s", what)
		}
	})
	return s
}

// URL is the endpoint for all services.
func (s *Server) URL() string { return s.http.URL }

// Connections is how many connections were opened since the start. One that is kept
// alive serves any number of requests.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Now is the Server's time, which is also the Date of its responses.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance moves the clock on.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen.IsZero() {
		s.offset += d
	} else {
		s.frozen = s.frozen.Add(d)
	}
}

// SetTime stops the clock at an instant.
func (s *Server) SetTime(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = t.UTC()
}

// now is the time in the milliseconds that the protocol carries.
func (s *Server) now() time.Time {
	t := s.frozen
	if t.IsZero() {
		t = s.machine.Now().Add(s.offset)
	}
	return t.Truncate(time.Millisecond)
}

// Unmodelled lists what requests asked for that the fake does not model. Unless
// AllowUnmodelled is set, anything in it fails the test at its end.
func (s *Server) Unmodelled() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.unmodelled...)
}

// space is one account in one region.
type space struct {
	account string
	region  string
	secrets map[string]*record
	keys    map[string]*Key   // by key id
	aliases map[string]string // alias name to key id
}

type spaceKey struct{ account, region string }

// space returns a namespace, making it with the key that AWS manages in it.
func (s *Server) space(account, region string) *space {
	at := spaceKey{account, region}
	sp := s.spaces[at]
	if sp == nil {
		sp = &space{
			account: account, region: region,
			secrets: map[string]*record{}, keys: map[string]*Key{}, aliases: map[string]string{},
		}
		s.spaces[at] = sp
		sp.addKey(Key{Manager: "AWS", Rotation: true, Aliases: []string{defaultKeyAlias}, CreatedAt: s.now()})
	}
	return sp
}

func (sp *space) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, sp.region, sp.account, resource)
}
