// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package storetest holds the tests that every secretstore.Store must pass: each
// sentence of the interface's documentation, and what Secrets Manager is known
// to do around it.
package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Fixture is a store under test. It need not be empty: the tests use names of
// their own.
type Fixture struct {
	Store secretstore.Store

	// Advance moves the store's time forward. It is nil where time cannot be
	// moved; what needs it is then skipped by name.
	Advance func(time.Duration)

	// Keys are two encryption keys that the store accepts, in the form in which
	// it gives them back.
	Keys [2]string

	// Regions are two regions, other than the store's own, that take replicas.
	Regions [2]string

	// ReplicaKey is a key in the second of the regions. Where it is empty the
	// keys of replicas are not tested.
	ReplicaKey string

	// Quirks are the ways in which the store is known to differ.
	Quirks []Quirk
}

// Quirk is a known difference of an emulator from Secrets Manager. A test that
// meets one asserts what the emulator does instead, so that a quirk which has
// been mended fails the test and must be taken off the list.
type Quirk string

// The quirks.
const (
	// VersionDates: the list of versions gives the time of the request as the
	// creation date of every version. The date that comes with a value is right.
	VersionDates Quirk = "version dates are the time of the request"

	// PendingReplay: a token that is re-used while its version is pending makes
	// the version anew, whatever the content, and takes all other labels from it.
	PendingReplay Quirk = "a pending version can be overwritten"

	// DescribeUnlabelled: Describe lists versions without labels too.
	DescribeUnlabelled Quirk = "describe lists versions without labels"

	// CreateScheduled: creating a name that is scheduled for deletion is
	// ErrExists, or success when it repeats the token and the content.
	CreateScheduled Quirk = "a name scheduled for deletion is one that exists"

	// WriteScheduled: in the recovery window a secret can still be tagged, given
	// versions and have its labels moved.
	WriteScheduled Quirk = "a secret scheduled for deletion can be changed"

	// AddLabel: a label that is given to a version without naming the one that
	// has it ends up on both.
	AddLabel Quirk = "a label can be on two versions"

	// RemoveCurrent: the label Current can be removed.
	RemoveCurrent Quirk = "AWSCURRENT can be removed"

	// MoveToUnknown: moving a label to a version that does not exist fails, but
	// leaves the label nowhere.
	MoveToUnknown Quirk = "a label moved to a missing version is lost"

	// PutCurrent: a version put as Current takes every label of the version that
	// it replaces.
	PutCurrent Quirk = "putting AWSCURRENT drops the other labels of the version before"

	// KeepDescription: a description cannot be emptied.
	KeepDescription Quirk = "a description cannot be emptied"

	// VersionsOfUnknown: listing the versions of a secret that does not exist is
	// ErrInternal.
	VersionsOfUnknown Quirk = "versions of an unknown secret are an internal error"

	// ReplicaKeys: replicas are described with the default key, whichever was
	// asked for.
	ReplicaKeys Quirk = "keys of replicas are not kept"

	// NoNameRules: any name is accepted.
	NoNameRules Quirk = "names are not checked"

	// NoValueLimit: a value can have any size.
	NoValueLimit Quirk = "the size of values is not limited"

	// NoLabelLimit: a secret can have any number of labels.
	NoLabelLimit Quirk = "the number of labels is not limited"

	// NoTagRules: a secret can have any number of tags, of any length and with
	// any key.
	NoTagRules Quirk = "tags are not limited"

	// NoLocking: requests at the same time see each other half done, so that
	// races are not tested.
	NoLocking Quirk = "concurrent requests are not isolated"
)

// Run tests a store. It calls newFixture once per test.
func Run(t *testing.T, newFixture func(t *testing.T) Fixture) {
	groups := []struct {
		name  string
		tests map[string]func(*test)
	}{
		{"Create", createTests},
		{"Read", readTests},
		{"Put", putTests},
		{"MoveLabel", labelTests},
		{"Metadata", metadataTests},
		{"Delete", deleteTests},
		{"List", listTests},
		{"Unknown", unknownTests},
		{"Race", raceTests},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(group.tests)) {
				t.Run(name, func(t *testing.T) {
					fixture := newFixture(t)
					if fixture.Keys[1] == "" || fixture.Regions[1] == "" {
						t.Fatal("the fixture must name two keys and two regions")
					}
					group.tests[name](&test{T: t, Fixture: fixture})
				})
			}
		})
	}
}

