// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// allowedName is what Secrets Manager allows in a name.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
var allowedName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]*$`)

func checkName(name string) error {
	switch {
	case name == "":
		return fail(secretstore.ErrInvalid, "a secret needs a name")
	case len(name) > secretstore.MaxNameLength:
		return fail(secretstore.ErrInvalid, "the name has %d characters, but at most %d are allowed", len(name), secretstore.MaxNameLength)
	case !allowedName.MatchString(name):
		return fail(secretstore.ErrInvalid, "a name may have ASCII letters, digits and the characters /_+=.@- only")
	}
	return nil
}

// checkToken keeps to what Secrets Manager takes as the id of a version.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
func checkToken(token string) error {
	if len(token) < 32 || len(token) > 64 {
		return fail(secretstore.ErrInvalid, "a version id must have 32 to 64 characters, got %d", len(token))
	}
	return nil
}

func checkValue(value secretstore.Plaintext) error {
	switch {
	case value.Len() == 0:
		return fail(secretstore.ErrInvalid, "a value must have at least one byte")
	case value.Len() > secretstore.MaxValueBytes:
		return fail(secretstore.ErrLimit, "the value has %d bytes, but at most %d are allowed", value.Len(), secretstore.MaxValueBytes)
	case !value.Binary() && !utf8.ValidString(value.Reveal()):
		return fail(secretstore.ErrInvalid, "a text value must be valid UTF-8")
	}
	return nil
}

const maxLabelLength = 256

func checkLabel(label string) error {
	if n := utf8.RuneCountInString(label); n == 0 || n > maxLabelLength {
		return fail(secretstore.ErrInvalid, "a label must have 1 to %d characters, got %d", maxLabelLength, n)
	}
	return nil
}

// allowedTag is what AWS allows in keys and values of tags.
// Source: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
var allowedTag = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

func checkTags(tags map[string]string) error {
	if len(tags) > secretstore.MaxTags {
		return fail(secretstore.ErrLimit, "the secret would have %d tags, but at most %d are allowed", len(tags), secretstore.MaxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > secretstore.MaxTagKeyLength:
			return fail(secretstore.ErrInvalid, "the key of a tag must have 1 to %d characters: %q", secretstore.MaxTagKeyLength, key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return fail(secretstore.ErrInvalid, "keys of tags that begin with aws: are reserved: %q", key)
		case utf8.RuneCountInString(value) > secretstore.MaxTagValueLength:
			return fail(secretstore.ErrInvalid, "the value of tag %q has more than %d characters", key, secretstore.MaxTagValueLength)
		case !allowedTag.MatchString(key) || !allowedTag.MatchString(value):
			return fail(secretstore.ErrInvalid, "tag %q: keys and values may have letters, digits, spaces and the characters _.:/=+-@ only", key)
		}
	}
	return nil
}

func checkReplicas(replicas []secretstore.ReplicaSpec) error {
	for _, replica := range replicas {
		if replica.Region == "" || replica.Region == region {
			return fail(secretstore.ErrInvalid, "a replica needs another region than %q", region)
		}
	}
	return nil
}
