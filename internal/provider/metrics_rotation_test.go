// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// measured is a cli with metrics, which go to the fake as well.
type measured struct {
	*cli
	published int // that wantMetrics has seen
}

func newMeasured(t *testing.T, arguments ...string) *measured {
	t.Helper()
	c := &measured{cli: newCLI(t)}
	c.config = withMetrics(c.config, c.fake.URL(), arguments...)
	return c
}

func withMetrics(config, url string, arguments ...string) string {
	config = strings.Replace(config, "endpoints  = {", fmt.Sprintf("endpoints  = { cloudwatch = %q,", url), 1)
	return config + fmt.Sprintf("\n  metrics = { %s }", strings.Join(arguments, ", "))
}

// metrics returns what was published since the last call, as text: metric, secret
// and value.
func (c *measured) metrics() []string {
	c.t.Helper()
	var texts []string
	all := c.fake.Metrics()
	for _, m := range all[c.published:] {
		if m.Dimensions["Environment"] != "development" || len(m.Dimensions) != 2 {
			c.t.Errorf("%s has the dimensions %v", m.Name, m.Dimensions)
		}
		if age := m.At.Sub(c.now); age < 0 || age > time.Minute {
			c.t.Errorf("%s is of %v, and it is %v", m.Name, m.At, c.now)
		}
		texts = append(texts, fmt.Sprint(strings.TrimPrefix(m.Name, "SecretRotation"), " ", m.Dimensions["Secret"], " ", m.Value, " ", m.Unit))
	}
	c.published = len(all)
	return texts
}

func (c *measured) wantMetrics(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.metrics()); diff != "" {
		c.t.Errorf("published (-want +got):\n%s", diff)
	}
}

const notPublished = "Metrics were not published"

func TestMetricsOfARotation(t *testing.T) {
	t.Parallel()
	c := newMeasured(t, `namespace = "Shop/Security"`)
	c.apply(oneString)
	c.wantMetrics()
	c.apply(oneString, rotationOf("test"))
	c.wantMetrics("DaysRemaining app/jwt 89 None") // taken over, not rotated
	c.nothingToDo()
	c.wantMetrics()

	c.advance(95 * day)
	c.Apply().Require(t, 0)
	c.wantMetrics("Success app/jwt 1 Count", "DaysRemaining app/jwt 89 None")
	c.apply(oneString, rotationOf("test", "rotation_days = 30"))
	c.wantMetrics("DaysRemaining app/jwt 29 None")
	c.apply(oneString, rotationOf("test", "rotation_days = 30", `triggers = { incident = "1" }`))
	c.wantMetrics("Success app/jwt 1 Count", "DaysRemaining app/jwt 29 None")
	if got := c.fake.Metrics()[0].Namespace; got != "Shop/Security" {
		t.Errorf("the namespace is %q", got)
	}
	c.fake.ResetCalls()
	c.Destroy().Require(t, 0)
	c.wantMetrics()
}

// A JSON secret is due with the first of its values, whichever of its rotations is
// applied.
func TestMetricsOfSeveralRotationsOfASecret(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	session := rotationOf("session", `keys = ["SESSION"]`, "rotation_days = 10")
	c.apply(jsonSecret, rotationOf("jwt", `keys = ["JWT"]`), session)
	for _, text := range c.metrics() {
		if text != "DaysRemaining app/all 9 None" && text != "DaysRemaining app/all 89 None" {
			t.Errorf("published: %s", text)
		}
	}
	c.advance(5 * day)
	c.apply(jsonSecret, rotationOf("jwt", `keys = ["JWT"]`, `triggers = { incident = "1" }`), session)
	c.wantMetrics("Success app/all 1 Count", "DaysRemaining app/all 4 None")
}

func TestMetricsOfFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		deny      string
		arguments string
		want      []string
	}{
		"the delete that asks for it": {deny: "TagResource", want: []string{"Failure app/jwt 1 Count"}},
		"the create that rotates":     {deny: "PutSecretValue", want: []string{"Failure app/jwt 1 Count"}},
		"the health check":            {arguments: "unhealthy", want: []string{"Failure app/jwt 1 Count"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newMeasured(t)
			rotated := rotationOf("test")
			if test.arguments != "" {
				rotated = rotationOf("test", newHealth(t).argument("5s"))
			}
			c.apply(oneString, rotated)
			c.metrics()
			c.advance(90 * day)
			if test.deny != "" {
				c.fake.Deny(test.deny)
			}
			c.Apply().Require(t, 1)
			c.wantMetrics(test.want...)
		})
	}
	t.Run("a first rotation", func(t *testing.T) {
		t.Parallel()
		c := newMeasured(t)
		c.apply(oneString)
		c.fake.Deny("PutSecretValue")
		c.write(oneString, rotationOf("test", "rotate_on_create = true"))
		c.Apply().Require(t, 1)
		c.wantMetrics("Failure app/jwt 1 Count")
	})
	t.Run("a rotation that nobody asked for", func(t *testing.T) {
		t.Parallel()
		c := newMeasured(t)
		c.apply(oneString)
		c.fake.Deny("TagResource")
		c.write(oneString, rotationOf("test"))
		c.Apply().Require(t, 1)
		c.wantMetrics()
	})
	t.Run("overdue is an error", func(t *testing.T) {
		t.Parallel()
		c := newMeasured(t)
		c.apply(oneString)
		c.advance(91 * day)
		c.SetEnv("ROI_ROTATION_OVERDUE", "error")
		c.write(oneString, rotationOf("test"))
		c.Apply().Require(t, 1)
		c.wantMetrics()
	})
}

// Whatever CloudWatch does, the rotation is made, the state is right, and the apply
// succeeds with one warning.
func TestMetricsThatCannotBePublished(t *testing.T) {
	t.Parallel()
	always := func(kind awsfake.FaultKind) func(*measured) {
		return func(c *measured) {
			c.fake.Inject(awsfake.Fault{Kind: kind, Op: "PutMetricData", Times: awsfake.Always, Delay: time.Hour})
		}
	}
	for name, test := range map[string]struct {
		prepare  func(*measured)
		says     string
		requests int
	}{
		"denied":         {func(c *measured) { c.fake.Deny("cloudwatch:PutMetricData") }, "the action cloudwatch:PutMetricData", 1},
		"throttled":      {always(awsfake.Throttled), "throttled", 3},
		"internal error": {always(awsfake.InternalError), "InternalServiceFault", 3},
		"lost requests":  {always(awsfake.LostRequest), "cannot be reached", 3},
		"no answer":      {always(awsfake.Latency), "did not answer within 10s", 1},
		"no such server": {func(c *measured) {
			c.config = strings.Replace(c.config, "cloudwatch = \"", "cloudwatch = \"http://127.0.0.1:1/", 1)
		}, "cannot be reached", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newMeasured(t)
			c.apply(oneString, rotationOf("test"))
			c.advance(90 * day)
			test.prepare(c)
			c.fake.ResetCalls()
			c.write(oneString, rotationOf("test"))
			began := time.Now()
			result := c.Apply()
			result.Require(t, 0)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("the apply took %v", took)
			}
			c.contains(result, notPublished, test.says)
			if count := strings.Count(result.Message(), notPublished); count != 1 {
				t.Errorf("%d warnings, want one", count)
			}
			if got := c.fake.Count("PutMetricData"); got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
			if c.versions("app/jwt") != 2 {
				t.Errorf("there are %d versions, want 2", c.versions("app/jwt"))
			}
			c.fake.ClearFaults()
			c.nothingToDo()
		})
	}
}

// What is refused is not tried again in the same run.
func TestMetricsAreGivenUpForARun(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	c.fake.Deny("cloudwatch:PutMetricData")
	second := strings.NewReplacer("roi_secret.test.id", "roi_secret_rotation.test.secret_id", `"test"`, `"second"`).Replace(rotationOf("test", `keys = ["SESSION"]`))
	result := c.apply(jsonSecret, rotationOf("test", `keys = ["JWT"]`), second)
	if count := strings.Count(result.Message(), notPublished); count != 1 || c.fake.Count("PutMetricData") != 1 {
		t.Errorf("%d warnings and %d requests for two rotations, want one of each", count, c.fake.Count("PutMetricData"))
	}
	c.contains(result, "Nothing more is published in this run")
}

