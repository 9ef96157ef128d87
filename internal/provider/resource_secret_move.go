// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// awsSecretState is the part of the state of an aws_secretsmanager_secret that a
// roi_secret continues. Value and resource policy live in AWS and stay there.
type awsSecretState struct {
	ARN         string            `json:"arn"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	KMSKeyID    string            `json:"kms_key_id"`
	Window      *int64            `json:"recovery_window_in_days"`
	Force       *bool             `json:"force_overwrite_replica_secret"`
	Tags        map[string]string `json:"tags"`
	Replicas    []struct {
		Region   string `json:"region"`
		KMSKeyID string `json:"kms_key_id"`
	} `json:"replica"`
}

// MoveState implements resource.ResourceWithMoveState: moved blocks from
// aws_secretsmanager_secret.
func (r *secretResource) MoveState(context.Context) []resource.StateMover {
	return []resource.StateMover{{StateMover: moveAWSSecret}}
}

// isAWSProvider tells hashicorp/aws, of any registry, by its address. OpenTofu before
// 1.11.12 and 1.12.4 names the provider without host and namespace:
// https://github.com/opentofu/opentofu/issues/4352.
func isAWSProvider(address string) bool {
	return address == "aws" || strings.HasSuffix(address, "/hashicorp/aws")
}

func moveAWSSecret(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	if req.SourceTypeName != "aws_secretsmanager_secret" || !isAWSProvider(req.SourceProviderAddress) {
		return // not for this mover; Terraform reports that nobody could do it
	}
	var source awsSecretState
	if req.SourceRawState == nil || json.Unmarshal(req.SourceRawState.JSON, &source) != nil || source.ARN == "" {
		resp.Diagnostics.AddError("State of aws_secretsmanager_secret cannot be read",
			"The state to be moved does not look like one of an aws_secretsmanager_secret of hashicorp/aws 4 or newer. Nothing was changed. "+
				"Instead of the moved block, write a removed block for the old resource and an import block with the secret's name for the new one.")
		return
	}
	set := func(name string, value any) {
		resp.Diagnostics.Append(resp.TargetState.SetAttribute(ctx, path.Root(name), value)...)
	}
	set("id", source.ARN)
	set("arn", source.ARN)
	set("name", source.Name)
	set("description", optionalString(source.Description))
	set("kms_key_id", optionalString(source.KMSKeyID))
	set("recovery_window_in_days", source.Window)
	set("force_overwrite_replica_secret", source.Force)
	if len(source.Tags) > 0 {
		set("tags", source.Tags)
	}
	var replicas []replicaModel
	for _, replica := range source.Replicas {
		replicas = append(replicas, replicaModel{types.StringValue(replica.Region), optionalString(replica.KMSKeyID)})
	}
	if len(replicas) > 0 {
		set("replicas", replicas)
	}
}
