// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"encoding/json"
	"net/url"

	"github.com/google/uuid"
)

// Call is one request that arrived, also when it failed or a fault swallowed it.
type Call struct {
	Service   string // secretsmanager, kms, sts or cloudwatch
	Op        string
	Account   string // "" until the request is authenticated
	Region    string
	SecretID  string            // SecretId, Name or KeyId as the request gave it
	Params    map[string]string // STS only: the parameters, but no token
	RequestID string            // the X-Amzn-RequestId of the response
	Index     int               // counts all requests of the Server from 1
	Status    int               // HTTP status; 0 before processing and for LostRequest
	ErrorCode string            // "" unless an error was answered
	Fault     FaultKind         // what was injected
}

// Calls returns all requests since the start or ResetCalls, in order of arrival.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// Count is the number of requests for an operation, failed ones included.
func (s *Server) Count(op string) int { return s.Counts()[op] }

// Counts is the number of requests by operation, failed ones included.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, c := range s.calls {
		counts[c.Op]++
	}
	return counts
}

// ResetCalls forgets the requests so far. Indexes start at 1 again.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// Before calls a function for every request before it is processed, and After
// when it has been processed, or refused by a fault, but before the response is
// sent: what a test does there happens to the client at exactly that point. Hooks
// run in the request's own goroutine and may use the Server.
func (s *Server) Before(hook func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = append(s.before, hook)
}

// After calls a function for every request but those with LostRequest. See
// Before.
func (s *Server) After(hook func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = append(s.after, hook)
}

func (s *Server) hooks(of *[]func(Call)) []func(Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]func(Call){}, *of...)
}

func (s *Server) record(call *Call) Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	call.Index, call.RequestID = len(s.calls), uuid.NewString()
	return *call
}

func (s *Server) finish(call *Call, resp response, kind FaultKind) Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	call.Status, call.ErrorCode, call.Fault = resp.status, resp.errorCode, kind
	return *call
}

// subject is the secret or key that a JSON request names.
func subject(body []byte) string {
	var named struct {
		SecretID string `json:"SecretId"`
		Name     string
		KeyID    string `json:"KeyId"`
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return ""
	}
	for _, id := range []string{named.SecretID, named.Name, named.KeyID} {
		if id != "" {
			return id
		}
	}
	return ""
}

func formValue(body []byte, name string) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get(name)
}
