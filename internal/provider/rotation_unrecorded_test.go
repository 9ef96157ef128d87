// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// roi_secret derives no version from one that an interrupted rotation has not yet
// recorded; the rotation is finished first.
func TestSecretWaitsForUnrecordedRotation(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.apply(jsonSecret, jwtRotation)
	secret := c.describe(t, "app/all")
	first := secret.VersionWith(secretstore.Current)
	tag := rotation.TagKey([]string{"JWT"})
	record, err := rotation.Decode(secret.Tags[tag])
	if err != nil {
		t.Fatal(err)
	}
	record.Phase, record.Base = rotation.Begun, first
	text, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	next := record.NextVersion(secret.ARN, tag, first)
	object := c.object("app/all", first)
	object.Set("JWT", strings.Repeat("hB1-Qm7_", 8))
	if err := c.store.Tag(t.Context(), secret.ARN, map[string]string{tag: text}); err != nil {
		t.Fatal(err)
	}
	put := secretstore.PutInput{ID: secret.ARN, Token: next, Value: object.Plaintext(), Labels: []string{secretstore.Current}}
	if err := c.store.Put(t.Context(), put); err != nil {
		t.Fatal(err)
	}

	added := strings.Replace(jsonSecret, "keys = {", "keys = {\n    ADDED = { category = \"api_key\" }", 1)
	c.write(added, jwtRotation)
	c.contains(c.Apply(), "is current and not yet recorded")
	if current, _, _ := c.labels("app/all"); current != next {
		t.Error("a version was derived from the unrecorded one")
	}
	c.apply(jsonSecret, jwtRotation)
	c.apply(added, jwtRotation)
	if got := c.attribute("version_id"); got != next {
		t.Errorf("version_id is %s, want the one that was current and not recorded, %s", got, next)
	}
	if versions := c.versions("app/all"); versions != 3 {
		t.Errorf("there are %d versions, want 3", versions)
	}
}
