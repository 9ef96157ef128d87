// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package storetest

import (
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

var createTests = map[string]func(*test){
	"MakesSecretAndFirstVersion":  testCreate,
	"ReplayChangesNothing":        testCreateReplay,
	"OtherContentExists":          testCreateOtherContent,
	"LiveNameExists":              testCreateLiveName,
	"NameRules":                   testNameRules,
	"TokenRules":                  testTokenRules,
	"ValueLimit":                  testCreateValueLimit,
	"ReplicasAreMadeAndDescribed": testCreateReplicas,
}

func testCreate(t *test) {
	scope, err := t.Store.Scope(t.Context())
	t.ok("Scope", err)
	if scope.Partition == "" || scope.Region == "" {
		t.Errorf("Scope is %+v, want a partition and a region", scope)
	}

	input := secretstore.CreateInput{
		Name:        newName(),
		Token:       newToken(),
		Value:       t.newValue(),
		Description: "made by a test: äöü & <b>",
		KMSKeyID:    t.Keys[0],
		Tags:        map[string]string{"team": "x", "roi:policy": "a=1/b=2", "empty": ""},
	}
	created, err := t.Store.Create(t.Context(), input)
	t.ok("Create", err)

	prefix := "arn:" + scope.Partition + ":secretsmanager:" + scope.Region + ":" + scope.Account
	if !strings.HasPrefix(created.ARN, prefix) {
		t.Errorf("the ARN is %s, want it to begin with the scope %s", created.ARN, prefix)
	}
	if suffix, ok := afterName(created.ARN, input.Name); !ok || len(suffix) != 6 {
		t.Errorf("the ARN is %s, want it to end in the name, a hyphen and six characters", created.ARN)
	}
	if created.VersionID != input.Token {
		t.Errorf("the first version is %s, want the token %s", created.VersionID, input.Token)
	}
	if created.CreatedAt.IsZero() {
		t.Error("the creation has no time")
	}
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)

	secret := t.describe(created.ARN)
	t.closeTo("Describe's CreatedAt", secret.CreatedAt, created.CreatedAt)
	secret.CreatedAt = created.CreatedAt
	want := secretstore.Secret{
		ARN:         created.ARN,
		Name:        input.Name,
		Description: input.Description,
		KMSKeyID:    input.KMSKeyID,
		Tags:        input.Tags,
		Labels:      map[string][]string{input.Token: {secretstore.Current}},
		CreatedAt:   created.CreatedAt,
	}
	if diff := cmp.Diff(want, secret, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Describe (-want +got):\n%s", diff)
	}
}

// afterName returns what follows the name and a hyphen at the end of an ARN.
func afterName(arn, name string) (string, bool) {
	_, suffix, ok := strings.Cut(arn, ":secret:"+name+"-")
	return suffix, ok
}

func testCreateReplay(t *test) {
	created, input := t.create()
	before := t.describe(input.Name)

	again, err := t.Store.Create(t.Context(), input)
	t.ok("Create with the same token and content", err)
	if again.ARN != created.ARN || again.VersionID != created.VersionID {
		t.Errorf("the replay answers %s version %s, want %s version %s", again.ARN, again.VersionID, created.ARN, created.VersionID)
	}
	if diff := cmp.Diff(before, t.describe(input.Name)); diff != "" {
		t.Errorf("the replay changed the secret (-before +after):\n%s", diff)
	}

	// A create whose answer was lost may be repeated after another process has
	// rotated the secret. It must not bring the first value back.
	second, value := t.put(input.Name, secretstore.Pending)
	t.move(input.Name, secretstore.Current, input.Token, second)
	again, err = t.Store.Create(t.Context(), input)
	t.ok("Create with the same token and content after a rotation", err)
	if again.ARN != created.ARN {
		t.Errorf("the replay answers %s, want %s", again.ARN, created.ARN)
	}
	t.holds(input.Name, secretstore.VersionRef{}, second, value)
	t.holds(input.Name, secretstore.VersionRef{Label: secretstore.Previous}, input.Token, input.Value)
}

func testCreateOtherContent(t *test) {
	_, input := t.create()
	other := input
	other.Value = t.newValue()
	_, err := t.Store.Create(t.Context(), other)
	t.refused("Create with the same token and another content", err, secretstore.ErrExists)
	t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)
}

func testCreateLiveName(t *test) {
	_, input := t.create()
	other := input
	other.Token = newToken()
	_, err := t.Store.Create(t.Context(), other)
	t.refused("Create of a live name with another token", err, secretstore.ErrExists)
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}

