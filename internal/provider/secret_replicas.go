// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func replicaSpecs(ctx context.Context, replicas types.Set) []secretstore.ReplicaSpec {
	var models []replicaModel
	if replicas.IsUnknown() || replicas.ElementsAs(ctx, &models, false).HasError() {
		return nil
	}
	var specs []secretstore.ReplicaSpec
	for _, model := range models {
		specs = append(specs, secretstore.ReplicaSpec{Region: model.Region.ValueString(), KMSKeyID: model.KMSKeyID.ValueString()})
	}
	return specs
}

func replicaRegions(specs []secretstore.ReplicaSpec) []string {
	regions := make([]string, len(specs))
	for i, spec := range specs {
		regions[i] = spec.Region
	}
	return regions
}

// setReplicas takes over the replicas that a secret has. One that failed counts
// as missing, so that the next apply makes it again.
func (m *secretModel) setReplicas(ctx context.Context, store secretstore.Store, secret secretstore.Secret) (diags diag.Diagnostics) {
	known := map[string]string{}
	for _, spec := range replicaSpecs(ctx, m.Replicas) {
		known[spec.Region] = spec.KMSKeyID
	}
	var elements []attr.Value
	for _, replica := range secret.Replicas {
		if replica.Status == secretstore.ReplicaFailed {
			addFailedReplica(secret.ARN, replica, &diags)
			continue
		}
		key := replica.KMSKeyID
		if sameKey(ctx, store, known[replica.Region], key) {
			key = known[replica.Region]
		}
		elements = append(elements, types.ObjectValueMust(replicaType.AttrTypes, map[string]attr.Value{
			"region":     types.StringValue(replica.Region),
			"kms_key_id": optionalString(key),
		}))
	}
	if len(elements) > 0 || !m.Replicas.IsNull() {
		m.Replicas = types.SetValueMust(replicaType, elements)
	}
	return diags
}

func addFailedReplica(arn string, replica secretstore.Replica, diags *diag.Diagnostics) {
	diags.AddAttributeWarning(path.Root("replicas"), "Replication failed", fmt.Sprintf(
		"The secret %s could not be copied to %s. The next apply tries again; where a secret of that name exists there, "+
			"force_overwrite_replica_secret = true overwrites it.\n\n%s", arn, replica.Region, replica.Message))
}

// syncReplicas adds the replicas that are missing and removes those that are not
// wanted. One with another key, or one that failed, is removed and made again.
func syncReplicas(ctx context.Context, store secretstore.Store, secret secretstore.Secret, plan secretModel, diags *diag.Diagnostics) error {
	wanted := replicaSpecs(ctx, plan.Replicas)
	var surplus []string
	for _, replica := range secret.Replicas {
		i := slices.IndexFunc(wanted, func(spec secretstore.ReplicaSpec) bool { return spec.Region == replica.Region })
		keep := i >= 0 && replica.Status != secretstore.ReplicaFailed && sameKey(ctx, store, wanted[i].KMSKeyID, replica.KMSKeyID)
		if keep {
			wanted = slices.Delete(wanted, i, i+1)
		} else {
			surplus = append(surplus, replica.Region)
		}
	}
	if len(surplus) > 0 {
		if err := store.RemoveReplicas(ctx, secret.ARN, surplus); err != nil {
			return err
		}
		if err := awaitNoReplicas(ctx, store, secret.ARN, surplus); err != nil {
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if err := store.Replicate(ctx, secret.ARN, wanted, plan.ForceOverwriteReplicaSecret.ValueBool()); err != nil {
		return err
	}
	return awaitReplicas(ctx, store, secret.ARN, diags)
}

// awaitReplicas waits until no copy is in progress and warns of those that
// failed.
func awaitReplicas(ctx context.Context, store secretstore.Store, arn string, diags *diag.Diagnostics) error {
	secret, err := awaitSecret(ctx, store, arn, func(secret secretstore.Secret) bool {
		return !slices.ContainsFunc(secret.Replicas, func(r secretstore.Replica) bool { return r.Status == secretstore.ReplicaInProgress })
	})
	for _, replica := range secret.Replicas {
		if replica.Status == secretstore.ReplicaFailed {
			addFailedReplica(arn, replica, diags)
		}
	}
	return err
}

// awaitNoReplicas waits until the copies in these regions are gone.
func awaitNoReplicas(ctx context.Context, store secretstore.Store, arn string, regions []string) error {
	_, err := awaitSecret(ctx, store, arn, func(secret secretstore.Secret) bool {
		return !slices.ContainsFunc(secret.Replicas, func(r secretstore.Replica) bool { return slices.Contains(regions, r.Region) })
	})
	return err
}

func awaitSecret(ctx context.Context, store secretstore.Store, arn string, done func(secretstore.Secret) bool) (secretstore.Secret, error) {
	for waited := replicaTime; ; waited -= replicaStep {
		secret, err := store.Describe(ctx, arn)
		if err != nil || done(secret) {
			return secret, err
		}
		if waited <= 0 {
			return secret, fmt.Errorf("replication was not finished after %s", replicaTime)
		}
		if err := sleep(ctx, replicaStep); err != nil {
			return secret, err
		}
	}
}
