// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package envfile

import (
	"encoding/json"
	"fmt"
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
type reader struct {
	name    string
	there   []string // a command that succeeds where the reader is on this machine
	since   string   // the version that brought it, if its program is about without it
	install string
	command []string
}

var readers = []reader{
	{
		name:    "bash",
		there:   []string{"bash", "-c", ""},
		install: "apt-get install bash",
		command: []string{"bash", "-c", `set -a; . "$1"; exec env -0`, "bash"},
	},
	{
		name:    "node --env-file",
		there:   []string{"node", "--env-file=" + os.DevNull, "-e", ""},
		since:   "Node.js 20.6",
		install: "apt-get install nodejs",
		command: []string{"sh", "-c", `exec node --env-file="$1" -e 'console.log(JSON.stringify(process.env))'`, "sh"},
	},
	{
		name:    "dotenv for Node.js",
		there:   []string{"node", "-e", `require("dotenv")`},
		install: "npm install, where a copy of tools/package.json is, and NODE_PATH=…/node_modules",
		command: []string{"node", "-e", `console.log(JSON.stringify(require("dotenv").parse(require("fs").readFileSync(process.argv[1]))))`},
	},
	{
		name:    "python-dotenv",
		there:   []string{"python3", "-c", "import dotenv"},
		install: "pip install -r tools/requirements.txt in a virtual environment, whose bin is on the PATH",
		command: []string{"python3", "-c", `import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))`},
	},
}

// need ends a test whose reader is not on this machine: in CI that is a failure, unless
// the program is there and its version does not have it yet.
func (r reader) need(t *testing.T) {
	t.Helper()
	if exec.Command(r.there[0], r.there[1:]...).Run() == nil {
		return
	}
	if _, err := exec.LookPath(r.there[0]); err == nil && r.since != "" {
		t.Skipf("not tested on this version: %s came with %s", r.name, r.since)
	}
	message := fmt.Sprintf("%s is not on this machine, so that it reads what is written was not tested; to install it: %s", r.name, r.install)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
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

	t.Run("docker compose", func(t *testing.T) {
		parsed, err := compose.Read(f.Path())
		if err != nil {
			t.Fatal(err)
		}
		compare(t, parsed)
	})
	for _, reader := range readers {
		t.Run(reader.name, func(t *testing.T) {
			reader.need(t)
			cmd := exec.Command(reader.command[0], append(reader.command[1:], f.Path())...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + os.Getenv("NODE_PATH"), "HOME=" + os.Getenv("HOME")}
			output, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			if reader.name == "bash" {
				for line := range strings.SplitSeq(string(output), "\x00") {
					name, value, _ := strings.Cut(line, "=")
					got[name] = value
				}
			} else if err := json.Unmarshal(output, &got); err != nil {
				t.Fatal("what it prints is not JSON") // the error could quote a value
			}
			compare(t, got)
		})
	}
}

func compare(t *testing.T, got map[string]string) {
	t.Helper()
	for name, want := range values {
		if got[name] != want {
			t.Errorf("it reads another value of %s", name)
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
