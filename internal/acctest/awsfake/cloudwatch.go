// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// cloudWatch is the prefix of its IAM actions; signatures name it otherwise.
const (
	cloudWatch        = "cloudwatch"
	cloudWatchSigning = "monitoring"
)

// Smithy RPC v2 with CBOR: the operation is in the path, and this header in the
// request and in the response.
// Source: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
const (
	cborPath       = "/service/GraniteServiceVersion20100801/operation/"
	cborType       = "application/cbor"
	protocolHeader = "Smithy-Protocol"
	protocolName   = "rpc-v2-cbor"
)

// Limits of PutMetricData.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
const (
	maxMetricRequest = 1_000_000 // bytes; here before compression too (assumed)
	maxMetricName    = 255       // namespaces too
	maxMetrics       = 1000
	maxMetricAge     = 14 * 24 * time.Hour
	maxMetricAhead   = 2 * time.Hour
)

// Limits of dimensions.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
const (
	maxDimensions     = 30
	maxDimensionName  = 255
	maxDimensionValue = 1024
)

// Metric is one published value.
type Metric struct {
	Account    string
	Region     string
	Namespace  string
	Name       string
	Dimensions map[string]string
	Value      float64
	Unit       string
	At         time.Time
}

// Metrics returns the values that were published, in order of arrival.
func (s *Server) Metrics() []Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.metrics)
}

// cborResponse is the answer of an operation without output.
func cborResponse() response {
	return response{status: http.StatusOK, contentType: cborType, protocol: protocolName, body: cbor.Encode(cbor.Map{})}
}

// cborError carries the code of the query protocol in a header, since CloudWatch
// spoke that one before.
// Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#awsquerycompatible-trait
func cborError(e *apiError) response {
	fault := "Sender"
	if e.status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	return response{
		status: e.status, contentType: cborType, protocol: protocolName, errorCode: e.code, queryError: e.code + ";" + fault,
		body: cbor.Encode(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + e.code), "message": cbor.String(e.message)}),
	}
}

// isCBOR reports whether a request is one of this protocol, for an operation that
// is yet to be found.
func isCBOR(hr *http.Request) (op string, ok bool) {
	op, ok = strings.CutPrefix(hr.URL.Path, cborPath)
	return op, ok && hr.Method == http.MethodPost && hr.Header.Get(protocolHeader) == protocolName && hr.Header.Get("Content-Type") == cborType
}

// uncompressed undoes the compression of a request: "You can send a payload
// compressed by gzip", says the API page of PutMetricData.
func uncompressed(encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case "":
		return body, nil
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fail("SerializationException", "the body is not compressed by gzip")
		}
		if body, err = io.ReadAll(io.LimitReader(r, maxMetricRequest+1)); err != nil {
			return nil, fail("SerializationException", "the body is not compressed by gzip")
		}
		return body, nil
	}
	return nil, unmodelled("Content-Encoding %q", encoding)
}

func invalidMetric(format string, args ...any) *apiError {
	return fail("InvalidParameterValue", format, args...)
}

func (r *request) putMetricData(body []byte) (any, error) {
	body, err := uncompressed(r.encoding, body)
	if err != nil {
		return nil, err
	}
	if len(body) > maxMetricRequest {
		return nil, &apiError{code: "RequestEntityTooLarge", message: "Request size is too large.", status: http.StatusRequestEntityTooLarge} // code assumed
	}
	decoded, err := cbor.Decode(body)
	if err != nil {
		return nil, fail("SerializationException", "the body is not CBOR")
	}
	in, err := members(decoded, "Namespace", "MetricData")
	if err != nil {
		return nil, err
	}
	namespace, _ := in["Namespace"].(cbor.String)
	r.namespace = string(namespace)
	if err := r.authorize(cloudWatch+":PutMetricData", "*"); err != nil {
		return nil, err
	}
	// "You should not specify a namespace that begins with AWS/": assumed to fail.
	if !printable(r.namespace, maxMetricName) || strings.HasPrefix(r.namespace, ":") || strings.HasPrefix(r.namespace, "AWS/") {
		return nil, invalidMetric("The value %s for parameter Namespace is invalid.", r.namespace) // wording assumed
	}
	list, _ := in["MetricData"].(cbor.List)
	if len(list) == 0 || len(list) > maxMetrics {
		return nil, invalidMetric("The parameter MetricData must have 1 to %d members.", maxMetrics)
	}
	var published []Metric
	for _, item := range list {
		m, err := r.metric(item)
		if err != nil {
			return nil, err
		}
		published = append(published, m)
	}
	r.metrics = append(r.metrics, published...)
	return nil, nil
}

