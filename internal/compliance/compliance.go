// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package compliance looks at secrets and says what holds of each: its values,
// its keys, its replicas, who may reach it. What it finds is evidence for controls
// of PCI DSS, NIST, SOC 2 and HIPAA, never a statement that one of them is met.
// It knows no Terraform, and reaches a store through its interface.
package compliance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Status is what came out of a check.
type Status string

// The statuses.
const (
	Pass         Status = "pass"
	Fail         Status = "fail"
	NotEvaluated Status = "not_evaluated" // it could not be told, or not without rights that were not given
)

// A Result is what one check found of one subject. Nothing in it tells anything of
// a value but what the check is about: no part of it, no hash, no length.
type Result struct {
	Check    string   `json:"id"`
	Subject  string   `json:"subject"` // ARN of a secret or of its replica, path of a file
	Name     string   `json:"name"`    // name of the secret, path of the file
	Key      string   `json:"key"`     // of a JSON secret; "" for what concerns all of it
	Status   Status   `json:"status"`
	Reason   string   `json:"reason"`
	Controls []string `json:"controls"` // what it is evidence for
}

// Totals count results, and the secrets that were looked at.
type Totals struct {
	Secrets      int `json:"secrets"`
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	NotEvaluated int `json:"not_evaluated"`
}

func (t *Totals) count(status Status) {
	switch status {
	case Pass:
		t.Pass++
	case Fail:
		t.Fail++
	default:
		t.NotEvaluated++
	}
}

// A Report is what was found. The same secrets in the same state make the same
// report: it holds no time at which it was made.
type Report struct {
	Totals  Totals   `json:"totals"`
	Results []Result `json:"results"` // by name, subject, key and check
}

// A Checker looks at secrets.
type Checker struct {
	Store    secretstore.Store
	Keys     secretstore.KeyDescriber // nil: the store encrypts with no KMS key
	Policies secretstore.PolicyReader // nil: the store has no resource policies

	// Floor says what is wrong with a recorded policy in the environment.
	Floor func(policy.Policy) error

	RequireHSM bool
	ReadValues bool
	Categories []string // only values of these; empty: of all
	Now        time.Time
}

const (
	workers = 10

	// Secrets Manager allows ListSecretVersionIds and ListSecrets 50 requests per
	// second together, and the operations on resource policies likewise. Others
	// want to ask as well.
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
	versionsPerSecond = 20
	policiesPerSecond = 40
)

// run is a Checker at work.
type run struct {
	Checker
	versions, policies *rate.Limiter
}

// Check looks at secrets, as they are listed or described. It goes on without what
// it may not read, and says so in the results; it fails when a store fails.
func (c Checker) Check(ctx context.Context, secrets []secretstore.Secret) (Report, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{c, rate.NewLimiter(versionsPerSecond, 1), rate.NewLimiter(policiesPerSecond, 1)}
	found := make([][]Result, len(secrets))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, len(secrets)) {
		group.Go(func() {
			for i := range next {
				results, err := r.secret(ctx, secrets[i])
				if err != nil {
					stop(err)
					return
				}
				found[i] = results
			}
		})
	}
	for i := range secrets {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return Report{}, err
	}
	return NewReport(slices.Concat(found...)), nil
}

// NewReport puts results in order and counts them.
func NewReport(results []Result) Report {
	report := Report{Results: slices.Clone(results)}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Key, b.Key),
			position(a.Check)-position(b.Check))
	})
	names := map[string]bool{}
	for _, result := range report.Results {
		if result.Check != fileMode {
			names[result.Name] = true
		}
		report.Totals.count(result.Status)
	}
	report.Totals.Secrets = len(names)
	return report
}

// A subject collects the results about one secret.
type subject struct {
	secret  secretstore.Secret
	results []Result

	listed   bool
	versions []secretstore.Version // newest first
	unlisted string                // why they are not known
}

func (s *subject) add(check, key string, status Status, format string, args ...any) *Result {
	return s.addFor(s.secret.ARN, check, key, status, format, args...)
}

