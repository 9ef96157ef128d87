// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"iter"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
	"github.com/roi-systems/terraform-provider-roi/internal/report"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// publishCreate publishes what became of a create: a rotation, a rotation that
// failed, or a version that was taken over, which counts as neither. An error before
// it was clear that there is something to rotate is no failed rotation.
func (r *rotationResource) publishCreate(ctx context.Context, m secretRotationModel, out rotation.Outcome, err error) diag.Diagnostics {
	rotates := out.Action != "" && out.Action != rotation.Adopt
	_, replaced := r.data.rotations.wasDeleted(identify(m.SecretID.ValueString(), m.named()))
	switch {
	case err != nil && (rotates || replaced):
		return r.publishFailure(ctx, m)
	case err != nil:
		return nil
	}
	return r.publishDue(ctx, m, out.State, rotates)
}

// publishFailure counts a rotation that failed.
func (r *rotationResource) publishFailure(ctx context.Context, m secretRotationModel) diag.Diagnostics {
	return r.data.publish(ctx, func(context.Context) ([]metrics.Datum, error) {
		environment, err := r.data.Environment()
		if err != nil {
			return nil, err
		}
		return []metrics.Datum{metrics.Failed(secretName(m.SecretID.ValueString()), string(environment), r.data.Clock().Now())}, nil
	})
}

// publishDue publishes when the secret of a rotation is due, and that it was
// rotated, if it was.
func (r *rotationResource) publishDue(ctx context.Context, m secretRotationModel, now rotation.State, rotated bool) diag.Diagnostics {
	return r.data.publish(ctx, func(ctx context.Context) ([]metrics.Datum, error) {
		environment, err := r.data.Environment()
		if err != nil {
			return nil, err
		}
		var data []metrics.Datum
		if rotated {
			data = append(data, metrics.Rotated(secretName(now.ARN), string(environment), r.data.Clock().Now()))
		}
		made, err := r.reportOn(ctx, m, now)
		if made == nil || err != nil {
			return data, err
		}
		remaining, err := r.data.remaining(made)
		return append(data, remaining...), err
	})
}

// reportOn judges one secret as roi_rotation_report does, all of its values, so that
// both publish the same number. It is nil while the store shows only what was before
// the rotation.
func (r *rotationResource) reportOn(ctx context.Context, m secretRotationModel, now rotation.State) (*report.Report, error) {
	store, err := r.data.Store(ctx)
	if err != nil {
		return nil, err
	}
	for patience := settleTime; ; patience -= settleStep {
		secret, err := store.Describe(ctx, now.ARN)
		if err != nil {
			return nil, err
		}
		view, err := rotation.Look(secret, m.named())
		if err != nil {
			return nil, err
		}
		if view.Record != nil && int64(view.Record.Days) == m.RotationDays.ValueInt64() && view.State().Version == now.Version {
			at := r.data.Clock().Now()
			return report.Make(ctx, onlySecret{store, secret}, report.Query{Foreign: true, Now: at, DueAt: at})
		}
		if patience <= 0 {
			return nil, nil
		}
		if err := sleep(ctx, settleStep); err != nil {
			return nil, err
		}
	}
}

// onlySecret is a store that lists one secret.
type onlySecret struct {
	secretstore.Store
	secret secretstore.Secret
}

// List implements secretstore.Lister.
func (o onlySecret) List(context.Context, secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	return func(yield func(secretstore.ListedSecret, error) bool) {
		yield(secretstore.ListedSecret{Secret: o.secret}, nil)
	}
}
