// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/envfile"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// storedSecret is a secret with its current value, as an apply reads it for the
// entries of a file. object is nil unless the value is JSON.
type storedSecret struct {
	secret secretstore.Secret
	value  secretstore.Value
	object *secretstore.Object
}

// content reads the values of all entries, each secret once, and renders the file.
func (r *envFileResource) content(ctx context.Context, plan, state *envFileModel, diags *diag.Diagnostics) (secretstore.Plaintext, bool) {
	models := plan.entries(ctx, diags)
	known := map[string]bool{} // versions that were there at the last write
	if state != nil {
		for _, model := range state.entries(ctx, &diag.Diagnostics{}) {
			known[model.VersionID.ValueString()] = true
		}
	}
	if diags.HasError() {
		return secretstore.Plaintext{}, false
	}
	secrets := map[string]*storedSecret{}
	entries := make([]envfile.Entry, len(models))
	for i, model := range models {
		entries[i] = envfile.Entry{Name: model.Name.ValueString(), Value: secretstore.NewPlaintext(model.Value.ValueString())}
		if model.SecretID.IsNull() {
			continue
		}
		id, at := model.SecretID.ValueString(), path.Root("entries").AtListIndex(i)
		if secrets[id] == nil {
			stored, err := r.readSecret(ctx, id, newVersions(models, id, known))
			if err != nil {
				diags.Append(diag.WithPath(at.AtName("secret_id"), r.data.diagnose("read", id, err)))
				return secretstore.Plaintext{}, false
			}
			secrets[id] = stored
		}
		entries[i].Value = secrets[id].entry(at, model, diags)
		entries[i].Due = secrets[id].due(model.Key.ValueString())
	}
	if diags.HasError() {
		return secretstore.Plaintext{}, false
	}
	content, err := envfile.Render(entries)
	if err != nil {
		addUnwritable(models, err, diags)
	}
	return content, err == nil
}

