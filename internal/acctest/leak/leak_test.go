// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package leak

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// value has characters that each form writes in its own way.
const value = "p<w>\"\\d&/?+=%41 ${x}%{y}é\t\x01~end"

func marshal(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func noHTML(t testing.TB, v any) string {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// planted returns texts that hold a value in every form, made by the libraries
// that write such text and not by this package.
func planted(t testing.TB, value string) map[string]string {
	t.Helper()
	texts := map[string]string{
		"raw":                         "password=" + value + "\n",
		"URL query":                   url.Values{"password": {value}}.Encode(),
		"URL path":                    (&url.URL{Path: "/x", RawQuery: ""}).String() + "/" + url.PathEscape(value) + "/y",
		"JSON":                        noHTML(t, map[string]string{"k": value}),
		"JSON, HTML escaped":          marshal(t, map[string]string{"k": value}),
		"JSON in JSON":                noHTML(t, map[string]string{"s": noHTML(t, map[string]string{"k": value})}),
		"JSON in JSON, HTML escaped":  marshal(t, map[string]string{"s": marshal(t, map[string]string{"k": value})}),
		"JSON in JSON in JSON":        marshal(t, []string{marshal(t, []string{marshal(t, value)})}),
		"%q":                          fmt.Sprintf("the value is %q.", value),
		"%+q":                         fmt.Sprintf("the value is %+q.", value),
		"%v of bytes":                 fmt.Sprintf("%v", []byte(value)),
		"%+v of a struct with bytes":  fmt.Sprintf("%+v", struct{ Data []byte }{[]byte(value)}),
		"JSON array of bytes":         strings.ReplaceAll(fmt.Sprint([]byte(value)), " ", ","),
		"%x":                          fmt.Sprintf("%x", value),
		"%X":                          fmt.Sprintf("%X", value),
		"JSON of a byte slice":        marshal(t, []byte(value)),
		"basic authorization":         "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+value)),
		"HCL":                         `v = "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\x01", `\u0001`, "${", "$${", "%{", "%%{").Replace(value) + `"`,
		"HTML":                        "<p>" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(value) + "</p>",
		"between other control bytes": "\x00\x1b[0m" + value + "\x00",
	}
	for name, encoding := range map[string]*base64.Encoding{
		"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "url": base64.URLEncoding, "raw url": base64.RawURLEncoding,
	} {
		for before := range 7 {
			for after := range 4 {
				text := strings.Repeat("\xfb", before) + value + strings.Repeat("\xff", after)
				texts[fmt.Sprintf("base64 %s, %d bytes before and %d after", name, before, after)] = encoding.EncodeToString([]byte(text))
			}
		}
	}
	sum256, sum1, sum5, sum512 := sha256.Sum256([]byte(value)), sha1.Sum([]byte(value)), md5.Sum([]byte(value)), sha512.Sum512([]byte(value))
	for name, sum := range map[string][]byte{"SHA-256": sum256[:], "SHA-1": sum1[:], "MD5": sum5[:], "SHA-512": sum512[:]} {
		texts[name+" hex"] = "fingerprint " + hex.EncodeToString(sum) + "."
		texts[name+" HEX"] = fmt.Sprintf("fingerprint %X.", sum)
		texts[name+" base64"] = base64.StdEncoding.EncodeToString(sum)
		texts[name+" base64url"] = base64.RawURLEncoding.EncodeToString(sum)
	}
	return texts
}

func TestEveryFormIsFound(t *testing.T) {
	scanner := New(t, value)
	for name, text := range planted(t, value) {
		findings := scanner.Text(name, text)
		if len(findings) == 0 {
			t.Errorf("not found: %s", name)
		}
		for _, finding := range findings {
			if strings.Contains(finding.String(), value) {
				t.Errorf("the finding for %s holds the value", name)
			}
			if finding.Where != name || finding.Form == "" {
				t.Errorf("the finding for %s is %q", name, finding)
			}
		}
	}
}

// TestFormsByProperty plants random values, text and binary, of every length.
func TestFormsByProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		value := string(rapid.SliceOfN(rapid.Byte(), minLength, 100).Draw(r, "value"))
		scanner := New(t, value)
		before := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(r, "before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(r, "after")
		all := slices.Concat(before, []byte(value), after)
		for name, text := range map[string]string{
			"raw":       string(all),
			"base64":    base64.StdEncoding.EncodeToString(all),
			"base64url": base64.RawURLEncoding.EncodeToString(all),
			"hex":       hex.EncodeToString(all),
			"query":     url.QueryEscape(string(all)),
			"%q":        fmt.Sprintf("%q", value),
			"JSON":      marshal(t, value),
			"[]byte":    fmt.Sprint(all),
		} {
			if len(scanner.Text(name, text)) == 0 {
				r.Errorf("not found: %s", name)
			}
		}
	})
}

func TestOtherTextIsNotFound(t *testing.T) {
	scanner := New(t, value, "another-value-of-the-test")
	for _, text := range []string{
		"",
		value[:len(value)-1],
		value[1:],
		strings.ToUpper(value),
		strings.Repeat("x", 100000),
		base64.StdEncoding.EncodeToString([]byte(value[:len(value)-3])),
	} {
		if findings := scanner.Text("text", text); len(findings) != 0 {
			t.Errorf("found %v in a text of %d bytes without a value", findings, len(text))
		}
	}
}

