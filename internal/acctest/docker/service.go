// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// SecretTarget is the file name of the secret that the server of a Service reads.
const SecretTarget = "secret"

// Refused begins the secrets with which the server of a Service does not start.
const Refused = "REFUSED"

// converging is how long services may take for what a test asks of them.
const converging = time.Minute

// Name returns a name that no other test uses: the beginning of the names of
// everything that a test makes, of at most 24 characters. Services and secrets
// whose names begin with it are removed when the test ends.
func (d *Daemon) Name(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%x-%d", time.Now().UnixMilli(), d.number.Add(1))
	t.Cleanup(func() {
		if err := d.remove(name); err != nil {
			t.Errorf("failed to remove %s-*: %v", name, err)
		}
	})
	return name
}

func (d *Daemon) remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), converging)
	defer cancel()
	services, err := d.Client.ServiceList(ctx, client.ServiceListOptions{Filters: client.Filters{}.Add("name", name)})
	if err != nil {
		return err
	}
	for _, service := range services.Items {
		if _, err := d.Client.ServiceRemove(ctx, service.ID, client.ServiceRemoveOptions{}); err != nil {
			return err
		}
	}
	secrets, err := d.secrets(ctx, name)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		if _, err := d.Client.SecretRemove(ctx, secret.ID, client.SecretRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// Secrets returns the secrets whose names begin with prefix, sorted by name.
func (d *Daemon) Secrets(t testing.TB, prefix string) []swarm.Secret {
	t.Helper()
	secrets, err := d.secrets(context.Background(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// SecretNames returns their names.
func (d *Daemon) SecretNames(t testing.TB, prefix string) []string {
	t.Helper()
	var names []string
	for _, secret := range d.Secrets(t, prefix) {
		names = append(names, secret.Spec.Name)
	}
	return names
}

func (d *Daemon) secrets(ctx context.Context, prefix string) ([]swarm.Secret, error) {
	list, err := d.Client.SecretList(ctx, client.SecretListOptions{Filters: client.Filters{}.Add("name", prefix)})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list.Items, func(a, b swarm.Secret) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return list.Items, nil
}

// CreateSecret makes a secret as someone else would, and returns its id.
func (d *Daemon) CreateSecret(t testing.TB, name, value string) string {
	t.Helper()
	result, err := d.Client.SecretCreate(context.Background(), client.SecretCreateOptions{
		Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte(value)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return result.ID
}

// Reference is how a service refers to a secret of this name, under the file name
// target, which only root may read.
func (d *Daemon) Reference(t testing.TB, secret, target string) *swarm.SecretReference {
	t.Helper()
	result, err := d.Client.SecretInspect(context.Background(), secret, client.SecretInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &swarm.SecretReference{
		SecretID: result.Secret.ID, SecretName: result.Secret.Spec.Name,
		File: &swarm.SecretReferenceFileTarget{Name: target, UID: "0", GID: "0", Mode: 0o400},
	}
}

// Service is a service of the swarm whose server answers with a secret.
type Service struct {
	Name string
	ID   string

	daemon  *Daemon
	sockets string
	client  http.Client
}

// Service makes a service that serves a secret of Docker's, given by its name; ""
// for none, without which the server does not run. It has two replicas, which are
// updated one after the other, the new one first, and a failed update pauses.
// Change may change all of that.
func (d *Daemon) Service(t testing.TB, name, secret string, change ...func(*swarm.ServiceSpec)) *Service {
	t.Helper()
	if err := d.ensureImage(); err != nil {
		t.Fatal(err)
	}
	sockets := filepath.Join(d.folder, fmt.Sprintf("s%d", d.number.Add(1)))
	if err := os.Mkdir(sockets, 0o700); err != nil {
		t.Fatal(err)
	}
	update := swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Monitor: time.Second, Order: swarm.UpdateOrderStartFirst}
	rollback := update
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image:           image,
				Env:             []string{"SECRET_FILE=/run/secrets/" + SecretTarget, "REFUSE=" + Refused},
				Mounts:          []mount.Mount{{Type: mount.TypeBind, Source: sockets, Target: "/sockets"}},
				StopGracePeriod: new(10 * time.Second),
			},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: new(500 * time.Millisecond)},
		},
		Mode:           swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(2))}},
		UpdateConfig:   &update,
		RollbackConfig: &rollback,
	}
	if secret != "" {
		spec.TaskTemplate.ContainerSpec.Secrets = []*swarm.SecretReference{d.Reference(t, secret, SecretTarget)}
	}
	for _, change := range change {
		change(&spec)
	}
	result, err := d.Client.ServiceCreate(context.Background(), client.ServiceCreateOptions{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Name: name, ID: result.ID, daemon: d, sockets: sockets}
	s.client.Timeout = 10 * time.Second
	s.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: s.dial}
	t.Cleanup(func() { _, _ = d.Client.ServiceRemove(context.Background(), result.ID, client.ServiceRemoveOptions{}) })
	return s
}

