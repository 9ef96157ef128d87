// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/report"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// ages compares the age of each value with its rotation interval. What is due is
// decided where rotations are reported, so that both say the same.
func (r *run) ages(ctx context.Context, s *subject, records map[string]policy.Record, keys []string) error {
	made, err := report.Make(ctx, oneSecret{r, s}, report.Query{Foreign: true, Now: r.Now, DueAt: r.Now})
	if err != nil {
		return err
	}
	found := map[string]report.Key{}
	for _, secret := range made.Secrets {
		for _, key := range secret.Keys {
			found[key.Name] = key
		}
	}
	for _, key := range keys {
		value, known := found[key]
		status, reason := NotEvaluated, value.Reason
		switch {
		case !known:
			reason = "when the value was made is not known"
		case value.Status == report.Overdue:
			status, reason = Fail, "the value is of "+timestamp(value.RotatedAt)+" and was due on "+timestamp(value.DueAt)
		case value.Status == report.Current && value.DueAt.IsZero(), value.Status == report.DueSoon && value.DueAt.IsZero():
			reason = "the value has no rotation interval"
		case value.Status == report.Current, value.Status == report.DueSoon:
			status, reason = Pass, "the value is of "+timestamp(value.RotatedAt)+" and due on "+timestamp(value.DueAt)
		case value.Status == report.Scheduled:
			reason = "the secret is scheduled for deletion"
		case s.unlisted != "":
			reason = s.unlisted
		}
		result := s.add(valueAge, key, status, "%s", reason)
		interval := time.Duration(value.RotationDays) * rotation.Day
		switch p := records[key].Policy; {
		case p.Base == "encryption":
			result.without(pciNinetyDays, pciApplication)
		case interval > ninetyDays:
			result.without(pciCryptoperiod, pciNinetyDays)
		default:
			result.without(pciCryptoperiod)
		}
	}
	return nil
}

// ninetyDays is the longest interval of PCI DSS 4.0.1 8.3.9.
const ninetyDays = 90 * rotation.Day

// oneSecret is a store in which a report on rotation finds one secret.
type oneSecret struct {
	*run
	subject *subject
}

// List implements secretstore.Lister.
func (o oneSecret) List(context.Context, secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	return func(yield func(secretstore.ListedSecret, error) bool) {
		yield(secretstore.ListedSecret{Secret: o.subject.secret}, nil)
	}
}

// Versions tells what is known of the versions of the secret, and answers a reason
// why it is not with a refusal.
func (o oneSecret) Versions(ctx context.Context, id string) ([]secretstore.Version, error) {
	versions, reason, err := o.versionsOf(ctx, o.subject)
	if reason != "" {
		return nil, &secretstore.Error{Op: "list the versions of secret", ID: id, Kind: secretstore.ErrAccessDenied, Err: errors.New(reason)}
	}
	return versions, err
}