func (s *subject) addFor(arn, check, key string, status Status, format string, args ...any) *Result {
	s.results = append(s.results, Result{
		Check: check, Subject: arn, Name: s.secret.Name, Key: key, Status: status, Reason: fmt.Sprintf(format, args...),
		Controls: append([]string{}, checks[position(check)].Controls...),
	})
	return &s.results[len(s.results)-1]
}

// without takes away controls that a result is not evidence for.
func (r *Result) without(controls ...string) {
	r.Controls = slices.DeleteFunc(r.Controls, func(control string) bool { return slices.Contains(controls, control) })
}

// secret looks at one secret. It returns nothing for one without a value of the
// categories asked for.
func (r *run) secret(ctx context.Context, secret secretstore.Secret) ([]Result, error) {
	s := &subject{secret: secret}
	records, unreadable := policy.DecodeRecords(secret.Tags)
	wanted := r.wanted(records)
	if len(r.Categories) > 0 && len(wanted) == 0 {
		return nil, nil
	}
	s.policies(records, unreadable)
	for _, look := range []func(context.Context, *subject) error{r.replicas, r.keys, r.resourcePolicy, r.pending} {
		if err := look(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := r.values(ctx, s, records, wanted); err != nil {
		return nil, err
	}
	return s.results, nil
}

// wanted returns the keys of the records of the categories asked for.
func (c Checker) wanted(records map[string]policy.Record) []string {
	var keys []string
	for key, record := range records {
		if len(c.Categories) == 0 || slices.Contains(c.Categories, record.Policy.Category) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// policies says whether the secret tells what its values must be.
func (s *subject) policies(records map[string]policy.Record, unreadable error) {
	switch {
	case unreadable != nil:
		s.add(policyRecorded, "", NotEvaluated, "untracked: the recorded policy cannot be read: %v", unreadable)
	case len(records) > 0:
		s.add(policyRecorded, "", Pass, "the tags of the secret hold the policy of each value")
	case s.secret.OwningService != "":
		s.add(policyRecorded, "", NotEvaluated, "untracked: the secret is managed by the AWS service %s", s.secret.OwningService)
	default:
		s.add(policyRecorded, "", NotEvaluated, "untracked: the secret carries no policy, so that nothing says what its values must be")
	}
}

// describe asks for what a list does not tell.
func (r *run) describe(ctx context.Context, s *subject) (reason string, err error) {
	secret, err := r.Store.Describe(ctx, s.secret.ARN)
	if err != nil {
		return refused("secretsmanager:DescribeSecret", s.secret.ARN, err)
	}
	s.secret = secret
	return "", nil
}

// versionsOf returns the versions of a secret, newest first, or why they are not
// known. It asks once.
func (r *run) versionsOf(ctx context.Context, s *subject) (versions []secretstore.Version, reason string, err error) {
	if s.listed {
		return s.versions, s.unlisted, nil
	}
	if err := r.versions.Wait(ctx); err != nil {
		return nil, "", err
	}
	s.versions, err = r.Store.Versions(ctx, s.secret.ARN)
	if err != nil {
		if s.unlisted, err = refused("secretsmanager:ListSecretVersionIds", s.secret.ARN, err); err != nil {
			return nil, "", err
		}
	}
	slices.SortFunc(s.versions, func(a, b secretstore.Version) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	s.listed = true
	return s.versions, s.unlisted, nil
}

// refused makes a reason of an error that says something about this secret or key
// only. Any other error is returned: a report without what a failing store did not
// tell would look better than the secrets are.
func refused(action, on string, err error) (reason string, fatal error) {
	switch {
	case errors.Is(err, secretstore.ErrAccessDenied):
		if action == "secretsmanager:GetSecretValue" && strings.Contains(err.Error(), "kms:Decrypt") {
			return fmt.Sprintf("not permitted: kms:Decrypt on the key of %s", on), nil
		}
		return fmt.Sprintf("not permitted: %s on %s", action, on), nil
	case errors.Is(err, secretstore.ErrScheduledForDeletion):
		return "the secret is scheduled for deletion", nil
	case errors.Is(err, secretstore.ErrNotFound):
		return fmt.Sprintf("%s is not there (any more)", on), nil
	case errors.Is(err, secretstore.ErrKey):
		return "the KMS key of the secret cannot be used", nil
	}
	return "", err
}
