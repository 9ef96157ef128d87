// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

const other = "eu-west-1"

func replicateTo(regions ...string) []smtypes.ReplicaRegionType {
	var out []smtypes.ReplicaRegionType
	for _, region := range regions {
		out = append(out, smtypes.ReplicaRegionType{Region: aws.String(region)})
	}
	return out
}

func (f fixture) replicate(name string, force bool, regions ...smtypes.ReplicaRegionType) (*secretsmanager.ReplicateSecretToRegionsOutput, error) {
	return f.sm.ReplicateSecretToRegions(f.Context(), &secretsmanager.ReplicateSecretToRegionsInput{
		SecretId: &name, AddReplicaRegions: regions, ForceOverwriteReplicaSecret: force,
	})
}

func (f fixture) removeReplica(name, region string) error {
	_, err := f.sm.RemoveRegionsFromReplication(f.Context(), &secretsmanager.RemoveRegionsFromReplicationInput{
		SecretId: &name, RemoveReplicaRegions: []string{region},
	})
	return err
}

func TestReplicaRules(t *testing.T) {
	const replication = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html"
	const readOnly = "https://github.com/lgallard/terraform-aws-secrets-manager/issues/188"
	twin := func(f fixture) Secret { return f.s.SecretIn(DefaultAccount, other, "app") }
	replicated := func(in *secretsmanager.CreateSecretInput) { in.AddReplicaRegions = replicateTo(other) }
	runRules(t, []rule{
		{"create with a replica: InProgress, then InSync", serviceModel, nil, func(f fixture) {
			out, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{
				Name: aws.String("app"), SecretString: aws.String("a"), AddReplicaRegions: replicateTo(other),
			})
			f.ok(err)
			same(f, "at first", out.ReplicationStatus[0].Status, smtypes.StatusTypeInProgress)
			d := f.describe("app")
			same(f, "then", d.ReplicationStatus[0].Status, smtypes.StatusTypeInSync)
			same(f, "region", *d.ReplicationStatus[0].Region, other)
			same(f, "primary", *d.PrimaryRegion, DefaultRegion)
		}},
		{"create with a replica needs ReplicateSecretToRegions", serviceModel, nil, func(f fixture) {
			f.s.Deny("ReplicateSecretToRegions")
			f.fails(f.tryCreate("app", "a", replicated), "AccessDeniedException", "ReplicateSecretToRegions")
		}},
		{"a replica has the ARN, value, labels and tags of its primary", replication, nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.ok(f.tag("app", "k", "v"))
			v := f.put("app", "b")
			arn := f.s.Secret("app").ARN
			d, err := f.in(other).DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "ARN", *d.ARN, strings.Replace(arn, DefaultRegion, other, 1))
			same(f, "primary", *d.PrimaryRegion, DefaultRegion)
			same(f, "tags", *d.Tags[0].Value, "v")
			same(f, "current", d.VersionIdsToStages[v][0], "AWSCURRENT")
			got, err := f.in(other).GetSecretValue(f.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "value", *got.SecretString == "b", true)
		}},
		{"replication can be held", "the fake's own", nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.describe("app")
			f.s.HoldReplicas()
			f.put("app", "b")
			same(f, "versions there", len(twin(f).Versions), 1)
			_, err := f.replicate("app", false, replicateTo("us-east-1")...)
			f.ok(err)
			same(f, "status", f.describe("app").ReplicationStatus[1].Status, smtypes.StatusTypeInProgress)
			f.s.ReleaseReplicas()
			same(f, "status", f.describe("app").ReplicationStatus[1].Status, smtypes.StatusTypeInSync)
			same(f, "versions there", len(twin(f).Versions), 2)
		}},
		{"a taken name makes the replica fail", serviceModel, nil, func(f fixture) {
			f.s.Seed(Seed{Name: "app", Region: other, Description: "foreign"})
			f.create("app", "a", replicated)
			status := f.describe("app").ReplicationStatus[0]
			same(f, "status", status.Status, smtypes.StatusTypeFailed)
			same(f, "message", *status.StatusMessage, "Secret with this name already exists in this region")
			same(f, "untouched", twin(f).Description, "foreign")
			f.ok(f.removeReplica("app", other))
			same(f, "still untouched", twin(f).Description, "foreign")
		}},
		{"force overwrites it", serviceModel, nil, func(f fixture) {
			f.s.Seed(Seed{Name: "app", Region: other, Description: "foreign"})
			f.create("app", "a", replicated)
			f.describe("app")
			_, err := f.replicate("app", true, replicateTo(other)...)
			f.ok(err)
			same(f, "status", f.describe("app").ReplicationStatus[0].Status, smtypes.StatusTypeInSync)
			same(f, "overwritten", twin(f).Description, "")
		}},
		{"a wrong key makes the replica fail", "https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1459", nil, func(f fixture) {
			f.create("app", "a")
			_, err := f.replicate("app", false, smtypes.ReplicaRegionType{Region: aws.String(other), KmsKeyId: aws.String("alias/nothing")})
			f.ok(err)
			same(f, "status", f.describe("app").ReplicationStatus[0].Status, smtypes.StatusTypeFailed)
		}},
		{"a replica has its own key", replication, nil, func(f fixture) {
			key := f.s.AddKey(Key{Region: other})
			f.create("app", "a")
			_, err := f.replicate("app", false, smtypes.ReplicaRegionType{Region: aws.String(other), KmsKeyId: &key})
			f.ok(err)
			same(f, "of the secret", *f.describe("app").ReplicationStatus[0].KmsKeyId, key)
			same(f, "of the version", twin(f).Current().KeyID, key)
		}},
		{"a replica cannot be changed", readOnly, nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.describe("app")
			there, id := f.in(other), aws.String("app")
			_, put := there.PutSecretValue(f.Context(), &secretsmanager.PutSecretValueInput{SecretId: id, SecretString: id})
			_, tag := there.TagResource(f.Context(), &secretsmanager.TagResourceInput{SecretId: id, Tags: []smtypes.Tag{{Key: id, Value: id}}})
			_, update := there.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: id, Description: id})
			_, del := there.DeleteSecret(f.Context(), &secretsmanager.DeleteSecretInput{SecretId: id})
			_, more := there.ReplicateSecretToRegions(f.Context(), &secretsmanager.ReplicateSecretToRegionsInput{SecretId: id, AddReplicaRegions: replicateTo("us-east-1")})
			for _, err := range []error{put, tag, update, del, more} {
				f.fails(err, "InvalidParameterException", "Operation not permitted on a replica secret. Call must be made in primary secret's region.")
			}
		}},
		{"but for its key", "https://docs.aws.amazon.com/secretsmanager/latest/userguide/standalone-secret.html", nil, func(f fixture) {
			key := f.s.AddKey(Key{Region: other})
			f.create("app", "a", replicated)
			f.describe("app")
			_, err := f.in(other).UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("app"), KmsKeyId: &key})
			f.ok(err)
			f.put("app", "b")
			same(f, "key", twin(f).KMSKeyID, key)
			same(f, "of the next version", twin(f).Current().KeyID, key)
		}},
		{"a primary with replicas cannot be deleted", serviceModel, nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.fails(f.delete("app"), "InvalidParameterException", other)
			f.fails(f.delete("app", force), "InvalidParameterException", other)
			f.ok(f.removeReplica("app", other))
			f.ok(f.delete("app"))
		}},
		{"removing a region deletes the replica", serviceModel, nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.describe("app")
			f.ok(f.removeReplica("app", other))
			_, err := f.in(other).DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app")})
			f.fails(err, "ResourceNotFoundException", "")
			same(f, "none left", f.describe("app").ReplicationStatus == nil, true)
			f.fails(f.removeReplica("app", other), "InvalidParameterException", other)
		}},
		{"a region twice, and the own region, are refused", "assumed", nil, func(f fixture) {
			f.create("app", "a", replicated)
			_, err := f.replicate("app", false, replicateTo(other)...)
			f.fails(err, "InvalidParameterException", other)
			_, err = f.replicate("app", false, replicateTo(DefaultRegion)...)
			f.fails(err, "InvalidParameterException", DefaultRegion)
		}},
		{"a replica is promoted in its own region", serviceModel, nil, func(f fixture) {
			f.create("app", "a", replicated)
			f.describe("app")
			stop := func(c *secretsmanager.Client) error {
				_, err := c.StopReplicationToReplica(f.Context(), &secretsmanager.StopReplicationToReplicaInput{SecretId: aws.String("app")})
				return err
			}
			f.fails(stop(f.sm), "InvalidParameterException", "not a replica")
			f.ok(stop(f.in(other)))
			f.put("app", "b")
			same(f, "no longer follows", len(twin(f).Versions), 1)
			_, err := f.in(other).PutSecretValue(f.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("app"), SecretString: aws.String("c")})
			f.ok(err)
			_, err = f.replicate("app", false, replicateTo(other)...)
			f.ok(err)
			same(f, "a promoted secret is in the way", f.describe("app").ReplicationStatus[0].Status, smtypes.StatusTypeFailed)
		}},
	})
}
