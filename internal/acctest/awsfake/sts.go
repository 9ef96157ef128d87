// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// xmlResult is the output of an STS operation: the query protocol wraps it in
// elements that are named after the operation.
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
type xmlResult struct {
	op     string
	result any
}

func (x xmlResult) response(requestID string) response {
	type metadata struct {
		RequestID string `xml:"RequestId"`
	}
	envelope := struct {
		XMLName          xml.Name
		Result           any
		ResponseMetadata metadata
	}{
		XMLName:          xml.Name{Space: "https://sts.amazonaws.com/doc/2011-06-15/", Local: x.op + "Response"},
		Result:           x.result,
		ResponseMetadata: metadata{requestID},
	}
	return marshalXML(http.StatusOK, "", envelope)
}

func xmlError(e *apiError, requestID string) response {
	type detail struct{ Type, Code, Message string }
	envelope := struct {
		XMLName   xml.Name
		Error     detail
		RequestID string `xml:"RequestId"`
	}{
		XMLName:   xml.Name{Space: "https://sts.amazonaws.com/doc/2011-06-15/", Local: "ErrorResponse"},
		Error:     detail{"Sender", e.code, e.message},
		RequestID: requestID,
	}
	if e.status >= http.StatusInternalServerError {
		envelope.Error.Type = "Receiver"
	}
	return marshalXML(e.status, e.code, envelope)
}

func marshalXML(status int, code string, v any) response {
	body, err := xml.Marshal(v)
	if err != nil {
		panic("awsfake: an output cannot be marshalled: " + err.Error())
	}
	return response{status: status, contentType: "text/xml", errorCode: code, body: body}
}

// stsListParam matches the parameters that AssumeRole takes as lists.
var stsListParam = regexp.MustCompile(`^(PolicyArns\.member\.\d+\.arn|Tags\.member\.\d+\.(Key|Value)|TransitiveTagKeys\.member\.\d+)$`)

// form reads the parameters of an STS request, refuses those not in names, and
// records the others. Policies and session tags are recorded, but change nothing.
func (r *request) form(body []byte, names ...string) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fail("MalformedQueryString", "The query string contains a syntax error.")
	}
	allowed := " Action Version " + strings.Join(names, " ") + " "
	r.call.Params = map[string]string{}
	for name := range form {
		if !strings.Contains(allowed, " "+name+" ") && (r.call.Op != "AssumeRole" || !stsListParam.MatchString(name)) {
			return nil, unmodelled("parameter %s", name)
		}
		if name != "WebIdentityToken" {
			r.call.Params[name] = form.Get(name)
		}
	}
	return form, nil
}

type getCallerIdentityResult struct {
	XMLName xml.Name `xml:"GetCallerIdentityResult"`
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

func (r *request) getCallerIdentity(body []byte) (any, error) {
	if _, err := r.form(body); err != nil {
		return nil, err
	}
	return xmlResult{r.call.Op, getCallerIdentityResult{Arn: r.who.arn, UserID: r.who.userID, Account: r.who.account}}, nil
}

type stsCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type assumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

type assumeRoleResult struct {
	XMLName         xml.Name
	Credentials     stsCredentials
	AssumedRoleUser assumedRoleUser
	SourceIdentity  string `xml:",omitempty"`
}

func (r *request) assumeRole(body []byte) (any, error) {
	form, err := r.form(body, "RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "SourceIdentity", "Policy")
	if err != nil {
		return nil, err
	}
	return r.session(form)
}

func (r *request) assumeRoleWithWebIdentity(body []byte) (any, error) {
	form, err := r.form(body, "RoleArn", "RoleSessionName", "DurationSeconds", "WebIdentityToken", "Policy")
	if err != nil {
		return nil, err
	}
	if len(form.Get("WebIdentityToken")) < 4 { // service model: the minimum length
		return nil, fail("InvalidIdentityToken", "The web identity token that was passed could not be validated.")
	}
	return r.session(form)
}

var rolePattern = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)$`)

// session makes temporary access keys for a role's account. They are real for this
// Server only.
func (r *request) session(form url.Values) (any, error) {
	role := rolePattern.FindStringSubmatch(form.Get("RoleArn"))
	if role == nil {
		return nil, fail("ValidationError", "%s is invalid", form.Get("RoleArn"))
	}
	name := form.Get("RoleSessionName")
	if len(name) < 2 || len(name) > 64 { // service model
		return nil, fail("ValidationError", "RoleSessionName must have 2 to 64 characters.")
	}
	seconds := 3600 // service model: the default
	if given := form.Get("DurationSeconds"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 900 || n > 43200 { // service model: 15 minutes to 12 hours
			return nil, fail("ValidationError", "DurationSeconds must be between 900 and 43200.")
		}
		seconds = n
	}
	random := strings.ToUpper(strings.ReplaceAll(uuid.NewString(), "-", ""))
	who := identity{
		account: role[1],
		arn:     "arn:aws:sts::" + role[1] + ":assumed-role/" + role[2] + "/" + name,
		userID:  "AROAFAKEFAKEFAKEFAKE:" + name,
		expires: r.at.Add(time.Duration(seconds) * time.Second),
	}
	accessKey := "ASIA" + random[:16]
	r.accessKeys[accessKey] = who
	return xmlResult{r.call.Op, assumeRoleResult{
		XMLName: xml.Name{Local: r.call.Op + "Result"},
		Credentials: stsCredentials{
			AccessKeyID:     accessKey,
			SecretAccessKey: uuid.NewString(),
			SessionToken:    uuid.NewString(),
			Expiration:      who.expires.UTC().Format(time.RFC3339),
		},
		AssumedRoleUser: assumedRoleUser{AssumedRoleID: who.userID, Arn: who.arn},
		SourceIdentity:  form.Get("SourceIdentity"),
	}}, nil
}
