// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package dotenv

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzEncode: what is written is what the readers read, and a refusal says nothing
// of the value. bash is left out, since a process for each input would be slow:
// TestEveryReaderReadsTheSame asks it.
func FuzzEncode(f *testing.F) {
	inProcess := maps.Clone(readers)
	delete(inProcess, "bash")
	const marker = "qXz7Kp" // in no message
	f.Fuzz(func(t *testing.T, one, two string) {
		if _, err := Quote(marker + one); err != nil && strings.Contains(err.Error(), marker) {
			t.Fatal("the error quotes the value")
		}
		want := map[string]string{}
		for i, value := range []string{one, two, "last"} {
			if _, err := Quote(value); err == nil {
				want[name(i)] = value
			}
		}
		text, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		for reader, read := range inProcess {
			got, err := read(text)
			if err != nil {
				t.Fatalf("%s: %v", reader, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s reads (-want +got):\n%s", reader, diff)
			}
		}
	})
}
