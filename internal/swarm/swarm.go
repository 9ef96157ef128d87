// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package swarm keeps versions of a secret in Docker Swarm and moves services from
// one to the next. A secret of Docker's can neither be changed nor removed while it
// is used, so every value is an object of its own, NAME-v1, NAME-v2, and so on. The
// package knows no Terraform.
package swarm

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// API is what is asked of a Docker Engine. A *client.Client has it. A test may put
// something in between that counts the calls, fails some, or kills the process.
type API interface {
	SecretCreate(context.Context, client.SecretCreateOptions) (client.SecretCreateResult, error)
	SecretInspect(ctx context.Context, id string, options client.SecretInspectOptions) (client.SecretInspectResult, error)
	SecretList(context.Context, client.SecretListOptions) (client.SecretListResult, error)
	SecretRemove(ctx context.Context, id string, options client.SecretRemoveOptions) (client.SecretRemoveResult, error)
	SecretUpdate(ctx context.Context, id string, options client.SecretUpdateOptions) (client.SecretUpdateResult, error)
	ServiceInspect(ctx context.Context, id string, options client.ServiceInspectOptions) (client.ServiceInspectResult, error)
	ServiceList(context.Context, client.ServiceListOptions) (client.ServiceListResult, error)
	ServiceUpdate(ctx context.Context, id string, options client.ServiceUpdateOptions) (client.ServiceUpdateResult, error)
	TaskList(context.Context, client.TaskListOptions) (client.TaskListResult, error)
}

// Swarm works on one swarm. It is safe for concurrent use, and is to be shared by
// everything that works on that swarm in this process: it keeps one list of
// services and one of secrets for all, and lets only one change a service at a time.
type Swarm struct {
	API API
	// Step is told about every change before it is made; object is the secret or
	// service that it concerns. It may be nil.
	Step func(ctx context.Context, step, object string)
	// Sleep waits between two looks at a service. Nil is real time.
	Sleep func(context.Context, time.Duration) error

	services cache[swarm.Service]
	secrets  cache[swarm.Secret]
	busy     busyServices
	mine     sync.Map // names of the versions that this process has made or taken up
}

// AllServices, as the only one of Want.Services, is every service that refers to a
// version of the secret that is ours or in state.
const AllServices = "*"

// Limits of Docker.
// Source: https://github.com/moby/swarmkit/blob/v2.0.0/api/validation/secrets.go
// and https://github.com/moby/swarmkit/blob/v2.0.0/manager/controlapi/common.go
const (
	MaxValueBytes = 500*1024 - 1
	maxNameLength = 64 // with the suffix
)

// Version is one object of Docker's: a version of a secret, or what only bears the
// name of one.
type Version struct {
	ID        string
	Name      string // with the suffix: NAME-v3
	Number    int    // that of the name, whoever made the object; 0 when it has no such suffix
	CreatedAt time.Time

	// Ours reports that the object's labels name it as this version of NAME: it
	// was made here, or taken over with Label. Of another object, whose labels are
	// missing or name something else, Source is zero.
	Ours   bool
	Source Source
	Labels map[string]string // without those of this package and of Docker

	last    int  // number of a later version that failed and is gone
	pending bool // no Apply has finished with it
}

// Base is the name without the suffix.
func (v Version) Base() string {
	base, _, _ := parseName(v.Name)
	return base
}

// Source says where the value of a version is from. Two versions of a name with the
// same Source hold the same value if it has a VersionID, or a ValueVersion with which
// an Apply has finished.
type Source struct {
	SecretID, Key, VersionID string // in a store; its value changes under the same key
	// ValueVersion is what the configuration calls a value that it holds itself.
	// Such a value may be corrected under the same name as long as no Apply has
	// finished with it.
	ValueVersion string
}

// Target is how a service gets the secret, as a file in /run/secrets. What is left
// out stays as it is in a service that refers to the secret; in one that does not
// yet, it is the name of the secret, user and group 0, and mode 0444, as for
// docker service update --secret-add.
type Target struct {
	Name     string
	UID, GID string
	Mode     *os.FileMode
}

// Want is what Apply is to bring about.
type Want struct {
	Name   string
	Labels map[string]string

	// Value is asked for the value when a new version has to be made, after
	// everything else was checked. Nil asks for no new version: the services are
	// moved to the one in Current.
	Value  func(context.Context) (secretstore.Plaintext, error)
	Source Source // of Value

	// What state knows: id, or name with suffix, of the current version ("" for
	// none), its number, and the names of the superseded ones.
	Current    string
	Last       int
	Superseded []string

	Keep     int      // superseded versions that are not removed
	Services []string // names or ids, in the order in which they are updated, or AllServices
	Target   Target

	// Timeout is how long all services together may take; a rollback has as long
	// again. Zero is ten minutes. When the context ends before, Apply stops where
	// it is: the next one goes on from there.
	Timeout time.Duration
}

// Outcome is what Apply brought about. Beside an error it is zero, also where Apply
// has changed something that the next one has to finish.
type Outcome struct {
	Version Version
	Reused  bool     // an Apply that was interrupted, or not reported, had made it
	Found   []string // versions of the name that were there although state knew of none
	Rolled  []string // services that were updated, in this order
	// Superseded are the names of other versions that are still there: the newest
	// first, and at the end what interrupted Applies have left and is not to stay.
	Superseded []string
	Left       []Leftover
	Stacks     []StackService
}

// Leftover is a version that was to be removed and could not be: services refer to
// it, in their spec or in the one before it, which docker service rollback needs;
// or Err.
type Leftover struct {
	Name     string
	Services []string
	Previous []string
	Mounts   map[string][]string // by service, each reference as docker service update --secret-add takes it, behind the source
	Err      error
}

// StackService is a service that was updated and belongs to a stack. The next
// docker stack deploy undoes that unless Compose is in its file.
type StackService struct {
	Service string
	Stack   string
	Compose string // what has to stand below the top-level secrets
	File    string // of the service, with the value; as a rule the Compose file's key
}
