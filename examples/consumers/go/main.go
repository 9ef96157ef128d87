// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Consumer is a service that signs and verifies tokens (JWT, HS256) and goes on
// while its secret is rotated. It signs with the current value and accepts the
// previous one, too, for as long as that is there.
//
// Replicas do not learn of a new value at the same time, and one that has not refuses
// what is signed with it. With SIGN_AFTER each goes on signing with the previous value
// for some time after it first sees a new one, so that all know that by then.
//
//	SECRETS_FILE         a JSON file with JWT_SECRET and, in a grace period, JWT_SECRET_OLD; or
//	JWT_SECRET_FILE      a file with the current value alone, and
//	JWT_SECRET_OLD_FILE  one with the previous value, which need not be there
//	SIGN_AFTER           that time in whole seconds, 0 unless set: longer than replicas are apart
//	LISTEN               address and port, 127.0.0.1:8080 unless set
package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tokenLifetime and SIGN_AFTER must together be shorter than the grace period of the
// secret: the last token that is signed with the previous value is then accepted
// until it expires.
const tokenLifetime = 15 * time.Minute

// keys to accept, and the one of them to sign with.
type keys struct{ current, previous, signing []byte }

// secrets reads the keys for every request. The files are small and in memory,
// and there is no watch that could miss a change.
type secrets struct {
	json, current, previous string
	signAfter               time.Duration

	mutex sync.Mutex
	last  keys
	since time.Time // when this process first saw the current value
}

// keys returns what the files hold now, or held when they were last readable.
func (s *secrets) keys() (keys, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	k, err := s.read()
	if err != nil {
		k = s.last
	}
	if string(k.current) != string(s.last.current) {
		s.since = time.Now()
	}
	// At its start a process cannot know how long the others have had the current
	// value, and waits as well.
	k.signing = k.current
	if len(k.previous) > 0 && time.Since(s.since) < s.signAfter {
		k.signing = k.previous
	}
	s.last = k
	return k, err
}

func (s *secrets) read() (keys, error) {
	if s.json != "" {
		content, err := os.ReadFile(s.json)
		if err != nil {
			return keys{}, err
		}
		var members struct {
			Current  string `json:"JWT_SECRET"`
			Previous string `json:"JWT_SECRET_OLD"`
		}
		// The decoder's own error may quote the content.
		if json.Unmarshal(content, &members) != nil || members.Current == "" {
			return keys{}, errors.New("SECRETS_FILE is no JSON object with JWT_SECRET")
		}
		return keys{current: []byte(members.Current), previous: []byte(members.Previous)}, nil
	}
	// The current value first. Whoever rotates writes the previous one first, so
	// that between the two reads no value in use can be missed.
	current, err := readValue(s.current)
	if err != nil {
		return keys{}, err
	}
	if len(current) == 0 {
		return keys{}, errors.New("JWT_SECRET_FILE is empty")
	}
	previous, err := readValue(s.previous)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keys{}, err
	}
	return keys{current: current, previous: previous}, nil
}

// readValue leaves out the newline that editors and echo put at the end.
func readValue(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	return []byte(strings.TrimRight(string(content), "\r\n")), err
}

// header is that of every token. No other is accepted, so that a token cannot
// choose its algorithm (RFC 8725, 3.1).
var header = encode([]byte(`{"alg":"HS256","typ":"JWT"}`))

type claims struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

func sign(k keys, c claims) string {
	payload, _ := json.Marshal(c) // A string and a number can always be marshalled.
	signed := header + "." + encode(payload)
	return signed + "." + signature(k.signing, signed)
}

func verify(k keys, token string) (claims, bool) {
	end := strings.LastIndex(token, ".")
	if end < 0 || !strings.HasPrefix(token, header+".") {
		return claims{}, false
	}
	signed, given := token[:end], token[end+1:]
	valid := hmac.Equal([]byte(given), []byte(signature(k.current, signed)))
	if len(k.previous) > 0 && hmac.Equal([]byte(given), []byte(signature(k.previous, signed))) {
		valid = true
	}
	if !valid {
		return claims{}, false
	}
	var c claims
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(signed, header+"."))
	if err != nil || json.Unmarshal(payload, &c) != nil || c.Expires <= time.Now().Unix() {
		return claims{}, false
	}
	return c, true
}

func signature(key []byte, signed string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return encode(mac.Sum(nil))
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func main() {
	signAfter, err := strconv.Atoi(cmp.Or(os.Getenv("SIGN_AFTER"), "0"))
	if err != nil || signAfter < 0 {
		log.Fatal("SIGN_AFTER is no number of seconds")
	}
	s := &secrets{
		json: os.Getenv("SECRETS_FILE"), current: os.Getenv("JWT_SECRET_FILE"), previous: os.Getenv("JWT_SECRET_OLD_FILE"),
		signAfter: time.Duration(signAfter) * time.Second,
	}
	if _, err := s.keys(); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /tokens", func(w http.ResponseWriter, r *http.Request) {
		k, _ := s.keys()
		_, _ = io.WriteString(w, sign(k, claims{r.URL.Query().Get("subject"), time.Now().Add(tokenLifetime).Unix()}))
	})
	http.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		k, _ := s.keys()
		c, ok := verify(k, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if !ok {
			http.Error(w, "invalid token", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, c.Subject)
	})
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := s.keys(); err != nil {
			http.Error(w, "the secret cannot be read", http.StatusServiceUnavailable)
		}
	})

	address := os.Getenv("LISTEN")
	if address == "" {
		address = "127.0.0.1:8080"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}
