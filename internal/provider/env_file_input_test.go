// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// Every case is refused in the plan.
func TestEnvFileBadInput(t *testing.T) {
	t.Parallel()
	b := localBackend(t)
	for name, test := range map[string]struct{ body, message string }{
		"two entries of one name": {`
  path    = ".env-test"
  entries = [{ name = "A", value = "1" }, { name = "B", value = "2" }, { name = "A", value = "3" }]`,
			`entries[0] and entries[2] are both "A". A reader would take one of them, and not every reader the same.`},
		"no value": {`
  path    = ".env-test"
  entries = [{ name = "A" }]`,
			`The entry "A" has neither value nor secret_id. Set one of them.`},
		"null entry": {`
  path    = ".env-test"
  entries = [null]`,
			`An entry must be an object with a name.`},
		"value and secret": {`
  path    = ".env-test"
  entries = [{ name = "A", value = "1", secret_id = "x" }]`,
			`Attribute "entries[0].secret_id" cannot be specified when "entries[0].value" is specified`},
		"key without secret": {`
  path    = ".env-test"
  entries = [{ name = "A", value = "1", key = "x" }]`,
			`cannot be specified when`},
		"version without secret": {`
  path    = ".env-test"
  entries = [{ name = "A", version_id = "x" }]`,
			`must be specified when "entries[0].version_id" is specified`},
		"name": {`
  path    = ".env-test"
  entries = [{ name = "A-B", value = "1" }]`,
			`must be the name of a variable that shells pass on`},
		"name that bash sets": {`
  path    = ".env-test"
  entries = [{ name = "UID", value = "1" }]`,
			`none that bash sets itself, got: "UID"`},
		"value that readers read differently": {`
  path    = ".env-test"
  entries = [{ name = "A", value = "one\r\ntwo" }]`,
			`The value of "A" cannot be written so that docker compose, bash, Node.js and Python all read the same. Nothing was written. The value holds a carriage return`},
		"mode": {`
  path    = ".env-test"
  mode    = "600"
  entries = []`,
			`must be four octal digits without execute bits, with which the owner can read, such as "0600", got: "600"`},
		"mode with execute bits": {`
  path    = ".env-test"
  mode    = "0700"
  entries = []`,
			`must be four octal digits without execute bits`},
		"mode for others": {`
  path    = ".env-test"
  mode    = "0640"
  entries = [{ name = "A", secret_id = "x" }]`,
			`With mode = "0640" other users of this machine could use a file that holds the secret "A".`},
		"folder": {`
  path    = "missing/.env"
  entries = []`,
			`roi_env_file makes no folders. Make it first: mkdir -p`},
		"home": {`
  path    = "~/.env"
  entries = []`,
			`Terraform takes ~ for the name of a folder. Write path = pathexpand("~/.env").`},
		"outside": {`
  path    = "../.env-test"
  entries = []`,
			`or set allow_outside_module = true.`},
		"a folder": {`
  path    = "testdata"
  entries = []`,
			`is a folder, or something else that is not a regular file. Choose another path.`},
		"a device": {`
  path                 = "/dev/null"
  allow_outside_module = true
  entries              = []`,
			`Path is not a file`},
		"a file of somebody else": {`
  path    = "resource_env_file.go"
  entries = []`,
			`was not written by roi_env_file, or was changed since, and would be replaced. Move it away, or set adopt = true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps(t, resource.TestStep{
				Config:      b.provider(`environment = "development"`) + "resource \"roi_env_file\" \"test\" {" + test.body + "\n}\n",
				PlanOnly:    true,
				ExpectError: says(test.message),
			})
		})
	}
}

// What is wrong with a value shows only in the apply, which then writes nothing.
func TestEnvFileBadValues(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.make(t, "app/text", "not an object", nil)
	c.make(t, "app/object", `{"NUL":"some-value\u0000","NUMBER":12345,"GOOD":"good-value"}`, nil)
	if _, err := c.store.Create(t.Context(), secretstore.CreateInput{
		Name: "app/binary", Token: secretstore.DeriveVersionID("binary"), Value: secretstore.NewBinaryPlaintext([]byte("some-value")),
	}); err != nil {
		t.Fatal(err)
	}
	c.apply()
	for entry, message := range map[string]string{
		`secret_id = "app/object", key = "NUL"`: `The value of "A" cannot be written so that docker compose, bash, Node.js and Python all read the same. ` +
			`Nothing was written. The value holds a NUL character`,
		`secret_id = "app/object", key = "NUMBER"`: `The entry "A": the key "NUMBER" of the secret "app/object" holds JSON that is not a string. Nothing was written.`,
		`secret_id = "app/object", key = "NONE"`:   `the secret "app/object" has no key "NONE". Its keys are: GOOD, NUL, NUMBER. Nothing was written.`,
		`secret_id = "app/text", key = "X"`:        `the value of the secret "app/text" is not a JSON object with unique keys. Leave out key to get the whole value.`,
		`secret_id = "app/binary"`:                 `the secret "app/binary" holds a binary value (SecretBinary), which is no text. Store it as base64 text.`,
		`secret_id = "app/none"`:                   `Cannot read the secret "app/none". Check the name, the region and the account.`,
	} {
		c.write(`
resource "roi_env_file" "test" {
  path = ".env"
  entries = [
    { name = "GOOD", secret_id = "app/object", key = "GOOD" },
    { name = "A", ` + entry + ` },
  ]
}`)
		c.Plan().Require(t, 2)
		result := c.Apply()
		result.Require(t, 1)
		c.contains(result, message)
		if strings.Contains(result.Message()+c.Logs(), "-value") {
			t.Error("a value is shown")
		}
		for _, name := range []string{".env", ".env.roi"} {
			if _, err := os.Lstat(c.file(name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s was written (%v)", entry, name, err)
			}
		}
	}
}

func TestEnvFileAdopt(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets)
	c.WriteFile(".env", "A=by-hand\n")
	c.write(envSecrets, envFile())
	result := c.Plan()
	result.Require(t, 1)
	c.contains(result, "File exists already", "set adopt = true: it is then replaced, and what it holds is kept as a copy in")

	c.write(envSecrets, envFile("adopt = true"))
	c.contains(c.Plan(), "File will be replaced", "Its present content is kept as a copy in")
	result = c.Apply()
	result.Require(t, 0)
	c.contains(result, "Copy of the replaced file was kept")
	if n := strings.Count(result.Message(), "File will be replaced"); n != 1 {
		t.Errorf("the apply says %d times what the plan says once", n)
	}
	c.holdsCurrent(".env")
	names := c.beside(".env")
	if len(names) != 3 || c.read(".env.roi/"+names[2]) != "A=by-hand\n" {
		t.Errorf("beside the file: %v; the last one is to be what was there", names)
	}
	c.nothingToDo()

	// It is about the create only: once the file is gone from the state and changed
	// by somebody, it is somebody's again.
	c.Run("state", "rm", "roi_env_file.test").Require(t, 0)
	c.WriteFile(".env", "A=again\n")
	c.write(envSecrets, envFile())
	c.contains(c.Plan(), "File exists already")
	c.apply(envSecrets, envFile("adopt = true", "backup = false"))
	if got := c.beside(".env"); len(got) != 3 {
		t.Errorf("beside the file, without backup: %v", got)
	}
}

// In a first apply little is known. What the plan says is said once.
func TestEnvFileAdoptInFirstApply(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.WriteFile(".env", "A=by-hand\n")
	result := c.apply(envSecrets, envFile("adopt = true"))
	if n := strings.Count(result.Message(), "File will be replaced"); n != 1 {
		t.Errorf("said %d times: %s", n, result.Message())
	}
	c.holdsCurrent(".env")
	c.nothingToDo()
}

func TestEnvFileThroughSymlinkAndOutside(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	outside := t.TempDir()
	c.apply(envSecrets)
	if err := os.Symlink(filepath.Join(outside, "env"), c.file(".env")); err != nil {
		t.Fatal(err)
	}
	for arguments, message := range map[string]string{
		"": "Path is a symbolic link", "allow_outside_module = true": "Path is a symbolic link",
		"follow_symlink = true": "Path is a symbolic link without a file",
	} {
		c.write(envSecrets, envFile(arguments))
		c.contains(c.Plan(), message)
	}
	if err := os.WriteFile(filepath.Join(outside, "env"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.write(envSecrets, envFile("follow_symlink = true", "adopt = true"))
	c.contains(c.Plan(), "Path is outside the root module")

	c.apply(envSecrets, envFile("follow_symlink = true", "adopt = true", "allow_outside_module = true"))
	c.holdsCurrent(".env")
	if info, err := os.Lstat(c.file(".env")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(outside, "env.roi", "record.json")); err != nil {
		t.Error(err)
	}
	c.nothingToDo()
	c.apply(envSecrets)
	if _, err := os.Lstat(filepath.Join(outside, "env")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there after destroy (%v)", err)
	}
}

// What is not known yet is checked in the apply.
func TestEnvFileWithUnknownArguments(t *testing.T) {
	t.Parallel()
	for arguments, message := range map[string]string{
		`
  path    = terraform_data.later.output.path
  entries = []`: "File exists already",
		`
  path    = ".env"
  entries = [{ name = "A", value = "1" }, { name = terraform_data.later.output.name, value = "2" }]`: "Two entries of one name",
		`
  path    = ".env"
  entries = [{ name = "A", value = terraform_data.later.output.value }]`: "Value cannot be written",
		`
  path    = ".env"
  entries = [for i in range(terraform_data.later.output.entries) : { name = "A", value = "x" }]`: "Two entries of one name",
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			w := tfcli.New(t)
			w.WriteFile("taken", "by hand\n")
			w.WriteFile("main.tf", tfcli.RequiredProviders+localBackend(t).provider(`environment = "development"`)+`
resource "terraform_data" "later" { input = { name = "A", path = "taken", value = "one\rtwo", entries = 2 } }
resource "roi_env_file" "test" {`+arguments+`
}
`)
			w.Init()
			w.Plan().Require(t, 2)
			result := w.Apply()
			result.Require(t, 1)
			if !strings.Contains(result.Message(), message) {
				t.Error(result.Message())
			}
			if _, err := os.Lstat(filepath.Join(w.Dir, ".env")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file was written (%v)", err)
			}
			if text, err := os.ReadFile(filepath.Join(w.Dir, "taken")); err != nil || string(text) != "by hand\n" {
				t.Errorf("a file of somebody else was changed (%v)", err)
			}
		})
	}
}
