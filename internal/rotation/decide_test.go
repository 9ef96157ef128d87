// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package rotation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"

// viewOf is a secret with labels and the record of its one rotation.
func viewOf(t *testing.T, record *rotation.Record, labels map[string]string) rotation.View {
	t.Helper()
	secret := secretstore.Secret{ARN: secretARN, Tags: map[string]string{}, Labels: map[string][]string{}}
	for label, version := range labels {
		secret.Labels[version] = append(secret.Labels[version], label)
	}
	if record != nil {
		text, err := record.Encode()
		if err != nil {
			t.Fatal(err)
		}
		secret.Tags[rotation.RecordTag] = text
	}
	view, err := rotation.Look(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// What a create does, in the order in which it looks.
func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		v1, v2    = "11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222"
		current   = secretstore.Current
		previous  = secretstore.Previous
		pending   = secretstore.Pending
		triggers  = "9f86d081"
		triggers2 = "60303ae2"
	)
	in := func(phase rotation.Phase, base string) *rotation.Record {
		return &rotation.Record{Current: v1, At: start, Phase: phase, Base: base, Triggers: triggers}
	}
	next := in(rotation.Begun, v1).NextVersion(secretARN, rotation.RecordTag, v1)
	settled := &rotation.Record{Current: v1, At: start, Triggers: triggers}
	late := start.Add(91 * rotation.Day)
	for _, test := range []struct {
		name   string
		record *rotation.Record
		labels map[string]string
		now    time.Time
		want   func(*rotation.Want)
		action rotation.Action
		reason string
		err    string
	}{
		{name: "begun, promoted", record: in(rotation.Begun, v1), labels: map[string]string{current: next, previous: v1, pending: next}, action: rotation.Finish, reason: "interrupted"},
		{name: "begun, promoted, overdue", record: in(rotation.Begun, v1), labels: map[string]string{current: next, previous: v1}, now: late, action: rotation.Finish, reason: "interrupted"},
		{name: "begun, put", record: in(rotation.Begun, v1), labels: map[string]string{current: v1, pending: next}, action: rotation.Resume, reason: "interrupted"},
		{name: "begun, not put", record: in(rotation.Begun, v1), labels: map[string]string{current: v1}, action: rotation.Rotate, reason: "interrupted"},
		{name: "begun, base gone", record: in(rotation.Begun, v1), labels: map[string]string{current: v2, previous: v1, pending: next}, action: rotation.Rotate, reason: "interrupted"},
		{name: "failed, rolled back", record: in(rotation.Failed, v1), labels: map[string]string{current: v1}, action: rotation.Rotate, reason: "failed its health check"},
		{name: "failed, pending on its base", record: in(rotation.Failed, v1), labels: map[string]string{current: v1, pending: next}, action: rotation.Rotate, reason: "failed its health check"},
		{name: "failed, still current", record: in(rotation.Failed, v1), labels: map[string]string{current: next, previous: v1}, action: rotation.Rotate, reason: "failed its health check"},
		{name: "asked", record: in(rotation.Asked, v1), labels: map[string]string{current: v1}, action: rotation.Rotate, reason: "asked for"},
		{name: "asked, other triggers", record: in(rotation.Asked, v1), labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.Triggers = triggers2 }, action: rotation.Rotate, reason: "asked for"},
		{name: "asked, rotated by another process", record: in(rotation.Asked, v1), labels: map[string]string{current: next, previous: v1}, action: rotation.Finish},
		{name: "asked, being rotated by another process", record: in(rotation.Asked, v1), labels: map[string]string{current: v1, pending: next}, action: rotation.Resume},
		{name: "other triggers", record: settled, labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.Triggers = triggers2 }, action: rotation.Rotate, reason: "triggers changed"},
		{name: "no triggers any more", record: settled, labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.Triggers = "" }, action: rotation.Rotate, reason: "triggers changed"},
		{name: "triggers, no record", labels: map[string]string{current: v1}, action: rotation.Adopt},
		{name: "overdue", record: settled, labels: map[string]string{current: v1}, now: late, action: rotation.Rotate, reason: "it has been due since 2026-05-28T12:00:00Z"},
		{name: "overdue, no record", labels: map[string]string{current: v1}, now: late, action: rotation.Rotate, reason: "due since"},
		{name: "overdue, warn", record: settled, labels: map[string]string{current: v1}, now: late, want: func(w *rotation.Want) { w.Overdue = rotation.OverdueWarn }, action: rotation.Adopt},
		{name: "overdue, error", record: settled, labels: map[string]string{current: v1}, now: late, want: func(w *rotation.Want) { w.Overdue = rotation.OverdueError }, err: "has been overdue since 2026-05-28T12:00:00Z"},
		{name: "overdue, supplied", record: settled, labels: map[string]string{current: v1}, now: late, want: func(w *rotation.Want) { w.Supplied = true }, action: rotation.Adopt},
		{name: "asked, supplied", record: in(rotation.Asked, v1), labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.Supplied = true }, action: rotation.Adopt},
		{name: "as of later", record: settled, labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.PlanAsOf = late }, action: rotation.Rotate, reason: "due since"},
		{name: "as of later, no record", labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.PlanAsOf = late }, action: rotation.Adopt},
		{name: "rotate_on_create", labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.RotateOnCreate = true }, action: rotation.Rotate, reason: "rotate_on_create"},
		{name: "rotate_on_create, known", record: settled, labels: map[string]string{current: v1}, want: func(w *rotation.Want) { w.RotateOnCreate = true }, action: rotation.Adopt},
		{name: "settled", record: settled, labels: map[string]string{current: v1}, action: rotation.Adopt},
		{name: "settled, rotated outside", record: settled, labels: map[string]string{current: v2, previous: v1}, action: rotation.Adopt},
		{name: "new", labels: map[string]string{current: v1}, action: rotation.Adopt},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := ninetyDays()
			want.Triggers = triggers
			if test.want != nil {
				test.want(&want)
			}
			now := test.now
			if now.IsZero() {
				now = start.Add(time.Hour)
			}
			got, err := rotation.Decide(viewOf(t, test.record, test.labels), want, start, now)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || got.Action != test.action || !strings.Contains(got.Reason, test.reason) || got.Reason != "" && got.Action == rotation.Adopt {
				t.Errorf("got %+v, %v, want %s because %q", got, err, test.action, test.reason)
			}
		})
	}
}

