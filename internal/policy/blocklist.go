// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"strings"
	"sync"
)

// minSubstring is the length from which a word is looked for inside a value.
// Shorter ones would turn up in random values by chance.
const minSubstring = 5

// blocklist holds passwords, defaults of well-known software and placeholders
// that have been deployed by mistake, in lower case. Words of at least
// minSubstring characters are refused anywhere in a value, the others only as the
// whole value. What is a sequence already (qwerty, 123456) needs no word.
var blocklist = []string{
	// Placeholders of templates and samples.
	"changeme", "change_me", "change-me", "change_this", "change-this", "changethis", "changeit",
	"replace_with", "replace-with", "replacewith", "replaceme", "replace_me", "replace-me",
	"placeholder", "example", "sample_", "your_secret", "your-secret", "yoursecret", "your_key", "your-key",
	"insert_", "todo", "fixme", "tbd", "none", "null", "n/a", "xxx", "foobar", "dummy", "temporary",
	// Development defaults.
	"roi_pass", "development_secret", "dev_secret", "dev-secret", "devsecret", "test_secret", "testsecret",
	"secret123", "secretkey", "secret_key", "secret-key", "mysecret", "my_secret", "my-secret",
	"supersecret", "super_secret", "super-secret", "topsecret", "jwt_secret", "jwt-secret", "keyboard cat",
	"insecure", "deadbeef", "test", "dev", "demo", "temp", "root", "user", "pass", "s3cr3t",
	// Software defaults and common passwords.
	"password", "passw0rd", "p@ssword", "p@ssw0rd", "pa$$word", "passwort", "passphrase",
	"admin", "default", "guest", "postgres", "mysql", "mongodb", "rabbitmq", "localhost",
	"letmein", "let_me_in", "welcome", "iloveyou", "trustno1", "monkey", "dragon", "sunshine", "princess",
	"football", "baseball", "superman", "batman", "starwars", "whatever", "shadow", "hunter2", "abc123",
	"correcthorse", "correct horse",
}

// found is the state of a wordList in which a word has been seen. It is never
// left.
const found = 1

// A wordList finds the words of a list in one pass, as the automaton of Aho and
// Corasick does (https://doi.org/10.1145/360825.360855), with its table in full.
type wordList struct {
	code  [256]uint8 // columns; upper case has those of lower case
	shift uint       // the row of state s starts at next[s<<shift]
	next  []uint16
	whole map[string]bool
}

// words is the automaton for blocklist.
var words = sync.OnceValue(func() *wordList { return newWordList(blocklist) })

func newWordList(list []string) *wordList {
	w := &wordList{whole: map[string]bool{}}
	columns := 1 // 0 stands for every character that is in no word
	for _, word := range list {
		for i := range len(word) {
			if c := word[i]; w.code[c] == 0 {
				w.code[c] = uint8(columns)
				columns++
			}
		}
	}
	for i := range len(lowerLetters) {
		w.code[upperLetters[i]] = w.code[lowerLetters[i]]
	}
	for 1<<w.shift < columns {
		w.shift++
	}
	width := 1 << w.shift

	// The tree of the words. 0 means "no such child" while it is built.
	w.next = make([]uint16, 2*width)
	for _, word := range list {
		if len(word) < minSubstring {
			w.whole[word] = true
			continue
		}
		state := 0
		for i := range len(word) {
			at := state<<w.shift | int(w.code[word[i]])
			if i == len(word)-1 {
				w.next[at] = found
			} else if w.next[at] == 0 {
				w.next[at] = uint16(len(w.next) >> w.shift)
				w.next = append(w.next, make([]uint16, width)...)
			}
			state = int(w.next[at])
			if state == found {
				break
			}
		}
	}

	// Breadth first, each missing child becomes that of the longest proper suffix,
	// which is complete by then.
	suffix := make([]uint16, len(w.next)>>w.shift)
	var queue []uint16
	for c := range width {
		w.next[found<<w.shift|c] = found
		if child := w.next[c]; child > found {
			queue = append(queue, child)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		for c := range width {
			at := int(state)<<w.shift | c
			fallback := w.next[int(suffix[state])<<w.shift|c]
			switch child := w.next[at]; {
			case fallback == found || child == found:
				w.next[at] = found
			case child == 0:
				w.next[at] = fallback
			default:
				suffix[child] = fallback
				queue = append(queue, child)
			}
		}
	}
	return w
}

// isWhole reports whether the value is, without regard to case, one of the words
// that are too short to be looked for inside a value.
func (w *wordList) isWhole(value []byte) bool {
	return len(value) < minSubstring && w.whole[strings.ToLower(string(value))]
}
