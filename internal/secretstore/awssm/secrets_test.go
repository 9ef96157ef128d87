// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// TestRequests counts what each operation asks of Secrets Manager.
func TestRequests(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	if _, err := store.Scope(t.Context()); err != nil {
		t.Fatal(err)
	}
	input := newSecret("app")
	input.Description = "x"
	input.KMSKeyID = fake.AddKey(awsfake.Key{})
	input.Tags = map[string]string{"a": "b", "c": "d"}
	input.Replicas = []secretstore.ReplicaSpec{{Region: "eu-west-1"}, {Region: "us-east-1"}}
	second := uuid.NewString()
	ctx := t.Context()
	for _, step := range []struct {
		do   func() error
		want []string
	}{
		{func() error { _, err := store.Create(ctx, input); return err }, []string{"CreateSecret"}},
		{func() error { _, err := store.Describe(ctx, "app"); return err }, []string{"DescribeSecret"}},
		{func() error { _, err := store.Value(ctx, "app", secretstore.VersionRef{}); return err }, []string{"GetSecretValue"}},
		{func() error {
			return store.Put(ctx, secretstore.PutInput{ID: "app", Token: second, Value: input.Value, Labels: []string{secretstore.Pending}})
		}, []string{"PutSecretValue"}},
		{func() error { return store.MoveLabel(ctx, "app", secretstore.Current, input.Token, second) }, []string{"UpdateSecretVersionStage"}},
		{func() error { _, err := store.Versions(ctx, "app"); return err }, []string{"ListSecretVersionIds"}},
		{func() error { return store.Update(ctx, "app", secretstore.UpdateInput{Description: aws.String("")}) }, []string{"UpdateSecret"}},
		{func() error { return store.Tag(ctx, "app", map[string]string{"e": "f"}) }, []string{"TagResource"}},
		{func() error { return store.Untag(ctx, "app", []string{"e"}) }, []string{"UntagResource"}},
		{func() error { return store.RemoveReplicas(ctx, "app", []string{"eu-west-1", "us-east-1"}) }, []string{"RemoveRegionsFromReplication"}},
		{func() error { return store.Replicate(ctx, "app", input.Replicas[:1], true) }, []string{"ReplicateSecretToRegions"}},
		{func() error { return store.RemoveReplicas(ctx, "app", []string{"eu-west-1"}) }, []string{"RemoveRegionsFromReplication"}},
		{func() error { _, err := store.Delete(ctx, "app", 7); return err }, []string{"DeleteSecret"}},
		{func() error { return store.Restore(ctx, "app") }, []string{"RestoreSecret"}},
		{func() error { _, err := store.Delete(ctx, "app", 0); return err }, []string{"DeleteSecret"}},
		// What has nothing to say says nothing.
		{func() error { return store.Tag(ctx, "app", nil) }, nil},
		{func() error { return store.Untag(ctx, "app", nil) }, nil},
		{func() error { return store.Replicate(ctx, "app", nil, false) }, nil},
		{func() error { return store.RemoveReplicas(ctx, "app", nil) }, nil},
	} {
		fake.ResetCalls()
		if err := step.do(); err != nil {
			t.Errorf("%v: %v", step.want, err)
		}
		var got []string
		for _, call := range fake.Calls() {
			got = append(got, call.Op)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	}
}

// TestRefusedWithoutRequest: some mistakes are seen here, where the message can
// be better, or where Secrets Manager would do harm.
func TestRefusedWithoutRequest(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	tooLong := secretstore.NewPlaintext(strings.Repeat("x", secretstore.MaxValueBytes+1))
	fine := secretstore.NewPlaintext(testValue)
	token := uuid.NewString()
	put := func(input secretstore.PutInput) error { return store.Put(t.Context(), input) }
	create := func(input secretstore.CreateInput) error {
		_, err := store.Create(t.Context(), input)
		return err
	}
	for _, test := range []struct {
		err  error
		kind error
		text string
	}{
		{create(secretstore.CreateInput{Token: token, Value: fine}), secretstore.ErrInvalid, `create secret "": invalid request: no name`},
		{create(secretstore.CreateInput{Name: "app", Value: fine}), secretstore.ErrInvalid, `create secret "app": invalid request: no token for the new version`},
		{create(secretstore.CreateInput{Name: "app", Token: token, Value: tooLong}), secretstore.ErrLimit, `create secret "app": limit exceeded: the value has 65537 bytes, the limit is 65536`},
		{put(secretstore.PutInput{ID: "app", Token: token, Value: fine}), secretstore.ErrInvalid, `put a version into secret "app": invalid request: no labels for the new version`},
		{put(secretstore.PutInput{ID: "app", Token: token, Value: tooLong, Labels: []string{"x"}}), secretstore.ErrLimit, `put a version into secret "app": limit exceeded: the value has 65537 bytes, the limit is 65536`},
		{store.MoveLabel(t.Context(), "app", "x", "", ""), secretstore.ErrInvalid, `move a label of secret "app": invalid request: neither a version to take the label from nor one to put it on`},
		{store.MoveLabel(t.Context(), "app", "", "a", "b"), secretstore.ErrInvalid, `move a label of secret "app": invalid request: no label`},
	} {
		wantError(t, test.err, test.kind, test.text)
	}
	if calls := fake.Calls(); len(calls) > 0 {
		t.Errorf("%d requests, want none", len(calls))
	}
}

// TestCreatedAtIsTheStoresTime: this machine's clock may be wrong.
func TestCreatedAtIsTheStoresTime(t *testing.T) {
	long := time.Date(2031, 5, 6, 7, 8, 9, 987_000_000, time.UTC)
	store := New(testConfig(t, awsfake.Start(t, awsfake.At(long)).URL()))
	created, err := store.Create(t.Context(), newSecret("app"))
	if err != nil {
		t.Fatal(err)
	}
	if want := long.Truncate(time.Second); !created.CreatedAt.Equal(want) || created.CreatedAt.Location() != time.UTC {
		t.Errorf("CreatedAt is %s, want %s", created.CreatedAt, want)
	}
}

// TestCurrentIsNamed: what an emulator takes for the default may be another
// version.
func TestCurrentIsNamed(t *testing.T) {
	for want, ref := range map[string]secretstore.VersionRef{
		`{"SecretId":"app","VersionStage":"AWSCURRENT"}`:         {},
		`{"SecretId":"app","VersionStage":"x"}`:                  {Label: "x"},
		`{"SecretId":"app","VersionId":"id"}`:                    {ID: "id"},
		`{"SecretId":"app","VersionId":"id","VersionStage":"x"}`: {ID: "id", Label: "x"},
	} {
		store := answeringWith(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); string(body) != want {
				t.Errorf("the request is %s, want %s", body, want)
			}
			_, _ = io.WriteString(w, `{"SecretString":"x"}`)
		})
		if _, err := store.Value(t.Context(), "app", ref); err != nil {
			t.Error(err)
		}
	}
}

