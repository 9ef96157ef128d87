// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// post sends a raw request with a well-formed signature for a service.
func (f fixture) post(service, target, contentType, body string) (*http.Response, string) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), http.MethodPost, f.s.URL(), strings.NewReader(body))
	f.ok(err)
	req.Header.Set("Content-Type", contentType)
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-central-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	f.ok(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	f.ok(err)
	return resp, string(answer)
}

func TestRefusesWhatItDoesNotModel(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ name, service, target, contentType, body, want string }{
		{"operation", "secretsmanager", "secretsmanager.GetRandomPassword", jsonType, "{}", "GetRandomPassword: operation secretsmanager:GetRandomPassword"},
		{"service", "secretsmanager", "DynamoDB.GetItem", jsonType, "{}", ": X-Amz-Target \"DynamoDB.GetItem\""},
		{"field", "secretsmanager", "secretsmanager.CreateSecret", jsonType, `{"Name":"app","Type":"x"}`, "CreateSecret: input field \"Type\""},
		{"nested field", "secretsmanager", "secretsmanager.TagResource", jsonType, `{"SecretId":"app","Tags":[{"Key":"k","Colour":"v"}]}`, "TagResource: input field \"Colour\""},
		{"action", "sts", "", form, "Action=GetSessionToken&Version=2011-06-15", "GetSessionToken: operation sts:GetSessionToken"},
		{"parameter", "sts", "", form, "Action=GetCallerIdentity&Version=2011-06-15&Colour=blue", "GetCallerIdentity: parameter Colour"},
		{"kms operation", "kms", "TrentService.Decrypt", jsonType, "{}", "Decrypt: operation kms:Decrypt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, AllowUnmodelled())
			resp, answer := f.post(c.service, c.target, c.contentType, c.body)
			same(f, "status", resp.StatusCode, http.StatusBadRequest)
			same(f, "a ValidationException", strings.Contains(answer, "ValidationException") && strings.Contains(answer, "not modelled"), true)
			got := f.s.Unmodelled()
			if len(got) != 1 || got[0] != c.want {
				t.Fatalf("unmodelled: got %q, want %q", got, c.want)
			}
		})
	}
}

// recorder is a testing.TB that keeps errors and cleanups for itself.
type recorder struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func TestUnmodelledFailsTheTest(t *testing.T) {
	tb := &recorder{TB: t}
	s := Start(tb)
	_, err := secretsmanager.NewFromConfig(s.Config()).GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{})
	if err == nil {
		t.Fatal("GetRandomPassword succeeded")
	}
	for _, cleanup := range tb.cleanups {
		cleanup()
	}
	if len(tb.errors) != 1 || !strings.Contains(tb.errors[0], "GetRandomPassword") {
		t.Fatalf("got errors %q, want one about GetRandomPassword", tb.errors)
	}
}

func TestErrorsQuoteNoValue(t *testing.T) {
	f := newFixture(t)
	for _, body := range []string{
		`{"Name":"app","SecretString":["VALUE"]}`, `{"Name":"app","SecretBinary":"VALUE!"}`, `{"Name":"app","SecretString":"VALUE`, `"VALUE"`,
	} {
		_, answer := f.post("secretsmanager", "secretsmanager.CreateSecret", jsonType, body)
		same(f, "a SerializationException", strings.Contains(answer, "SerializationException"), true)
		same(f, "quotes the value", strings.Contains(answer, "VALUE"), false)
	}
}

func TestWireErrors(t *testing.T) {
	f := newFixture(t)
	_, answer := f.post("secretsmanager", "secretsmanager.DescribeSecret", jsonType, `{"SecretId":"x"}`)
	same(f, "Secrets Manager", answer, `{"Message":"Secrets Manager can't find the specified secret.","__type":"ResourceNotFoundException"}`)
	_, answer = f.post("kms", "TrentService.DescribeKey", jsonType, `{"KeyId":"x"}`)
	same(f, "KMS", answer, `{"__type":"NotFoundException","message":"Invalid keyId 'x'"}`)
	_, answer = f.post("secretsmanager", "secretsmanager.PutSecretValue", jsonType, `{"SecretId":"x","SecretString":"v"}`)
	same(f, "no token", answer, `{"Message":"You must provide a ClientRequestToken value. We recommend a UUID-type value.","__type":"InvalidRequestException"}`) // recorded
}

