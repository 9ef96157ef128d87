// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func listNames(t *testing.T, store *Store, filter secretstore.ListFilter) []string {
	t.Helper()
	var names []string
	for secret, err := range store.List(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, secret.Name)
	}
	return names
}

func TestListTakesOneRequestForAHundredSecrets(t *testing.T) {
	for name, test := range map[string]struct {
		options []awsfake.Option
		filter  secretstore.ListFilter
		secrets int
		want    int
	}{
		"all":                   {nil, secretstore.ListFilter{}, 250, 3},
		"a full last page":      {nil, secretstore.ListFilter{NamePrefix: "s00"}, 100, 1},
		"empty pages":           {[]awsfake.Option{awsfake.EmptyPages()}, secretstore.ListFilter{}, 250, 5},
		"a filter of AWS":       {nil, secretstore.ListFilter{TagKeyPrefix: "roi:"}, 25, 1},
		"tags told apart later": {nil, secretstore.ListFilter{Tags: map[string]string{"team": "blue"}}, 5, 1},
		"nothing":               {nil, secretstore.ListFilter{NamePrefix: "other"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake := awsfake.Start(t, test.options...)
			for i := range 250 {
				tags := map[string]string{}
				if i%10 == 0 {
					tags["roi:policy"] = "x"
				}
				switch {
				case i%50 == 0:
					tags["team"] = "blue"
				case i%5 == 0:
					tags["team"], tags["colour"] = "red", "blue" // matches both filters that are sent
				}
				fake.Seed(awsfake.Seed{Name: fmt.Sprintf("s%04d", i), Tags: tags})
			}
			names := listNames(t, New(testConfig(t, fake.URL())), test.filter)
			if len(names) != test.secrets || fake.Count("ListSecrets") != test.want {
				t.Errorf("%d secrets with %d requests, want %d with %d", len(names), fake.Count("ListSecrets"), test.secrets, test.want)
			}
		})
	}
}

// A secret that is made while pages are fetched moves those behind it.
func TestListYieldsASecretOnce(t *testing.T) {
	fake := awsfake.Start(t)
	for i := range 150 {
		fake.Seed(awsfake.Seed{Name: fmt.Sprintf("s%04d", i)})
	}
	fake.After(func(c awsfake.Call) {
		if c.Op == "ListSecrets" && fake.Count("ListSecrets") == 1 {
			fake.Seed(awsfake.Seed{Name: "a-new-one"})
		}
	})
	seen := map[string]int{}
	for _, name := range listNames(t, New(testConfig(t, fake.URL())), secretstore.ListFilter{}) {
		seen[name]++
	}
	if len(seen) != 150 || seen["s0099"] != 1 || !fake.HasSecret("a-new-one") {
		t.Errorf("%d secrets, s0099 %d times, want 150, once", len(seen), seen["s0099"])
	}
}

func TestListEntriesOfForeignSecrets(t *testing.T) {
	fake := awsfake.Start(t)
	read := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	fake.Seed(awsfake.Seed{
		Name: "managed", OwningService: "rds", RotationEnabled: true, RotationLambda: "arn:aws:lambda:eu-central-1:123456789012:function:rotate", AccessedAt: read,
	})
	for secret, err := range New(testConfig(t, fake.URL())).List(t.Context(), secretstore.ListFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if secret.OwningService != "rds" || !secret.RotationEnabled || !strings.HasSuffix(secret.RotationLambda, "rotate") || !secret.AccessedAt.Equal(read) || !secret.AccessKnown {
			t.Errorf("the entry is %+v", secret)
		}
	}
}

func TestListFailures(t *testing.T) {
	fake := awsfake.Start(t)
	for i := range 150 {
		fake.Seed(awsfake.Seed{Name: fmt.Sprintf("s%04d", i)})
	}
	store := New(testConfig(t, fake.URL()))
	failure := func() (rounds int, failed error) {
		for _, err := range store.List(t.Context(), secretstore.ListFilter{}) {
			if failed != nil {
				t.Fatal("the list goes on after an error")
			}
			rounds++
			failed = err
		}
		return rounds, failed
	}
	fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "ListSecrets", Nth: 2})
	rounds, err := failure()
	if rounds != 101 || !errors.Is(err, secretstore.ErrAccessDenied) || !strings.Contains(err.Error(), `secretsmanager:ListSecrets is missing on "*"`) {
		t.Errorf("after %d rounds: %v", rounds, err)
	}
	fake.ClearFaults()
	fake.DenyAllBut("DescribeSecret")
	if _, err := failure(); !errors.Is(err, secretstore.ErrAccessDenied) || !strings.Contains(err.Error(), "secretsmanager:ListSecrets on resource: *") {
		t.Errorf("without the right: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range store.List(ctx, secretstore.ListFilter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	}
}
