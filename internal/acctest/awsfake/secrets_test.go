// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"
)

const (
	token1 = "11111111-1111-4111-8111-111111111111"
	token2 = "22222222-2222-4222-8222-222222222222"
	quotas = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"

	recorded    = "https://github.com/localstack/localstack/blob/main/tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json"
	taggingRule = "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"
	partialARN  = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen"
)

func withToken(token string) func(*secretsmanager.CreateSecretInput) {
	return func(in *secretsmanager.CreateSecretInput) { in.ClientRequestToken = &token }
}

func (f fixture) tryCreate(name, value string, edit ...func(*secretsmanager.CreateSecretInput)) error {
	in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}
	for _, e := range edit {
		e(in)
	}
	_, err := f.sm.CreateSecret(f.Context(), in)
	return err
}

func TestSecretRules(t *testing.T) {
	runRules(t, []rule{
		{"the token becomes the version id", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withToken(token1))
			f.labels("app", map[string]string{"AWSCURRENT": token1})
		}},
		{"create again with token and content is ignored", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withToken(token1))
			before := f.s.Secret("app")
			f.s.Advance(time.Minute)
			out, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{
				Name: aws.String("app"), SecretString: aws.String("a"), ClientRequestToken: aws.String(token1),
			})
			f.ok(err)
			same(f, "ARN", *out.ARN, before.ARN)
			same(f, "version", *out.VersionId, token1)
			same(f, "changed", f.s.Secret("app").ChangedAt, before.ChangedAt)
		}},
		{"create again with token and other content fails", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withToken(token1))
			f.fails(f.tryCreate("app", "b", withToken(token1)), "ResourceExistsException", "ClientRequestToken")
		}},
		{"text and binary of the same bytes differ", serviceModel, nil, func(f fixture) {
			f.create("app", "a", withToken(token1))
			_, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{
				Name: aws.String("app"), SecretBinary: []byte("a"), ClientRequestToken: aws.String(token1),
			})
			f.fails(err, "ResourceExistsException", "")
		}},
		{"create with a name that is taken fails", recorded, nil, func(f fixture) {
			f.create("app", "a")
			f.fails(f.tryCreate("app", "a"), "ResourceExistsException", "the secret app already exists")
		}},
		{"create with a name in its recovery window fails", recorded, nil, func(f fixture) {
			f.create("app", "a", withToken(token1))
			f.ok(f.delete("app"))
			f.fails(f.tryCreate("app", "a", withToken(token1)), "InvalidRequestException",
				"You can't create this secret because a secret with this name is already scheduled for deletion.")
		}},
		{"a secret can be created without a value", recorded, nil, func(f fixture) {
			out, err := f.sm.CreateSecret(f.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app")})
			f.ok(err)
			same(f, "version", out.VersionId, nil)
			same(f, "versions", f.describe("app").VersionIdsToStages == nil, true)
			_, err = f.get("app")
			f.fails(err, "ResourceNotFoundException", "staging label: AWSCURRENT")
			v := f.put("app", "a", "AWSPENDING")
			f.labels("app", map[string]string{"AWSCURRENT": v, "AWSPENDING": v})
		}},
		{"the token has 32 to 64 characters", serviceModel, nil, func(f fixture) {
			f.fails(f.tryCreate("app", "a", withToken(strings.Repeat("t", 31))), "ValidationException", "clientRequestToken")
			f.fails(f.tryCreate("app", "a", withToken(strings.Repeat("t", 65))), "ValidationException", "clientRequestToken")
			f.ok(f.tryCreate("app", "a", withToken(strings.Repeat("t", 64))))
		}},
		{"name characters", recorded, nil, func(f fixture) {
			f.ok(f.tryCreate("aZ09/_+=.@-", "a"))
			for _, name := range []string{"a b", "a*", "a:b", "ä"} {
				f.fails(f.tryCreate(name, "a"), "ValidationException", "Invalid name")
			}
		}},
		{"names have at most 512 characters", serviceModel, nil, func(f fixture) {
			f.ok(f.tryCreate(strings.Repeat("n", 512), "a"))
			f.fails(f.tryCreate(strings.Repeat("n", 513), "a"), "ValidationException", "512")
		}},
		{"descriptions have at most 2048 characters", serviceModel, nil, func(f fixture) {
			edit := func(in *secretsmanager.CreateSecretInput) { in.Description = aws.String(strings.Repeat("d", 2049)) }
			f.fails(f.tryCreate("app", "a", edit), "ValidationException", "description")
		}},
		{"values have 1 to 65536 bytes", quotas, nil, func(f fixture) {
			f.ok(f.tryCreate("app", strings.Repeat("é", 32768)))
			f.fails(f.tryCreate("more", strings.Repeat("é", 32768)+"x"), "ValidationException", "65536")
			f.fails(f.tryCreate("empty", ""), "ValidationException", "between 1 and")
			f.fails(f.tryPut("app", token1, strings.Repeat("v", 65537)), "ValidationException", "65536")
		}},
		{"text and binary exclude each other", serviceModel, nil, func(f fixture) {
			edit := func(in *secretsmanager.CreateSecretInput) { in.SecretBinary = []byte("b") }
			f.fails(f.tryCreate("app", "a", edit), "InvalidParameterException", "both")
		}},
		{"ARN: name and six random characters, new after delete", serviceModel, nil, func(f fixture) {
			f.create("a/b", "a")
			arn := f.s.Secret("a/b").ARN
			same(f, "form", regexp.MustCompile("^arn:aws:secretsmanager:eu-central-1:123456789012:secret:a/b-[A-Za-z0-9]{6}$").MatchString(arn), true)
			f.ok(f.delete("a/b", force))
			f.create("a/b", "a")
			same(f, "new ARN", f.s.Secret("a/b").ARN != arn, true)
			_, err := f.get(arn)
			f.fails(err, "ResourceNotFoundException", "")
		}},
		{"a secret is found by name, ARN and partial ARN", partialARN, nil, func(f fixture) {
			f.create("app", "a")
			arn := f.s.Secret("app").ARN
			for _, id := range []string{"app", arn, arn[:len(arn)-7]} {
				same(f, id, *f.describe(id).Name, "app")
			}
		}},
		{"a partial ARN that ends in a hyphen and six characters is taken for a full one", partialARN, nil, func(f fixture) {
			f.create("jwt-secret", "a")
			arn := f.s.Secret("jwt-secret").ARN
			same(f, "by ARN", *f.describe(arn).Name, "jwt-secret")
			same(f, "by name", *f.describe("jwt-secret").Name, "jwt-secret")
			_, err := f.get(arn[:len(arn)-7])
			f.fails(err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		}},
		{"regions are apart", "https://docs.aws.amazon.com/general/latest/gr/rande.html", nil, func(f fixture) {
			f.create("app", "a")
			_, err := f.in("us-east-1").DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app")})
			f.fails(err, "ResourceNotFoundException", "")
			f.s.Seed(Seed{Name: "app", Region: "us-east-1"})
			arn := f.s.Secret("app").ARN
			for _, id := range []string{arn, arn[:len(arn)-7]} {
				_, err = f.in("us-east-1").DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
				f.fails(err, "ResourceNotFoundException", "")
			}
		}},
		{"another account's secrets are denied", "https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html", nil, func(f fixture) {
			_, err := f.get(f.s.Seed(Seed{Name: "app", Account: "999999999999"}))
			f.fails(err, "AccessDeniedException", "999999999999")
		}},
		{"describe leaves out what has no value", recorded, nil, func(f fixture) {
			f.create("app", "a")
			d := f.describe("app")
			same(f, "nothing", d.Description == nil && d.KmsKeyId == nil && d.Tags == nil && d.DeletedDate == nil && d.LastAccessedDate == nil &&
				d.RotationEnabled == nil && d.OwningService == nil && d.PrimaryRegion == nil && d.ReplicationStatus == nil && d.LastRotatedDate == nil, true)
			same(f, "created", *d.CreatedDate, f.start)
			same(f, "changed", *d.LastChangedDate, f.start)
			_, raw := f.post("secretsmanager", "secretsmanager.DescribeSecret", jsonType, `{"SecretId":"app"}`)
			same(f, "null", strings.Contains(raw, "null"), false)
		}},
		{"any change moves LastChangedDate", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.s.Advance(time.Hour)
			f.ok(f.tag("app", "k", "v"))
			d := f.describe("app")
			same(f, "changed", *d.LastChangedDate, f.start.Add(time.Hour))
			same(f, "created", *d.CreatedDate, f.start)
		}},
		{"update changes what is given and makes no version", recorded, nil, func(f fixture) {
			v := f.create("app", "a")
			out, err := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("app"), Description: aws.String("d")})
			f.ok(err)
			same(f, "version", out.VersionId, nil)
			same(f, "description", *f.describe("app").Description, "d")
			f.labels("app", map[string]string{"AWSCURRENT": v})
		}},
		{"update with a value moves AWSCURRENT", serviceModel, nil, func(f fixture) {
			v1 := f.create("app", "a")
			out, err := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("app"), SecretString: aws.String("b")})
			f.ok(err)
			f.labels("app", map[string]string{"AWSCURRENT": *out.VersionId, "AWSPREVIOUS": v1})
		}},
		{"update with a token that exists fails, same content or not", serviceModel, nil, func(f fixture) {
			v := f.create("app", "a")
			_, err := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{
				SecretId: aws.String("app"), SecretString: aws.String("a"), ClientRequestToken: &v,
			})
			f.fails(err, "ResourceExistsException", "")
		}},
		{"deletion waits 30 days by default, then happens", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			out, err := f.sm.DeleteSecret(f.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "date", *out.DeletionDate, f.start.AddDate(0, 0, 30))
			same(f, "described", *f.describe("app").DeletedDate, f.start.AddDate(0, 0, 30))
			f.s.Advance(30*24*time.Hour - time.Millisecond)
			f.describe("app")
			f.s.Advance(time.Millisecond)
			_, err = f.sm.DescribeSecret(f.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app")})
			f.fails(err, "ResourceNotFoundException", "")
			f.create("app", "b")
		}},
		{"a deleted secret is not lost when another one goes first", serviceModel, nil, func(f fixture) {
			f.create("a", "a")
			f.create("b", "b")
			f.ok(f.delete("a", window(7)))
			f.ok(f.delete("b", window(9)))
			f.s.Advance(8 * 24 * time.Hour)
			same(f, "a", f.s.HasSecret("a"), false)
			same(f, "b", f.s.HasSecret("b"), true)
			f.s.Advance(24 * time.Hour)
			same(f, "b", f.s.HasSecret("b"), false)
		}},
		{"the window is 7 to 30 days", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			for _, days := range []int64{0, 6, 31} {
				f.fails(f.delete("app", window(days)), "InvalidParameterException", "between 7 and 30 days")
			}
			f.ok(f.delete("app", window(7)))
			same(f, "purge", f.s.Secret("app").PurgeAt, f.start.AddDate(0, 0, 7))
		}},
		{"force and window exclude each other", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.fails(f.delete("app", force, window(7)), "InvalidParameterException", "ForceDeleteWithoutRecovery")
		}},
		{"force deletes at once, also in the window", recorded, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.delete("app"))
			f.ok(f.delete("app", force))
			same(f, "there", f.s.HasSecret("app"), false)
		}},
		{"force delete may take a while", serviceModel, []Option{SlowForceDelete(time.Minute)}, func(f fixture) {
			f.create("app", "a")
			f.ok(f.delete("app", force))
			f.fails(f.tryCreate("app", "b"), "InvalidRequestException", "scheduled for deletion")
			f.s.Advance(time.Minute)
			f.create("app", "b")
		}},
		{"force delete of a missing secret does not fail", serviceModel, nil, func(f fixture) {
			f.ok(f.delete("nothing", force))
			f.fails(f.delete("nothing"), "ResourceNotFoundException", "")
		}},
		{"in the window all but describe, list and restore fails", recorded, nil, func(f fixture) {
			v := f.create("app", "a")
			f.ok(f.tag("app", "k", "v"))
			f.ok(f.delete("app"))
			id := aws.String("app")
			_, get := f.get("app")
			_, update := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: id, Description: id})
			_, untag := f.sm.UntagResource(f.Context(), &secretsmanager.UntagResourceInput{SecretId: id, TagKeys: []string{"k"}})
			_, policy := f.sm.GetResourcePolicy(f.Context(), &secretsmanager.GetResourcePolicyInput{SecretId: id})
			for _, err := range []error{
				get, update, untag, policy, f.tag("app", "k", "w"), f.tryPut("app", token1, "b"), f.move("app", "x", "", v), f.delete("app"),
			} {
				f.fails(err, "InvalidRequestException", "marked for deletion")
			}
			_, err := f.sm.ListSecretVersionIds(f.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: id})
			f.ok(err)
		}},
		{"restore takes deletion back", serviceModel, nil, func(f fixture) {
			v := f.create("app", "a")
			f.ok(f.delete("app"))
			_, err := f.sm.RestoreSecret(f.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "deleted", f.describe("app").DeletedDate, nil)
			f.s.Advance(60 * 24 * time.Hour)
			f.labels("app", map[string]string{"AWSCURRENT": v})
		}},
		{"services' secrets cannot be changed", serviceModel, nil, func(f fixture) {
			name := "rds!db-1"
			f.s.Seed(Seed{Name: name, OwningService: "rds", Versions: []SeedVersion{{ID: token1, Labels: []string{"AWSCURRENT"}}}})
			same(f, "owner", *f.describe(name).OwningService, "rds")
			_, update := f.sm.UpdateSecret(f.Context(), &secretsmanager.UpdateSecretInput{SecretId: &name, Description: &name})
			for _, err := range []error{update, f.tryPut(name, token2, "b"), f.move(name, "x", "", token1), f.delete(name), f.tag(name, "k", "v")} {
				f.fails(err, "InvalidRequestException", "rds")
			}
		}},
	})
}

