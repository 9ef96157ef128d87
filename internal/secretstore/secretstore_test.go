// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

func TestErrorHasItsKindAndItsCause(t *testing.T) {
	t.Parallel()
	kind := &secretstore.Error{Op: "describe", ID: "app", Kind: secretstore.ErrNotFound}
	if got, want := kind.Error(), `describe "app": not found`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !errors.Is(kind, secretstore.ErrNotFound) || errors.Is(kind, secretstore.ErrExists) {
		t.Error("the kind is not seen, or another is")
	}
	caused := &secretstore.Error{Op: "read", ID: "app", Kind: secretstore.ErrAccessDenied, Err: &fs.PathError{Op: "open", Path: "f", Err: fs.ErrPermission}}
	if got, want := caused.Error(), `read "app": access denied: open f: permission denied`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var cause *fs.PathError
	if !errors.Is(caused, secretstore.ErrAccessDenied) || !errors.As(caused, &cause) {
		t.Error("the kind or the cause is not seen")
	}
}

func TestListFilterMatch(t *testing.T) {
	t.Parallel()
	secret := secretstore.Secret{Name: "app/jwt", Tags: map[string]string{"team": "x", "roi:policy": "v1"}}
	gone := secret
	gone.DeletedAt = time.Unix(1, 0)
	for name, test := range map[string]struct {
		filter secretstore.ListFilter
		secret secretstore.Secret
		want   bool
	}{
		"everything":            {secretstore.ListFilter{}, secret, true},
		"prefix of the name":    {secretstore.ListFilter{NamePrefix: "app/"}, secret, true},
		"another prefix":        {secretstore.ListFilter{NamePrefix: "jwt"}, secret, false},
		"tag":                   {secretstore.ListFilter{Tags: map[string]string{"team": "x"}}, secret, true},
		"tag with other value":  {secretstore.ListFilter{Tags: map[string]string{"team": "y"}}, secret, false},
		"missing tag":           {secretstore.ListFilter{Tags: map[string]string{"owner": ""}}, secret, false},
		"one of two tags":       {secretstore.ListFilter{Tags: map[string]string{"team": "x", "owner": "y"}}, secret, false},
		"prefix of a tag's key": {secretstore.ListFilter{TagKeyPrefix: "roi:"}, secret, true},
		"no such tag":           {secretstore.ListFilter{TagKeyPrefix: "roi:rotation"}, secret, false},
		"all at once":           {secretstore.ListFilter{NamePrefix: "app", TagKeyPrefix: "roi:", Tags: map[string]string{"team": "x"}}, secret, true},
		"scheduled":             {secretstore.ListFilter{}, gone, false},
		"scheduled, asked for":  {secretstore.ListFilter{Scheduled: true}, gone, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.filter.Match(test.secret); got != test.want {
				t.Errorf("%+v matches: %t", test.filter, got)
			}
		})
	}
}

func TestPlaintextOfEachKind(t *testing.T) {
	t.Parallel()
	var none secretstore.Plaintext
	if none.Reveal() != "" || none.Len() != 0 || none.Binary() {
		t.Error("the zero value is not an empty text")
	}
	binary := secretstore.NewBinaryPlaintext([]byte{0xff, 0})
	if !binary.Binary() || binary.Len() != 2 || binary.Reveal() != "\xff\x00" || secretstore.NewPlaintext("x").Binary() {
		t.Error("a binary value is not what was given, or a text is binary")
	}
	if text, err := binary.MarshalText(); err == nil || len(text) != 0 {
		t.Error("a value was marshalled as a text")
	}
}
