// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
)

// guideBlock is a fenced block of a guide, with what the comment above it says of
// it:
//
//	<!-- file: main.tf -->        the block is a file that the commands use
//	<!-- fails -->                the commands are expected to fail
//	<!-- output -->               the lines of the block are in the output of the commands before
//	<!-- not run: reason -->      the block is only checked for its syntax
//	<!-- tested by: TestName -->  another test uses the file or runs the commands
type guideBlock struct {
	language, comment, text string
	line                    int
}

var (
	guideComment = regexp.MustCompile(`^<!-- (.*) -->$`)
	guideInclude = regexp.MustCompile(`^\{\{ (?:tffile|codefile "(\w+)") "([^"]+)" \}\}$`)
)

// guideBlocks reads the blocks of a guide's template; files of the examples are put
// in where they are included.
func guideBlocks(t *testing.T, path string) []guideBlock {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Double braces are the template's own.
	content = []byte(strings.NewReplacer(`{{ "{{" }}`, "{{", `{{ "}}" }}`, "}}").Replace(string(content)))
	var blocks []guideBlock
	var open *guideBlock
	comment := ""
	for n, line := range strings.Split(string(content), "\n") {
		include := guideInclude.FindStringSubmatch(line)
		switch {
		case open != nil && line == "```":
			blocks = append(blocks, *open)
			open, comment = nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &guideBlock{language: strings.TrimPrefix(line, "```"), comment: comment, line: n + 1}
		case include != nil:
			file, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(include[2])))
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n+1, err)
			}
			language := include[1]
			if language == "" {
				language = "terraform"
			}
			blocks = append(blocks, guideBlock{language: language, comment: comment, text: string(file), line: n + 1})
			comment = ""
		case guideComment.MatchString(line):
			comment = guideComment.FindStringSubmatch(line)[1]
		case line != "":
			comment = ""
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is not closed", path, open.line)
	}
	return blocks
}

// TestGuides does what each guide says: it writes the files, runs the commands one
// after the other, and looks for the output that the guide shows. A guide that begins
// with <!-- on: fake --> is run on Secrets Manager, others on the embedded store; one
// with <!-- on: swarm --> has a Docker engine.
func TestGuides(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join("..", "..", "templates", "guides", "*.md.tmpl"))
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides: %v", err)
	}
	for _, path := range guides {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md.tmpl"), func(t *testing.T) {
			t.Parallel()
			runGuide(t, path)
		})
	}
}

func runGuide(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tfcli.New(t, tfcli.Env("ROI_STORE", "local"), tfcli.Env("TF_CLI_ARGS", "-no-color"))
	if strings.Contains(string(content), "<!-- on: fake -->") {
		fake := awsfake.Start(t)
		for name, value := range map[string]string{
			"ROI_STORE": "aws", "AWS_ENDPOINT_URL": fake.URL(), "AWS_REGION": awsfake.DefaultRegion, "AWS_DEFAULT_REGION": awsfake.DefaultRegion, "AWS_PAGER": "",
			"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "guide",
		} {
			w.SetEnv(name, value)
		}
	}
	if strings.Contains(string(content), "<!-- on: swarm -->") {
		onSwarm(t, w)
	}
	var last tfcli.Result
	ran := 0
	for _, block := range guideBlocks(t, path) {
		kind, argument, _ := strings.Cut(block.comment, ": ")
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("%s:%d: %s", filepath.Base(path), block.line, fmt.Sprintf(format, args...))
		}
		if err := parseBlock(block); err != nil {
			fail("%v", err)
		}
		switch {
		case kind == "file":
			w.WriteFile(argument, block.text)
		case kind == "output":
			for _, line := range strings.Split(strings.TrimSpace(block.text), "\n") {
				if line = strings.TrimSpace(line); line != "..." && line != "" && !strings.Contains(last.Stdout+last.Stderr, line) {
					fail("the output does not have the line %q:\n%s%s", line, last.Stdout, last.Stderr)
				}
			}
		case kind == "tested by":
			if !slices.Contains(testNames(t), argument) {
				fail("there is no test %s", argument)
			}
		case block.language == "shell" && kind == "not run" && argument != "":
			if out, err := exec.Command("bash", "-n", "-c", block.text).CombinedOutput(); err != nil {
				fail("%v: %s", err, out)
			}
		case block.language == "shell":
			needCommands(t, block.text)
			last = w.Shell(block.text)
			ran++
			if failed := last.ExitCode != 0; failed != (kind == "fails") {
				fail("exit code %d:\n%s%s", last.ExitCode, last.Stdout, last.Stderr)
			}
		case block.language == "terraform":
			validateBlock(t, fmt.Sprintf("%s:%d", filepath.Base(path), block.line), block.text)
		case kind == "not run" && argument != "":
		default:
			fail("nothing checks this block of %q: say what it is in a comment above it", block.language)
		}
	}
	checkGuideManifests(t, w)
	if ran == 0 {
		t.Log("no command of this guide was run")
	}
}

var guideCommand = regexp.MustCompile(`(?m)(?:^|[|(]) *(aws|docker|jq|openssl) `)

// needCommands skips the rest of a guide, and says so, where a command that it uses
// is not on this machine. In CI that is a failure.
func needCommands(t *testing.T, script string) {
	t.Helper()
	for _, found := range guideCommand.FindAllStringSubmatch(script, -1) {
		if _, err := exec.LookPath(found[1]); err == nil {
			continue
		}
		message := fmt.Sprintf("%s is not on the PATH, so the commands of this guide from here on were not run", found[1])
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
}

// validateBlock validates a block that is no file of its guide, in a configuration
// of its own.
func validateBlock(t *testing.T, where, text string) {
	t.Helper()
	w := tfcli.New(t)
	if !strings.Contains(text, "required_providers") {
		text = tfcli.RequiredProviders + text
	}
	w.WriteFile("main.tf", text)
	w.Init()
	if result := w.Run("validate", "-no-color"); result.ExitCode != 0 {
		t.Fatalf("%s: %s", where, result.Stderr)
	}
	if result := w.Run("fmt", "-check", "-diff", "-no-color"); result.ExitCode != 0 {
		t.Errorf("%s is not formatted:\n%s", where, result.Stdout)
	}
}

// testNames returns the tests of this module.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, match := range testFunction.FindAllStringSubmatch(testSources(t), -1) {
		names = append(names, match[1])
	}
	return names
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// testSources returns the tests of the module, one file after the other.
func testSources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join("..", "..", "internal"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		all.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestThreatModelNamesTests looks for the tests by which the guide says that a
// promise is kept.
func TestThreatModelNamesTests(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "templates", "guides", "threat-model.md.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(guide), -1)
	if len(named) == 0 {
		t.Error("the guide names no test")
	}
	names := testNames(t)
	for _, name := range named {
		if !slices.Contains(names, name[1]) {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
