// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import "time"

// Lag makes DescribeSecret, GetSecretValue and ListSecretVersionIds answer from
// the state before a secret's last write; a new secret is not found. The lag
// ends, for each write, after For of the machine's time or after Reads reads of
// that secret, whichever is given (both: whichever comes last).
// Source: the service model, ListSecrets: "All Secrets Manager operations are
// eventually consistent"; seen in
// https://github.com/hashicorp/terraform-provider-aws/issues/18406.
type Lag struct {
	For   time.Duration
	Reads int
}

// SetLag makes reads lag behind the writes that follow; Lag{} ends it.
func (s *Server) SetLag(l Lag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = l
}

// SetListLag makes ListSecrets answer from the state before a secret's last
// write for a while, measured on the Server's clock. Source: the service model,
// ListSecrets: "might not reflect changes from the last five minutes".
func (s *Server) SetListLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listLag = d
}

// lagged is what lagging reads of a secret see.
type lagged struct {
	state     *record // nil: the secret did not exist
	until     time.Time
	reads     int
	listUntil time.Time
}

// remember keeps the state before a write, when reads are to lag.
func (s *Server) remember(before, after *record) {
	after.previous = nil
	if before != nil {
		before.previous = nil
	}
	if s.lag == (Lag{}) && s.listLag == 0 {
		return
	}
	after.previous = &lagged{
		state:     before,
		until:     s.machine.Now().Add(s.lag.For),
		reads:     s.lag.Reads,
		listUntil: s.now().Add(s.listLag),
	}
}

// read finds a secret as a read operation sees it.
func (r *request) read(id string) (*record, error) {
	rec, err := r.find(id)
	if err != nil {
		return nil, err
	}
	r.collect(rec)
	old := rec.previous
	if old == nil || old.reads <= 0 && !r.machine.Now().Before(old.until) {
		return rec, nil
	}
	old.reads--
	if old.state == nil {
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return old.state, nil
}

// listed is a secret as ListSecrets sees it, or nil.
func (s *Server) listed(rec *record) *record {
	if rec.previous != nil && s.now().Before(rec.previous.listUntil) {
		return rec.previous.state
	}
	return rec
}
