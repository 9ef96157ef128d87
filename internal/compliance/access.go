// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// resourcePolicy looks at who may reach the secret by its own policy.
func (r *run) resourcePolicy(ctx context.Context, s *subject) error {
	if r.Policies == nil {
		return nil
	}
	if err := r.policies.Wait(ctx); err != nil {
		return err
	}
	text, err := r.Policies.ResourcePolicy(ctx, s.secret.ARN)
	if err != nil {
		reason, fatal := refused("secretsmanager:GetResourcePolicy", s.secret.ARN, err)
		if fatal != nil {
			return fatal
		}
		s.add(resourcePolicy, "", NotEvaluated, "%s", reason)
		return nil
	}
	if text == "" {
		s.add(resourcePolicy, "", Pass, "the secret has no resource policy")
		return nil
	}
	status, reason := judgePolicy(text)
	s.add(resourcePolicy, "", status, "%s", reason)
	return nil
}

// pendingTime is how long a rotation may take before what it has left is taken for
// abandoned.
const pendingTime = time.Hour

// pending looks for a rotation that was begun and not finished. Secrets Manager
// then refuses the next one.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot_rotation.html
func (r *run) pending(ctx context.Context, s *subject) error {
	pending := s.secret.VersionWith(secretstore.Pending)
	if pending == "" || pending == s.secret.VersionWith(secretstore.Current) {
		s.add(noPending, "", Pass, "no version but the current one has %s", secretstore.Pending)
		return nil
	}
	versions, reason, err := r.versionsOf(ctx, s)
	if err != nil {
		return err
	}
	if reason != "" {
		s.add(noPending, "", NotEvaluated, "the version %s has %s, and its age is not known: %s", pending, secretstore.Pending, reason)
		return nil
	}
	for _, version := range versions {
		if version.ID != pending || version.CreatedAt.IsZero() {
			continue
		}
		if r.Now.Sub(version.CreatedAt) < pendingTime {
			s.add(noPending, "", NotEvaluated, "the version %s of %s has %s: a rotation may be under way", pending, timestamp(version.CreatedAt), secretstore.Pending)
			return nil
		}
		s.add(noPending, "", Fail, "the version %s of %s has %s and is not current", pending, timestamp(version.CreatedAt), secretstore.Pending)
		return nil
	}
	s.add(noPending, "", Fail, "the version %s has %s and holds no value", pending, secretstore.Pending)
	return nil
}

func timestamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// Files looks at the modes of the files that a store keeps its secrets in.
func Files(files []secretstore.File) []Result {
	results := []Result{}
	for _, file := range files {
		result := Result{
			Check: fileMode, Subject: file.Path, Name: file.Path, Status: Pass,
			Controls: append([]string{}, checks[position(fileMode)].Controls...),
		}
		want := fs.FileMode(0o600)
		if file.Mode.IsDir() {
			want = 0o700
		}
		mode := file.Mode.Perm()
		switch {
		case file.Mode&fs.ModeSymlink != 0:
			result.Status, result.Reason = Fail, "it is a symbolic link, whose mode says nothing about what it points to"
		case mode&0o077 != 0:
			result.Status = Fail
			result.Reason = fmt.Sprintf("mode %04o lets other users of the machine use it; run: chmod %o '%s'", mode, want, strings.ReplaceAll(file.Path, "'", `'\''`))
		default:
			result.Reason = fmt.Sprintf("mode %04o", mode)
		}
		results = append(results, result)
	}
	return results
}