func TestDateHeaderIsTheClock(t *testing.T) {
	f := newFixture(t)
	f.s.Advance(24 * time.Hour)
	resp, _ := f.post("secretsmanager", "secretsmanager.ListSecrets", jsonType, "{}")
	same(f, "Date", resp.Header.Get("Date"), "Mon, 02 Mar 2026 12:00:00 GMT")
	same(f, "X-Amzn-RequestId", resp.Header.Get("X-Amzn-RequestId"), f.s.Calls()[0].RequestID)
}

func TestClockRunsUnlessStopped(t *testing.T) {
	s := Start(t)
	machine := time.Now()
	if d := s.Now().Sub(machine); d < -time.Second || d > time.Minute {
		t.Fatalf("the clock is %v away from the machine's", d)
	}
	s.Advance(time.Hour)
	if d := s.Now().Sub(machine); d < time.Hour-time.Second || d > time.Hour+time.Minute {
		t.Fatalf("after Advance the clock is %v away from the machine's", d)
	}
}

func TestFaults(t *testing.T) {
	lost := func(f fixture, err error) {
		f.Helper()
		var api smithy.APIError
		if err == nil || errors.As(err, &api) {
			f.Fatalf("got %v, want a lost connection", err)
		}
	}
	const own = "the fake's own"
	runRules(t, []rule{
		{"a lost request is not processed", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: LostRequest, Op: "CreateSecret"})
			lost(f, f.tryCreate("app", "a"))
			same(f, "there", f.s.HasSecret("app"), false)
			f.ok(f.tryCreate("app", "a"))
		}},
		{"a lost response is processed", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: LostResponse, Op: "CreateSecret"})
			lost(f, f.tryCreate("app", "a", withToken(token1)))
			f.labels("app", map[string]string{"AWSCURRENT": token1})
			same(f, "recorded", f.s.Calls()[0].Status, http.StatusOK)
			f.ok(f.tryCreate("app", "a", withToken(token1)))
		}},
		{"the SDK's own retry meets the lost response's work", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: LostResponse})
			cfg := f.s.Config()
			cfg.Retryer = func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) {
					o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
				})
			}
			f.sm = secretsmanager.NewFromConfig(cfg)
			f.ok(f.tryCreate("app", "a"))
			same(f, "requests", f.s.Count("CreateSecret"), 2)
		}},
		{"throttled, 500 and access denied", "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html", nil, func(f fixture) {
			for kind, code := range map[FaultKind]string{Throttled: "ThrottlingException", InternalError: "InternalServiceError", AccessDenied: "AccessDeniedException"} {
				f.s.Inject(Fault{Kind: kind})
				f.fails(f.tryCreate("app", "a"), code, "")
			}
			for kind, code := range map[FaultKind]string{Throttled: "Throttling", InternalError: "InternalFailure", AccessDenied: "AccessDenied"} {
				f.s.Inject(Fault{Kind: kind})
				_, err := f.sts.GetCallerIdentity(f.Context(), &sts.GetCallerIdentityInput{})
				f.fails(err, code, "")
			}
			f.s.Inject(Fault{Kind: InternalError})
			_, err := f.describeKey("x")
			f.fails(err, "KMSInternalException", "")
			same(f, "there", f.s.HasSecret("app"), false)
		}},
		{"the nth request of an operation, some times", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: Throttled, Op: "PutSecretValue", Nth: 2, Times: 2})
			f.create("app", "a")
			var outcome string
			for range 5 {
				f.describe("app")
				if f.tryPut("app", token1, "b", "AWSPENDING") == nil {
					outcome += "+"
				} else {
					outcome += "-"
				}
			}
			same(f, "outcome", outcome, "+--++")
		}},
		{"for good, until cleared", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: Throttled, Times: Always})
			for range 5 {
				f.fails(f.tryCreate("app", "a"), "ThrottlingException", "")
			}
			f.s.ClearFaults()
			f.ok(f.tryCreate("app", "a"))
		}},
		{"by index, secret and condition", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: Throttled, Index: 2})
			f.s.Inject(Fault{Kind: InternalError, Secret: "b"})
			f.s.Inject(Fault{Kind: AccessDenied, Match: func(c Call) bool { return c.Region == other }})
			f.create("a", "v")
			f.fails(f.tryCreate("c", "v"), "ThrottlingException", "")
			f.fails(f.tryCreate("b", "v"), "InternalServiceError", "")
			f.create("b", "v")
			_, err := f.in(other).ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{})
			f.fails(err, "AccessDeniedException", "")
		}},
		{"latency", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: Latency, Delay: 50 * time.Millisecond})
			began := time.Now()
			f.create("app", "a")
			same(f, "took long", time.Since(began) >= 50*time.Millisecond, true)
		}},
		{"a client that gives up ends latency", own, nil, func(f fixture) {
			f.s.Inject(Fault{Kind: Latency, Delay: time.Hour})
			ended := make(chan struct{})
			f.s.After(func(Call) { close(ended) })
			ctx, cancel := context.WithCancel(f.Context())
			defer cancel()
			f.s.Before(func(Call) { cancel() }) // The request has arrived.
			_, err := f.sm.ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
			same(f, "failed", err != nil, true)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				f.Fatal("the request is still waiting")
			}
		}},
		{"hooks run before and after processing", own, nil, func(f fixture) {
			var seen []string
			f.s.Before(func(c Call) {
				seen = append(seen, fmt.Sprint("before ", c.Op, " ", c.Status, " ", f.s.HasSecret("app")))
			})
			f.s.After(func(c Call) {
				seen = append(seen, fmt.Sprint("after ", c.Op, " ", c.Status, " ", f.s.HasSecret("app")))
			})
			f.create("app", "a")
			same(f, "seen", strings.Join(seen, ", "), "before CreateSecret 0 false, after CreateSecret 200 true")
		}},
		{"calls are recorded and counted", own, nil, func(f fixture) {
			f.create("app", "a")
			_, err := f.get("nothing")
			f.fails(err, "ResourceNotFoundException", "")
			calls := f.s.Calls()
			same(f, "calls", len(calls), 2)
			c := calls[1]
			same(f, "call", fmt.Sprint(c.Service, " ", c.Op, " ", c.Account, " ", c.Region, " ", c.SecretID, " ", c.Index, " ", c.Status, " ", c.ErrorCode),
				"secretsmanager GetSecretValue 123456789012 eu-central-1 nothing 2 400 ResourceNotFoundException")
			same(f, "count", f.s.Counts()["CreateSecret"]+f.s.Count("GetSecretValue"), 2)
			f.s.ResetCalls()
			same(f, "reset", len(f.s.Calls()), 0)
		}},
	})
}

