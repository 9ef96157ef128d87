// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/compliance"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestResourcePolicy(t *testing.T) {
	t.Parallel()
	everyone := func(condition string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":%s}]}`, condition)
	}
	principal := func(p string) string {
		return fmt.Sprintf(`{"Statement":[{"Effect":"Allow","Principal":%s,"Action":"secretsmanager:*","Resource":"*"}]}`, p)
	}
	deny := func(statement string) string {
		return `{"Statement":[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"},{"Effect":"Deny",` + statement + `,"Resource":"*"}]}`
	}
	for name, test := range map[string]struct {
		policy string
		want   compliance.Status
	}{
		"none":                                 {"", compliance.Pass},
		"a role":                               {principal(`{"AWS":"arn:aws:iam::123456789012:role/app"}`), compliance.Pass},
		"an account":                           {principal(`{"AWS":["123456789012"]}`), compliance.Pass},
		"a service":                            {principal(`{"Service":"rds.amazonaws.com"}`), compliance.Pass},
		"everyone":                             {principal(`"*"`), compliance.Fail},
		"every AWS principal":                  {principal(`{"AWS":"*"}`), compliance.Fail},
		"everyone in a list":                   {principal(`{"AWS":["arn:aws:iam::123456789012:role/app","*"]}`), compliance.Fail},
		"all but one":                          {`{"Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"123456789012"},"Action":"*","Resource":"*"}}`, compliance.Fail},
		"one statement, not a list":            {`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, compliance.Fail},
		"denied to everyone":                   {`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}`, compliance.Pass},
		"not JSON":                             {`nonsense`, compliance.NotEvaluated},
		"an organization":                      {everyone(`{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}`), compliance.Pass},
		"any organization":                     {everyone(`{"StringLike":{"aws:PrincipalOrgID":"o-*"}}`), compliance.Fail},
		"an organization or none":              {everyone(`{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-abcdefghij"}}`), compliance.Fail},
		"all but an organization":              {everyone(`{"StringNotEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}`), compliance.Fail},
		"one of two, the other open":           {everyone(`{"StringLike":{"aws:PrincipalOrgID":["o-abcdefghij","*"]}}`), compliance.Fail},
		"a path of an organization":            {everyone(`{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-abcdefghij/r-ab/*"]}}`), compliance.Pass},
		"all values, also none":                {everyone(`{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":["o-abcdefghij/r-ab/*"]}}`), compliance.Fail},
		"any path":                             {everyone(`{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["*/r-ab/*"]}}`), compliance.Fail},
		"a source account":                     {everyone(`{"StringEquals":{"AWS:SourceAccount":"123456789012"}}`), compliance.Pass},
		"roles of an account":                  {everyone(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}}`), compliance.Pass},
		"roles of any account":                 {everyone(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/app"}}`), compliance.Fail},
		"a bucket":                             {everyone(`{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::bucket"}}`), compliance.Pass},
		"any bucket":                           {everyone(`{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}}`), compliance.Fail},
		"no ARN":                               {everyone(`{"ArnLike":{"aws:PrincipalArn":"*"}}`), compliance.Fail},
		"a network":                            {everyone(`{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:db8::/32"]}}`), compliance.Pass},
		"an address":                           {everyone(`{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`), compliance.Pass},
		"a network at the limit":               {everyone(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), compliance.Pass},
		"half the internet":                    {everyone(`{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}`), compliance.Fail},
		"much of IPv6":                         {everyone(`{"IpAddress":{"aws:SourceIp":"2000::/31"}}`), compliance.Fail},
		"a VPC endpoint":                       {everyone(`{"StringEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}`), compliance.Pass},
		"a tag that anyone can set":            {everyone(`{"StringEquals":{"aws:PrincipalTag/team":"shop"}}`), compliance.Fail},
		"TLS only":                             {everyone(`{"Bool":{"aws:SecureTransport":true}}`), compliance.Fail},
		"TLS only, and an organization":        {everyone(`{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:PrincipalOrgID":["o-abcdefghij"]}}`), compliance.Pass},
		"no values":                            {everyone(`{"StringEquals":{"aws:PrincipalOrgID":[]}}`), compliance.Fail},
		"taken back altogether":                {deny(`"Principal":"*","Action":"secretsmanager:*"`), compliance.Pass},
		"taken back from some":                 {deny(`"Principal":"*","Action":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}`), compliance.NotEvaluated},
		"something else denied":                {deny(`"Principal":"*","Action":"secretsmanager:DeleteSecret"`), compliance.Fail},
		"denied to one":                        {deny(`"Principal":{"AWS":"123456789012"},"Action":"*"`), compliance.Fail},
		"the second statement is the open one": {`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"*"},{"Effect":"Allow","Principal":"*","Action":"*"}]}`, compliance.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, nil, "value")
			store.policy = test.policy
			got := result(t, check(t, store.checker(), store.secret), "resource_policy_not_public", "")
			if got.Status != test.want {
				t.Errorf("got %s (%s), want %s", got.Status, got.Reason, test.want)
			}
		})
	}

	store := newStore(t, nil, "value")
	store.policy = deny(`"Principal":"*","Action":"secretsmanager:DeleteSecret"`)
	if got := result(t, check(t, store.checker(), store.secret), "resource_policy_not_public", ""); !strings.HasPrefix(got.Reason, "statement 1 (Open) of the resource policy") {
		t.Errorf("the reason does not name the statement: %s", got.Reason)
	}
	store.errors["ResourcePolicy"] = failure(secretstore.ErrAccessDenied, arn)
	if got := result(t, check(t, store.checker(), store.secret), "resource_policy_not_public", ""); got.Status != compliance.NotEvaluated || got.Reason != "not permitted: secretsmanager:GetResourcePolicy on "+arn {
		t.Errorf("denied: %s, %s", got.Status, got.Reason)
	}
	checker := store.checker()
	checker.Policies = nil
	if got := result(t, check(t, checker, store.secret), "resource_policy_not_public", ""); got.Check != "" {
		t.Errorf("a store without resource policies: %s", got.Status)
	}
}

func TestPendingVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*fakeStore)
		want   compliance.Status
		reason string
	}{
		"none": {func(*fakeStore) {}, compliance.Pass, "no version but the current one has AWSPENDING"},
		"on the current version": {func(s *fakeStore) {
			s.secret.Labels[versionID(2)] = []string{secretstore.Current, secretstore.Pending}
		}, compliance.Pass, "no version but the current one has AWSPENDING"},
		"an hour old": {func(s *fakeStore) {
			s.secret.Labels[versionID(1)] = []string{secretstore.Pending}
			s.versions[0].CreatedAt = now.Add(-time.Hour)
		}, compliance.Fail, "the version " + versionID(1) + " of 2031-05-01T11:00:00Z has AWSPENDING and is not current"},
		"less than an hour old": {func(s *fakeStore) {
			s.secret.Labels[versionID(1)] = []string{secretstore.Pending}
			s.versions[0].CreatedAt = now.Add(-time.Hour + time.Second)
		}, compliance.NotEvaluated, "the version " + versionID(1) + " of 2031-05-01T11:00:01Z has AWSPENDING: a rotation may be under way"},
		"without a value": {func(s *fakeStore) {
			s.secret.Labels[versionID(9)] = []string{secretstore.Pending}
		}, compliance.Fail, "the version " + versionID(9) + " has AWSPENDING and holds no value"},
		"denied": {func(s *fakeStore) {
			s.secret.Labels[versionID(1)] = []string{secretstore.Pending}
			s.errors["Versions"] = failure(secretstore.ErrAccessDenied, arn)
		}, compliance.NotEvaluated, "the version " + versionID(1) + " has AWSPENDING, and its age is not known: not permitted: secretsmanager:ListSecretVersionIds on " + arn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newStore(t, nil, "first", "second")
			test.change(store)
			got := result(t, check(t, store.checker(), store.secret), "no_pending_version", "")
			if got.Status != test.want || got.Reason != test.reason {
				t.Errorf("got %q, %s\nwant %q, %s", got.Status, got.Reason, test.want, test.reason)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode   fs.FileMode
		want   compliance.Status
		reason string
	}{
		"file of its owner":    {0o600, compliance.Pass, "mode 0600"},
		"file to be read only": {0o400, compliance.Pass, "mode 0400"},
		"file for the group":   {0o640, compliance.Fail, "mode 0640 lets other users of the machine use it; run: chmod 600 'a/it'\\''s'"},
		"file for others":      {0o601, compliance.Fail, "mode 0601 lets other users of the machine use it; run: chmod 600 'a/it'\\''s'"},
		"folder of its owner":  {fs.ModeDir | 0o700, compliance.Pass, "mode 0700"},
		"folder for the group": {fs.ModeDir | 0o710, compliance.Fail, "mode 0710 lets other users of the machine use it; run: chmod 700 'a/it'\\''s'"},
		"link":                 {fs.ModeSymlink | 0o777, compliance.Fail, "it is a symbolic link, whose mode says nothing about what it points to"},
	} {
		results := compliance.Files([]secretstore.File{{Path: "a/it's", Mode: test.mode}})
		if len(results) != 1 || results[0].Status != test.want || results[0].Reason != test.reason || results[0].Subject != "a/it's" {
			t.Errorf("%s: %+v", name, results)
		}
	}
}