// TestLostResponses: what was carried out, but not heard of, is not carried out
// twice and is not an error.
func TestLostResponses(t *testing.T) {
	second := uuid.NewString()
	for name, test := range map[string]struct {
		op    string
		do    func(context.Context, *Store, secretstore.CreateInput) error
		check func(secretstore.Secret) bool
	}{
		"Create": {
			op: "CreateSecret",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				_, err := s.Create(ctx, newSecret("other"))
				return err
			},
			check: func(secretstore.Secret) bool { return true },
		},
		"Put": {
			op: "PutSecretValue",
			do: func(ctx context.Context, s *Store, input secretstore.CreateInput) error {
				return s.Put(ctx, secretstore.PutInput{ID: "app", Token: uuid.NewString(), Value: input.Value, Labels: []string{"third"}})
			},
			check: func(s secretstore.Secret) bool { return len(s.Labels) == 3 },
		},
		"MoveLabel": {
			op: "UpdateSecretVersionStage",
			do: func(ctx context.Context, s *Store, input secretstore.CreateInput) error {
				return s.MoveLabel(ctx, "app", secretstore.Current, input.Token, second)
			},
			check: func(s secretstore.Secret) bool { return s.VersionWith(secretstore.Current) == second },
		},
		"MoveLabel away": {
			op: "UpdateSecretVersionStage",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				return s.MoveLabel(ctx, "app", secretstore.Pending, second, "")
			},
			check: func(s secretstore.Secret) bool { return s.VersionWith(secretstore.Pending) == "" },
		},
		"Tag": {
			op: "TagResource",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				return s.Tag(ctx, "app", map[string]string{"a": "b"})
			},
			check: func(s secretstore.Secret) bool { return s.Tags["a"] == "b" },
		},
		"Replicate": {
			op: "ReplicateSecretToRegions",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				return s.Replicate(ctx, "app", []secretstore.ReplicaSpec{{Region: "us-east-1"}}, false)
			},
			check: func(s secretstore.Secret) bool { return len(s.Replicas) == 2 },
		},
		"RemoveReplicas": {
			op: "RemoveRegionsFromReplication",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				return s.RemoveReplicas(ctx, "app", []string{"eu-west-1"})
			},
			check: func(s secretstore.Secret) bool { return len(s.Replicas) == 0 },
		},
		"Delete": {
			op: "DeleteSecret",
			do: func(ctx context.Context, s *Store, _ secretstore.CreateInput) error {
				if err := s.RemoveReplicas(ctx, "app", []string{"eu-west-1"}); err != nil {
					return err
				}
				end, err := s.Delete(ctx, "app", 7)
				if err == nil && end.IsZero() {
					return errors.New("the window has no end")
				}
				return err
			},
			check: func(s secretstore.Secret) bool { return !s.DeletedAt.IsZero() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := awsfake.Start(t)
			store := New(testConfig(t, fake.URL()))
			input := newSecret("app")
			input.Replicas = []secretstore.ReplicaSpec{{Region: "eu-west-1"}}
			if _, err := store.Create(t.Context(), input); err != nil {
				t.Fatal(err)
			}
			err := store.Put(t.Context(), secretstore.PutInput{
				ID: "app", Token: second, Value: secretstore.NewPlaintext("2"), Labels: []string{secretstore.Pending},
			})
			if err != nil {
				t.Fatal(err)
			}
			fake.ResetCalls()
			fake.Inject(awsfake.Fault{Kind: awsfake.LostResponse, Op: test.op})
			if err := test.do(t.Context(), store, input); err != nil {
				t.Error(err)
			}
			if n := fake.Count(test.op); n != 2 {
				t.Errorf("%s was requested %d times, want 2", test.op, n)
			}
			secret, err := store.Describe(t.Context(), "app")
			if err != nil {
				t.Fatal(err)
			}
			if !test.check(secret) {
				t.Errorf("the secret is %+v", secret)
			}
		})
	}
}

