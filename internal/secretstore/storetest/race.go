// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"errors"
	"sync"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var raceTests = map[string]func(*test){
	"Puts":       testConcurrentPuts,
	"SamePut":    testConcurrentSamePut,
	"Creates":    testConcurrentCreates,
	"Promotions": testConcurrentPromotions,
	"Tags":       testConcurrentTags,
}

const racers = 8

// race runs f in several goroutines and returns their errors in order.
func (t *test) race(f func(i int) error) [racers]error {
	t.Helper()
	if t.has(NoLocking) {
		t.skip(string(NoLocking))
	}
	var errs [racers]error
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

func testConcurrentPuts(t *test) {
	_, input := t.create()
	var tokens [racers]string
	var values [racers]secretstore.Plaintext
	for i := range racers {
		tokens[i], values[i] = newToken(), t.newValue()
	}
	errs := t.race(func(i int) error {
		return t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: tokens[i], Value: values[i], Labels: []string{secretstore.Pending},
		})
	})
	for i, err := range errs {
		t.ok("Put", err)
		t.holds(input.Name, secretstore.VersionRef{ID: tokens[i]}, tokens[i], values[i])
	}
	secret := t.describe(input.Name)
	t.labelled(input.Name, map[string][]string{
		input.Token:                             {secretstore.Current},
		secret.VersionWith(secretstore.Pending): {secretstore.Pending},
	})
}

func testConcurrentSamePut(t *test) {
	_, input := t.create()
	token := newToken()
	var values [racers]secretstore.Plaintext
	for i := range racers {
		values[i] = t.newValue()
	}
	errs := t.race(func(i int) error {
		return t.Store.Put(t.Context(), secretstore.PutInput{
			ID: input.Name, Token: token, Value: values[i], Labels: []string{secretstore.Pending},
		})
	})
	winner := t.onlyWinner("Put of one token with different contents", errs, secretstore.ErrExists)
	t.holds(input.Name, secretstore.VersionRef{ID: token}, token, values[winner])
}

func testConcurrentCreates(t *test) {
	name := newName()
	var inputs [racers]secretstore.CreateInput
	for i := range racers {
		inputs[i] = secretstore.CreateInput{Name: name, Token: newToken(), Value: t.newValue()}
	}
	errs := t.race(func(i int) error {
		_, err := t.Store.Create(t.Context(), inputs[i])
		return err
	})
	winner := t.onlyWinner("Create of one name", errs, secretstore.ErrExists)
	t.holds(name, secretstore.VersionRef{}, inputs[winner].Token, inputs[winner].Value)
	t.labelled(name, map[string][]string{inputs[winner].Token: {secretstore.Current}})
}

func testConcurrentPromotions(t *test) {
	_, input := t.create()
	var tokens [racers]string
	for i := range racers {
		tokens[i], _ = t.put(input.Name, "candidate")
	}
	errs := t.race(func(i int) error {
		return t.Store.MoveLabel(t.Context(), input.Name, secretstore.Current, input.Token, tokens[i])
	})
	winner := t.onlyWinner("MoveLabel of Current", errs, secretstore.ErrConflict)
	t.onVersion(input.Name, secretstore.Current, tokens[winner])
	t.onVersion(input.Name, secretstore.Previous, input.Token)
}

func testConcurrentTags(t *test) {
	_, input := t.create()
	errs := t.race(func(i int) error {
		return t.Store.Tag(t.Context(), input.Name, map[string]string{string(rune('a' + i)): "x"})
	})
	for _, err := range errs {
		t.ok("Tag", err)
	}
	if got := len(t.describe(input.Name).Tags); got != racers {
		t.Errorf("the secret has %d tags, want %d", got, racers)
	}
}

// onlyWinner demands that one racer succeeded and returns it; the others must
// have failed with one kind.
func (t *test) onlyWinner(op string, errs [racers]error, loser error) int {
	t.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Fatalf("%s succeeded twice", op)
		case !errors.Is(err, loser):
			t.Fatalf("%s: %v, want %v", op, err, loser)
		}
	}
	if winner < 0 {
		t.Fatalf("%s never succeeded: %v", op, errs[0])
	}
	return winner
}
