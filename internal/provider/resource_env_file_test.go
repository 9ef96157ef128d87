// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	compose "github.com/compose-spec/compose-go/v2/dotenv"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// envFile is a roi_env_file with one value of the JSON secret, one of the secret
// that is one string, and a plain one.
func envFile(arguments ...string) string {
	return fmt.Sprintf(`
resource "roi_env_file" "test" {
  path = ".env"
  entries = [
    { name = "HOST", value = "it's local" },
    { name = "JWT", secret_id = roi_secret.test.id, key = "JWT", version_id = roi_secret_rotation.test.version_id },
    { name = "API_KEY", secret_id = roi_secret.one.id },
  ]
%s
}
`, strings.Join(arguments, "\n"))
}

// envSecrets are what it needs.
var envSecrets = jsonSecret + jwtRotation + `
resource "roi_secret" "one" {
  name     = "app/one"
  category = "api_key"
}
`

func overEnvFileStores(t *testing.T, test func(t *testing.T, c *cli)) {
	t.Helper()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		test(t, newCLI(t))
	})
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		test(t, cliOver(t, localBackend(t), time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)))
	})
}

// pass lets time pass over any store.
func (c *cli) pass(d time.Duration) {
	if c.fake != nil {
		c.advance(d)
		return
	}
	c.now = c.now.Add(d)
	c.SetEnv("ROI_TEST_NOW", c.now.Format(time.RFC3339))
}

func (c *cli) file(name string) string { return filepath.Join(c.Dir, name) }

