// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// whileWriting is a transport whose request is still being written when its response
// is there: it looks for the end of the body after the SDK has closed that.
type whileWriting struct {
	written chan error
}

func (w whileWriting) Do(req *http.Request) (*http.Response, error) {
	go func() {
		time.Sleep(50 * time.Millisecond)
		_, err := io.Copy(io.Discard, req.Body)
		w.written <- err
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestResponseWhileTheRequestIsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		client func(aws.HTTPClient) aws.HTTPClient
		want   error
	}{
		"ours": {func(c aws.HTTPClient) aws.HTTPClient { return readingClient{c} }, nil},
		// With nil here the SDK has been mended, and readingClient can go.
		"the SDK's": {func(c aws.HTTPClient) aws.HTTPClient { return c }, io.EOF},
	} {
		transport := whileWriting{make(chan error, 1)}
		req, ok := smithyhttp.NewStackRequest().(*smithyhttp.Request)
		if !ok {
			t.Fatal("not a request over HTTP")
		}
		req, err := req.SetStream(strings.NewReader(`{"SecretId": "app"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Method, req.URL.Scheme, req.URL.Host = http.MethodPost, "http", "localhost"
		if _, _, err := smithyhttp.NewClientHandlerWithOptions(test.client(transport)).Handle(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if err := <-transport.written; !errors.Is(err, test.want) {
			t.Errorf("%s client: the rest of the body: got %v, want %v", name, err, test.want)
		}
	}
}
