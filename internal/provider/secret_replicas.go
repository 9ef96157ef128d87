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

// replicaKeys are the keys of replicas by region.
func replicaKeys(ctx context.Context, replicas types.Set) map[string]string {
	keys := map[string]string{}
	for _, spec := range replicaSpecs(ctx, replicas) {
		keys[spec.Region] = spec.KMSKeyID
	}
	return keys
}

func validateReplicas(ctx context.Context, config secretModel, diags *diag.Diagnostics) {
	seen := map[string]bool{}
	for _, replica := range replicaSpecs(ctx, config.Replicas) {
		if replica.Region != "" && seen[replica.Region] {
			diags.AddAttributeError(path.Root("replicas"), "Region is named twice", fmt.Sprintf(
				"A secret has at most one replica in a region, and %s is named more than once. Remove one of them.", replica.Region))
		}
		seen[replica.Region] = true
	}
}

// setReplicas takes over the replicas that a secret has. One that failed counts
// as missing, so that the next apply makes it again.
func (m *secretModel) setReplicas(ctx context.Context, store secretstore.Store, secret secretstore.Secret) (diags diag.Diagnostics) {
	known := replicaKeys(ctx, m.Replicas)
	var elements []attr.Value
	for _, replica := range secret.Replicas {
		if replica.Status == secretstore.ReplicaFailed {
			addFailedReplica(secret.ARN, replica, &diags)
			continue
		}
		key := replica.KMSKeyID
		if sameKey(ctx, store, secret.ARN, replica.Region, known[replica.Region], key, true) {
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
// before is the state of an update, or nil: where keys may not be asked for, the
// replica of a secret that is taken over stays, since it may be in use.
func syncReplicas(ctx context.Context, store secretstore.Store, secret secretstore.Secret, before *secretModel, plan secretModel, diags *diag.Diagnostics) error {
	wanted := replicaSpecs(ctx, plan.Replicas)
	keys := replicaKeys(ctx, plan.Replicas)
	if before != nil {
		keys = replicaKeys(ctx, before.Replicas)
	}
	var surplus []string
	for _, replica := range secret.Replicas {
		i := slices.IndexFunc(wanted, func(spec secretstore.ReplicaSpec) bool { return spec.Region == replica.Region })
		keep := i >= 0 && replica.Status != secretstore.ReplicaFailed &&
			sameKey(ctx, store, secret.ARN, replica.Region, wanted[i].KMSKeyID, replica.KMSKeyID, wanted[i].KMSKeyID == keys[replica.Region])
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

// removeAllReplicas removes every replica that the store knows of.
func removeAllReplicas(ctx context.Context, store secretstore.Store, id string) (removed bool, err error) {
	secret, err := store.Describe(ctx, id)
	if err != nil || len(secret.Replicas) == 0 {
		return false, err
	}
	var regions []string
	for _, replica := range secret.Replicas {
		regions = append(regions, replica.Region)
	}
	if err := store.RemoveReplicas(ctx, id, regions); err != nil {
		return false, err
	}
	return true, awaitNoReplicas(ctx, store, id, regions)
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