func TestManyValues(t *testing.T) {
	scanner := New(t)
	var values []string
	for i := range 100 {
		values = append(values, fmt.Sprintf("same-prefix-%03d", i))
	}
	scanner.Add(t, values...)
	for i, value := range values {
		if findings := scanner.Text("x", "a "+value+" b"); len(findings) != 1 || findings[0].Form != "raw" {
			t.Errorf("value %d: found %v, want it once, raw", i, findings)
		}
	}
}

func zipOf(t testing.TB, name, content string) string {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	file, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.String()
}

func gzipOf(t testing.TB, content string) string {
	t.Helper()
	var archive bytes.Buffer
	w := gzip.NewWriter(&archive)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.String()
}

func TestArchivesAreUnpacked(t *testing.T) {
	scanner := New(t, value)
	padded := strings.Repeat("filler ", 1000) + value
	for name, test := range map[string]struct{ text, where string }{
		"zip":               {zipOf(t, "tfplan", padded), "x!tfplan "},
		"gzip":              {gzipOf(t, padded), "x!"},
		"zip in gzip":       {gzipOf(t, zipOf(t, "tfplan", padded)), "x!!tfplan "},
		"base64 in a zip":   {zipOf(t, "tfstate", base64.StdEncoding.EncodeToString([]byte(padded))), "x!tfstate "},
		"name in a zip":     {gzipOf(t, zipOf(t, url.PathEscape(value), "empty")), "the name of a file in x!"},
		"zip in zip in zip": {zipOf(t, "a", zipOf(t, "b", zipOf(t, "c", padded))), "x!a !b !c "},
	} {
		if strings.Contains(test.text, value) {
			t.Fatalf("%s does not hide the value", name)
		}
		findings := scanner.Text("x", test.text)
		// Names in an archive are not compressed, and so found twice.
		findings = slices.DeleteFunc(findings, func(f Finding) bool { return name == "name in a zip" && f.Where == "x!" })
		if len(findings) != 1 || findings[0].Where != test.where {
			t.Errorf("%s: found %v, want one at %q", name, findings, test.where)
		}
	}
	if findings := scanner.Text("x", zipOf(t, "tfplan", "nothing")); len(findings) != 0 {
		t.Errorf("found %v in an archive without a value", findings)
	}
}

// TestUnreadableIsFound: what was not looked into is not clean.
func TestUnreadableIsFound(t *testing.T) {
	scanner := New(t, value)
	deep := "nothing"
	for range maxDepth + 1 {
		deep = zipOf(t, "x", deep)
	}
	for name, text := range map[string]string{
		"half a zip":  zipOf(t, "a", strings.Repeat("nothing", 100))[:40],
		"half a gzip": gzipOf(t, "nothing at all")[:20],
		"deep":        deep,
	} {
		findings := scanner.Text("x", text)
		if len(findings) != 1 || !strings.HasPrefix(findings[0].Form, "not scanned: ") {
			t.Errorf("%s: found %v, want that it was not scanned", name, findings)
		}
	}
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "missing")} {
		if findings := scanner.Files(path); len(findings) != 1 || !strings.HasPrefix(findings[0].Form, "not scanned: ") {
			t.Errorf("Files(%s) found %v, want that nothing was scanned", path, findings)
		}
	}
}

func TestFiles(t *testing.T) {
	scanner := New(t, value, "name-of-a-file")
	folder := t.TempDir()
	for name, content := range map[string]string{
		"terraform.tfstate":   "nothing",
		"sub/deep/plan":       zipOf(t, "tfplan", value),
		"sub/log.txt":         value,
		"name-of-a-file":      "nothing",
		".roi/store.db":       value,
		"asked/for/value.txt": value,
		"asked/for/other.txt": value,
		"a.env":               value,
		"of-name-of-a-file.x": value,
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, finding := range scanner.Files(folder, ".roi", "asked/for/value.txt", "*.env") {
		got = append(got, strings.TrimPrefix(finding.String(), folder))
	}
	slices.Sort(got)
	want := []string{
		filepath.FromSlash("/asked/for/other.txt") + " (raw)",
		filepath.FromSlash("/sub/deep/plan") + "!tfplan  (raw)",
		filepath.FromSlash("/sub/log.txt") + " (raw)",
		"a file whose name holds a value (raw)",
		"the name of a file (raw)",
		"the name of a file (raw)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if findings := scanner.Files(folder, "["); len(findings) != 1 || !strings.Contains(findings[0].Form, "syntax error") {
		t.Errorf("a malformed pattern gives %v", findings)
	}
}

// recorder stands in for a test and keeps how it was ended.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestShortValuesAreRefused(t *testing.T) {
	for value, want := range map[string]string{
		"":        "a value of 0 bytes cannot be looked for: it must have at least 8",
		"hunter2": "a value of 7 bytes cannot be looked for: it must have at least 8",
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(r, value)
		}()
		<-done
		if r.failed != want {
			t.Errorf("the test failed with %q, want %q", r.failed, want)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	scanner := New(b)
	for i := range 100 {
		scanner.Add(b, fmt.Sprintf("%064d", i))
	}
	text := strings.Repeat("2026-01-01T00:00:00.000Z [TRACE] provider: a line of a log\n", 20000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		scanner.Text("log", text)
	}
}
