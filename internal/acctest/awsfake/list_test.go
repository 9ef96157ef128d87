// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// list returns the names of all pages, joined.
func (f fixture) list(edit ...func(*secretsmanager.ListSecretsInput)) string {
	f.Helper()
	in := &secretsmanager.ListSecretsInput{SortBy: smtypes.SortByTypeName, SortOrder: smtypes.SortOrderTypeAsc}
	for _, e := range edit {
		e(in)
	}
	var names []string
	pages := secretsmanager.NewListSecretsPaginator(f.sm, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(f.Context())
		f.ok(err)
		for _, s := range page.SecretList {
			names = append(names, *s.Name)
		}
	}
	return strings.Join(names, " ")
}

func where(key smtypes.FilterNameStringType, values ...string) func(*secretsmanager.ListSecretsInput) {
	return func(in *secretsmanager.ListSecretsInput) {
		in.Filters = append(in.Filters, smtypes.Filter{Key: key, Values: values})
	}
}

func TestListRules(t *testing.T) {
	planned := func(in *secretsmanager.ListSecretsInput) { in.IncludePlannedDeletion = aws.Bool(true) }
	seed := func(f fixture) {
		f.s.Seed(Seed{Name: "app/a", Description: "First One", Tags: map[string]string{"team": "blue", "x": "y"}})
		f.s.Seed(Seed{Name: "app/b", Description: "second", Tags: map[string]string{"team": "red"}, OwningService: "rds"})
		f.s.Seed(Seed{Name: "App/c", Tags: map[string]string{"Team": "blue"}})
	}
	runRules(t, []rule{
		{"filters match prefixes", serviceModel, nil, func(f fixture) {
			seed(f)
			for want, filter := range map[string]func(*secretsmanager.ListSecretsInput){
				"app/a app/b": where("name", "app/"),
				"App/c":       where("name", "App"),
				"app/a":       where("description", "first o"),
				"app/b":       where("owning-service", "rd"),
				"App/c app/a": where("tag-value", "bl"),
			} {
				same(f, "list", f.list(filter), want)
			}
			same(f, "tag-key is case-sensitive", f.list(where("tag-key", "te")), "app/a app/b")
			same(f, "not in the middle", f.list(where("name", "a")), "app/a app/b")
			same(f, "not in the middle", f.list(where("name", "pp")), "")
		}},
		{"filters are joined by and, values by or, ! negates", serviceModel, nil, func(f fixture) {
			seed(f)
			same(f, "and", f.list(where("tag-key", "team"), where("tag-value", "blue")), "app/a")
			same(f, "independent", f.list(where("tag-key", "x"), where("tag-value", "blue")), "app/a")
			same(f, "or", f.list(where("name", "app/a", "App")), "App/c app/a")
			same(f, "not", f.list(where("name", "!app/a")), "App/c app/b")
			same(f, "all", f.list(where("all", "SECOND red")), "app/b")
		}},
		{"unknown filters are refused", serviceModel, nil, func(f fixture) {
			in := &secretsmanager.ListSecretsInput{}
			where("color", "blue")(in)
			_, err := f.sm.ListSecrets(f.Context(), in)
			f.fails(err, "ValidationException", "filters.key")
		}},
		{"a filter takes no letters outside ASCII", serviceModel, nil, func(f fixture) {
			f.s.Seed(Seed{Name: "a", Tags: map[string]string{"größe": "x"}})
			in := &secretsmanager.ListSecretsInput{}
			where("tag-key", "gr")(in)
			_, err := f.sm.ListSecrets(f.Context(), in)
			f.ok(err)
			where("tag-value", "größe")(in)
			_, err = f.sm.ListSecrets(f.Context(), in)
			f.fails(err, "ValidationException", "filters.values")
		}},
		{"secrets in their recovery window only when asked for", serviceModel, nil, func(f fixture) {
			f.create("app", "a")
			f.ok(f.delete("app"))
			same(f, "default", f.list(), "")
			same(f, "asked", f.list(planned), "app")
			out, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
			f.ok(err)
			same(f, "DeletedDate is when deletion was asked for", *out.SecretList[0].DeletedDate, f.start)
		}},
		{"entries", serviceModel, nil, func(f fixture) {
			v := f.create("app", "a", func(in *secretsmanager.CreateSecretInput) { in.Description = aws.String("d") })
			f.ok(f.tag("app", "k", "v"))
			out, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{})
			f.ok(err)
			s := out.SecretList[0]
			same(f, "entry", *s.Name+*s.ARN+*s.Description+*s.Tags[0].Value, "app"+f.s.Secret("app").ARN+"d"+"v")
			same(f, "labels", slices.Equal(s.SecretVersionsToStages[v], []string{"AWSCURRENT"}), true)
		}},
		{"sorting", serviceModel, nil, func(f fixture) {
			for _, name := range []string{"b", "a", "c"} {
				f.create(name, "v")
				f.s.Advance(time.Minute)
			}
			f.ok(f.tag("b", "k", "v"))
			by := func(by smtypes.SortByType, order smtypes.SortOrderType) func(*secretsmanager.ListSecretsInput) {
				return func(in *secretsmanager.ListSecretsInput) { in.SortBy, in.SortOrder = by, order }
			}
			same(f, "name", f.list(by("name", "desc")), "c b a")
			same(f, "created", f.list(by("created-date", "asc")), "b a c")
			same(f, "changed", f.list(by("last-changed-date", "asc")), "a c b")
		}},
		{"pages of at most 100", serviceModel, nil, func(f fixture) {
			var want []string
			for i := range 250 {
				want = append(want, fmt.Sprintf("s%03d", i))
				f.s.Seed(Seed{Name: want[i]})
			}
			same(f, "all", f.list(), strings.Join(want, " "))
			same(f, "requests", f.s.Count("ListSecrets"), 3)
			_, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(101)})
			f.fails(err, "ValidationException", "maxResults")
		}},
		{"a token belongs to its request", serviceModel, nil, func(f fixture) {
			seed(f)
			out, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(1)})
			f.ok(err)
			for _, in := range []*secretsmanager.ListSecretsInput{
				{NextToken: aws.String("nonsense")}, {NextToken: out.NextToken, IncludePlannedDeletion: aws.Bool(true)},
			} {
				_, err = f.sm.ListSecrets(f.Context(), in)
				f.fails(err, "InvalidNextTokenException", "")
			}
		}},
		{"pages can be empty with a token", serviceModel, []Option{EmptyPages()}, func(f fixture) {
			seed(f)
			out, err := f.sm.ListSecrets(f.Context(), &secretsmanager.ListSecretsInput{})
			f.ok(err)
			same(f, "empty, with more", len(out.SecretList) == 0 && out.NextToken != nil, true)
			same(f, "all", f.list(), "App/c app/a app/b")
			f.create("app", "a")
			same(f, "versions", len(f.versions("app", false)), 1)
		}},
		{"a list can lag", serviceModel, nil, func(f fixture) {
			f.create("old", "a")
			f.s.SetListLag(5 * time.Minute)
			f.create("new", "a")
			f.ok(f.delete("old"))
			same(f, "before", f.list(), "old")
			f.describe("new")
			f.s.Advance(5 * time.Minute)
			same(f, "after", f.list(), "new")
		}},
	})
}