// test is one running test: the fixture, and every value that it stored, so that
// no error can be seen to hold one.
type test struct {
	*testing.T
	Fixture
	values []string
}

func (t *test) has(quirk Quirk) bool { return slices.Contains(t.Quirks, quirk) }

// skip ends a test that a quirk or the fixture makes impossible.
func (t *test) skip(why string) {
	t.Helper()
	t.Skipf("not tested on this store: %s", why)
}

// newName returns a name that no other test uses.
func newName() string { return "storetest/" + uuid.NewString() }

func newToken() string { return uuid.NewString() }

// newValue returns a value that no other version has.
func (t *test) newValue() secretstore.Plaintext {
	value := "v." + uuid.NewString()
	t.values = append(t.values, value)
	return secretstore.NewPlaintext(value)
}

// create makes a secret with a new name, token and value.
func (t *test) create() (created secretstore.Created, input secretstore.CreateInput) {
	t.Helper()
	input = secretstore.CreateInput{Name: newName(), Token: newToken(), Value: t.newValue()}
	created, err := t.Store.Create(t.Context(), input)
	t.ok("Create", err)
	return created, input
}

// put adds a version with a new value and returns its id and value.
func (t *test) put(id string, labels ...string) (version string, value secretstore.Plaintext) {
	t.Helper()
	version, value = newToken(), t.newValue()
	t.ok("Put", t.Store.Put(t.Context(), secretstore.PutInput{ID: id, Token: version, Value: value, Labels: labels}))
	return version, value
}

func (t *test) describe(id string) secretstore.Secret {
	t.Helper()
	secret, err := t.Store.Describe(t.Context(), id)
	t.ok("Describe", err)
	return secret
}

func (t *test) move(id, label, from, to string) {
	t.Helper()
	t.ok("MoveLabel", t.Store.MoveLabel(t.Context(), id, label, from, to))
}

func (t *test) ok(op string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
}

// refused demands that an operation failed with one of some kinds, as an *Error
// that holds no value.
func (t *test) refused(op string, err error, kinds ...error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded, want %v", op, kinds)
		return
	}
	for _, value := range t.values {
		if strings.Contains(err.Error(), value) {
			t.Errorf("%s: the error holds a secret value", op)
			return
		}
	}
	var typed *secretstore.Error
	if !errors.As(err, &typed) {
		t.Errorf("%s: the error is a %T, want a *secretstore.Error: %v", op, err, err)
		return
	}
	if !slices.Contains(kinds, typed.Kind) {
		t.Errorf("%s: the error's kind is %q, want one of %q: %v", op, typed.Kind, kinds, err)
	}
}

// labelled demands that exactly these versions have labels: version id to labels.
func (t *test) labelled(id string, want map[string][]string) {
	t.Helper()
	got := t.describe(id).Labels
	if t.has(DescribeUnlabelled) {
		maps.DeleteFunc(got, func(_ string, labels []string) bool { return len(labels) == 0 })
	}
	for _, labels := range want {
		slices.Sort(labels)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// holds demands that a version can be read and has a value. The values compared
// never reach a message.
func (t *test) holds(id string, at secretstore.VersionRef, version string, want secretstore.Plaintext) {
	t.Helper()
	got, err := t.Store.Value(t.Context(), id, at)
	t.ok("Value", err)
	if got.VersionID != version {
		t.Errorf("Value at %+v is version %s, want %s", at, got.VersionID, version)
	}
	if got.Plaintext.Reveal() != want.Reveal() {
		t.Errorf("Value at %+v is not the value that was stored (%d bytes, want %d)", at, got.Plaintext.Len(), want.Len())
	}
	if got.Plaintext.Binary() != want.Binary() {
		t.Errorf("Value at %+v is binary: %t, want %t", at, got.Plaintext.Binary(), want.Binary())
	}
}

// closeTo demands that two times are the same. Some stores keep whole seconds,
// and the time of a request and of what it made may differ by a moment.
func (t *test) closeTo(what string, got, want time.Time) {
	t.Helper()
	if got.Sub(want).Abs() > 3*time.Second {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}
