// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Replicas that learn of a new value one after the other: with SIGN_AFTER none signs
// with it before all of them know it, and nobody is refused. Without it the first one
// does at once, which shows that the traffic would see a refusal.
func TestConsumersSignAfterAllKnow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signAfter time.Duration
		refused   bool
	}{
		"at once": {0, true},
		"later":   {20 * time.Second, false}, // longer than it takes to replace the files below
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := rand.Text(), rand.Text()
			before := fmt.Sprintf(`{"JWT_SECRET": %q}`, first)
			during := fmt.Sprintf(`{"JWT_SECRET": %q, "JWT_SECRET_OLD": %q}`, second, first)
			after := fmt.Sprintf(`{"JWT_SECRET": %q}`, second)

			folder := t.TempDir()
			var replicas []*consumer
			var files []string
			for language, command := range consumerCommands(t) {
				file := filepath.Join(folder, language)
				replaceFile(t, file, before)
				replicas = append(replicas, startConsumer(t, language, command, "SECRETS_FILE="+file, fmt.Sprintf("SIGN_AFTER=%.0f", test.signAfter.Seconds())))
				files = append(files, file)
			}
			tr := startTraffic(t, replicas)
			old := replicas[0].mustToken(t)
			signing := first
			if test.refused {
				signing = second
			}
			for i, file := range files {
				replaceFile(t, file, during)
				tr.settle(t)
				if !signedWith(replicas[i].mustToken(t), signing) {
					t.Errorf("%s does not sign with the value that it should", replicas[i].language)
				}
			}
			for _, c := range replicas {
				c.waitForSigningWith(t, second, test.signAfter+time.Minute)
			}
			accepts(t, "a token from before, in the grace period", old, replicas...)
			tr.settle(t)
			for _, file := range files {
				replaceFile(t, file, after)
				tr.settle(t)
			}
			refuses(t, "a token from before, after the grace period", old, replicas...)

			tr.end()
			switch refused := len(tr.failures) > 0; {
			case refused && !test.refused:
				t.Errorf("%d of %d requests failed, the first of them: %s", len(tr.failures), tr.requests.Load(), strings.Join(tr.failures[:min(5, len(tr.failures))], "; "))
			case !refused && test.refused:
				t.Errorf("none of %d requests failed, so this test sees nothing", tr.requests.Load())
			}
		})
	}
}

// A process that starts in a grace period cannot know whether the others have the new
// value, and one that starts without a previous value has nothing to wait for.
func TestConsumersThatStartInAGracePeriod(t *testing.T) {
	t.Parallel()
	file, first, second := filepath.Join(t.TempDir(), "secrets.json"), rand.Text(), rand.Text()
	replaceFile(t, file, fmt.Sprintf(`{"JWT_SECRET": %q, "JWT_SECRET_OLD": %q}`, second, first))
	for _, c := range startConsumers(t, "SECRETS_FILE="+file, "SIGN_AFTER=3600") {
		if !signedWith(c.mustToken(t), first) {
			t.Errorf("%s signs with the new value at once", c.language)
		}
	}
	for _, c := range startConsumers(t, "SECRETS_FILE="+file) {
		if !signedWith(c.mustToken(t), second) {
			t.Errorf("%s waits without SIGN_AFTER", c.language)
		}
	}
	replaceFile(t, file, fmt.Sprintf(`{"JWT_SECRET": %q}`, second))
	for _, c := range startConsumers(t, "SECRETS_FILE="+file, "SIGN_AFTER=3600") {
		if !signedWith(c.mustToken(t), second) {
			t.Errorf("%s does not sign with the only value that there is", c.language)
		}
	}
	for _, wrong := range []string{"2m", "-1", "1.5"} {
		for language, command := range consumerCommands(t) {
			cmd := exec.Command(command[0], command[1:]...)
			// No interface has this address, so that it ends in any case.
			cmd.Env = []string{"SECRETS_FILE=" + file, "SIGN_AFTER=" + wrong, "LISTEN=192.0.2.1:8080", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "SIGN_AFTER is no number of seconds") {
				t.Errorf("%s: SIGN_AFTER=%s is not refused: %v", language, wrong, err)
			}
		}
	}
}

// waitForSigningWith waits until the consumer signs with a value.
func (c *consumer) waitForSigningWith(t *testing.T, secret string, longest time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(longest); !signedWith(c.mustToken(t), secret); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not sign with the new value after %s", c.language, longest)
		}
	}
}
