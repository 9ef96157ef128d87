// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/clock"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/localstore"
)

// consumer is a service of examples/consumers, running.
type consumer struct {
	language, url  string
	stdout, stderr bytes.Buffer // for the time after end
	end            func()
}

// consumerCommands returns how to start the service of each language that this
// machine has; the one in Go is built. A language that is missing is a failure in
// CI and said elsewhere.
func consumerCommands(t *testing.T) map[string][]string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", "..", "examples", "consumers"))
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "consumer")
	if err := tfcli.Build(filepath.Join(folder, "go"), binary); err != nil {
		t.Fatal(err)
	}
	commands := map[string][]string{"go": {binary}}
	for language, command := range map[string][]string{
		"node":   {"node", filepath.Join(folder, "node", "server.mjs")},
		"python": {"python3", "-B", filepath.Join(folder, "python", "server.py")},
	} {
		if path, err := exec.LookPath(command[0]); err == nil {
			commands[language] = append([]string{path}, command[1:]...)
			continue
		}
		message := fmt.Sprintf("no %s on the PATH, so the consumer in %s was not run", command[0], language)
		if os.Getenv("CI") == "true" {
			t.Error(message)
		} else {
			t.Log(message)
		}
	}
	return commands
}

// startConsumers starts the services on ports of their own on the loopback
// interface; they end with the test.
func startConsumers(t *testing.T, env ...string) []*consumer {
	t.Helper()
	var consumers []*consumer
	for language, command := range consumerCommands(t) {
		consumers = append(consumers, startConsumer(t, language, command, env...))
	}
	return consumers
}

func startConsumer(t *testing.T, language string, command []string, env ...string) *consumer {
	t.Helper()
	c := &consumer{language: language}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(env, "LISTEN=127.0.0.1:0", "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"))
	cmd.Stderr = &c.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(io.TeeReader(out, &c.stdout))
		first, _ := lines.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, lines)
	}()
	c.end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	t.Cleanup(c.end)
	select {
	case first := <-line:
		address, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
		if !ok {
			t.Fatalf("the consumer in %s did not start", language)
		}
		c.url = "http://" + address
	case <-time.After(time.Minute):
		t.Fatalf("the consumer in %s did not start within a minute", language)
	}
	return c
}

