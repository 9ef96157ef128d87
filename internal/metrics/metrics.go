// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package metrics says what is published about rotations, in the terms of Amazon
// CloudWatch: names, dimensions, units and limits. It sends nothing and knows
// neither Terraform nor AWS's client.
package metrics

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The metrics, by name.
const (
	RotationSuccess = "SecretRotationSuccess"       // 1 for each rotation
	RotationFailure = "SecretRotationFailure"       // 1 for each rotation that failed
	DaysRemaining   = "SecretRotationDaysRemaining" // until the secret is due
)

// The units, as CloudWatch names them.
const (
	Count = "Count"
	None  = "None"
)

// The names of the dimensions. An alarm finds a metric by exactly these two.
const (
	DimensionSecret      = "Secret"
	DimensionEnvironment = "Environment"
)

// DefaultNamespace is where metrics go unless another namespace is configured.
const DefaultNamespace = "ROI-Systems/Security"

// Datum is one value of a metric.
type Datum struct {
	Name        string
	Secret      string // name of the secret, not its ARN, which changes with a new one
	Environment string
	Value       float64
	Unit        string
	At          time.Time
}

// Rotated counts a rotation that succeeded.
func Rotated(secret, environment string, at time.Time) Datum {
	return Datum{Name: RotationSuccess, Secret: secret, Environment: environment, Value: 1, Unit: Count, At: at}
}

// Failed counts a rotation that failed.
func Failed(secret, environment string, at time.Time) Datum {
	return Datum{Name: RotationFailure, Secret: secret, Environment: environment, Value: 1, Unit: Count, At: at}
}

// Remaining is the number of whole days of 24 hours from at until a secret is due,
// rounded down: 0 on the last day, negative when it is overdue. So "less than 7"
// is true in the very moment in which less than seven days are left.
func Remaining(secret, environment string, due, at time.Time) Datum {
	return Datum{
		Name: DaysRemaining, Secret: secret, Environment: environment,
		Value: math.Floor(due.Sub(at).Hours() / 24), Unit: None, At: at,
	}
}

// MaxBatch is how many values one request may carry. Their size needs no limit of
// its own: 1000 of the longest are below the 1 MB that a request may have.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
const MaxBatch = 1000

// Batches cuts values into as few requests as possible.
func Batches(data []Datum) iter.Seq[[]Datum] { return slices.Chunk(data, MaxBatch) }

// MaxNamespaceLength is the length of the longest namespace, in characters.
const MaxNamespaceLength = 255

// reservedPrefix begins the namespaces of AWS's own services.
const reservedPrefix = "AWS/"

var namespacePattern = regexp.MustCompile(`^[0-9A-Za-z._/#:-]+$`)

// CheckNamespace returns what is wrong with a namespace.
// Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
// (characters, length) and
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
// (the colon, the prefix of AWS).
func CheckNamespace(namespace string) error {
	switch {
	case namespace == "" || len(namespace) > MaxNamespaceLength:
		return fmt.Errorf("it must have 1 to %d characters", MaxNamespaceLength)
	case !namespacePattern.MatchString(namespace):
		return errors.New("it may have letters and digits of ASCII and . - _ / # : only")
	case strings.HasPrefix(namespace, ":"):
		return errors.New("it must not begin with a colon")
	case strings.HasPrefix(namespace, reservedPrefix):
		return fmt.Errorf("%q at its beginning is reserved for the services of AWS", reservedPrefix)
	}
	return nil
}
