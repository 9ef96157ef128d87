// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"context"
	"iter"
	"maps"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var _ secretstore.Lister = (*Store)(nil)

// opList knows no resource: its right can only be given for all, "*".
// Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
var opList = operation{name: "list secrets", action: "secretsmanager:ListSecrets"}

const (
	allSecrets = "*"
	pageSize   = 100
)

// List implements secretstore.Lister. A page may be empty although others follow,
// and a secret that is made or renamed meanwhile may show twice.
func (s *Store) List(ctx context.Context, filter secretstore.ListFilter) iter.Seq2[secretstore.ListedSecret, error] {
	return func(yield func(secretstore.ListedSecret, error) bool) {
		request := &secretsmanager.ListSecretsInput{
			Filters:    listFilters(filter),
			MaxResults: aws.Int32(pageSize),
			SortBy:     types.SortByTypeName,
			SortOrder:  types.SortOrderTypeAsc,
		}
		if filter.Scheduled {
			request.IncludePlannedDeletion = aws.Bool(true)
		}
		seen := map[string]bool{}
		for {
			var page *secretsmanager.ListSecretsOutput
			err := s.run(ctx, opList, allSecrets, func(ctx context.Context, conn *session) (err error) {
				page, err = conn.secrets.ListSecrets(ctx, request)
				return err
			})
			if err != nil {
				yield(secretstore.ListedSecret{}, err)
				return
			}
			for _, entry := range page.SecretList {
				secret := listed(entry)
				if seen[secret.ARN] || !filter.Match(secret.Secret) {
					continue
				}
				seen[secret.ARN] = true
				if !yield(secret, nil) {
					return
				}
			}
			if aws.ToString(page.NextToken) == "" {
				return
			}
			request.NextToken = page.NextToken
		}
	}
}

func listed(entry types.SecretListEntry) secretstore.ListedSecret {
	secret := secretstore.ListedSecret{
		Secret: secretstore.Secret{
			ARN:             aws.ToString(entry.ARN),
			Name:            aws.ToString(entry.Name),
			Description:     aws.ToString(entry.Description),
			KMSKeyID:        keyID(entry.KmsKeyId),
			Tags:            make(map[string]string, len(entry.Tags)),
			Labels:          make(map[string][]string, len(entry.SecretVersionsToStages)),
			CreatedAt:       at(entry.CreatedDate),
			DeletedAt:       at(entry.DeletedDate),
			RotationEnabled: aws.ToBool(entry.RotationEnabled),
			RotationLambda:  aws.ToString(entry.RotationLambdaARN),
			OwningService:   aws.ToString(entry.OwningService),
			PrimaryRegion:   aws.ToString(entry.PrimaryRegion),
		},
		ChangedAt:   at(entry.LastChangedDate),
		AccessedAt:  at(entry.LastAccessedDate),
		AccessKnown: true,
	}
	for _, tag := range entry.Tags {
		secret.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for version, labels := range entry.SecretVersionsToStages {
		if len(labels) > 0 {
			secret.Labels[version] = sorted(labels)
		}
	}
	return secret
}

// filterValue is what AWS takes in a filter; "!" at the beginning would negate it.
// Tags may have letters of any script, and are then told apart here only.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
var filterValue = regexp.MustCompile(`^[A-Za-z0-9 :_@/+=.-][A-Za-z0-9 :_@/+=.!-]*$`)

const maxFilterLength = 512

// listFilters asks AWS for as little as it can tell apart, which is not all:
// filters match prefixes, those of keys and of values of tags know nothing of each
// other, and whether two of one kind are joined by "and" is not documented. What
// comes back is looked at again.
func listFilters(f secretstore.ListFilter) []types.Filter {
	var filters []types.Filter
	add := func(key types.FilterNameStringType, value string) {
		if len(value) <= maxFilterLength && filterValue.MatchString(value) {
			filters = append(filters, types.Filter{Key: key, Values: []string{value}})
		}
	}
	add(types.FilterNameStringTypeName, f.NamePrefix)
	if len(f.Tags) == 0 {
		add(types.FilterNameStringTypeTagKey, f.TagKeyPrefix)
		return filters
	}
	key := slices.Min(slices.Collect(maps.Keys(f.Tags)))
	add(types.FilterNameStringTypeTagKey, key)
	add(types.FilterNameStringTypeTagValue, f.Tags[key])
	return filters
}
