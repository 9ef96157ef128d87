// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package dotenv

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	compose "github.com/compose-spec/compose-go/v2/dotenv"
)

// A reader returns the variables of a .env file.
type reader func(text string) (map[string]string, error)

var readers = map[string]reader{
	"bash":           readShell,
	"docker compose": func(text string) (map[string]string, error) { return compose.Parse(strings.NewReader(text)) },
	"dotenv":         func(text string) (map[string]string, error) { return readStatements(text, dotenvValue) },
	"python-dotenv":  func(text string) (map[string]string, error) { return readStatements(text, pythonValue) },
}

func name(i int) string { return fmt.Sprintf("V%d", i) }

// readShell reads the text as scripts do, in an environment and a folder that are
// empty, and where no program is found.
func readShell(text string) (map[string]string, error) {
	folder, err := os.MkdirTemp("", "roi-dotenv")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	run := func(script string) (map[string]string, error) {
		cmd := exec.Command("bash", "-c", script)
		cmd.Dir, cmd.Env = folder, []string{"PATH=/nowhere"}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		output, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			return nil, fmt.Errorf("bash: %v, %s", err, stderr.String())
		}
		values := map[string]string{}
		for variable := range bytes.SplitSeq(bytes.TrimSuffix(output, []byte{0}), []byte{0}) {
			name, value, _ := strings.Cut(string(variable), "=")
			values[name] = value
		}
		return values, nil
	}
	const env = "exec /usr/bin/env -0"
	values, err := run(`set -a; . ./.env; ` + env)
	if err != nil {
		return nil, err
	}
	// What is in the environment all the same.
	own, err := run(env)
	maps.DeleteFunc(values, func(name, value string) bool {
		other, ok := own[name]
		return ok && (other == value || name == "_")
	})
	return values, err
}

// readStatements reads statements NAME=value, as dotenv for Node.js and
// python-dotenv agree to find them: a value in quotes goes up to the next such
// quote without a backslash before it. It knows only what this package may write,
// and models the two rather than runs them, so that no test needs them installed.
// It was compared with dotenv 17.2 and 18.0 and python-dotenv 1.2 on random files.
func readStatements(text string, value func(quote byte, raw string) string) (map[string]string, error) {
	values := map[string]string{}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for text != "" {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || !variableName.MatchString(name) {
			return nil, fmt.Errorf("no statement at %q", text)
		}
		var quote byte
		if rest[0] == '\'' || rest[0] == '"' {
			quote = rest[0]
			end := 1
			for ; end < len(rest) && (rest[end] != quote || rest[end-1] == '\\'); end++ {
			}
			if !strings.HasPrefix(rest[min(end+1, len(rest)):], "\n") {
				return nil, fmt.Errorf("no end of line behind the quotes of %s", name)
			}
			values[name] = value(quote, rest[1:end])
			text = rest[end+2:]
			continue
		}
		raw, rest, _ := strings.Cut(rest, "\n")
		values[name] = value(0, raw)
		text = rest
	}
	return values, nil
}

// dotenvValue is how dotenv for Node.js reads what stands in quotes, or without.
func dotenvValue(quote byte, raw string) string {
	switch quote {
	case 0:
		raw, _, _ = strings.Cut(raw, "#")
		return strings.TrimFunc(raw, func(r rune) bool { return unicode.IsSpace(r) && r != '\u0085' || r == '\ufeff' })
	case '"':
		return strings.ReplaceAll(strings.ReplaceAll(raw, `\n`, "\n"), `\r`, "\r")
	}
	return raw
}

var (
	pythonComment   = regexp.MustCompile(`\s+#.*`)
	pythonSingle    = regexp.MustCompile(`\\[\\']`)
	pythonDouble    = regexp.MustCompile(`\\[\\'"abfnrtv]`)
	pythonEscapes   = strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\"`, `"`, `\a`, "\a", `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")
	pythonReference = regexp.MustCompile(`\$\{[^}:]*(?::-([^}]*))?\}`)
)

// pythonValue is how python-dotenv reads what stands in quotes, or without, where
// no variable is set.
func pythonValue(quote byte, raw string) string {
	switch quote {
	case 0:
		raw = strings.TrimFunc(pythonComment.ReplaceAllString(raw, ""), unicode.IsSpace)
	case '\'':
		raw = pythonSingle.ReplaceAllStringFunc(raw, pythonEscapes.Replace)
	case '"':
		raw = pythonDouble.ReplaceAllStringFunc(raw, pythonEscapes.Replace)
	}
	return pythonReference.ReplaceAllString(raw, "$1")
}
