// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	compose "github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// values hold whatever a reader could stumble over and all of them agree on.
var values = map[string]string{
	"PLAIN":    "a-Z_0/9+=",
	"EMPTY":    "",
	"SPACES":   "  two words  ",
	"HASH":     "before #behind",
	"SINGLE":   "it's",
	"DOUBLE":   `say "yes"`,
	"DOLLAR":   "a$b$(c)",
	"LINES":    "-----BEGIN KEY-----\nabc=\n-----END KEY-----\n",
	"LOOKS":    "x\nPLAIN=other\n# no comment",
	"UNICODE":  "grüße ☃",
	"PASSWORD": "!()*-._~x7Q",
}

// A reader prints as JSON what it finds in the file that is its last argument.
var readers = []struct {
	name    string
	there   []string // a command that succeeds where the reader is on this machine
	command []string
}{
	{"bash", nil, []string{"bash", "-c", `set -a; . "$1"; exec env -0`, "bash"}},
	{"node --env-file", []string{"node", "--env-file=" + os.DevNull, "-e", ""},
		[]string{"sh", "-c", `exec node --env-file="$1" -e 'console.log(JSON.stringify(process.env))'`, "sh"}},
	{"dotenv for Node.js", []string{"node", "-e", `require("dotenv")`},
		[]string{"node", "-e", `console.log(JSON.stringify(require("dotenv").parse(require("fs").readFileSync(process.argv[1]))))`}},
	{"python-dotenv", []string{"python3", "-c", "import dotenv"},
		[]string{"python3", "-c", `import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))`}},
}

// The header does not disturb any reader, and the values arrive.
func TestEveryReaderReadsTheFile(t *testing.T) {
	t.Parallel()
	var entries []Entry
	for name, value := range values {
		entries = append(entries, Entry{name, secretstore.NewPlaintext(value), time.Date(2027, 2, 21, 12, 0, 0, 0, time.UTC)})
	}
	content, err := Render(entries)
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(t)
	write(t, f, content.Reveal())

	parsed, err := compose.Read(f.Path())
	if err != nil {
		t.Fatalf("docker compose: %v", err)
	}
	compare(t, "docker compose", parsed)
	for _, reader := range readers {
		if reader.there != nil && exec.Command(reader.there[0], reader.there[1:]...).Run() != nil {
			t.Logf("not read by %s, which is not on this machine", reader.name)
			continue
		}
		cmd := exec.Command(reader.command[0], append(reader.command[1:], f.Path())...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + os.Getenv("NODE_PATH"), "HOME=" + os.Getenv("HOME")}
		output, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", reader.name, err)
			continue
		}
		got := map[string]string{}
		if reader.name == "bash" {
			for line := range strings.SplitSeq(string(output), "\x00") {
				name, value, _ := strings.Cut(line, "=")
				got[name] = value
			}
		} else if err := json.Unmarshal(output, &got); err != nil {
			t.Errorf("%s: %v", reader.name, err)
			continue
		}
		compare(t, reader.name, got)
	}
}

func compare(t *testing.T, reader string, got map[string]string) {
	t.Helper()
	for name, want := range values {
		if got[name] != want {
			t.Errorf("%s reads another value of %s", reader, name)
		}
	}
}

func newFile(t *testing.T) File {
	t.Helper()
	f, err := Resolve(filepath.Join(t.TempDir(), ".env"), Allow{OutsideModule: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f File, content string) Written {
	t.Helper()
	written, err := f.Write(writeOf(content))
	if err != nil {
		t.Fatal(err)
	}
	return written
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func writeOf(content string) Write {
	return Write{Content: secretstore.NewPlaintext(content), Mode: 0o600, Backup: true, Now: noon}
}
