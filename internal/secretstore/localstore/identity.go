// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// readIdentity reads the identity that the store's values are encrypted to.
// recipient is the public half that the database was begun with, "" if it holds
// no value yet. The error is fs.ErrNotExist only in that case.
func (s *Store) readIdentity(recipient string) (*age.X25519Identity, error) {
	file, err := openChecked(s.identityFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) && recipient != "" {
		return nil, fail(secretstore.ErrKey, "the identity file %q is lost, and without it the values in %q cannot be decrypted: "+
			"bring it back from a backup (its public key is %s), or delete the folder %q to begin again without them",
			s.identityFile, s.database(), recipient, s.path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()

	// The parser's error is left out: it may quote the file.
	identities, err := age.ParseIdentities(file)
	if err != nil || len(identities) != 1 {
		return nil, fail(secretstore.ErrKey, "the identity file %q must hold one age identity (AGE-SECRET-KEY-1…)", s.identityFile)
	}
	identity, ok := identities[0].(*age.X25519Identity)
	if !ok {
		return nil, fail(secretstore.ErrKey, "the age identity in %q is of another kind than X25519 (AGE-SECRET-KEY-1…)", s.identityFile)
	}
	if public := identity.Recipient().String(); recipient != "" && public != recipient {
		return nil, fail(secretstore.ErrKey, "the identity in %q (public key %s) is not the one that the values in %q are encrypted to (public key %s)",
			s.identityFile, public, s.database(), recipient)
	}
	return identity, nil
}

// makeIdentity makes the identity file unless there is one, which is then used.
func (s *Store) makeIdentity() (*age.X25519Identity, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.identityFile), folderMode); err != nil {
		return nil, err
	}
	err = makeFile(s.identityFile, fmt.Appendf(nil,
		"# The values in the embedded store of the Terraform provider roi are encrypted to this key.\n# public key: %s\n%s\n",
		identity.Recipient(), identity))
	if err != nil {
		return nil, err
	}
	return s.readIdentity("")
}

// binding is the first line of what is encrypted. A ciphertext that was put in
// the place of another is known by it.
type binding struct {
	ARN     string `json:"arn"`
	Version string `json:"version"`
	Binary  bool   `json:"binary,omitempty"`
}

// seal encrypts a value for one version of one secret.
func seal(recipient age.Recipient, arn, version string, value secretstore.Plaintext) ([]byte, error) {
	header, err := json.Marshal(binding{ARN: arn, Version: version, Binary: value.Binary()})
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{string(header), "\n", value.Reveal()} {
		if _, err := io.WriteString(w, part); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// unseal decrypts the value of one version of one secret.
func unseal(identity age.Identity, arn, version string, sealed []byte) (secretstore.Plaintext, error) {
	var none secretstore.Plaintext
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return none, fail(secretstore.ErrKey, "the value of version %s cannot be decrypted: %w", version, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return none, fail(secretstore.ErrInternal, "the stored value of version %s is damaged", version)
	}
	header, value, _ := bytes.Cut(content, []byte("\n"))
	var bound binding
	if json.Unmarshal(header, &bound) != nil || bound.ARN != arn || bound.Version != version {
		return none, fail(secretstore.ErrInternal, "what is stored as version %s is the value of another version or secret: "+
			"the database was changed by something else than this provider", version)
	}
	if bound.Binary {
		return secretstore.NewBinaryPlaintext(value), nil
	}
	return secretstore.NewPlaintext(string(value)), nil
}