// consumerClient takes a new connection for each request: one that a server closes
// because it was idle fails the request that is just sent on it.
var consumerClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (c *consumer) request(ctx context.Context, method, path, token string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := consumerClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// token asks the consumer for a token.
func (c *consumer) token(ctx context.Context, subject string) (string, error) {
	status, token, err := c.request(ctx, http.MethodPost, "/tokens?subject="+subject, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("POST /tokens: status %d", status)
	}
	return token, err
}

// whoami returns the status for a token, and an error if a token that is accepted
// is another's.
func (c *consumer) whoami(ctx context.Context, token, subject string) (int, error) {
	status, who, err := c.request(ctx, http.MethodGet, "/whoami", token)
	if err == nil && status == http.StatusOK && who != subject {
		err = fmt.Errorf("GET /whoami: the token is said to be another's")
	}
	return status, err
}

// accepts and refuses check what consumers say of a token now.
func accepts(t *testing.T, when, token string, consumers ...*consumer) {
	t.Helper()
	expectStatus(t, when, token, http.StatusOK, consumers)
}

func refuses(t *testing.T, when, token string, consumers ...*consumer) {
	t.Helper()
	expectStatus(t, when, token, http.StatusUnauthorized, consumers)
}

func expectStatus(t *testing.T, when, token string, want int, consumers []*consumer) {
	t.Helper()
	for _, c := range consumers {
		if status, err := c.whoami(t.Context(), token, "ann"); err != nil || status != want {
			t.Errorf("%s: %s: status %d (%v), want %d", c.language, when, status, err, want)
		}
	}
}

func (c *consumer) mustToken(t *testing.T) string {
	t.Helper()
	token, err := c.token(t.Context(), "ann")
	if err != nil {
		t.Fatalf("%s: %v", c.language, err)
	}
	return token
}

// traffic sends requests to all consumers all the time: each token that one signs
// is shown to each of them, and so are those that the callers hold.
type traffic struct {
	stop     context.CancelFunc
	running  sync.WaitGroup
	held     atomic.Pointer[[]string]
	requests atomic.Int64
	mutex    sync.Mutex
	failures []string
}

func startTraffic(t *testing.T, consumers []*consumer) *traffic {
	ctx, stop := context.WithCancel(context.Background())
	tr := &traffic{stop: stop}
	tr.hold()
	for _, signer := range consumers {
		tr.running.Go(func() {
			for ctx.Err() == nil {
				token, err := signer.token(ctx, "ann")
				tr.count(ctx, signer, err)
				for _, verifier := range consumers {
					for _, shown := range append(slices.Clone(*tr.held.Load()), token) {
						status, err := verifier.whoami(ctx, shown, "ann")
						if err == nil && status != http.StatusOK {
							err = fmt.Errorf("GET /whoami: status %d for a token of %s", status, signer.language)
						}
						tr.count(ctx, verifier, err)
					}
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	t.Cleanup(tr.end)
	return tr
}

// hold shows these tokens, too, from now on.
func (tr *traffic) hold(tokens ...string) { tr.held.Store(&tokens) }

// settle waits until every request that was under way has been answered.
func (tr *traffic) settle(t *testing.T) {
	t.Helper()
	for deadline, from := time.Now().Add(time.Minute), tr.requests.Load(); tr.requests.Load() < from+200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no traffic")
		}
	}
}

func (tr *traffic) count(ctx context.Context, c *consumer, err error) {
	if ctx.Err() != nil {
		return // It was given up at the end.
	}
	tr.requests.Add(1)
	if err != nil {
		tr.mutex.Lock()
		defer tr.mutex.Unlock()
		tr.failures = append(tr.failures, c.language+": "+err.Error())
	}
}

func (tr *traffic) end() {
	tr.stop()
	tr.running.Wait()
}

// TestRotationUnderConsumers applies the configuration of the guide on consumers
// and rotates the secret under the services of examples/consumers. No request may
// fail; tokens from before are good until the grace period ends, and not after it.
func TestRotationUnderConsumers(t *testing.T) {
	t.Parallel()
	w := tfcli.New(t, tfcli.Env("ROI_STORE", "local"))
	for _, block := range guideBlocks(t, filepath.Join("..", "..", "templates", "guides", "zero-downtime.md.tmpl")) {
		if file, ok := strings.CutPrefix(block.comment, "file: "); ok {
			w.WriteFile(file, block.text)
		}
	}
	w.Init()
	w.Apply().Require(t, 0)
	before := w.State()

	consumers := startConsumers(t, "SECRETS_FILE="+filepath.Join(w.Dir, "secrets.json"))
	old := consumers[0].mustToken(t)
	tr := startTraffic(t, consumers)
	tr.hold(old)
	tr.settle(t)

	w.Apply("-replace=roi_secret_rotation.jwt").Require(t, 0)
	tr.settle(t)
	accepts(t, "a token from before, in the grace period", old, consumers...)
	if w.State() == before {
		t.Fatal("nothing was rotated")
	}

	tr.hold()
	tr.settle(t)
	during := consumers[len(consumers)-1].mustToken(t)
	tr.hold(during)
	w.SetEnv("ROI_PLAN_AS_OF", "+1d")
	w.Apply().Require(t, 0)
	tr.settle(t)
	refuses(t, "a token from before, after the grace period", old, consumers...)
	accepts(t, "a token of the value that is current", during, consumers...)
	w.Plan().Require(t, 0)

	tr.end()
	if len(tr.failures) > 0 {
		t.Errorf("%d of %d requests failed, the first of them: %s", len(tr.failures), tr.requests.Load(), strings.Join(tr.failures[:min(5, len(tr.failures))], "; "))
	}
	t.Logf("%d requests to %d consumers", tr.requests.Load(), len(consumers))
	checkConsumersKeepSecrets(t, w, consumers)
}

// checkConsumersKeepSecrets looks for the values in all that Terraform left but the
// file that was asked for.
func checkConsumersKeepSecrets(t *testing.T, w *tfcli.Workspace, consumers []*consumer) {
	t.Helper()
	store := localstore.New(localstore.Config{Path: filepath.Join(w.Dir, localstore.DefaultPath)}, clock.System{})
	value, err := store.Value(t.Context(), "shop/app", secretstore.VersionRef{})
	if err != nil {
		t.Fatal(err)
	}
	scanner := leak.New(t, secretStrings(value.Plaintext.Reveal(), nil)...)
	w.LeakCheck(scanner, "secrets.json")
	for _, c := range consumers {
		c.end()
		for _, finding := range append(scanner.Text("stdout", c.stdout.String()), scanner.Text("stderr", c.stderr.String())...) {
			t.Errorf("%s printed a secret value: %s", c.language, finding)
		}
	}
}

// Plain files, as Docker secrets are, and a previous value that comes and goes.
func TestConsumersReadPlainFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	current, previous := filepath.Join(folder, "jwt"), filepath.Join(folder, "jwt-old")
	first, second := rand.Text(), rand.Text()
	replaceFile(t, current, first+"\n")
	consumers := startConsumers(t, "JWT_SECRET_FILE="+current, "JWT_SECRET_OLD_FILE="+previous)

	old := consumers[0].mustToken(t)
	accepts(t, "a token of the first value", old, consumers...)
	replaceFile(t, previous, first)
	replaceFile(t, current, second)
	accepts(t, "a token of the previous value", old, consumers...)
	fresh := consumers[0].mustToken(t)
	accepts(t, "a token of the second value", fresh, consumers...)
	if err := os.Remove(previous); err != nil {
		t.Fatal(err)
	}
	refuses(t, "a token of a value that is gone", old, consumers...)
	accepts(t, "a token of the second value, alone", fresh, consumers...)
}

// A file that cannot be read for a moment costs no request, and shows in the health
// of the service. A file that cannot be read at the start ends it.
func TestConsumersOutliveAnUnreadableFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets.json")
	content := fmt.Sprintf(`{"JWT_SECRET": %q}`, rand.Text())
	replaceFile(t, file, content)
	consumers := startConsumers(t, "SECRETS_FILE="+file)
	health := func(when string, want int) {
		t.Helper()
		for _, c := range consumers {
			if status, _, err := c.request(t.Context(), http.MethodGet, "/health", ""); err != nil || status != want {
				t.Errorf("%s: %s: health is %d (%v), want %d", c.language, when, status, err, want)
			}
		}
	}
	token := consumers[0].mustToken(t)
	health("with the file", http.StatusOK)
	for _, broken := range []string{content[:len(content)/2], "", "[]", "null", `{"JWT_SECRET": ""}`} {
		replaceFile(t, file, broken)
		health("with a broken file", http.StatusServiceUnavailable)
		accepts(t, "with a broken file", token, consumers...)
	}
	replaceFile(t, file, content)
	health("with the file again", http.StatusOK)

	for language, command := range consumerCommands(t) {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = []string{"SECRETS_FILE=" + file + ".missing", "LISTEN=127.0.0.1:0", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
		if err := cmd.Run(); err == nil {
			t.Errorf("%s: started without its secret", language)
		}
	}
}

// What is not signed with the secret, or has expired, is refused.
func TestConsumersRefuse(t *testing.T) {
	t.Parallel()
	file, secret := filepath.Join(t.TempDir(), "secrets.json"), rand.Text()
	replaceFile(t, file, fmt.Sprintf(`{"JWT_SECRET": %q}`, secret))
	consumers := startConsumers(t, "SECRETS_FILE="+file)

	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	future := time.Now().Add(time.Hour).Unix()
	good := signToken(t, hs256, secret, future)
	accepts(t, "a token that is good", good, consumers...)
	for when, token := range map[string]string{
		"no token":              "",
		"no signature":          good[:strings.LastIndex(good, ".")+1],
		"a cut signature":       good[:len(good)-1],
		"an expired token":      signToken(t, hs256, secret, time.Now().Add(-time.Minute).Unix()),
		"another secret":        signToken(t, hs256, rand.Text(), future),
		"the empty secret":      signToken(t, hs256, "", future),
		"algorithm none":        signToken(t, `{"alg":"none"}`, secret, future),
		"another algorithm":     signToken(t, strings.Replace(hs256, "HS256", "HS512", 1), secret, future),
		"another header":        signToken(t, `{"alg":"HS256","typ":"JWT","crit":[]}`, secret, future),
		"another one's payload": strings.Split(good, ".")[0] + "." + strings.Split(signToken(t, hs256, secret, future+1), ".")[1] + "." + strings.Split(good, ".")[2],
		"no token at all":       "a.b.c",
	} {
		refuses(t, when, token, consumers...)
	}
}

func signToken(t *testing.T, header, secret string, expires int64) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"sub": "ann", "exp": expires})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode(claims)
	return signed + "." + signature(signed, secret)
}

func signature(signed, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signedWith(token, secret string) bool {
	end := strings.LastIndex(token, ".")
	return end >= 0 && token[end+1:] == signature(token[:end], secret)
}

// replaceFile replaces a file in one step, so that no reader sees half of it.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