func TestLag(t *testing.T) {
	const eventual = "https://github.com/hashicorp/terraform-provider-aws/issues/18406"
	runRules(t, []rule{
		{"a new secret is not found for some reads", eventual, nil, func(f fixture) {
			f.s.SetLag(Lag{Reads: 2})
			f.create("app", "a")
			for range 2 {
				_, err := f.get("app")
				f.fails(err, "ResourceNotFoundException", "")
			}
			_, err := f.get("app")
			f.ok(err)
		}},
		{"reads see the labels before the last write", eventual, nil, func(f fixture) {
			v1 := f.create("app", "a")
			f.s.SetLag(Lag{Reads: 3})
			v2 := f.put("app", "b")
			same(f, "described", len(f.describe("app").VersionIdsToStages), 1)
			same(f, "listed", len(f.versions("app", true)), 1)
			out, err := f.get("app")
			f.ok(err)
			same(f, "read", *out.VersionId, v1)
			out, err = f.get("app")
			f.ok(err)
			same(f, "at last", *out.VersionId, v2)
		}},
		{"writes do not lag", eventual, nil, func(f fixture) {
			v1 := f.create("app", "a")
			f.s.SetLag(Lag{Reads: 9})
			v2 := f.put("app", "b", "AWSPENDING")
			f.ok(f.move("app", "AWSCURRENT", v1, v2))
		}},
		{"lag by time", eventual, nil, func(f fixture) {
			f.s.SetLag(Lag{For: 100 * time.Millisecond})
			f.create("app", "a")
			_, err := f.get("app")
			f.fails(err, "ResourceNotFoundException", "")
			time.Sleep(120 * time.Millisecond)
			_, err = f.get("app")
			f.ok(err)
		}},
	})
}

