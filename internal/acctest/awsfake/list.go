// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type filter struct {
	Key    string
	Values []string
}

type listSecretsInput struct {
	Filters                []filter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
	SortBy                 string
	SortOrder              string
}

// secretEntry is a secret in a list: what DescribeSecret tells, but for
// replication, and with the versions under another name (service model).
type secretEntry struct {
	describeSecretOutput
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

type listSecretsOutput struct {
	SecretList []secretEntry
	NextToken  string `json:",omitempty"`
}

func (r *request) listSecrets(in listSecretsInput) (any, error) {
	if len(in.Filters) > 10 {
		return nil, validation("1 validation error detected: Value at 'filters' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	for _, f := range in.Filters {
		if err := f.check(); err != nil {
			return nil, err
		}
	}
	order, err := sorting(in.SortBy, in.SortOrder)
	if err != nil {
		return nil, err
	}
	var found []*record
	for _, rec := range r.here.secrets {
		rec = r.listed(rec)
		// Service model, IncludePlannedDeletion: "By default, secrets scheduled
		// for deletion aren't included."
		if rec == nil || !rec.deleted.IsZero() && !in.IncludePlannedDeletion {
			continue
		}
		if !slices.ContainsFunc(in.Filters, func(f filter) bool { return !f.matches(rec) }) {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, order)
	query := "secrets " + in.SortBy + " " + in.SortOrder + " " + strconv.FormatBool(in.IncludePlannedDeletion)
	for _, f := range in.Filters {
		query += " " + f.Key + "=" + strings.Join(f.Values, ",")
	}
	page, next, err := paginate(r.Server, found, in.MaxResults, in.NextToken, query)
	if err != nil {
		return nil, err
	}
	out := listSecretsOutput{SecretList: make([]secretEntry, len(page)), NextToken: next}
	for i, rec := range page {
		entry := secretEntry{r.description(rec), rec.stages()}
		entry.VersionIDsToStages, entry.ReplicationStatus = nil, nil
		// Service model, SecretListEntry: "The date and time the deletion of the
		// secret occurred", unlike DescribeSecret.
		entry.DeletedDate = optionalEpoch(rec.deleted)
		out.SecretList[i] = entry
	}
	return out, nil
}

// sorting returns the order of a list. Service model: "If not specified, secrets
// are listed by CreatedDate." Descending is what AWS does then (assumed).
func sorting(by, order string) (func(a, b *record) int, error) {
	var compare func(a, b *record) int
	switch by {
	case "", "created-date":
		compare = func(a, b *record) int { return a.created.Compare(b.created) }
	case "last-changed-date":
		compare = func(a, b *record) int { return a.changed.Compare(b.changed) }
	case "last-accessed-date":
		compare = func(a, b *record) int { return a.accessed.Compare(b.accessed) }
	case "name":
		compare = func(a, b *record) int { return cmp.Compare(a.name, b.name) }
	default:
		return nil, validation("1 validation error detected: Value at 'sortBy' failed to satisfy constraint: Member must satisfy enum value set")
	}
	sign := -1
	switch order {
	case "asc":
		sign = 1
	case "", "desc":
	default:
		return nil, validation("1 validation error detected: Value at 'sortOrder' failed to satisfy constraint: Member must satisfy enum value set")
	}
	return func(a, b *record) int {
		if c := compare(a, b); c != 0 {
			return sign * c
		}
		return cmp.Compare(a.name, b.name)
	}, nil
}

func (f filter) check() error {
	switch f.Key {
	case "description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all":
	default:
		return validation("1 validation error detected: Value at 'filters.key' failed to satisfy constraint: Member must satisfy enum value set")
	}
	if n := len(f.Values); n < 1 || n > 10 {
		return invalidParameter("A filter must have 1 to 10 values.")
	}
	for _, value := range f.Values {
		if !filterValue.MatchString(value) {
			return validation("1 validation error detected: Value at 'filters.values' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", filterValue)
		}
	}
	return nil
}

// filterValue is the pattern of a filter's values, which a name or a tag of
// letters outside ASCII does not match.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
var filterValue = regexp.MustCompile(`^!?[a-zA-Z0-9 :_@/+=.!-]{0,512}$`)

// matches: all filters have to match, of one filter any value. Service model,
// Filter: prefix match, case-sensitive but for description and all; "You can
// prefix your search value with an exclamation mark (!) in order to perform
// negation filters." tag-key and tag-value know nothing of each other.
func (f filter) matches(rec *record) bool {
	positive, matched := false, false
	for _, value := range f.Values {
		if not, ok := strings.CutPrefix(value, "!"); ok {
			if f.matchesValue(rec, not) {
				return false
			}
			continue
		}
		positive = true
		matched = matched || f.matchesValue(rec, value)
	}
	return matched || !positive
}

func (f filter) matchesValue(rec *record, value string) bool {
	prefix := func(t tag) bool { return strings.HasPrefix(t.Key, value) }
	switch f.Key {
	case "name":
		return strings.HasPrefix(rec.name, value)
	case "description":
		return strings.HasPrefix(strings.ToLower(rec.description), strings.ToLower(value))
	case "tag-key":
		return slices.ContainsFunc(rec.tags, prefix)
	case "tag-value":
		return slices.ContainsFunc(rec.tags, func(t tag) bool { return strings.HasPrefix(t.Value, value) })
	case "primary-region":
		return rec.primaryRegion != "" && strings.HasPrefix(rec.primaryRegion, value)
	case "owning-service":
		return rec.owningService != "" && strings.HasPrefix(rec.owningService, value)
	}
	// Service model, all: "Breaks the filter value string into words and then
	// searches all attributes for matches. Not case-sensitive."
	attributes := []string{rec.name, rec.description, rec.primaryRegion, rec.owningService}
	for _, t := range rec.tags {
		attributes = append(attributes, t.Key, t.Value)
	}
	text := strings.ToLower(strings.Join(attributes, " "))
	for word := range strings.FieldsSeq(strings.ToLower(value)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// paginate cuts a page out of a list; limit is 1 to 100 and by default 100
// (service model, MaxResultsType). query ties a token to the request that got it.
func paginate[T any](s *Server, all []T, limit *int, token, query string) (page []T, next string, err error) {
	size := 100
	if limit != nil {
		if *limit < 1 || *limit > 100 {
			return nil, "", validation("1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must be between 1 and 100")
		}
		size = *limit
	}
	tokenFor := func(start int) string {
		return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(start) + " " + query))
	}
	start := 0
	if token != "" {
		decoded, err := base64.StdEncoding.DecodeString(token)
		at, of, _ := strings.Cut(string(decoded), " ")
		start, _ = strconv.Atoi(at)
		if err != nil || of != query {
			return nil, "", fail("InvalidNextTokenException", "The NextToken value is invalid.") // service model
		}
	} else if s.emptyPages {
		return []T{}, tokenFor(0), nil
	}
	if start >= len(all) {
		return []T{}, "", nil
	}
	end := min(start+size, len(all))
	if end < len(all) || s.emptyPages {
		next = tokenFor(end)
	}
	return all[start:end], next, nil
}
