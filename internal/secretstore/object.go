// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package secretstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Object is the value of a JSON secret: an ordered set of keys. A value that is
// not set through it keeps its bytes and its place, whatever kind of JSON it is,
// so that a change of one key never touches another. So do all keys.
type Object struct {
	members []member
}

// A member has its key twice: two texts can stand for one key, and some texts,
// such as "\ud800", for none that could be written again.
type member struct {
	key   string
	text  string
	value json.RawMessage
}

// Errors of ParseObject. They deliberately leave out what the JSON decoder says:
// its messages quote the text.
var (
	ErrNotObject    = errors.New("the value is not a JSON object")
	ErrDuplicateKey = errors.New("the JSON object has the same key twice")
)

// ParseObject reads a JSON object. The error is ErrNotObject or ErrDuplicateKey.
func ParseObject(text string) (*Object, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, ErrNotObject
	}
	object := &Object{}
	for decoder.More() {
		end := decoder.InputOffset()
		token, err := decoder.Token()
		key, isString := token.(string)
		if err != nil || !isString {
			return nil, ErrNotObject
		}
		keyText := strings.TrimLeft(text[end:decoder.InputOffset()], ", \t\r\n")
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, ErrNotObject
		}
		if object.Has(key) {
			return nil, ErrDuplicateKey
		}
		object.members = append(object.members, member{key, keyText, value})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, ErrNotObject
	}
	if decoder.InputOffset() != int64(len(bytes.TrimRight([]byte(text), " \t\r\n"))) {
		return nil, ErrNotObject
	}
	return object, nil
}

// Keys returns the keys in their order.
func (o *Object) Keys() []string {
	keys := make([]string, len(o.members))
	for i, m := range o.members {
		keys[i] = m.key
	}
	return keys
}

// Has reports whether the object has a key.
func (o *Object) Has(key string) bool { return o.index(key) >= 0 }

// String returns the value of a key that holds a JSON string; ok is false for a
// missing key and for any other kind of value.
func (o *Object) String(key string) (value string, ok bool) {
	i := o.index(key)
	if i < 0 || o.members[i].value[0] != '"' {
		return "", false
	}
	return value, json.Unmarshal(o.members[i].value, &value) == nil
}

// Set gives a key a string value; a new key goes to the end.
func (o *Object) Set(key, value string) {
	raw := encodeString(value)
	if i := o.index(key); i >= 0 {
		o.members[i].value = raw
		return
	}
	o.members = append(o.members, member{key, string(encodeString(key)), raw})
}

// Delete removes a key, if it is there.
func (o *Object) Delete(key string) {
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return m.key == key })
}

// Plaintext encodes the object.
func (o *Object) Plaintext() Plaintext {
	var text bytes.Buffer
	text.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(m.text)
		text.WriteByte(':')
		text.Write(m.value)
	}
	text.WriteByte('}')
	return NewPlaintext(text.String())
}

func (o *Object) index(key string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.key == key })
}

// encodeString leaves <, > and & as they are: consumers that cut a value out of
// the text without a JSON parser exist, and nothing here is embedded in HTML.
func encodeString(s string) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes
	return bytes.TrimRight(text.Bytes(), "\n")
}