func window(days int64) func(*secretsmanager.DeleteSecretInput) {
	return func(in *secretsmanager.DeleteSecretInput) { in.RecoveryWindowInDays = &days }
}

func TestTagRules(t *testing.T) {
	numbered := func(n int) (kv []string) {
		for range n {
			kv = append(kv, uuid.NewString(), "v")
		}
		return kv
	}
	runRules(t, []rule{
		{"tags are added and replaced by key", serviceModel, nil, func(f fixture) {
			f.create("app", "a", func(in *secretsmanager.CreateSecretInput) {
				in.Tags = []smtypes.Tag{{Key: aws.String("a"), Value: aws.String("1")}}
			})
			f.ok(f.tag("app", "b", "2", "a", "3"))
			tags := f.s.Secret("app").Tags
			same(f, "tags", len(tags) == 2 && tags["a"] == "3" && tags["b"] == "2", true)
		}},
		{"untag ignores keys that are not there; the empty list stays", recorded, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.tag("app", "a", "1"))
			_, err := f.sm.UntagResource(f.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("app"), TagKeys: []string{"a", "b"}})
			f.ok(err)
			d := f.describe("app")
			same(f, "empty, not absent", d.Tags != nil && len(d.Tags) == 0, true)
		}},
		{"untag of nothing changes nothing", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.s.Advance(time.Hour)
			_, err := f.sm.UntagResource(f.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("app"), TagKeys: []string{"b"}})
			f.ok(err)
			same(f, "changed", f.s.Secret("app").ChangedAt, f.start)
		}},
		{"50 tags", taggingRule, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.tag("app", numbered(50)...))
			f.fails(f.tag("app", "one", "more"), "InvalidParameterException", "50")
			same(f, "unchanged", len(f.s.Secret("app").Tags), 50)
		}},
		{"keys of 128 and values of 256 characters", taggingRule, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.tag("app", strings.Repeat("ü", 128), strings.Repeat("ü", 256)))
			f.fails(f.tag("app", strings.Repeat("k", 129), "v"), "ValidationException", "128")
			f.fails(f.tag("app", "k", strings.Repeat("v", 257)), "ValidationException", "256")
			f.fails(f.tag("app", "", "v"), "ValidationException", "128")
		}},
		{"letters, digits, spaces and _.:/=+-@", taggingRule, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.tag("app", "aZ9 _.:/=+-@é", "aZ9 _.:/=+-@é"))
			for _, char := range []string{"{", "\"", ",", "#", "\n", "*"} {
				f.fails(f.tag("app", "k"+char, "v"), "InvalidParameterException", "")
				f.fails(f.tag("app", "k", "v"+char), "InvalidParameterException", "")
			}
		}},
		{"aws: is reserved", taggingRule, nil, func(f fixture) {
			f.create("app", "a")
			f.fails(f.tag("app", "aws:x", "v"), "InvalidParameterException", "aws:")
			f.fails(f.tag("app", "AWS:x", "v"), "InvalidParameterException", "aws:")
			_, err := f.sm.UntagResource(f.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("app"), TagKeys: []string{"aws:x"}})
			f.fails(err, "InvalidParameterException", "aws:")
		}},
		{"no key twice in a request", taggingRule, nil, func(f fixture) {
			f.create("app", "a")
			f.fails(f.tag("app", "k", "v", "k", "w"), "InvalidParameterException", "more than once")
		}},
		{"tags in create need TagResource", serviceModel, nil, func(f fixture) {
			f.s.Deny("TagResource")
			f.fails(f.tryCreate("app", "a", func(in *secretsmanager.CreateSecretInput) {
				in.Tags = []smtypes.Tag{{Key: aws.String("a"), Value: aws.String("1")}}
			}), "AccessDeniedException", "secretsmanager:TagResource")
			same(f, "there", f.s.HasSecret("app"), false)
		}},
	})
}
