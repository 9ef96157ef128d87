// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"net/http"
	"time"
)

// FaultKind is what goes wrong with a request.
type FaultKind string

// The faults that can be injected.
const (
	NoFault       FaultKind = ""
	LostRequest   FaultKind = "lost request"  // the connection is closed and nothing was processed
	LostResponse  FaultKind = "lost response" // processed, then the connection is closed
	Throttled     FaultKind = "throttled"     // ThrottlingException, status 400
	InternalError FaultKind = "internal error"
	AccessDenied  FaultKind = "access denied"
	Latency       FaultKind = "latency" // processed after Fault.Delay
)

// Always, as Fault.Times, means for good.
const Always = -1

// Fault says which requests go wrong, and how. The zero value of a field does not
// restrict: a Fault with only a Kind hits the next request.
type Fault struct {
	Kind   FaultKind
	Op     string          // an operation's name
	Secret string          // SecretId, Name or KeyId, as the request gives it
	Match  func(Call) bool // any other condition; must not use the Server, which is locked
	Index  int             // only the request with this Call.Index
	Nth    int             // starts with the nth request that matches the above, from 1; 0 is 1
	Times  int             // how many in a row; 0 is 1; Always
	Delay  time.Duration   // for Latency
}

type fault struct {
	Fault
	seen int // matching requests so far
}

// Inject adds a fault. Where several match one request, the first one added wins.
func (s *Server) Inject(f Fault) {
	s.t.Helper()
	if f.Op != "" && !known(f.Op) {
		s.t.Fatalf("awsfake: no operation is named %q", f.Op)
	}
	if f.Kind == NoFault {
		s.t.Fatal("awsfake: the fault has no kind")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{Fault: f})
}

// ClearFaults takes all faults back.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func known(op string) bool {
	for _, ops := range operations {
		if ops[op] != nil {
			return true
		}
	}
	return false
}

// faultFor returns the fault that hits a request, or nil. Every fault counts the
// requests that match it, whether or not another one came first.
func (s *Server) faultFor(call *Call) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hit *Fault
	for _, f := range s.faults {
		if f.hits(*call) && hit == nil {
			hit = &f.Fault
		}
	}
	return hit
}

func (f *fault) hits(call Call) bool {
	if f.Op != "" && f.Op != call.Op || f.Secret != "" && f.Secret != call.SecretID ||
		f.Index != 0 && f.Index != call.Index || f.Match != nil && !f.Match(call) {
		return false
	}
	f.seen++
	first := max(f.Nth, 1)
	if f.seen < first {
		return false
	}
	return f.Times == Always || f.seen < first+max(f.Times, 1)
}

// apiError is the answer of a fault that has one.
// Sources: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and the
// service models (InternalServiceError, KMSInternalException).
func (f *Fault) apiError(service string) *apiError {
	switch f.Kind {
	case Throttled:
		code := "ThrottlingException"
		if service == tokenService || service == cloudWatch {
			code = "Throttling"
		}
		return fail(code, "Rate exceeded")
	case AccessDenied:
		code := "AccessDeniedException"
		if service == tokenService || service == cloudWatch {
			code = "AccessDenied"
		}
		return fail(code, "Access denied by an injected fault")
	case InternalError:
		code := map[string]string{
			secretsManager: "InternalServiceError", keyManagement: "KMSInternalException", tokenService: "InternalFailure", cloudWatch: "InternalServiceFault",
		}[service]
		return &apiError{code: code, message: "An error occurred on the server side.", status: http.StatusInternalServerError}
	default:
		panic("awsfake: " + string(f.Kind) + " has no answer")
	}
}