func TestPolicyRules(t *testing.T) {
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"*","Resource":"*"}]}`
	private, public := fmt.Sprintf(document, "arn:aws:iam::123456789012:root"), fmt.Sprintf(document, "*")
	put := func(f fixture, policy string, block bool) error {
		_, err := f.sm.PutResourcePolicy(f.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: aws.String("app"), ResourcePolicy: &policy, BlockPublicPolicy: &block})
		return err
	}
	get := func(f fixture) *string {
		out, err := f.sm.GetResourcePolicy(f.Context(), &secretsmanager.GetResourcePolicyInput{SecretId: aws.String("app")})
		f.ok(err)
		return out.ResourcePolicy
	}
	runRules(t, []rule{
		{"put, get, delete", recorded, nil, func(f fixture) {
			f.create("app", "a")
			same(f, "none", get(f), nil)
			f.ok(put(f, private, true))
			same(f, "policy", *get(f), private)
			_, err := f.sm.DeleteResourcePolicy(f.Context(), &secretsmanager.DeleteResourcePolicyInput{SecretId: aws.String("app")})
			f.ok(err)
			same(f, "none", get(f), nil)
		}},
		{"public policies only unless blocked", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.fails(put(f, public, true), "PublicPolicyException", "")
			f.ok(put(f, public, false))
		}},
		{"syntax and length", quotas, nil, func(f fixture) {
			f.create("app", "a")
			for _, policy := range []string{"{", "{}", private + strings.Repeat(" ", 20480)} {
				f.fails(put(f, policy, false), "MalformedPolicyDocumentException", "")
			}
		}},
		{"validate needs the right to put", serviceModel, nil, func(f fixture) {
			validate := func(policy string) (*secretsmanager.ValidateResourcePolicyOutput, error) {
				return f.sm.ValidateResourcePolicy(f.Context(), &secretsmanager.ValidateResourcePolicyInput{ResourcePolicy: &policy})
			}
			for policy, want := range map[string]bool{private: true, public: false} {
				out, err := validate(policy)
				f.ok(err)
				same(f, "passed", out.PolicyValidationPassed, want)
			}
			f.s.Deny("PutResourcePolicy")
			_, err := validate(private)
			f.fails(err, "AccessDeniedException", "PutResourcePolicy")
		}},
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	f := newFixture(t)
	const workers, each = 16, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("app-%d-%d", w, i)
				if err := f.tryCreate(name, "a"); err != nil {
					t.Error(err)
				}
				if err := f.tryPut("shared", token1, "same", "AWSPENDING"); err != nil && !isMissing(err) {
					t.Error(err)
				}
				f.s.Counts()
				f.s.Secrets()
			}
		})
	}
	f.create("shared", "a")
	wg.Wait()
	same(f, "secrets", len(f.s.Secrets()), workers*each+1)
	same(f, "requests", len(f.s.Calls()), 2*workers*each+1)
}

func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ResourceNotFoundException"
}

func TestLargeFleet(t *testing.T) {
	f := newFixture(t)
	for i := range 2000 {
		f.s.Seed(Seed{Name: fmt.Sprintf("fleet/%04d", i), Versions: []SeedVersion{{Labels: []string{"AWSCURRENT"}}}})
	}
	began := time.Now()
	same(f, "listed", strings.Count(f.list(), "fleet/"), 2000)
	same(f, "pages", f.s.Count("ListSecrets"), 20)
	for i := range 2000 {
		f.describe(fmt.Sprintf("fleet/%04d", i))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Fatalf("2,020 requests took %v", took)
	}
}

func TestWrongPatternsAndOperationsFailTheTest(t *testing.T) {
	for name, use := range map[string]func(*Server){
		"Deny":   func(s *Server) { s.Deny("GetSecretValues") },
		"Inject": func(s *Server) { s.Inject(Fault{Kind: Throttled, Op: "GetSecretValues"}) },
		"kind":   func(s *Server) { s.Inject(Fault{Op: "GetSecretValue"}) },
	} {
		t.Run(name, func(t *testing.T) {
			tb := &fatal{TB: t}
			defer func() {
				if recover() != errFatal {
					t.Fatal("the misuse was accepted")
				}
			}()
			use(Start(tb))
		})
	}
}

var errFatal = errors.New("fatal")

// fatal is a testing.TB that panics where a test would end.
type fatal struct{ testing.TB }

func (fatal) Fatal(...any)          { panic(errFatal) }
func (fatal) Fatalf(string, ...any) { panic(errFatal) }

func TestSnapshotsShowNoValue(t *testing.T) {
	f := newFixture(t)
	f.create("app", "VALUE")
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v", f.s.Secret("app"), f.s.Secrets(), f.s.Calls())
	same(f, "shows the value", strings.Contains(out.String(), "VALUE"), false)
}
