// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func withKey(id string) func(*secretsmanager.CreateSecretInput) {
	return func(in *secretsmanager.CreateSecretInput) { in.KmsKeyId = &id }
}

func (f fixture) setKey(name, key string) error {
	_, err := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: &name, KmsKeyId: &key})
	return err
}

func (f fixture) describeKey(id string) (*kmstypes.KeyMetadata, error) {
	out, err := f.kms.DescribeKey(f.Context(), &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		return nil, err
	}
	return out.KeyMetadata, nil
}

func TestKeyRules(t *testing.T) {
	const encryption = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"
	keyARN := func(id string) string { return "arn:aws:kms:eu-central-1:123456789012:key/" + id }
	setState := func(f fixture, id, state string) { f.s.ChangeKey(id, func(k *Key) { k.State = state }) }
	runRules(t, []rule{
		{"a key is named by id, ARN, alias or alias ARN", serviceModel, nil, func(f fixture) {
			id := f.s.AddKey(Key{Aliases: []string{"alias/app"}})
			for _, name := range []string{id, keyARN(id), "alias/app", "arn:aws:kms:eu-central-1:123456789012:alias/app"} {
				k, err := f.describeKey(name)
				f.ok(err)
				same(f, name, *k.KeyId, id)
				f.ok(f.tryCreate("app", "a", withKey(name)))
				f.ok(f.delete("app", force))
			}
		}},
		{"DescribeKey", serviceModel, nil, func(f fixture) {
			gone := f.start.AddDate(0, 0, 7)
			id := f.s.AddKey(Key{State: "PendingDeletion", Usage: "SIGN_VERIFY", Spec: "RSA_2048", Origin: "EXTERNAL", DeletionDate: gone, Description: "d"})
			k, err := f.describeKey(id)
			f.ok(err)
			same(f, "kind", fmt.Sprint(k.KeyState, k.KeyUsage, k.KeySpec, k.Origin, k.KeyManager, k.Enabled),
				"PendingDeletion"+"SIGN_VERIFY"+"RSA_2048"+"EXTERNAL"+"CUSTOMER"+"false")
			same(f, "description", *k.Description, "d")
			same(f, "ids", *k.Arn+*k.AWSAccountId, keyARN(id)+DefaultAccount)
			same(f, "dates", k.CreationDate.Equal(f.start) && k.DeletionDate.Equal(gone), true)
		}},
		{"DescribeKey of what is not there", "https://github.com/boto/botocore/issues/2107", nil, func(f fixture) {
			id := f.s.AddKey(Key{})
			for name, text := range map[string]string{
				"alias/nothing": "is not found", token1: "does not exist", "nonsense": "Invalid keyId",
				"arn:aws:kms:us-east-1:123456789012:key/" + id: "Invalid arn us-east-1",
			} {
				_, err := f.describeKey(name)
				f.fails(err, "NotFoundException", text)
			}
		}},
		{"alias/aws/secretsmanager is there and managed by AWS", serviceModel, nil, func(f fixture) {
			k, err := f.describeKey("alias/aws/secretsmanager")
			f.ok(err)
			same(f, "manager", k.KeyManager, kmstypes.KeyManagerTypeAws)
			same(f, "enabled", k.Enabled, true)
		}},
		{"the default key is left out of DescribeSecret", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withKey("alias/aws/secretsmanager"))
			same(f, "key", f.describe("app").KmsKeyId, nil)
		}},
		{"DescribeSecret tells the key as it was given", "assumed", nil, func(f fixture) {
			id := f.s.AddKey(Key{Aliases: []string{"alias/app"}})
			for _, given := range []string{id, keyARN(id), "alias/app"} {
				f.create("app", "a", withKey(given))
				same(f, "key", *f.describe("app").KmsKeyId, given)
				f.ok(f.delete("app", force))
			}
		}},
		{"or an alias as ARN", serviceModel, []Option{AliasARNs()}, func(f fixture) {
			f.s.AddKey(Key{Aliases: []string{"alias/app"}})
			f.create("app", "a", withKey("alias/app"))
			same(f, "key", *f.describe("app").KmsKeyId, "arn:aws:kms:eu-central-1:123456789012:alias/app")
		}},
		{"the key has to exist", "https://github.com/hashicorp/terraform-provider-aws/pull/13303", nil, func(f fixture) {
			f.create("app", "a")
			for _, key := range []string{"alias/nothing", token1, "nonsense", "arn:aws:kms:us-east-1:123456789012:key/" + token1} {
				f.fails(f.tryCreate("more", "a", withKey(key)), "InvalidParameterException", "The operation failed because of an invalid KMS key")
				f.fails(f.setKey("app", key), "InvalidParameterException", "invalid KMS key")
			}
			same(f, "there", f.s.HasSecret("more"), false)
		}},
		{"the key has to be symmetric and for encryption", encryption, nil, func(f fixture) {
			for _, k := range []Key{{Spec: "RSA_2048"}, {Spec: "RSA_2048", Usage: "SIGN_VERIFY"}, {Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"}} {
				f.fails(f.tryCreate("app", "a", withKey(f.s.AddKey(k))), "InvalidParameterException", "invalid KMS key")
			}
		}},
		{"the key has to be enabled to write", serviceModel, nil, func(f fixture) {
			id := f.s.AddKey(Key{})
			v := f.create("app", "a", withKey(id))
			for _, state := range []string{"Disabled", "PendingDeletion", "PendingImport", "Unavailable"} {
				setState(f, id, state)
				f.fails(f.tryCreate("more", "a", withKey(id)), "EncryptionFailure", state)
				f.fails(f.tryPut("app", token1, "b"), "EncryptionFailure", state)
			}
			f.labels("app", map[string]string{"AWSCURRENT": v})
		}},
		{"and to read", serviceModel, nil, func(f fixture) {
			id := f.s.AddKey(Key{})
			v := f.create("app", "a", withKey(id))
			setState(f, id, "Disabled")
			_, err := f.get("app")
			f.fails(err, "DecryptionFailure", "Disabled")
			f.fails(f.tryPut("app", v, "a"), "DecryptionFailure", "Disabled")
			f.fails(f.tryCreate("app", "a", withToken(v), withKey(id)), "DecryptionFailure", "Disabled")
			f.describe("app")
			setState(f, id, "Enabled")
			_, err = f.get("app")
			f.ok(err)
		}},
		{"kms permissions", "https://github.com/aws/aws-cdk/issues/7677", nil, func(f fixture) {
			id := f.s.AddKey(Key{})
			v := f.create("app", "a", withKey(id))
			f.create("default", "a")
			f.s.Deny("kms:Decrypt")
			_, err := f.get("app")
			f.fails(err, "AccessDeniedException", "Access to KMS is not allowed")
			f.fails(f.tryPut("app", v, "a"), "AccessDeniedException", "KMS")
			_, err = f.get("default")
			f.ok(err)
			f.s.AllowAll()
			f.s.Deny("kms:GenerateDataKey")
			f.fails(f.tryPut("app", token1, "b"), "AccessDeniedException", "KMS")
			f.ok(f.tryPut("default", token1, "b"))
			_, err = f.get("app")
			f.ok(err)
		}},
		{"a new key re-encrypts AWSCURRENT, AWSPENDING and AWSPREVIOUS only", serviceModel, nil, func(f fixture) {
			k1, k2 := f.s.AddKey(Key{}), f.s.AddKey(Key{})
			v1 := f.create("app", "a", withKey(k1))
			v2, v3 := f.put("app", "b"), f.put("app", "c")
			v4 := f.put("app", "d", "AWSPENDING")
			v5 := f.put("app", "e", "mine")
			f.ok(f.setKey("app", k2))
			same(f, "key", *f.describe("app").KmsKeyId, k2)
			got := f.s.Secret("app").Versions
			for id, want := range map[string]string{v1: k1, v2: k2, v3: k2, v4: k2, v5: k1} {
				same(f, "key of version", got[id].KeyID, want)
			}
			setState(f, k1, "Disabled")
			_, err := f.get("app", byID(v1))
			f.fails(err, "DecryptionFailure", "")
			_, err = f.get("app")
			f.ok(err)
		}},
		{"without kms:Encrypt a new key silently re-encrypts nothing", serviceModel, nil, func(f fixture) {
			k1, k2 := f.s.AddKey(Key{}), f.s.AddKey(Key{})
			v1 := f.create("app", "a", withKey(k1))
			f.s.Deny("kms:Encrypt")
			f.ok(f.setKey("app", k2))
			same(f, "version", f.s.Secret("app").Versions[v1].KeyID, k1)
			v2 := f.put("app", "b")
			same(f, "next version", f.s.Secret("app").Versions[v2].KeyID, k2)
		}},
		{"changing the key needs the old one", serviceModel, nil, func(f fixture) {
			k1, k2 := f.s.AddKey(Key{}), f.s.AddKey(Key{})
			f.create("app", "a", withKey(k1))
			setState(f, k1, "Disabled")
			f.fails(f.setKey("app", k2), "DecryptionFailure", "")
			same(f, "unchanged", *f.describe("app").KmsKeyId, k1)
		}},
		{"an empty key is the default key", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withKey(f.s.AddKey(Key{})))
			f.ok(f.setKey("app", ""))
			same(f, "key", f.describe("app").KmsKeyId, nil)
		}},
		{"keys of other accounts by ARN", serviceModel, nil, func(f fixture) {
			id := f.s.AddKey(Key{Account: "999999999999"})
			f.create("app", "a", withKey("arn:aws:kms:eu-central-1:999999999999:key/"+id))
			f.fails(f.tryCreate("more", "a", withKey(id)), "InvalidParameterException", "invalid KMS key")
		}},
		{"rotation status", serviceModel, nil, func(f fixture) {
			status := func(id string) (*kms.GetKeyRotationStatusOutput, error) {
				return f.kms.GetKeyRotationStatus(f.Context(), &kms.GetKeyRotationStatusInput{KeyId: &id})
			}
			managed, err := f.describeKey("alias/aws/secretsmanager")
			f.ok(err)
			on := f.s.AddKey(Key{Rotation: true, Aliases: []string{"alias/on"}})
			for id, want := range map[string]bool{
				on: true, keyARN(on): true, f.s.AddKey(Key{}): false, *managed.KeyId: true,
				f.s.AddKey(Key{Rotation: true, State: "PendingDeletion"}): false, f.s.AddKey(Key{Rotation: true, State: "Disabled"}): true,
			} {
				out, err := status(id)
				f.ok(err)
				same(f, "rotation", out.KeyRotationEnabled, want)
			}
			_, err = status("alias/on")
			f.fails(err, "NotFoundException", "alias/on")
			for _, k := range []Key{{Spec: "RSA_2048", Usage: "SIGN_VERIFY"}, {Origin: "EXTERNAL"}, {Origin: "AWS_CLOUDHSM"}} {
				_, err = status(f.s.AddKey(k))
				f.fails(err, "UnsupportedOperationException", "")
			}
		}},
		{"aliases", serviceModel, nil, func(f fixture) {
			id := f.s.AddKey(Key{Aliases: []string{"alias/a", "alias/b"}})
			out, err := f.kms.ListAliases(f.Context(), &kms.ListAliasesInput{KeyId: &id})
			f.ok(err)
			same(f, "of the key", len(out.Aliases), 2)
			same(f, "target", *out.Aliases[1].TargetKeyId, id)
			out, err = f.kms.ListAliases(f.Context(), &kms.ListAliasesInput{Limit: aws.Int32(2)})
			f.ok(err)
			same(f, "a page", len(out.Aliases) == 2 && out.Truncated, true)
			out, err = f.kms.ListAliases(f.Context(), &kms.ListAliasesInput{Limit: aws.Int32(2), Marker: out.NextMarker})
			f.ok(err)
			same(f, "the rest", len(out.Aliases) == 1 && !out.Truncated, true)
		}},
		{"times have milliseconds", "https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html", nil, func(f fixture) {
			f.s.SetTime(f.start.Add(456789 * time.Microsecond))
			f.create("app", "a")
			same(f, "created", *f.describe("app").CreatedDate, f.start.Add(456*time.Millisecond))
		}},
	})
}