// members returns the members of a structure, and refuses others.
func members(v cbor.Value, names ...string) (cbor.Map, error) {
	m, ok := v.(cbor.Map)
	if !ok {
		return nil, fail("SerializationException", "a structure is missing")
	}
	for name := range m {
		if !slices.Contains(names, name) {
			return nil, unmodelled("input field %s", name)
		}
	}
	return m, nil
}

// metric reads one MetricDatum. Ranges: the API pages of PutMetricData and
// MetricDatum.
func (r *request) metric(item cbor.Value) (Metric, error) {
	m := Metric{Account: r.here.account, Region: r.here.region, Namespace: r.namespace, Dimensions: map[string]string{}}
	in, err := members(item, "MetricName", "Dimensions", "Value", "Unit", "Timestamp")
	if err != nil {
		return m, err
	}
	name, _ := in["MetricName"].(cbor.String)
	m.Name = string(name)
	if !printable(m.Name, maxMetricName) {
		return m, invalidMetric("The parameter MetricName must have 1 to %d printable characters.", maxMetricName)
	}
	unit, _ := in["Unit"].(cbor.String)
	m.Unit = string(unit)
	if m.Unit != "Count" && m.Unit != "None" {
		return m, unmodelled("unit %q", m.Unit)
	}
	if m.Value, err = cbor.AsFloat64(in["Value"]); err != nil {
		return m, invalidMetric("The parameter Value must be a number.")
	}
	if limit := math.Pow(2, 360); math.IsNaN(m.Value) || m.Value > limit || m.Value < -limit {
		return m, invalidMetric("The value %v is out of range.", m.Value)
	}
	if m.At, err = cbor.AsTime(in["Timestamp"]); err != nil {
		return m, unmodelled("a metric without a timestamp")
	}
	if m.At.Before(r.at.Add(-maxMetricAge)) || m.At.After(r.at.Add(maxMetricAhead)) {
		return m, invalidMetric("The parameter Timestamp must be within the last two weeks and the next two hours.")
	}
	dimensions, _ := in["Dimensions"].(cbor.List)
	if len(dimensions) > maxDimensions {
		return m, invalidMetric("The parameter Dimensions may have %d members.", maxDimensions)
	}
	for _, d := range dimensions {
		in, err := members(d, "Name", "Value")
		if err != nil {
			return m, err
		}
		name, _ := in["Name"].(cbor.String)
		value, _ := in["Value"].(cbor.String)
		if !printable(string(name), maxDimensionName) || strings.HasPrefix(string(name), ":") || !printable(string(value), maxDimensionValue) {
			return m, invalidMetric("A dimension must have a name and a value of ASCII characters, not all of them spaces.")
		}
		if _, twice := m.Dimensions[string(name)]; twice {
			return m, invalidMetric("A dimension is given twice.") // assumed
		}
		m.Dimensions[string(name)] = string(value)
	}
	return m, nil
}

// printable: ASCII characters that are no control characters, at least one of them
// no space (API page of Dimension).
func printable(s string, limit int) bool {
	return s != "" && len(s) <= limit && strings.TrimSpace(s) != "" &&
		!strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}
