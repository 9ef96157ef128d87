// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"
	"github.com/google/go-cmp/cmp"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
	"github.com/roi-systems/terraform-provider-roi/internal/metrics"
)

func TestMain(m *testing.M) {
	code := m.Run()
	moto.Stop()
	os.Exit(code)
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// retrying is the configuration of a client that tries again at once.
func retrying(fake *awsfake.Server) aws.Config {
	config := fake.Config()
	config.Retryer = nil
	config.RetryMaxAttempts = 25 // the store's
	return config
}

func TestPut(t *testing.T) {
	t.Parallel()
	fake := awsfake.Start(t, awsfake.At(now))
	data := []metrics.Datum{metrics.Rotated("app/jwt", "production", now), metrics.Remaining("app/jwt", "production", now.AddDate(0, 0, -3), now)}
	if err := Put(t.Context(), retrying(fake), "", metrics.DefaultNamespace, data); err != nil {
		t.Fatal(err)
	}
	dimensions := map[string]string{"Secret": "app/jwt", "Environment": "production"}
	want := []awsfake.Metric{
		{Name: "SecretRotationSuccess", Value: 1, Unit: "Count", Dimensions: dimensions},
		{Name: "SecretRotationDaysRemaining", Value: -3, Unit: "None", Dimensions: dimensions},
	}
	for i := range want {
		want[i].Account, want[i].Region, want[i].Namespace, want[i].At = awsfake.DefaultAccount, awsfake.DefaultRegion, "ROI-Systems/Security", now
	}
	if diff := cmp.Diff(want, fake.Metrics()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// The longest names fit, 1000 in a request: the fake refuses a request of more than
// 1 MB.
func TestPutOfAFleet(t *testing.T) {
	t.Parallel()
	fake := awsfake.Start(t, awsfake.At(now))
	data := make([]metrics.Datum, 2500)
	for i := range data {
		name := fmt.Sprintf("%05d/%s", i, strings.Repeat("x", 506))
		data[i] = metrics.Remaining(name, "development", now.AddDate(0, 0, i), now)
	}
	if err := Put(t.Context(), retrying(fake), "", strings.Repeat("n", 255), data); err != nil {
		t.Fatal(err)
	}
	published := fake.Metrics()
	if len(published) != 2500 || fake.Count("PutMetricData") != 3 {
		t.Fatalf("%d values were published with %d requests, want 2500 with 3", len(published), fake.Count("PutMetricData"))
	}
	for i, m := range published {
		if m.Value != float64(i) || !strings.HasPrefix(m.Dimensions["Secret"], fmt.Sprintf("%05d/", i)) {
			t.Fatalf("value %d is %v of %.5s", i, m.Value, m.Dimensions["Secret"])
		}
	}
}

func TestPutIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	data := []metrics.Datum{metrics.Rotated("app/jwt", "production", now)}
	for _, kind := range []awsfake.FaultKind{awsfake.Throttled, awsfake.InternalError, awsfake.LostRequest, awsfake.LostResponse} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := awsfake.Start(t, awsfake.At(now))
			fake.Inject(awsfake.Fault{Kind: kind, Times: 2})
			if err := Put(t.Context(), retrying(fake), "", "Shop", data); err != nil {
				t.Errorf("two faults were not got over: %v", err)
			}
			fake.ResetCalls()
			fake.Inject(awsfake.Fault{Kind: kind, Times: awsfake.Always})
			if err := Put(t.Context(), retrying(fake), "", "Shop", data); err == nil {
				t.Error("a request that always fails did not fail")
			}
			if got := fake.Count("PutMetricData"); got != maxAttempts {
				t.Errorf("it was sent %d times, want %d", got, maxAttempts)
			}
		})
	}
}

func TestPutStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	fake := awsfake.Start(t, awsfake.At(now))
	fake.Inject(awsfake.Fault{Kind: awsfake.AccessDenied, Nth: 2, Times: awsfake.Always})
	data := make([]metrics.Datum, 3000)
	for i := range data {
		data[i] = metrics.Rotated("app/jwt", "production", now)
	}
	err := Put(t.Context(), retrying(fake), "", "Shop", data)
	var denied smithy.APIError
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDenied" {
		t.Errorf("got %v, want AccessDenied", err)
	}
	if len(fake.Metrics()) != 1000 || fake.Count("PutMetricData") != 2 {
		t.Errorf("%d values were published with %d requests, want 1000 with 2", len(fake.Metrics()), fake.Count("PutMetricData"))
	}
}

// An endpoint is used as it is, also where FIPS is asked for.
func TestPutToAnEndpoint(t *testing.T) {
	t.Parallel()
	fake := awsfake.Start(t, awsfake.At(now))
	config := retrying(fake)
	config.BaseEndpoint = nil
	config.ConfigSources = []any{fips{}}
	if err := Put(t.Context(), config, fake.URL(), "Shop", []metrics.Datum{metrics.Rotated("app/jwt", "production", now)}); err != nil {
		t.Fatal(err)
	}
	if len(fake.Metrics()) != 1 {
		t.Errorf("%d values arrived at the endpoint, want 1", len(fake.Metrics()))
	}
}

type fips struct{}

// GetUseFIPSEndpoint is how a shared configuration tells it.
func (fips) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return aws.FIPSEndpointStateEnabled, true, nil
}

// A second judge of names, dimensions and units. moto 5.2 knows the query protocol
// only, which CloudWatch speaks besides, so that the same input goes over that.
func TestPutOverMoto(t *testing.T) {
	t.Parallel()
	url := moto.Start(t)
	client := cloudwatch.New(cloudwatch.Options{
		Region: awsfake.DefaultRegion, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "fake", ""),
		DisableRequestCompression: true,
	}, func(o *cloudwatch.Options) { o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801) })
	at := time.Now().UTC().Truncate(time.Minute)
	name := fmt.Sprintf("app/%d", time.Now().UnixNano())
	data := []metrics.Datum{metrics.Rotated(name, "production", at), metrics.Remaining(name, "production", at.AddDate(0, 0, 6), at)}
	if err := put(t.Context(), client, metrics.DefaultNamespace, data); err != nil {
		t.Fatal(err)
	}
	for metric, want := range map[string]float64{metrics.RotationSuccess: 1, metrics.DaysRemaining: 6} {
		out, err := client.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String(metrics.DefaultNamespace), MetricName: &metric,
			Dimensions: []types.Dimension{{Name: aws.String("Secret"), Value: &name}, {Name: aws.String("Environment"), Value: aws.String("production")}},
			StartTime:  aws.Time(at.Add(-time.Hour)), EndTime: aws.Time(at.Add(time.Hour)), Period: aws.Int32(60),
			Statistics: []types.Statistic{types.StatisticMaximum},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Datapoints) != 1 || aws.ToFloat64(out.Datapoints[0].Maximum) != want {
			t.Errorf("%s: moto has %d data points, want one of %v", metric, len(out.Datapoints), want)
		}
	}
}
