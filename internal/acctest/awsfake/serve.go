// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// The services, as they are named in credential scopes and IAM actions.
const (
	secretsManager = "secretsmanager"
	keyManagement  = "kms"
	tokenService   = "sts"
)

// targets maps the prefix of X-Amz-Target to its service (service models).
var targets = map[string]string{
	"secretsmanager": secretsManager,
	"TrentService":   keyManagement,
}

// operation is what one API operation does with a request's body.
type operation func(r *request, body []byte) (any, error)

// operations are all that the fake models, by service and name.
var operations = map[string]map[string]operation{
	secretsManager: {
		"CreateSecret":                 op((*request).createSecret),
		"DescribeSecret":               op((*request).describeSecret),
		"UpdateSecret":                 op((*request).updateSecret),
		"DeleteSecret":                 op((*request).deleteSecret),
		"RestoreSecret":                op((*request).restoreSecret),
		"TagResource":                  op((*request).tagResource),
		"UntagResource":                op((*request).untagResource),
		"GetSecretValue":               op((*request).getSecretValue),
		"PutSecretValue":               op((*request).putSecretValue),
		"UpdateSecretVersionStage":     op((*request).updateSecretVersionStage),
		"ListSecretVersionIds":         op((*request).listSecretVersionIDs),
		"ListSecrets":                  op((*request).listSecrets),
		"ReplicateSecretToRegions":     op((*request).replicateSecretToRegions),
		"RemoveRegionsFromReplication": op((*request).removeRegionsFromReplication),
		"StopReplicationToReplica":     op((*request).stopReplicationToReplica),
		"RotateSecret":                 op((*request).rotateSecret),
		"CancelRotateSecret":           op((*request).cancelRotateSecret),
		"GetResourcePolicy":            op((*request).getResourcePolicy),
		"PutResourcePolicy":            op((*request).putResourcePolicy),
		"DeleteResourcePolicy":         op((*request).deleteResourcePolicy),
		"ValidateResourcePolicy":       op((*request).validateResourcePolicy),
	},
	keyManagement: {
		"DescribeKey":          op((*request).describeKey),
		"GetKeyRotationStatus": op((*request).getKeyRotationStatus),
		"ListAliases":          op((*request).listAliases),
	},
	tokenService: {
		"GetCallerIdentity":         (*request).getCallerIdentity,
		"AssumeRole":                (*request).assumeRole,
		"AssumeRoleWithWebIdentity": (*request).assumeRoleWithWebIdentity,
	},
	cloudWatch: {
		"PutMetricData": (*request).putMetricData,
	},
}

func op[In any](run func(*request, In) (any, error)) operation {
	return func(r *request, body []byte) (any, error) {
		var in In
		if err := decode(body, &in); err != nil {
			return nil, err
		}
		return run(r, in)
	}
}

// request is one request while it is processed, under the Server's lock.
type request struct {
	*Server
	call *Call
	who  identity
	here *space
	at   time.Time

	tagKeys   []string // that the request sets or removes
	encoding  string   // of the body
	namespace string   // of metrics
}

// serve handles one request: record, Before, faults, process, After, respond.
func (s *Server) serve(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(io.LimitReader(hr.Body, 1<<20))
	if err != nil {
		return // the client has gone
	}
	call, run, routing := s.route(hr, body)
	seen := s.record(call)
	for _, hook := range s.hooks(&s.before) {
		hook(seen)
	}

	fault := s.faultFor(call)
	if fault != nil && fault.Kind == Latency {
		s.wait(hr.Context(), fault.Delay)
	}
	var resp response
	switch {
	case fault != nil && fault.Kind == LostRequest:
		s.finish(call, response{}, LostRequest)
		hangUp(w)
		return
	case fault != nil && fault.Kind != LostResponse && fault.Kind != Latency:
		resp = errorResponse(call, fault.apiError(call.Service))
	default:
		resp = s.process(call, hr, run, routing, body)
	}
	kind := NoFault
	if fault != nil {
		kind = fault.Kind
	}
	seen = s.finish(call, resp, kind)
	for _, hook := range s.hooks(&s.after) {
		hook(seen)
	}
	if kind == LostResponse {
		hangUp(w)
		return
	}
	resp.write(w, call.RequestID, s.Now())
}

// route finds the operation that a request is for.
func (s *Server) route(hr *http.Request, body []byte) (*Call, operation, *apiError) {
	call := &Call{Region: scopeOf(hr).region}
	target := hr.Header.Get("X-Amz-Target")
	prefix, name, isJSON := strings.Cut(target, ".")
	cborOp, isCBOR := isCBOR(hr)
	switch {
	case isCBOR:
		call.Service, call.Op = cloudWatch, cborOp
	case hr.Method != http.MethodPost || hr.URL.Path != "/":
		call.Service = secretsManager
		return call, nil, unmodelled("%s %s", hr.Method, hr.URL.Path)
	case isJSON && targets[prefix] != "":
		call.Service, call.Op = targets[prefix], name
		call.SecretID = subject(body)
	case target == "" && strings.HasPrefix(hr.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		call.Service, call.Op = tokenService, formValue(body, "Action")
	default:
		call.Service = secretsManager
		return call, nil, unmodelled("X-Amz-Target %q", target)
	}
	run := operations[call.Service][call.Op]
	if run == nil {
		return call, nil, unmodelled("operation %s:%s", call.Service, call.Op)
	}
	return call, run, nil
}

// process runs the operation and turns its outcome into a response.
func (s *Server) process(call *Call, hr *http.Request, run operation, routing *apiError, body []byte) response {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, err := func() (any, error) {
		if routing != nil {
			return nil, routing
		}
		who, err := s.authenticate(hr, call)
		if err != nil {
			return nil, err
		}
		if call.Region == "" {
			call.Region = s.region // unsigned requests of STS
		}
		s.settle()
		r := &request{
			Server: s, call: call, who: who, here: s.space(who.account, call.Region), at: s.now(),
			tagKeys: tagKeys(body), encoding: hr.Header.Get("Content-Encoding"),
		}
		if call.Service == cloudWatch {
			return run(r, body) // which namespace the action is for is inside
		}
		if err := r.authorize(call.Service+":"+call.Op, call.SecretID); err != nil {
			return nil, err
		}
		return run(r, body)
	}()
	if err == nil {
		if xml, ok := out.(xmlResult); ok {
			return xml.response(call.RequestID)
		}
		if call.Service == cloudWatch {
			return cborResponse()
		}
		return jsonResponse(out)
	}
	var failure *apiError
	if !errors.As(err, &failure) {
		panic("awsfake: an operation failed without an API error: " + err.Error())
	}
	if failure.unmodelled != "" {
		s.unmodelled = append(s.unmodelled, call.Op+": "+failure.unmodelled)
	}
	return errorResponse(call, failure)
}

func errorResponse(call *Call, e *apiError) response {
	switch call.Service {
	case tokenService:
		return xmlError(e, call.RequestID)
	case cloudWatch:
		return cborError(e)
	}
	return jsonError(call.Service, e)
}

// wait lets time pass, until the client or the test has gone.
func (s *Server) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.done:
	}
}

// hangUp closes the connection without a response.
func hangUp(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close() // nothing is left to be told
}
