// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	compose "github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// FuzzRender: a reader finds the entries of a file and nothing else, whatever is in
// its comments, and an error says nothing of a value.
func FuzzRender(f *testing.F) {
	const marker = "qXz7Kp" // in no message
	f.Fuzz(func(t *testing.T, name, value string, due int64) {
		entries := []Entry{
			{Name: name, Value: secretstore.NewPlaintext(marker + value), Due: time.Unix(due, 0)},
			{Name: "LAST_ONE", Value: secretstore.NewPlaintext("last")},
		}
		text, err := Render(entries)
		if err != nil {
			var entry *dotenv.EntryError
			if !errors.As(err, &entry) || entry.Name != name || strings.Contains(err.Error(), marker) {
				t.Error("the error does not name the entry, or quotes its value")
			}
			return
		}
		got, err := compose.Parse(strings.NewReader(text.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{name: marker + value, "LAST_ONE": "last"}, got); diff != "" && name != "LAST_ONE" {
			t.Error(diff)
		}
	})
}

// FuzzRecord: a damaged record is none, and one that can be read stays what it is
// when it is written again.
func FuzzRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte, content string) {
		r, ok := decode(text)
		if !ok || r.Version > recordVersion {
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := decode(text)
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" || !ok {
			t.Errorf("read again: %t\n%s", ok, diff)
		}
		r.Fingerprint = r.sumText(content)
		if current, ours, err := r.match(strings.NewReader(content)); !current || !ours || err != nil {
			t.Errorf("what was written is not known again: %t, %t, %v", current, ours, err)
		}
		if current, _, err := r.match(strings.NewReader(content + "x")); current || err != nil {
			t.Errorf("what was not written is taken for it: %t, %v", current, err)
		}
	})
}