// newVersions returns the versions of a secret that entries name and that were not
// known before.
func newVersions(models []envEntryModel, id string, known map[string]bool) []string {
	var versions []string
	for _, model := range models {
		version := model.VersionID.ValueString()
		if model.SecretID.ValueString() == id && version != "" && !known[version] && !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
	return versions
}

// readSecret reads the current value. Right after a change the service may still
// answer with the one before, so an answer that is older than a version that the
// configuration names is not believed for 5 seconds. After that it is: such a
// version may be gone from the store.
func (r *envFileResource) readSecret(ctx context.Context, id string, named []string) (*storedSecret, error) {
	store, err := r.data.Store(ctx)
	if err != nil {
		return nil, err
	}
	for patience := settleTime; ; patience -= settleStep {
		stored, settled, err := readCurrent(ctx, store, id, named)
		if absent := errors.Is(err, secretstore.ErrNotFound); patience <= 0 || err != nil && !absent || err == nil && settled {
			return stored, err
		}
		if err := sleep(ctx, settleStep); err != nil {
			return nil, err
		}
	}
}

// readCurrent reads the current value, and reports whether it is as new as the
// description of the secret and the versions that are named.
func readCurrent(ctx context.Context, store secretstore.Store, id string, named []string) (stored *storedSecret, settled bool, err error) {
	stored = &storedSecret{}
	if stored.value, err = store.Value(ctx, id, secretstore.VersionRef{}); err != nil {
		return nil, false, err
	}
	if stored.secret, err = store.Describe(ctx, id); err != nil {
		return nil, false, err
	}
	if object, err := secretstore.ParseObject(stored.value.Plaintext.Reveal()); err == nil {
		stored.object = object
	}
	if stored.secret.VersionWith(secretstore.Current) != stored.value.VersionID {
		return stored, false, nil
	}
	for _, version := range named {
		if version == stored.value.VersionID {
			continue
		}
		value, err := store.Value(ctx, id, secretstore.VersionRef{ID: version})
		if errors.Is(err, secretstore.ErrNotFound) || err == nil && value.CreatedAt.After(stored.value.CreatedAt) {
			return stored, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return stored, true, nil
}

// entry returns the value of one entry, or reports why it has none.
func (s *storedSecret) entry(at path.Path, model envEntryModel, diags *diag.Diagnostics) secretstore.Plaintext {
	id, key := model.SecretID.ValueString(), model.Key.ValueString()
	none := func(attribute, summary, text string) secretstore.Plaintext {
		diags.AddAttributeError(at.AtName(attribute), summary, fmt.Sprintf("The entry %q: %s Nothing was written.", model.Name.ValueString(), text))
		return secretstore.Plaintext{}
	}
	switch {
	case s.value.Plaintext.Binary():
		return none("secret_id", "Secret is binary", fmt.Sprintf("the secret %q holds a binary value (SecretBinary), which is no text. Store it as base64 text.", id))
	case model.Key.IsNull():
		return s.value.Plaintext
	case s.object == nil:
		return none("key", "Secret has no keys", fmt.Sprintf("the value of the secret %q is not a JSON object with unique keys. Leave out key to get the whole value.", id))
	}
	value, ok := s.object.String(key)
	switch {
	case ok:
		return secretstore.NewPlaintext(value)
	case s.object.Has(key):
		return none("key", "Value is not a string", fmt.Sprintf("the key %q of the secret %q holds JSON that is not a string.", key, id))
	}
	return none("key", "Key not found", fmt.Sprintf("the secret %q has no key %q. Its keys are: %s.",
		id, key, strings.Join(slices.Sorted(slices.Values(s.object.Keys())), ", ")))
}

// addUnwritable reports each entry at its place.
func addUnwritable(models []envEntryModel, err error, diags *diag.Diagnostics) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		diags.AddAttributeError(path.Root("entries"), "Value cannot be written", err.Error())
		return
	}
	for _, err := range joined.Unwrap() {
		var problem *dotenv.EntryError
		if !errors.As(err, &problem) {
			continue
		}
		i := slices.IndexFunc(models, func(model envEntryModel) bool { return model.Name.ValueString() == problem.Name })
		diags.AddAttributeError(path.Root("entries").AtListIndex(i), "Value cannot be written", unwritable(problem.Name, problem.Reason))
	}
}

// due returns when a key is due for rotation, with "" the whole secret: by the
// record of the rotation that changes it, or else by its own policy. The zero time
// means never, that nothing is recorded, or several keys. A lead time is in no
// record.
func (s *storedSecret) due(key string) time.Time {
	policies, _ := policy.DecodeRecords(s.secret.Tags) // what is damaged counts as missing
	schedule := rotation.Schedule{Interval: policies[key].Policy.Rotation}
	made := policies[key].MadeAt
	if key == "" {
		made = s.value.CreatedAt
	}
	view, err := rotation.Look(s.secret, s.rotatedWith(key, policies))
	switch {
	case err != nil, key == "" && view.JSON:
		return time.Time{}
	case view.Record == nil, view.JSON && !slices.Contains(view.Concerned(), key):
		return schedule.Due(made)
	}
	concerned := map[string]policy.Policy{key: policies[key].Policy}
	for _, name := range view.Concerned() {
		concerned[name] = policies[name].Policy
	}
	schedule.Interval = defaultsOf(concerned).Interval
	if view.Record.Days > 0 {
		schedule.Interval = time.Duration(view.Record.Days) * rotation.Day
	}
	if key != "" {
		made = view.State().Made
	}
	return schedule.Due(made)
}

// rotatedWith returns the keys of the rotation that names a key; none where it is
// in no rotation, or in that of all other keys.
func (s *storedSecret) rotatedWith(key string, policies map[string]policy.Record) []string {
	records, _ := rotation.DecodeAll(s.secret.Tags)
	for _, record := range records {
		if key != "" && record.Names(key) {
			return slices.DeleteFunc(sortedKeys(policies), func(name string) bool { return !record.Names(name) })
		}
	}
	return nil
}