// TestConflictIsBelieved: only after a lost response can a conflict be our own
// doing. Without one, a label that is where it was to go was put there by
// somebody else, who has to be told apart.
func TestConflictIsBelieved(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	input := newSecret("app")
	if _, err := store.Create(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	var versions []string
	for range 2 {
		versions = append(versions, uuid.NewString())
		err := store.Put(t.Context(), secretstore.PutInput{ID: "app", Token: versions[len(versions)-1], Value: input.Value, Labels: []string{secretstore.Pending}})
		if err != nil {
			t.Fatal(err)
		}
	}
	move := func(to string) error {
		return store.MoveLabel(t.Context(), "app", secretstore.Current, input.Token, to)
	}
	if err := move(versions[0]); err != nil {
		t.Fatal(err)
	}
	if err := move(versions[0]); !errors.Is(err, secretstore.ErrConflict) {
		t.Errorf("the second move: %v, want %v", err, secretstore.ErrConflict)
	}
	fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "UpdateSecretVersionStage"})
	if err := move(versions[1]); !errors.Is(err, secretstore.ErrConflict) {
		t.Errorf("a move that comes too late, at its second attempt: %v, want %v", err, secretstore.ErrConflict)
	}
}

// TestJustWritten: "not found" is not believed at once for what this process
// wrote, and believed at once for everything else.
func TestJustWritten(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	fake.SetLag(awsfake.Lag{Reads: 2})
	input := newSecret("app")
	created, err := store.Create(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	fake.ResetCalls()
	if _, err := store.Describe(t.Context(), created.ARN); err != nil {
		t.Errorf("Describe by ARN: %v", err)
	}
	if n := fake.Count("DescribeSecret"); n != 3 {
		t.Errorf("DescribeSecret was requested %d times, want 3", n)
	}

	other := newSecret("other")
	if _, err := store.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Value(t.Context(), "other", secretstore.VersionRef{}); err != nil {
		t.Errorf("Value by name: %v", err)
	}
	if n := fake.Count("GetSecretValue"); n != 3 {
		t.Errorf("GetSecretValue was requested %d times, want 3", n)
	}
	if _, err := store.Describe(t.Context(), "never"); !errors.Is(err, secretstore.ErrNotFound) {
		t.Errorf("Describe of what was never written: %v, want %v", err, secretstore.ErrNotFound)
	}
	if n := fake.Count("DescribeSecret"); n != 4 {
		t.Errorf("DescribeSecret of what was never written was requested %d times, want once", n-3)
	}
}

// TestSettlingOperations: which operations wait for what was just written.
func TestSettlingOperations(t *testing.T) {
	want := []string{"Describe", "MoveLabel", "Put", "Tag", "Value"}
	var got []string
	for name, call := range calls {
		requests := 0
		store := answeringWith(t, func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"ResourceNotFoundException","Message":"no"}`)
		})
		store.settle = 3 * firstSettleGap / 2
		store.markWritten(aws.String("app"))
		if err := call(t.Context(), store); !errors.Is(err, secretstore.ErrNotFound) {
			t.Errorf("%s: %v, want %v", name, err, secretstore.ErrNotFound)
		}
		if requests == 1 {
			continue
		}
		got = append(got, name)
		if requests != 2 {
			t.Errorf("%s: %d requests, want 2", name, requests)
		}
		if err := call(t.Context(), store); !errors.Is(err, secretstore.ErrNotFound) || requests != 3 {
			t.Errorf("%s is still not believed after %d requests", name, requests)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// TestDeletedIsNotAwaited: what this process deleted is gone.
func TestDeletedIsNotAwaited(t *testing.T) {
	fake := awsfake.Start(t)
	store := New(testConfig(t, fake.URL()))
	created, err := store.Create(t.Context(), newSecret("app"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Delete(t.Context(), created.ARN, 0); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"app", created.ARN} {
		if _, err := store.Describe(t.Context(), id); !errors.Is(err, secretstore.ErrNotFound) {
			t.Errorf("Describe: %v, want %v", err, secretstore.ErrNotFound)
		}
	}
	if n := fake.Count("DescribeSecret"); n != 2 {
		t.Errorf("DescribeSecret was requested %d times, want 2", n)
	}
}

// TestSettlingCanBeGivenUp: waiting ends with the caller.
func TestSettlingCanBeGivenUp(t *testing.T) {
	store := answering(t, http.StatusBadRequest, "ResourceNotFoundException", "no")
	store.markWritten(aws.String("app"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*firstSettleGap)
	defer cancel()
	if _, err := store.Describe(ctx, "app"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Describe: %v, want %v", err, context.DeadlineExceeded)
	}
}

// TestPages: a list may come in pages, and a page may be empty.
func TestPages(t *testing.T) {
	fake := awsfake.Start(t, awsfake.EmptyPages())
	store := New(testConfig(t, fake.URL()))
	input := newSecret("app")
	if _, err := store.Create(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{input.Token: true}
	for range 120 {
		token := uuid.NewString()
		want[token] = true
		err := store.Put(t.Context(), secretstore.PutInput{ID: "app", Token: token, Value: input.Value, Labels: []string{secretstore.Pending}})
		if err != nil {
			t.Fatal(err)
		}
	}
	versions, err := store.Versions(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, version := range versions {
		got[version.ID] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(versions) != len(want) {
		t.Errorf("%d versions, want %d (-want +got):\n%s", len(versions), len(want), diff)
	}
	if n := fake.Count("ListSecretVersionIds"); n < 4 {
		t.Errorf("the list came in %d pages, so this test saw no empty ones", n)
	}
}

// TestDescription: what Secrets Manager and what emulators answer for the same.
func TestDescription(t *testing.T) {
	const body = `{
		"ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf", "Name": "app",
		"KmsKeyId": %KEY%, "CreatedDate": 1.7e9, "DeletedDate": 1.8e9,
		"RotationEnabled": true, "RotationLambdaARN": "arn:lambda", "OwningService": "rds", "PrimaryRegion": "eu-central-1",
		"Tags": [{"Key": "a", "Value": "b"}, {"Key": "empty"}],
		"VersionIdsToStages": {"one": ["b", "AWSCURRENT", "a"], "two": []},
		"ReplicationStatus": [{"Region": "eu-west-1", "KmsKeyId": "alias/aws/secretsmanager", "Status": "Failed", "StatusMessage": "why", "LastAccessedDate": 1.7e9}]
	}`
	for given, want := range map[string]string{
		`null`:                       "",
		`""`:                         "",
		`"alias/aws/secretsmanager"`: "",
		`"arn:aws:kms:eu-central-1:123456789012:alias/aws/secretsmanager"`: "",
		`"alias/app"`: "alias/app",
		`"arn:aws:kms:eu-central-1:123456789012:alias/app"`: "arn:aws:kms:eu-central-1:123456789012:alias/app",
	} {
		store := answeringWith(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Replace(body, "%KEY%", given, 1))
		})
		got, err := store.Describe(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		wantSecret := secretstore.Secret{
			ARN:             "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf",
			Name:            "app",
			KMSKeyID:        want,
			Tags:            map[string]string{"a": "b", "empty": ""},
			Labels:          map[string][]string{"one": {"AWSCURRENT", "a", "b"}},
			CreatedAt:       time.Unix(1_700_000_000, 0).UTC(),
			DeletedAt:       time.Unix(1_800_000_000, 0).UTC(),
			RotationEnabled: true,
			RotationLambda:  "arn:lambda",
			OwningService:   "rds",
			PrimaryRegion:   "eu-central-1",
			Replicas:        []secretstore.Replica{{Region: "eu-west-1", Status: secretstore.ReplicaFailed, Message: "why"}},
		}
		if diff := cmp.Diff(wantSecret, got); diff != "" {
			t.Errorf("KmsKeyId %s (-want +got):\n%s", given, diff)
		}
	}
}

// TestUserAgent: AWS and its customers can tell who asks.
func TestUserAgent(t *testing.T) {
	var header string
	store := answeringWith(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.UserAgent()
		_, _ = io.WriteString(w, `{"ARN":"arn:x"}`)
	})
	store.config.ProviderVersion, store.config.TerraformVersion = "1.2.3", "1.14.0"
	store.config.UserAgent = []string{"pipeline/7 (nightly)"}
	if _, err := store.Describe(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Terraform/1.14.0", "terraform-provider-roi/1.2.3", "pipeline/7", "(nightly)"} {
		if !strings.Contains(header, want) {
			t.Errorf("the User-Agent is %q, want %s in it", header, want)
		}
	}
}
