// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// readingClient hides from net/http that the body of a request can write itself. The
// SDK closes the body when a response arrives. What writes the request may at that
// moment still look for an end of the body, and is told EOF: that of a read is the
// end, but that of a write counts as an error, for which the connection is closed and
// a request repeated that was answered. See safeWriteToReadCloser in smithy-go 1.28,
// transport/http/internal/io/safe.go.
type readingClient struct {
	aws.HTTPClient
}

func (c readingClient) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = struct{ io.ReadCloser }{req.Body}
	}
	return c.HTTPClient.Do(req)
}
