// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
)

const (
	putMetricData = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html"
	dimensionPage = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html"
	smithyCBOR    = "https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html"
)

// datum is a valid one.
func (f fixture) datum(edit ...func(*cwtypes.MetricDatum)) cwtypes.MetricDatum {
	d := cwtypes.MetricDatum{
		MetricName: aws.String("Days"), Value: aws.Float64(6), Unit: cwtypes.StandardUnitNone, Timestamp: aws.Time(f.s.Now()),
		Dimensions: []cwtypes.Dimension{{Name: aws.String("Secret"), Value: aws.String("app/jwt")}},
	}
	for _, e := range edit {
		e(&d)
	}
	return d
}

func (f fixture) publish(namespace string, data ...cwtypes.MetricDatum) error {
	_, err := cloudwatch.NewFromConfig(f.s.Config()).PutMetricData(f.Context(), &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: data})
	return err
}

func TestMetricRules(t *testing.T) {
	runRules(t, []rule{
		{"a value is published", smithyCBOR, nil, func(f fixture) {
			f.ok(f.publish("Shop/Security", f.datum()))
			want := []Metric{{
				Account: DefaultAccount, Region: DefaultRegion, Namespace: "Shop/Security", Name: "Days",
				Dimensions: map[string]string{"Secret": "app/jwt"}, Value: 6, Unit: "None", At: testStart,
			}}
			if diff := cmp.Diff(want, f.s.Metrics()); diff != "" {
				f.Errorf("(-want +got):\n%s", diff)
			}
			call := f.s.Calls()[0]
			same(f, "call", fmt.Sprint(call.Service, " ", call.Op, " ", call.Status), "cloudwatch PutMetricData 200")
		}},
		{"a long request comes compressed", putMetricData, nil, func(f fixture) {
			data := make([]cwtypes.MetricDatum, 1000)
			for i := range data {
				data[i] = f.datum(func(d *cwtypes.MetricDatum) { d.Value = aws.Float64(float64(i)) })
			}
			f.ok(f.publish("Shop", data...))
			same(f, "published", len(f.s.Metrics()), 1000)
		}},
		{"at most 1000 values", putMetricData, nil, func(f fixture) {
			data := make([]cwtypes.MetricDatum, 1001)
			for i := range data {
				data[i] = f.datum()
			}
			f.fails(f.publish("Shop", data...), "InvalidParameterValue", "1000")
			f.fails(f.publish("Shop"), "InvalidParameterValue", "1000")
		}},
		{"at most 1 MB", putMetricData, nil, func(f fixture) {
			data := make([]cwtypes.MetricDatum, 1000)
			for i := range data {
				data[i] = f.datum(func(d *cwtypes.MetricDatum) { d.Dimensions[0].Value = aws.String(strings.Repeat("x", 1000)) })
			}
			f.fails(f.publish("Shop", data...), "RequestEntityTooLarge", "")
		}},
		{"namespaces", putMetricData, nil, func(f fixture) {
			for _, namespace := range []string{"AWS/SecretsManager", ":Shop", strings.Repeat("x", 256), "Läden", " "} {
				f.fails(f.publish(namespace, f.datum()), "InvalidParameterValue", "Namespace")
			}
		}},
		{"values and times", putMetricData, nil, func(f fixture) {
			for _, edit := range []func(*cwtypes.MetricDatum){
				func(d *cwtypes.MetricDatum) { d.Value = aws.Float64(math.NaN()) },
				func(d *cwtypes.MetricDatum) { d.Value = aws.Float64(math.Inf(1)) },
				func(d *cwtypes.MetricDatum) { d.Value = nil },
				func(d *cwtypes.MetricDatum) { d.Timestamp = aws.Time(f.s.Now().Add(-15 * 24 * time.Hour)) },
				func(d *cwtypes.MetricDatum) { d.Timestamp = aws.Time(f.s.Now().Add(3 * time.Hour)) },
				func(d *cwtypes.MetricDatum) { d.MetricName = aws.String(strings.Repeat("x", 256)) },
			} {
				f.fails(f.publish("Shop", f.datum(), f.datum(edit)), "InvalidParameterValue", "")
			}
			same(f, "published of refused requests", len(f.s.Metrics()), 0)
		}},
		{"dimensions", dimensionPage, nil, func(f fixture) {
			one := func(name, value string) []cwtypes.Dimension { return []cwtypes.Dimension{{Name: &name, Value: &value}} }
			many := make([]cwtypes.Dimension, 31)
			for i := range many {
				many[i] = one(fmt.Sprint("d", i), "x")[0]
			}
			for _, dimensions := range [][]cwtypes.Dimension{
				one(":name", "x"), one("name", "ä"), one("name", "  "), one("", "x"), one("name", strings.Repeat("x", 1025)), many,
				append(one("name", "x"), one("name", "y")...),
			} {
				f.fails(f.publish("Shop", f.datum(func(d *cwtypes.MetricDatum) { d.Dimensions = dimensions })), "InvalidParameterValue", "imension")
			}
		}},
		{"what is not modelled is refused", "assumed", []Option{AllowUnmodelled()}, func(f fixture) {
			for _, edit := range []func(*cwtypes.MetricDatum){
				func(d *cwtypes.MetricDatum) { d.Values = []float64{1} },
				func(d *cwtypes.MetricDatum) { d.Unit = cwtypes.StandardUnitBytes },
				func(d *cwtypes.MetricDatum) { d.Timestamp = nil },
			} {
				f.fails(f.publish("Shop", f.datum(edit)), "ValidationException", "not modelled")
			}
		}},
		{"faults and denials", "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html", nil, func(f fixture) {
			f.s.Deny("cloudwatch:PutMetricData")
			f.fails(f.publish("Shop", f.datum()), "AccessDenied", "not authorized to perform: cloudwatch:PutMetricData on resource: *")
			f.s.AllowAll()
			for kind, code := range map[FaultKind]string{Throttled: "Throttling", InternalError: "InternalServiceFault", AccessDenied: "AccessDenied"} {
				f.s.Inject(Fault{Kind: kind, Op: "PutMetricData"})
				f.fails(f.publish("Shop", f.datum()), code, "")
			}
			f.s.Inject(Fault{Kind: LostResponse})
			same(f, "lost", f.publish("Shop", f.datum()) != nil, true)
			same(f, "published", len(f.s.Metrics()), 1)
		}},
		{"another protocol is refused", smithyCBOR, []Option{AllowUnmodelled()}, func(f fixture) {
			resp, err := http.Post(f.s.URL()+cborPath+"PutMetricData", cborType, bytes.NewReader([]byte{0xa0}))
			f.ok(err)
			f.ok(resp.Body.Close())
			same(f, "status", resp.StatusCode, http.StatusBadRequest)
		}},
	})
}
