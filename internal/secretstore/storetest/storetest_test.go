// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/storetest"
)

// brokenVariable names the promise that the store of this process breaks.
const brokenVariable = "ROI_TEST_BROKEN_STORE"

// broken is the embedded store without one of its promises.
type broken struct {
	*localstore.Store
	promise string
}

func (b *broken) Create(ctx context.Context, input secretstore.CreateInput) (secretstore.Created, error) {
	if b.promise == "a create can be repeated" {
		input.Token = uuid.NewString()
	}
	return b.Store.Create(ctx, input)
}

func (b *broken) Describe(ctx context.Context, id string) (secretstore.Secret, error) {
	secret, err := b.Store.Describe(ctx, id)
	var known *secretstore.Error
	if b.promise == "what is not there is not found" && errors.As(err, &known) {
		return secret, &secretstore.Error{Op: known.Op, ID: known.ID, Kind: secretstore.ErrInternal}
	}
	return secret, err
}

func (b *broken) Value(ctx context.Context, id string, at secretstore.VersionRef) (secretstore.Value, error) {
	if b.promise == "a version is read by its id" {
		at = secretstore.VersionRef{}
	}
	return b.Store.Value(ctx, id, at)
}

func (b *broken) Put(ctx context.Context, input secretstore.PutInput) error {
	if b.promise == "a put moves no other label" {
		input.Labels = append(input.Labels, secretstore.Current)
	}
	err := b.Store.Put(ctx, input)
	var known *secretstore.Error
	if b.promise == "no error holds a value" && errors.As(err, &known) {
		return &secretstore.Error{Op: known.Op, ID: known.ID, Kind: known.Kind, Err: errors.New("it was " + input.Value.Reveal())}
	}
	return err
}

func (b *broken) MoveLabel(ctx context.Context, id, label, from, to string) error {
	if b.promise == "a label moves by compare and swap" {
		secret, err := b.Store.Describe(ctx, id)
		if err != nil {
			return err
		}
		from = secret.VersionWith(label)
	}
	return b.Store.MoveLabel(ctx, id, label, from, to)
}

func (b *broken) Tag(ctx context.Context, id string, tags map[string]string) error {
	if b.promise == "other tags stay" {
		secret, err := b.Store.Describe(ctx, id)
		if err != nil {
			return err
		}
		var others []string
		for key := range secret.Tags {
			others = append(others, key)
		}
		if err := b.Untag(ctx, id, others); err != nil {
			return err
		}
	}
	return b.Store.Tag(ctx, id, tags)
}

func (b *broken) Delete(ctx context.Context, id string, days int) (time.Time, error) {
	if b.promise == "a deletion can be taken back" {
		days = 0
	}
	return b.Store.Delete(ctx, id, days)
}

func (b *broken) List(ctx context.Context, filter secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	if b.promise == "a list is filtered" {
		filter = secretstore.ListFilter{Scheduled: true}
	}
	return b.Store.List(ctx, filter)
}

type manualClock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *manualClock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *manualClock) Advance(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
}

// TestSuite shows that the suite passes on a store which is as it should be; the
// process of a broken one is started by TestBrokenStoresAreFound.
func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		clock := &manualClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		store := localstore.New(localstore.Config{Path: filepath.Join(t.TempDir(), "store")}, clock)
		return storetest.Fixture{
			Store: &broken{store, os.Getenv(brokenVariable)}, Advance: clock.Advance,
			Keys: [2]string{"alias/one", "alias/two"}, Regions: [2]string{"elsewhere", "nowhere"}, ReplicaKey: "alias/three",
		}
	})
}

// TestBrokenStoresAreFound: a suite that every store passes proves nothing.
func TestBrokenStoresAreFound(t *testing.T) {
	t.Parallel()
	for promise, group := range map[string]string{
		"a create can be repeated":          "Create",
		"a version is read by its id":       "Read",
		"a put moves no other label":        "Put",
		"no error holds a value":            "Put",
		"a label moves by compare and swap": "MoveLabel",
		"other tags stay":                   "Metadata",
		"a deletion can be taken back":      "Delete",
		"a list is filtered":                "List",
		"what is not there is not found":    "Unknown",
	} {
		t.Run(promise, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuite$/^"+group+"$")
			cmd.Env = append(os.Environ(), brokenVariable+"="+promise)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(output), "--- FAIL: TestSuite/"+group+"/") {
				t.Errorf("the suite passed, or did not fail as it should (%v):\n%s", err, output)
			}
		})
	}
}