func testNameRules(t *test) {
	base := newName()
	for _, name := range []string{
		base + "/_+=.@-x",
		"/" + base,
		base + strings.Repeat("n", secretstore.MaxNameLength-len(base)),
	} {
		input := secretstore.CreateInput{Name: name, Token: newToken(), Value: t.newValue()}
		_, err := t.Store.Create(t.Context(), input)
		t.ok("Create of an allowed name", err)
		t.holds(name, secretstore.VersionRef{}, input.Token, input.Value)
	}
	for what, name := range map[string]string{
		"one character too long":  base + strings.Repeat("n", secretstore.MaxNameLength-len(base)+1),
		"with a space":            base + " x",
		"with a colon":            base + ":x",
		"with an asterisk":        base + "*",
		"with a letter not ASCII": base + "ä",
		"with a line feed":        base + "x\n",
	} {
		input := secretstore.CreateInput{Name: name, Token: newToken(), Value: t.newValue()}
		_, err := t.Store.Create(t.Context(), input)
		if t.has(NoNameRules) {
			t.ok("Create of a name "+what, err)
			continue
		}
		t.refused("Create of a name "+what, err, secretstore.ErrInvalid)
	}
	_, err := t.Store.Create(t.Context(), secretstore.CreateInput{Token: newToken(), Value: t.newValue()})
	t.refused("Create without a name", err, secretstore.ErrInvalid)
}

// testTokenRules: a token is the id of a version, 32 to 64 characters.
// Source: ClientRequestToken in
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
func testTokenRules(t *test) {
	_, input := t.create()
	for what, token := range map[string]string{"": "", "short": "0123456789", "long": strings.Repeat("0", 65)} {
		name := newName()
		_, err := t.Store.Create(t.Context(), secretstore.CreateInput{Name: name, Token: token, Value: t.newValue()})
		t.refused("Create with the token "+what, err, secretstore.ErrInvalid)
		_, err = t.Store.Describe(t.Context(), name)
		t.refused("Describe after that", err, secretstore.ErrNotFound)

		err = t.Store.Put(t.Context(), secretstore.PutInput{ID: input.Name, Token: token, Value: t.newValue(), Labels: []string{secretstore.Pending}})
		t.refused("Put with the token "+what, err, secretstore.ErrInvalid)
	}
	t.labelled(input.Name, map[string][]string{input.Token: {secretstore.Current}})
}

func testCreateValueLimit(t *test) {
	for what, value := range limitValues() {
		input := secretstore.CreateInput{Name: newName(), Token: newToken(), Value: value.fits}
		_, err := t.Store.Create(t.Context(), input)
		t.ok("Create with a "+what+" of 65,536 bytes", err)
		t.holds(input.Name, secretstore.VersionRef{}, input.Token, input.Value)

		input = secretstore.CreateInput{Name: newName(), Token: newToken(), Value: value.tooLong}
		_, err = t.Store.Create(t.Context(), input)
		if t.has(NoValueLimit) {
			t.ok("Create with a "+what+" of 65,537 bytes", err)
			continue
		}
		t.refused("Create with a "+what+" of 65,537 bytes", err, secretstore.ErrLimit)
		_, err = t.Store.Describe(t.Context(), input.Name)
		t.refused("Describe after that", err, secretstore.ErrNotFound)
	}
}

type limitValue struct{ fits, tooLong secretstore.Plaintext }

// limitValues returns values of exactly the limit and of one byte more. The
// limit counts bytes, not characters.
func limitValues() map[string]limitValue {
	ascii := strings.Repeat("a", secretstore.MaxValueBytes)
	wide := strings.Repeat("é", secretstore.MaxValueBytes/2)
	return map[string]limitValue{
		"text":        {secretstore.NewPlaintext(ascii), secretstore.NewPlaintext(ascii + "a")},
		"wide text":   {secretstore.NewPlaintext(wide), secretstore.NewPlaintext(wide + "a")},
		"binary text": {secretstore.NewBinaryPlaintext([]byte(ascii)), secretstore.NewBinaryPlaintext([]byte(ascii + "a"))},
	}
}

func testCreateReplicas(t *test) {
	input := secretstore.CreateInput{
		Name:     newName(),
		Token:    newToken(),
		Value:    t.newValue(),
		Replicas: []secretstore.ReplicaSpec{{Region: t.Regions[0]}, {Region: t.Regions[1]}},
	}
	_, err := t.Store.Create(t.Context(), input)
	t.ok("Create with replicas", err)
	t.replicated(input.Name, input.Replicas)
}