// Somebody else's change is never overwritten; one of this provider is.
func TestForeign(t *testing.T) {
	t.Parallel()
	const v1 = "11111111-1111-5111-8111-111111111111"
	begun := rotation.Record{Keys: []string{"A"}, Current: v1, At: start, Phase: rotation.Begun, Base: v1}
	tag := rotation.TagKey(begun.Keys)
	next := begun.NextVersion(secretARN, tag, v1)
	text, err := begun.Encode()
	if err != nil {
		t.Fatal(err)
	}
	secret := func(current, pending string) secretstore.Secret {
		s := secretstore.Secret{ARN: secretARN, Tags: map[string]string{tag: text}, Labels: map[string][]string{}}
		s.Labels[current] = append(s.Labels[current], secretstore.Current)
		if pending != "" {
			s.Labels[pending] = append(s.Labels[pending], secretstore.Pending)
		}
		return s
	}
	managed, owned := secret(v1, ""), secret(v1, "")
	managed.RotationEnabled, managed.RotationLambda = true, "arn:aws:lambda:x"
	owned.OwningService = "rds"
	for name, test := range map[string]struct {
		secret secretstore.Secret
		by     string
	}{
		"nobody":                            {secret(v1, ""), ""},
		"pending on the current version":    {secret(v1, v1), ""},
		"unfinished rotation of other keys": {secret(v1, next), ""},
		"somebody":                          {secret(v1, "foreign"), "being changed by someone else: version foreign has AWSPENDING"},
		"unchecked rotation of other keys":  {secret(next, next), "being rotated by another roi_secret_rotation"},
		"rotation by AWS":                   {managed, "rotated by AWS Secrets Manager with arn:aws:lambda:x"},
		"service":                           {owned, "managed by the AWS service rds"},
	} {
		view, err := rotation.Look(test.secret, []string{"B"})
		if err != nil {
			t.Fatal(err)
		}
		err = view.CheckFree()
		var foreign *secretstore.ForeignRotationError
		if errors.As(err, &foreign) != (test.by != "") || foreign != nil && !strings.Contains(foreign.By, test.by) {
			t.Errorf("%s: got %v, want %q", name, err, test.by)
		}
	}
}
