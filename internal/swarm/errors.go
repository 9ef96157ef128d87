// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// What can go wrong, for errors.Is. An Error has exactly one of these as its Kind.
var (
	ErrUnreachable = errors.New("the Docker daemon cannot be reached")
	ErrPermission  = errors.New("no permission to use the Docker daemon")
	ErrTLS         = errors.New("client and Docker daemon do not agree on TLS")
	ErrNoSwarm     = errors.New("the Docker daemon is in no swarm")
	ErrWorker      = errors.New("the Docker daemon is a worker of its swarm, not a manager")
	ErrLocked      = errors.New("the swarm is locked")
	ErrNoLeader    = errors.New("the swarm has no leader")
	ErrNotFound    = errors.New("not found")
	ErrNameTaken   = errors.New("the name is taken by another object")
	ErrInUse       = errors.New("in use")
	ErrSize        = errors.New("the value must have 1 to 511,999 bytes")
	ErrJob         = errors.New("a job runs again when it is updated")
	ErrPaused      = errors.New("an earlier update is paused")
	ErrConflict    = errors.New("changed by someone else meanwhile")
	ErrInvalid     = errors.New("invalid request")
	ErrInternal    = errors.New("internal error of Docker")
)

// Error is a failed operation. Kind is one of the errors above, Object the secret or
// service that it was about, or several with commas. Err is the original error, or
// nil; its text never holds a secret value.
type Error struct {
	Op     string
	Object string
	Kind   error
	Err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %q: %v", e.Op, e.Object, e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is and errors.As see the kind and the original error.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// InUseError is for versions that services refer to. It is an ErrInUse.
type InUseError struct {
	Left []Leftover
}

func (e *InUseError) Error() string {
	var texts []string
	for _, left := range e.Left {
		texts = append(texts, left.String())
	}
	return strings.Join(texts, "; ")
}

// Unwrap makes errors.Is see the kind.
func (e *InUseError) Unwrap() error { return ErrInUse }

func (l Leftover) String() string {
	var texts []string
	if len(l.Services) > 0 {
		texts = append(texts, "used by "+strings.Join(l.Services, ", "))
	}
	if len(l.Previous) > 0 {
		texts = append(texts, "needed to roll back "+strings.Join(l.Previous, ", "))
	}
	if l.Err != nil {
		texts = append(texts, l.Err.Error())
	}
	return l.Name + ": " + strings.Join(texts, "; ")
}

// RolledBackError is for an update of services that failed. Every service that had
// been updated is back on what it had, and Version is gone if it was new, unless Left
// says what could not be undone.
type RolledBackError struct {
	Service string   // the one that failed
	Version string   // name of the version that it failed with
	New     bool     // whether Version was made for this update, and not current before
	Cause   error    // what was observed; a *TaskError if a task told
	Steps   []string // what was done to undo the update
	Left    error
}

func (e *RolledBackError) Error() string {
	text := fmt.Sprintf("service %q with %s: %v; rolled back: %s", e.Service, e.Version, e.Cause, strings.Join(e.Steps, "; "))
	if e.Left != nil {
		text += "; not completed: " + e.Left.Error()
	}
	return text
}

// Unwrap makes errors.Is and errors.As see both what failed and what failed after it.
func (e *RolledBackError) Unwrap() []error {
	if e.Left == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Left}
}

// TaskError is what Docker tells of a task that failed: nothing that the task itself
// wrote, nor its environment.
type TaskError struct {
	Service  string
	Task     string // id
	Node     string // id
	State    string // failed, rejected or complete
	Message  string // Docker's own
	ExitCode int    // of its container; 0 if it had none
}

func (e *TaskError) Error() string {
	text := fmt.Sprintf("task %s of service %q is %s", e.Task, e.Service, e.State)
	if e.Node != "" {
		text += " on node " + e.Node
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if code := fmt.Sprint(e.ExitCode); e.ExitCode != 0 && !strings.Contains(e.Message, code) {
		text += ", exit code " + code
	}
	return text
}

// What daemons say, where no status code tells it apart.
// Source: https://github.com/moby/moby/tree/v28.5.2/daemon/cluster (cluster.go and errors.go).
const (
	saysOutOfSequence = "update out of sequence"
	saysInUse         = "is in use by the following"
	saysNoLeader      = "does not have a leader"
	saysNoManager     = "This node is not a swarm manager"
	saysInit          = `"docker swarm init"`
	saysWorker        = "Worker nodes"
	saysLocked        = "needs to be unlocked"
	saysExpired       = "certificates have expired"
)

// failure says of what kind an error is. what is "secret" or "service".
func failure(op, what, object string, err error) error {
	if err == nil {
		return nil
	}
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if ended && !dialTimedOut(err) {
		return fmt.Errorf("%s %q: %w", op, object, err)
	}
	return &Error{Op: op, Object: object, Kind: kindOf(what, object, err), Err: err}
}

// withoutValue takes a value out of what a failure says: whoever answered, a proxy for
// instance, may have quoted the request.
func withoutValue(err error, value secretstore.Plaintext) error {
	var failed *Error
	if errors.As(err, &failed) {
		failed.Err = errors.New(secretstore.Redact(failed.Err.Error(), value.Reveal()))
	}
	return err
}

// dialTimedOut reports whether a host did not answer in the time of the dialer. Its
// error is a context.DeadlineExceeded though no context has ended, and the client
// passes it on as that.
// Source: https://github.com/golang/go/blob/go1.26.8/src/net/net.go (timeoutError).
func dialTimedOut(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial" && failed.Timeout()
}

func kindOf(what, object string, err error) error {
	text := err.Error()
	says := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(text, t) {
				return true
			}
		}
		return false
	}
	switch {
	case says("x509: ", "tls: ", "HTTP response to HTTPS client", "HTTP request to an HTTPS server", "malformed HTTP response", "TLS-enabled daemon"):
		return ErrTLS
	case client.IsErrConnectionFailed(err):
		if says("permission denied") {
			return ErrPermission
		}
		return ErrUnreachable
	case dialTimedOut(err):
		return ErrUnreachable
	case says(saysOutOfSequence):
		return ErrConflict
	case says(saysLocked):
		return ErrLocked
	case says(saysNoManager):
		switch {
		case says(saysInit):
			return ErrNoSwarm
		case says(saysWorker):
			return ErrWorker
		}
		return ErrNoLeader
	case says(saysExpired):
		return ErrNoSwarm
	case says(saysNoLeader):
		return ErrNoLeader
	// What something else answers with this status, a proxy for instance, is no
	// absence: Docker names what it has not found.
	case errdefs.IsNotFound(err) && says(what+" "+object):
		return ErrNotFound
	case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
		return ErrNameTaken
	case says(saysInUse):
		return ErrInUse
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err):
		return ErrPermission
	case errdefs.IsUnavailable(err):
		return ErrUnreachable
	case errdefs.IsInvalidArgument(err), errdefs.IsFailedPrecondition(err), errdefs.IsNotImplemented(err):
		return ErrInvalid
	}
	return ErrInternal
}
