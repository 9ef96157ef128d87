// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// publicKey returns the public half of the identity that a file holds.
func publicKey(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	identities, err := age.ParseIdentities(file)
	if err != nil || len(identities) != 1 {
		t.Fatalf("%d identities in %s (%v), want 1", len(identities), path, err)
	}
	identity, ok := identities[0].(*age.X25519Identity)
	if !ok {
		t.Fatalf("the identity is a %T", identities[0])
	}
	return identity.Recipient().String()
}

func TestLostIdentity(t *testing.T) {
	store, name, _ := newStore(t)
	public := publicKey(t, store.identityFile)
	if err := os.Remove(store.identityFile); err != nil {
		t.Fatal(err)
	}
	want := `the encryption key cannot be used: the identity file "PATH/identity.txt" is lost, ` +
		`and without it the values in "PATH/store.db" cannot be decrypted: bring it back from a backup (its public key is ` + public + `), ` +
		`or delete the folder "PATH" to begin again without them`
	wantError(t, store, read(t, store, name), secretstore.ErrKey, `read secret "app/jwt": `+want)
	wantError(t, store, put(t, store, name), secretstore.ErrKey, `put a version into secret "app/jwt": `+want)
	if _, err := os.Lstat(store.identityFile); err == nil {
		t.Error("another identity was made in the place of the lost one")
	}
	if _, err := store.Describe(t.Context(), name); err != nil {
		t.Errorf("Describe without an identity: %v", err)
	}
	if err := store.Tag(t.Context(), name, map[string]string{"a": "b"}); err != nil {
		t.Errorf("Tag without an identity: %v", err)
	}
}

func TestWrongIdentity(t *testing.T) {
	store, name, _ := newStore(t)
	other, _, _ := newStore(t)
	mine, theirs := publicKey(t, store.identityFile), publicKey(t, other.identityFile)
	if mine == theirs {
		t.Fatal("two stores have the same identity")
	}
	if err := os.Rename(other.identityFile, store.identityFile); err != nil {
		t.Fatal(err)
	}
	want := `the encryption key cannot be used: the identity in "PATH/identity.txt" (public key ` + theirs + `) ` +
		`is not the one that the values in "PATH/store.db" are encrypted to (public key ` + mine + `)`
	wantError(t, store, read(t, store, name), secretstore.ErrKey, `read secret "app/jwt": `+want)
	wantError(t, store, put(t, store, name), secretstore.ErrKey, `put a version into secret "app/jwt": `+want)
}

func TestUnusableIdentity(t *testing.T) {
	x25519, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	const one = `the encryption key cannot be used: the identity file "PATH/identity.txt" must hold one age identity (AGE-SECRET-KEY-1…)`
	for what, test := range map[string]struct{ content, want string }{
		"empty":      {"", one},
		"a password": {"hunter2-do-not-print\n", one},
		"half a key": {x25519.String()[:40], one},
		"two keys":   {x25519.String() + "\n" + x25519.String(), one},
		"hybrid": {hybrid.String(), `the encryption key cannot be used: ` +
			`the age identity in "PATH/identity.txt" is of another kind than X25519 (AGE-SECRET-KEY-1…)`},
	} {
		t.Run(what, func(t *testing.T) {
			store, name, _ := newStore(t)
			if err := os.WriteFile(store.identityFile, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			wantError(t, store, read(t, store, name), secretstore.ErrKey, `read secret "app/jwt": `+test.want)
		})
	}
}

func TestIdentityOfTheUser(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := Config{Path: filepath.Join(folder, ".roi"), IdentityFile: filepath.Join(folder, "key.txt")}
	content := []byte("# created by age-keygen\n\n" + identity.String() + "\n")
	if err := os.WriteFile(config.IdentityFile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	store := New(config, newClock())
	create(t, store, "name")
	if err := read(t, store, "name"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(config.IdentityFile); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the user's identity file was changed (%v)", err)
	}
	if _, err := os.Lstat(filepath.Join(config.Path, identityName)); err == nil {
		t.Error("a second identity was made")
	}

	// A missing one is made where the user wants it.
	config = Config{Path: filepath.Join(folder, "other"), IdentityFile: filepath.Join(folder, "keys", "other.txt")}
	store = New(config, newClock())
	create(t, store, "name")
	if mode := files(t, filepath.Join(folder, "keys")); mode["."] != "drwx------" || mode["other.txt"] != "-rw-------" || len(mode) != 2 {
		t.Errorf("the folder of the identity holds %v", mode)
	}
}

func TestSwappedCiphertextIsDetected(t *testing.T) {
	store, name, token := newStore(t)
	// The token is the same, so that only the secret is another.
	_, err := store.Create(t.Context(), secretstore.CreateInput{Name: "other", Token: token, Value: valueOf(token)})
	if err != nil {
		t.Fatal(err)
	}
	const want = `internal error of the store: what is stored as version VERSION is the value of another version or secret: ` +
		`the database was changed by something else than this provider`
	secret, err := store.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	other, err := store.Describe(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	key, otherKey := valueKey(secret.ARN, token), valueKey(other.ARN, token)
	swap(t, store, key, otherKey)
	wantError(t, store, read(t, store, name), secretstore.ErrInternal,
		`read secret "app/jwt": `+strings.ReplaceAll(want, "VERSION", token))
	swap(t, store, key, otherKey)

	if err := put(t, store, name); err != nil {
		t.Fatal(err)
	}
	if secret, err = store.Describe(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	swap(t, store, key, valueKey(secret.ARN, secret.VersionWith(secretstore.Pending)))
	wantError(t, store, read(t, store, name), secretstore.ErrInternal,
		`read secret "app/jwt": `+strings.ReplaceAll(want, "VERSION", token))
}

func swap(t *testing.T, store *Store, a, b []byte) {
	t.Helper()
	change(t, store, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(valueBucket)
		atA, atB := bytes.Clone(bucket.Get(a)), bytes.Clone(bucket.Get(b))
		if atA == nil || atB == nil {
			t.Error("nothing to swap")
		}
		if err := bucket.Put(a, atB); err != nil {
			return err
		}
		return bucket.Put(b, atA)
	})
}

func TestDamagedCiphertext(t *testing.T) {
	store, name, token := newStore(t)
	secret, err := store.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	key := valueKey(secret.ARN, token)
	change(t, store, func(tx *bbolt.Tx) error {
		sealed := bytes.Clone(tx.Bucket(valueBucket).Get(key))
		sealed[len(sealed)-1] ^= 1
		return tx.Bucket(valueBucket).Put(key, sealed)
	})
	wantError(t, store, read(t, store, name), secretstore.ErrInternal,
		`read secret "app/jwt": internal error of the store: the stored value of version `+token+` is damaged`)
}
