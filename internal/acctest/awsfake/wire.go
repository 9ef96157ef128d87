// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apiError is an error response of a service.
type apiError struct {
	code       string
	message    string
	status     int
	unmodelled string // what is not modelled; "" for an error that AWS gives
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// fail is an error with status 400, which is that of every modelled exception of
// Secrets Manager but InternalServiceError (service model).
func fail(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...), status: http.StatusBadRequest}
}

// The errors of Secrets Manager that more than one operation gives.

func invalidParameter(format string, args ...any) *apiError {
	return fail("InvalidParameterException", format, args...)
}

func invalidRequest(format string, args ...any) *apiError {
	return fail("InvalidRequestException", format, args...)
}

func validation(format string, args ...any) *apiError {
	return fail("ValidationException", format, args...)
}

func unmodelled(format string, args ...any) *apiError {
	what := fmt.Sprintf(format, args...)
	err := validation("not modelled by this fake: %s", what)
	err.unmodelled = what
	return err
}

// decode reads a request body and refuses fields that the operation's input does
// not have. Decoding errors are reported by field only: they may quote a value.
func decode(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return unmodelled("input field %s", field)
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fail("SerializationException", "the field %s is not of type %s", wrongType.Field, wrongType.Type)
	}
	return fail("SerializationException", "the body is not a JSON object")
}

// epoch is a timestamp of the AWS JSON protocol: seconds with three decimals.
type epoch time.Time

// MarshalJSON implements json.Marshaler.
func (e epoch) MarshalJSON() ([]byte, error) {
	ms := time.Time(e).UnixMilli()
	return strconv.AppendFloat(nil, float64(ms)/1000, 'f', 3, 64), nil
}

// optionalEpoch is nil for the zero time, which leaves the field out. Service
// model, DescribeSecret: "only returns fields that have a value".
func optionalEpoch(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}

// response is what is sent back, unless a fault swallows it.
type response struct {
	status      int
	contentType string
	errorCode   string
	protocol    string // Smithy-Protocol, where there is one
	queryError  string // the code of the query protocol, where the protocol carries it
	body        []byte
}

func (r response) write(w http.ResponseWriter, requestID string, now time.Time) {
	h := w.Header()
	h.Set("Content-Type", r.contentType)
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("X-Amzn-RequestId", requestID)
	if r.protocol != "" {
		h.Set(protocolHeader, r.protocol)
	}
	if r.queryError != "" {
		h.Set("X-Amzn-Query-Error", r.queryError)
	}
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	_, _ = io.Copy(w, bytes.NewReader(r.body)) // a client that has gone is not the server's matter
}

const jsonType = "application/x-amz-json-1.1"

func jsonResponse(output any) response {
	body, err := json.Marshal(output)
	if err != nil {
		panic("awsfake: an output cannot be marshalled: " + err.Error())
	}
	return response{status: http.StatusOK, contentType: jsonType, body: body}
}

// jsonError writes an error as the service names its message: Secrets Manager
// says Message, KMS says message (the error shapes of the service models).
func jsonError(service string, e *apiError) response {
	name := "message"
	if service == secretsManager {
		name = "Message"
	}
	body, err := json.Marshal(map[string]string{"__type": e.code, name: e.message})
	if err != nil {
		panic("awsfake: an error cannot be marshalled: " + err.Error())
	}
	return response{status: e.status, contentType: jsonType, errorCode: e.code, body: body}
}

func isNotFound(err error) bool {
	var failure *apiError
	return errors.As(err, &failure) && failure.code == "ResourceNotFoundException"
}

// message is the text of an API error without its code.
func message(err error) string {
	var failure *apiError
	if errors.As(err, &failure) {
		return failure.message
	}
	return err.Error()
}