// Without the argument nothing is asked, and with it a rotation costs a
// DescribeSecret and a PutMetricData more.
func TestMetricsCostTwoRequests(t *testing.T) {
	t.Parallel()
	var got []string
	var identities []int
	for _, c := range []*cli{newCLI(t), newMeasured(t).cli} {
		c.apply(oneString, rotationOf("test"))
		c.advance(90 * day)
		c.fake.ResetCalls()
		c.Apply().Require(t, 0)
		got = append(got, requests(c.fake))
		identities = append(identities, c.fake.Count("GetCallerIdentity"))
	}
	if identities[0] != identities[1] {
		t.Errorf("STS was asked %d times, and %d times with metrics", identities[0], identities[1])
	}
	want := []string{
		"DescribeSecret 3, PutSecretValue 1, TagResource 3, UpdateSecretVersionStage 2",
		"DescribeSecret 4, PutMetricData 1, PutSecretValue 1, TagResource 3, UpdateSecretVersionStage 2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A store that answers from before the rotation must not make it overdue again.
func TestMetricsOfALaggingStore(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	c.apply(oneString, rotationOf("test"))
	c.metrics()
	c.advance(95 * day)
	c.fake.SetLag(awsfake.Lag{Reads: 2})
	c.Apply().Require(t, 0)
	c.wantMetrics("Success app/jwt 1 Count", "DaysRemaining app/jwt 89 None")
}

// forgetfulStore answers from long before, and then as it is.
type forgetfulStore struct {
	secretstore.Store
	answers []secretstore.Secret
}

func (s *forgetfulStore) Describe(context.Context, string) (secretstore.Secret, error) {
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return answer, nil
}

func TestMetricsAreNotOfAStaleDescription(t *testing.T) {
	clearEnvironment(t)
	now := testTime.Now()
	describe := func(version string, at time.Time, days int) secretstore.Secret {
		text, err := rotation.Record{Current: version, At: at, Days: days}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		tags := map[string]string{rotation.RecordTag: text}
		return secretstore.Secret{
			ARN: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/jwt-AbCdEf", Name: "app/jwt", Tags: tags, Labels: map[string][]string{version: {secretstore.Current}},
		}
	}
	const before, after = "11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222"
	old, fresh := describe(before, now.AddDate(0, 0, -40), 30), describe(after, now, 30)
	for name, test := range map[string]struct {
		answers []secretstore.Secret
		want    float64
	}{
		"up to date":             {[]secretstore.Secret{fresh}, 30},
		"of the version before":  {[]secretstore.Secret{old, fresh}, 30},
		"of the interval before": {[]secretstore.Secret{describe(after, now, 90), fresh}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			store := &forgetfulStore{answers: test.answers}
			data := configuredData(t, object{"store": "local"}, WithStore(func(secretstore.Store) secretstore.Store { return store }))
			r := &rotationResource{data: data}
			var m secretRotationModel
			m.RotationDays = types.Int64Value(30)
			made, err := r.reportOn(t.Context(), m, rotation.State{ARN: fresh.ARN, Version: after})
			if err != nil || made == nil {
				t.Fatalf("no report, %v", err)
			}
			published, err := data.remaining(made)
			if err != nil || len(published) != 1 || published[0].Value != test.want {
				t.Errorf("published: %v, %v, want %v", published, err, test.want)
			}
		})
	}
}

// The embedded store has no credentials of its own: those of aws are used.
func TestMetricsWithTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	folder := filepath.Join(c.Dir, "store")
	c.config = strings.Replace(c.config, `store = "aws"`, fmt.Sprintf("store = \"local\"\n  local = { path = %q }", folder), 1)
	c.apply(oneString, rotationOf("test"))
	c.wantMetrics("DaysRemaining app/jwt 89 None")
	if got := requests(c.fake); got != "PutMetricData 1" {
		t.Errorf("requests: %s", got)
	}

	c.config = strings.Replace(c.config, `access_key = "AKIDEXAMPLE"`, "", 1)
	c.config = strings.Replace(c.config, `secret_key = "not-a-real-key"`, "", 1)
	result := c.apply(oneString, rotationOf("test", `triggers = { incident = "1" }`))
	c.contains(result, notPublished, "needs AWS credentials whatever the store is")
}

func TestMetricsLeakNothing(t *testing.T) {
	t.Parallel()
	c := newMeasured(t)
	scanner := leak.New(t)
	c.apply(jsonSecret, rotationOf("test", `keys = ["JWT"]`))
	c.advance(90 * day)
	c.fake.Inject(awsfake.Fault{Kind: awsfake.Throttled, Op: "PutMetricData"})
	c.Apply().Require(t, 0)
	c.fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Op: "PutMetricData"})
	c.Apply("-replace=roi_secret_rotation.test").Require(t, 0)
	c.learn(scanner, "app/all")
	c.LeakCheck(scanner)
	for _, m := range c.fake.Metrics() {
		for _, finding := range scanner.Text("a metric", fmt.Sprintf("%+v", m)) {
			t.Errorf("a secret value is in %s", finding)
		}
	}
	if !strings.Contains(c.Logs(), "PutMetricData") {
		t.Error("the log does not name the request, so searching it proves nothing")
	}
}