var errNoReplica = errors.New("no replica takes connections")

// dial connects to any replica that takes the connection.
func (s *Service) dial(context.Context, string, string) (net.Conn, error) {
	sockets, err := filepath.Glob(filepath.Join(s.sockets, "*.sock"))
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(sockets), func(i, j int) { sockets[i], sockets[j] = sockets[j], sockets[i] })
	for _, socket := range sockets {
		connection, err := net.Dial("unix", socket)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		return connection, err
	}
	return nil, errNoReplica
}

// Get asks any of the replicas for the secret, as a client behind a load balancer
// would.
func (s *Service) Get() (string, error) {
	response, err := s.client.Get("http://" + s.Name)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// WaitFor waits until a number of replicas, and no others, answer with a value.
func (s *Service) WaitFor(t testing.TB, replicas int, value string) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		sockets, err := filepath.Glob(filepath.Join(s.sockets, "*.sock"))
		if err != nil {
			t.Fatal(err)
		}
		right, wrong := 0, 0
		for _, socket := range sockets {
			switch got, err := getFrom(socket); {
			case err != nil:
			case got == value:
				right++
			default:
				wrong++
			}
		}
		if right == replicas && wrong == 0 {
			return
		}
		if time.Since(begun) > converging {
			t.Fatalf("%s: %d replicas answer with the value, want %d; %d with another\n%s", s.Name, right, replicas, wrong, s.tasks())
		}
	}
}

func getFrom(socket string) (string, error) {
	one := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	response, err := one.Get("http://replica")
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// tasks says how the tasks of the service are, for a failing test.
func (s *Service) tasks() string {
	list, err := s.daemon.Client.TaskList(context.Background(), client.TaskListOptions{Filters: client.Filters{}.Add("service", s.ID)})
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	for _, task := range list.Items {
		fmt.Fprintf(&text, "task %s: %s, should be %s: %s %s\n", task.ID, task.Status.State, task.DesiredState, task.Status.Message, task.Status.Err)
	}
	return text.String()
}

// Inspect returns the service as Docker has it.
func (s *Service) Inspect(t testing.TB) swarm.Service {
	t.Helper()
	result, err := s.daemon.Client.ServiceInspect(context.Background(), s.ID, client.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Service
}

// SecretNames returns the names of the secrets that the service refers to, in its
// order.
func (s *Service) SecretNames(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, reference := range s.Inspect(t).Spec.TaskTemplate.ContainerSpec.Secrets {
		names = append(names, reference.SecretName)
	}
	return names
}

// Update changes the service as someone else would, and does not wait.
func (s *Service) Update(t testing.TB, change func(*swarm.ServiceSpec)) {
	t.Helper()
	service := s.Inspect(t)
	change(&service.Spec)
	if _, err := s.daemon.Client.ServiceUpdate(context.Background(), s.ID, client.ServiceUpdateOptions{Version: service.Version, Spec: service.Spec}); err != nil {
		t.Fatal(err)
	}
}

// Answers are what a service was seen to answer.
type Answers struct {
	Failed int            // requests without an answer
	First  error          // why the first of them failed
	By     map[string]int // how often by value
}

// Watch asks the service over and over until the function that it returns is
// called.
func (s *Service) Watch() (stop func() Answers) {
	answers := Answers{By: map[string]int{}}
	end := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			value, err := s.Get()
			if err == nil {
				answers.By[value]++
			} else if answers.Failed++; answers.First == nil {
				answers.First = err
			}
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	return func() Answers {
		close(end)
		running.Wait()
		return Answers{answers.Failed, answers.First, maps.Clone(answers.By)}
	}
}
