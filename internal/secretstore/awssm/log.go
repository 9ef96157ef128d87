// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/roi-systems/terraform-provider-roi/internal/clock"
)

// attemptsKey finds the counter of an operation's attempts in a context.
type attemptsKey struct{}

// countAttempts makes a context that counts; see attemptsOf.
func countAttempts(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptsKey{}, new(int))
}

// attemptsOf is how many attempts the last operation under the context took.
func attemptsOf(ctx context.Context) int {
	if n, ok := ctx.Value(attemptsKey{}).(*int); ok {
		return *n
	}
	return 0
}

// addLog puts the log into the stack of an operation. logAttempt stands right
// after the SDK's "Retry" step and so sees every attempt.
func addLog(stack *middleware.Stack) error {
	begin := middleware.InitializeMiddlewareFunc("roiAttempts", beginAttempts)
	if err := stack.Initialize.Add(begin, middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("roiLog", logAttempt), "Retry", middleware.After)
}

func beginAttempts(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	if n, ok := ctx.Value(attemptsKey{}).(*int); ok {
		*n = 0
	} else {
		ctx = countAttempts(ctx)
	}
	return next.HandleInitialize(ctx, in)
}

// logAttempt is the only log of requests. It must never hold more than these
// fields: bodies are secret values, headers are credentials.
func logAttempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	if n, ok := ctx.Value(attemptsKey{}).(*int); ok {
		*n++
	}

	var machine clock.System
	start := machine.Now()
	out, metadata, err := next.HandleFinalize(ctx, in)

	status := 0 // no response
	if r, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok && r.Response != nil {
		status = r.StatusCode
	}
	requestID, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	tflog.Debug(ctx, "AWS request", map[string]any{
		"service":     awsmiddleware.GetServiceID(ctx),
		"operation":   awsmiddleware.GetOperationName(ctx),
		"attempt":     attemptsOf(ctx),
		"status":      status,
		"request_id":  requestID,
		"duration_ms": machine.Now().Sub(start).Milliseconds(),
	})
	return out, metadata, err
}
