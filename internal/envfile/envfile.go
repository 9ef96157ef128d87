// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package envfile writes a .env file with secret values, and tells later whether
// the file still holds what was written, without keeping a value or its hash where
// others could read it.
//
// Beside a file NAME there is a folder NAME.roi with mode 0700:
//
//	.gitignore           keeps the folder out of a repository
//	record.json          a random key, and with it the HMAC of what was written
//	previous             the file before the last write, if this package wrote that too
//	replaced-TIME        a file that somebody else wrote or changed, before it was replaced
//
// Every file in it has mode 0600. Temporary files are made in it as well, so that
// they are on the same file system, are never committed, and can be found after a
// crash.
//
// A write saves the record first and then renames the new file into place. The
// record knows both contents, so that whichever of them a crash leaves behind is
// known as one that this package wrote.
package envfile

import (
	"errors"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Entry is one variable of a file.
type Entry struct {
	Name  string
	Value secretstore.Plaintext
	Due   time.Time // when its rotation is due; zero when it never is, or nobody knows
}

// The header has no quotes and no equals sign: some readers look for both before
// they look for comments.
const header = `# Written by Terraform (roi_env_file). A change made here is replaced by the next apply.
`

// Render returns the text of a file: a header with the due dates, and the entries
// in their order. Names must differ. The error joins a *dotenv.EntryError for each
// entry that cannot be written so that every reader of such files understands it;
// it holds no part of a value.
func Render(entries []Entry) (secretstore.Plaintext, error) {
	var dates, lines strings.Builder
	var problems []error
	for _, entry := range entries {
		quoted, err := quote(entry)
		if err != nil {
			problems = append(problems, &dotenv.EntryError{Name: entry.Name, Reason: err})
			continue
		}
		if !entry.Due.IsZero() {
			dates.WriteString("#   " + entry.Due.UTC().Format(time.RFC3339) + "  " + entry.Name + "\n")
		}
		lines.WriteString(entry.Name + "=" + quoted + "\n")
	}
	if problems != nil {
		return secretstore.Plaintext{}, errors.Join(problems...)
	}
	text := header
	if dates.Len() > 0 {
		text += "# When this was written, rotation was due at:\n" + dates.String()
	}
	return secretstore.NewPlaintext(text + "\n" + lines.String()), nil
}

func quote(entry Entry) (string, error) {
	if err := dotenv.CheckName(entry.Name); err != nil {
		return "", err
	}
	return dotenv.Quote(entry.Value.Reveal())
}
