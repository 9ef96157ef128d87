// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const (
	maxSecretID = 2048
	maxLabel    = 256
	minToken    = 32
	maxToken    = 64
)

// validName matches what the service model of CreateSecret allows in a name, and
// "!", which the names of service-managed secrets hold.
var validName = regexp.MustCompile("^[A-Za-z0-9/_+=.@!-]+$")

// checkName checks a secret's name or a SecretId that is no ARN. Wording:
// recorded.
func checkName(field, name string, limit int) error {
	if len(name) > limit {
		return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", field, limit)
	}
	if !validName.MatchString(name) {
		return validation("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

// checkDescription: at most 2048 characters (service model, DescriptionType).
func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > 2048 {
		return validation("1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 2048")
	}
	return nil
}

// checkToken checks a ClientRequestToken: required (recorded), of 32 to 64
// characters (service model, ClientRequestTokenType).
func checkToken(token string) error {
	if token == "" {
		return invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if len(token) < minToken || len(token) > maxToken {
		return validation("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length between %d and %d", minToken, maxToken)
	}
	return nil
}

// content is the value in a request: SecretString, SecretBinary or neither.
func content(text *string, binary []byte) (value secretstore.Plaintext, given bool, err error) {
	switch {
	case text != nil && binary != nil:
		// Service model: "Either SecretString or SecretBinary must have a value,
		// but not both."
		return value, false, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text != nil:
		value = secretstore.NewPlaintext(*text)
	case binary != nil:
		value = secretstore.NewBinaryPlaintext(binary)
	default:
		return value, false, nil
	}
	// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
	// (65,536 bytes) and the service model (at least 1).
	if n := value.Len(); n < 1 || n > secretstore.MaxValueBytes {
		return secretstore.Plaintext{}, false, validation("1 validation error detected: the secret value failed to satisfy constraint: Member must have length between 1 and %d", secretstore.MaxValueBytes)
	}
	return value, true, nil
}

func sameContent(a, b secretstore.Plaintext) bool {
	return a.Binary() == b.Binary() && a.Reveal() == b.Reveal()
}

// validTag matches the characters that are allowed in tags.
// Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
var validTag = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// checkTags checks the tags of one request. Limits and characters: the page
// above; the error codes are assumed.
func checkTags(tags []tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > secretstore.MaxTagKeyLength:
			return validation("1 validation error detected: a tag key failed to satisfy constraint: Member must have length between 1 and %d", secretstore.MaxTagKeyLength)
		case utf8.RuneCountInString(t.Value) > secretstore.MaxTagValueLength:
			return validation("1 validation error detected: the value of tag '%s' failed to satisfy constraint: Member must have length less than or equal to %d", t.Key, secretstore.MaxTagValueLength)
		case !validTag.MatchString(t.Key) || !validTag.MatchString(t.Value):
			return invalidParameter("The tag '%s' has characters that are not allowed.", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return invalidParameter("The tag key '%s' begins with aws:, which is reserved.", t.Key)
		case seen[t.Key]:
			return invalidParameter("The tag key '%s' is given more than once.", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

// setTags adds tags to a secret: "This operation appends tags to the existing
// list of tags" (service model, TagResource); 50 at most.
func (rec *record) setTags(tags []tag) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	for _, t := range tags {
		found := false
		for i := range rec.tags {
			if rec.tags[i].Key == t.Key {
				rec.tags[i].Value, found = t.Value, true
			}
		}
		if !found {
			rec.tags = append(rec.tags, t)
		}
	}
	if len(rec.tags) > secretstore.MaxTags {
		return invalidParameter("A secret can have at most %d tags.", secretstore.MaxTags)
	}
	return nil
}

// checkLabels checks staging labels: 1 to 256 characters, and at most 20 on a
// secret (service model; quotas page).
func checkLabels(labels []string) error {
	for _, label := range labels {
		if n := utf8.RuneCountInString(label); n < 1 || n > maxLabel {
			return validation("1 validation error detected: a staging label failed to satisfy constraint: Member must have length between 1 and %d", maxLabel)
		}
	}
	return nil
}

func (rec *record) unsetTags(keys []string) (changed bool) {
	n := len(rec.tags)
	rec.tags = slices.DeleteFunc(rec.tags, func(t tag) bool { return slices.Contains(keys, t.Key) })
	return len(rec.tags) != n
}