func (c *cli) read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.file(name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// holdsCurrent asserts that a .env file holds what the store does, with mode 0600.
func (c *cli) holdsCurrent(name string) {
	c.t.Helper()
	got, err := compose.Parse(strings.NewReader(c.read(name)))
	if err != nil {
		c.t.Fatal("docker compose cannot read the file")
	}
	want := map[string]string{"HOST": "it's local", "JWT": c.key(c.t, "app/all", "JWT"), "API_KEY": c.value(c.t, "app/one", "")}
	for name, value := range want {
		if got[name] != value {
			c.t.Errorf("%s is not what the store holds", name)
		}
	}
	if len(got) != len(want) {
		c.t.Errorf("the file has %d entries, want %d", len(got), len(want))
	}
	if info, err := os.Stat(c.file(name)); err != nil || info.Mode().Perm() != 0o600 {
		c.t.Errorf("%s has mode %o, %v", name, info.Mode().Perm(), err)
	}
}

// beside lists the folder beside a .env file; all must have mode 0600.
func (c *cli) beside(name string) []string {
	c.t.Helper()
	entries, err := os.ReadDir(c.file(name + ".roi"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			c.t.Errorf("%s has mode %o, %v", entry.Name(), info.Mode().Perm(), err)
		}
	}
	return names
}

func (c *cli) besideIs(want ...string) {
	c.t.Helper()
	if got := c.beside(".env"); !slices.Equal(got, want) {
		c.t.Errorf("beside the file: %v, want %v", got, want)
	}
}

func (c *cli) revision() any {
	c.t.Helper()
	file, ok := c.Show().Resource("roi_env_file.test")
	if !ok {
		c.t.Fatal("no roi_env_file.test in state")
	}
	return file.Values["revision"]
}

func TestEnvFileFollowsRotation(t *testing.T) {
	t.Parallel()
	overEnvFileStores(t, func(t *testing.T, c *cli) {
		watching := `
resource "terraform_data" "dependent" {
  triggers_replace = roi_env_file.test.revision
}
`
		c.apply(envSecrets, envFile(), watching)
		c.holdsCurrent(".env")
		c.besideIs(".gitignore", "record.json")
		due := "#   " + c.now.Add(90*day).Format("2006-01-02T")
		if header := c.read(".env"); strings.Count(header, due) != 2 {
			t.Errorf("the header does not have two due dates that begin with %q", due)
		}
		c.nothingToDo()
		first, revision := c.read(".env"), c.revision()

		// Neither plan nor refresh reads a value, and the clock changes nothing.
		if c.fake != nil {
			c.fake.Deny("secretsmanager:GetSecretValue", "kms:Decrypt")
		}
		c.pass(80 * day)
		c.nothingToDo()
		c.pass(11 * day)
		plan := c.PlanJSON()
		if c.fake != nil {
			c.fake.AllowAll()
		}
		if change, _ := plan.Change("roi_env_file.test"); !slices.Equal(change.Change.Actions, []string{"update"}) {
			t.Errorf("the rotation makes the file %v", change.Change.Actions)
		}
		if change, _ := plan.Change("terraform_data.dependent"); len(change.Change.Actions) != 2 {
			t.Errorf("what depends on the revision is planned as %v", change.Change.Actions)
		}
		c.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
		c.holdsCurrent(".env")
		c.besideIs(".gitignore", "previous", "record.json")
		if c.read(".env.roi/previous") != first {
			t.Error("the copy is not the file from before")
		}
		if first == c.read(".env") || c.revision() == revision {
			t.Error("the file or its revision is as before the rotation")
		}
		c.nothingToDo()

		c.Destroy().Require(t, 0)
		for _, name := range []string{".env", ".env.roi"} {
			if _, err := os.Lstat(c.file(name)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there after destroy (%v)", name, err)
			}
		}
	})
}

// A file that was changed in any way shows in the plan and is repaired by the next
// apply, which keeps what somebody else wrote.
func TestEnvFileDrift(t *testing.T) {
	t.Parallel()
	overEnvFileStores(t, func(t *testing.T, c *cli) {
		c.apply(envSecrets, envFile())
		revision := c.revision()
		for _, drift := range []struct {
			name    string
			change  func() error
			message string
			action  string
			beside  []string
			rewrite bool
		}{
			{"mode", func() error { return os.Chmod(c.file(".env"), 0o644) }, "", "update", []string{".gitignore", "record.json"}, false},
			{"content", func() error { return os.WriteFile(c.file(".env"), []byte("A=by-hand\n"), 0o600) },
				"its content is not what was written. Its present content is kept", "update", []string{".gitignore", "record.json", "replaced-20261123T1200"}, true},
			{"removal", func() error { return os.Remove(c.file(".env")) }, "it is gone", "update", []string{".gitignore", "record.json", "replaced-20261123T1200"}, true},
			// What is there is what the write makes, so that there is nothing to keep.
			{"record", func() error { return os.RemoveAll(c.file(".env.roi")) }, "the record of what was written is missing", "update",
				[]string{".gitignore", "record.json"}, true},
			{"everything", func() error { return errors.Join(os.Remove(c.file(".env")), os.RemoveAll(c.file(".env.roi"))) }, "", "create",
				[]string{".gitignore", "record.json"}, true},
		} {
			if err := drift.change(); err != nil {
				t.Fatal(err)
			}
			if c.fake != nil {
				c.fake.Deny("secretsmanager:GetSecretValue")
			}
			plan := c.PlanJSON()
			if change, _ := plan.Change("roi_env_file.test"); !slices.Equal(change.Change.Actions, []string{drift.action}) {
				t.Errorf("%s: planned as %v, want %s", drift.name, change.Change.Actions, drift.action)
			}
			if c.fake != nil && drift.rewrite {
				c.fake.AllowAll()
			}
			result := c.Apply()
			result.Require(t, 0)
			c.contains(result, drift.message)
			if c.fake != nil {
				c.fake.AllowAll()
			}
			c.holdsCurrent(".env")
			got := c.beside(".env")
			if !slices.EqualFunc(got, drift.beside, strings.HasPrefix) {
				t.Errorf("%s: beside the file: %v, want %v", drift.name, got, drift.beside)
			}
			for _, name := range got {
				if drift.name == "content" && strings.HasPrefix(name, "replaced") && c.read(".env.roi/"+name) != "A=by-hand\n" {
					t.Error("the copy is not what was there")
				}
			}
			before := revision
			if revision = c.revision(); (revision != before) != drift.rewrite {
				t.Errorf("%s: the revision changed: %t", drift.name, !drift.rewrite)
			}
			c.nothingToDo()
		}
	})
}

func TestEnvFileRemoval(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets, envFile())
	if err := os.WriteFile(c.file(".env"), []byte("A=by-hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	result := c.apply(envSecrets)
	c.contains(result, "Copy of the removed file was kept", "was changed outside Terraform, and was removed")
	names := c.beside(".env")
	if len(names) != 2 || !strings.HasPrefix(names[1], "replaced-") || c.read(".env.roi/"+names[1]) != "A=by-hand\n" {
		t.Errorf("beside the removed file: %v", names)
	}
	if _, err := os.Lstat(c.file(".env")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there (%v)", err)
	}

	// What it finds there when it comes back is not lost either.
	c.apply(envSecrets, envFile())
	c.contains(c.apply(envSecrets), "Copies of files were left")
	if got := c.beside(".env"); !slices.Equal(got, names) {
		t.Errorf("beside the removed file: %v, want %v", got, names)
	}

	// A link in place of the file is left, and so is what it leads to.
	c.apply(envSecrets, envFile())
	if err := errors.Join(os.Remove(c.file(".env")), os.WriteFile(c.file("other"), []byte("x"), 0o600), os.Symlink("other", c.file(".env"))); err != nil {
		t.Fatal(err)
	}
	plan := c.Plan()
	plan.Require(t, 1)
	c.contains(plan, "Path is a symbolic link", `leads to "other"`, "set follow_symlink = true")
	c.contains(c.apply(envSecrets), "File was left as it is")
	if c.read("other") != "x" {
		t.Error("what the link leads to was changed")
	}
}

func TestEnvFileReplaced(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets, envFile())
	revision := c.revision()
	result := c.Apply("-replace=roi_env_file.test")
	result.Require(t, 0)
	if strings.Contains(result.Message(), "Warning") {
		t.Errorf("a replacement warns: %s", result.Message())
	}
	c.holdsCurrent(".env")
	if c.revision() == revision {
		t.Error("the file was not written")
	}
	c.nothingToDo()

	// What was changed by hand is removed by the first half, and kept.
	if err := os.WriteFile(c.file(".env"), []byte("A=by-hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	result = c.Apply("-replace=roi_env_file.test")
	result.Require(t, 0)
	c.contains(result, "Copy of the removed file was kept")
	c.holdsCurrent(".env")
	if err := os.RemoveAll(c.file(".env.roi")); err != nil {
		t.Fatal(err)
	}
	c.Apply().Require(t, 0)

	// The other way round, the new file must survive the removal of the old one.
	c.apply(envSecrets, envFile("lifecycle { create_before_destroy = true }"))
	c.Apply("-replace=roi_env_file.test").Require(t, 0)
	c.holdsCurrent(".env")
	c.nothingToDo()

	// Another path: the old file goes.
	c.apply(envSecrets, strings.Replace(envFile(), `".env"`, `".env.local"`, 1))
	c.holdsCurrent(".env.local")
	for _, name := range []string{".env", ".env.roi"} {
		if _, err := os.Lstat(c.file(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", name, err)
		}
	}
	c.nothingToDo()
}

// Other arguments change in place, and only what is in the file makes it be
// written.
func TestEnvFileArguments(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets, envFile())
	revision := c.revision()
	c.fake.Deny("secretsmanager:GetSecretValue")
	c.apply(envSecrets, envFile(`mode = "0400"`, "backup = false", "allow_outside_module = true"))
	if info, err := os.Stat(c.file(".env")); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("the file has mode %o, %v", info.Mode().Perm(), err)
	}
	if c.revision() != revision {
		t.Error("a change of the mode wrote the file")
	}
	c.nothingToDo()
	c.fake.AllowAll()

	added := strings.Replace(envFile("backup = false"), "entries = [", "entries = [\n { name = \"FIRST\", value = \"\" },", 1)
	c.apply(envSecrets, added)
	if !strings.Contains(c.read(".env"), "\nFIRST=\nHOST=") {
		t.Error("the entries are not in their order")
	}
	c.besideIs(".gitignore", "record.json")
	c.nothingToDo()
}

// An apply whose state was not saved is recognised.
func TestEnvFileOfUnsavedApply(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets, envFile())
	c.Run("state", "rm", "roi_env_file.test").Require(t, 0)
	c.contains(c.Plan(), "File of another roi_env_file is taken over", "by an apply whose state was not saved, or by another resource")
	c.Apply().Require(t, 0)
	c.holdsCurrent(".env")
	c.besideIs(".gitignore", "record.json")
	c.nothingToDo()

	// What two configurations of the provider write, neither can know in the plan. It
	// says so afterwards, in every plan.
	twin := strings.Replace(envFile("provider = roi.other", "depends_on = [roi_env_file.test]"), `"test"`, `"twin"`, 1)
	c.write(envSecrets, envFile(), c.provider(`environment = "development"`, `alias = "other"`), twin)
	c.Apply().Require(t, 0)
	plan := c.Plan()
	plan.Require(t, 2)
	c.contains(plan, "by another roi_env_file. If this is said again after an apply, two resources have the same path")
}

// The provider dies with a value in hand. Nothing is written, and the next apply
// begins anew.
func TestEnvFileKilled(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(envSecrets)
	c.write(envSecrets, envFile())
	c.WriteFile("kill.json", `{"app/one": {"call": 1, "after": true}}`)
	c.SetEnv("ROI_TEST_KILL", c.file("kill.json"))
	c.Apply("-refresh=false").Require(t, 1)
	c.SetEnv("ROI_TEST_KILL", "")
	if _, err := os.Lstat(c.file(".env")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file (%v)", err)
	}
	c.Apply().Require(t, 0)
	c.holdsCurrent(".env")
	c.besideIs(".gitignore", "record.json")
	c.nothingToDo()
}

// The provider as it is released, in a folder of its own with -chdir, as a pipeline
// calls it.
func TestEnvFileInOtherFolder(t *testing.T) {
	t.Parallel()
	w := tfcli.New(t)
	config := tfcli.RequiredProviders + localBackend(t).provider(`environment = "development"`)
	w.WriteFile("root/main.tf", config+`
resource "roi_secret" "test" {
  name     = "app"
  category = "jwt"
}
resource "roi_env_file" "test" {
  path    = "${path.root}/.env"
  entries = [{ name = "JWT", secret_id = roi_secret.test.name }]
  depends_on = [roi_secret.test]
}
`)
	w.Run("-chdir=root", "init", "-input=false", "-no-color").Require(t, 0)
	w.Run("-chdir=root", "apply", "-input=false", "-no-color", "-auto-approve").Require(t, 0)
	if _, err := os.Stat(filepath.Join(w.Dir, "root", ".env")); err != nil {
		t.Error(err)
	}
	w.Run("-chdir=root", "plan", "-input=false", "-no-color", "-detailed-exitcode").Require(t, 0)
	w.WriteFile("root/main.tf", config+`
resource "roi_env_file" "test" {
  path    = "../.env"
  entries = [{ name = "HOST", value = "x" }]
}
`)
	result := w.Run("-chdir=root", "plan", "-input=false", "-no-color")
	result.Require(t, 1)
	if !strings.Contains(result.Message(), "Path is outside the root module") {
		t.Error(result.Message())
	}
}
