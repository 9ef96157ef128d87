// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

// placeholderTime stands for a time that only its length matters of.
var placeholderTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// wanted is what a configuration asks of a secret, with policies resolved. A
// secret that is one string has the one key "".
type wanted struct {
	json     bool
	policies map[string]policy.Policy
	supplied map[string]string
	static   map[string]string
	tags     map[string]string // the provider's and the resource's
}

// want is resolve for an apply, where everything must be known.
func (r *secretResource) want(ctx context.Context, config secretModel, diags *diag.Diagnostics) (wanted, bool) {
	want, known := r.resolve(ctx, config, diags)
	if !known && !diags.HasError() {
		diags.AddError("Configuration is not known in apply",
			"An argument of the secret or of the provider is still unknown. Nothing was changed. This is a defect of the provider; please report it.")
	}
	return want, known && !diags.HasError()
}

// names returns the keys of a JSON secret that the configuration manages.
func (w wanted) names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(w.policies)), maps.Keys(w.static))
	slices.Sort(names)
	return names
}

// minimumSize is the least that the value can have, in bytes.
func (w wanted) minimumSize() int {
	if !w.json {
		if value, ok := w.supplied[""]; ok {
			return len(value)
		}
		return w.policies[""].Length
	}
	var object secretstore.Object
	for _, key := range w.names() {
		value, given := w.supplied[key]
		if !given {
			value = w.static[key]
		}
		object.Set(key, value)
	}
	size := object.Plaintext().Len()
	for key, p := range w.policies {
		if _, given := w.supplied[key]; !given {
			size += p.Length
		}
	}
	return size
}

// make returns a value for a key: static, supplied or newly generated.
func (w wanted) make(key string) (string, error) {
	if value, ok := w.static[key]; ok && w.json {
		return value, nil
	}
	if value, ok := w.supplied[key]; ok {
		return value, nil
	}
	return generate.Value(w.policies[key])
}

// value makes the content of a new version from the current one, writing and
// removing keys and carrying all others over. current is nil to begin anew.
func (w wanted) value(name string, current *secretstore.Value, write, remove []string) (secretstore.Plaintext, error) {
	if !w.json {
		value, err := w.make("")
		if err != nil {
			return secretstore.Plaintext{}, err
		}
		return fitting(name, secretstore.NewPlaintext(value))
	}
	object := &secretstore.Object{}
	if current != nil {
		var err error
		if object, err = parseObject(name, *current); err != nil {
			return secretstore.Plaintext{}, err
		}
	}
	for _, key := range remove {
		object.Delete(key)
	}
	for _, key := range write {
		value, err := w.make(key)
		if err != nil {
			return secretstore.Plaintext{}, err
		}
		object.Set(key, value)
	}
	return fitting(name, object.Plaintext())
}

// given reports whether any of these keys has a value from the configuration.
func (w wanted) given(keys []string) bool {
	return slices.ContainsFunc(keys, func(key string) bool {
		_, isSupplied := w.supplied[key]
		_, isStatic := w.static[key]
		return isSupplied || isStatic
	})
}

// generates reports whether a value is made here, and not given.
func (w wanted) generates() bool {
	return slices.ContainsFunc(w.valueKeys(), func(key string) bool { return !w.given([]string{key}) })
}

// holds reports whether a version has the values that the configuration gives for
// these keys.
func (w wanted) holds(value secretstore.Value, keys []string) bool {
	if !w.json {
		want, isSupplied := w.supplied[""]
		return !isSupplied || value.Plaintext.Reveal() == want
	}
	object, err := secretstore.ParseObject(value.Plaintext.Reveal())
	if err != nil {
		return false
	}
	for _, key := range keys {
		want, isGiven := w.supplied[key]
		if static, isStatic := w.static[key]; isStatic {
			want, isGiven = static, true
		}
		if present, isString := object.String(key); isGiven && (!isString || present != want) {
			return false
		}
	}
	return true
}

func fitting(name string, value secretstore.Plaintext) (secretstore.Plaintext, error) {
	if value.Len() > secretstore.MaxValueBytes {
		return value, &secretstore.Error{Op: "put", ID: name, Kind: secretstore.ErrLimit, Err: fmt.Errorf(
			"the value would have %d bytes, at most %d are possible", value.Len(), secretstore.MaxValueBytes)}
	}
	return value, nil
}

func parseObject(name string, current secretstore.Value) (*secretstore.Object, error) {
	object, err := secretstore.ParseObject(current.Plaintext.Reveal())
	if err != nil {
		return nil, &secretstore.Error{Op: "read the keys of", ID: name, Kind: secretstore.ErrInvalid, Err: err}
	}
	return object, nil
}

// records is what goes into the secret's tags: every policy, and when each value
// was made.
func (w wanted) records(madeAt time.Time) map[string]policy.Record {
	records := map[string]policy.Record{}
	for key, p := range w.policies {
		records[key] = policy.Record{Policy: p, MadeAt: madeAt}
	}
	return records
}

// setComputed fills in what follows from the configuration alone.
func (m *secretModel) setComputed(w wanted) {
	m.TagsAll = stringMapValue(w.tags)
	m.EffectivePolicy = effectivePolicies(w.policies)
	m.KeyNames = types.ListNull(types.StringType)
	if w.json {
		m.KeyNames = stringListValue(w.names())
	}
	m.EntropyBits = types.Int64Null()
	highest := policy.Public
	for _, p := range w.policies {
		if slices.Index(policy.Classifications(), p.Classification) > slices.Index(policy.Classifications(), highest) {
			highest = p.Classification
		}
		if p.Supplied {
			continue
		}
		bits := int64(math.Floor(policy.Measure(p).Bits))
		if m.EntropyBits.IsNull() || bits < m.EntropyBits.ValueInt64() {
			m.EntropyBits = types.Int64Value(bits)
		}
	}
	m.Classification = types.StringValue(string(highest))
}

func (m *secretModel) setComputedUnknown(config secretModel) {
	m.TagsAll = types.MapUnknown(types.StringType)
	m.EffectivePolicy = types.MapUnknown(effectivePolicyType)
	m.KeyNames = types.ListUnknown(types.StringType)
	m.EntropyBits = types.Int64Unknown()
	m.Classification = config.Classification
	if config.Classification.IsNull() {
		m.Classification = types.StringUnknown()
	}
}

// valueChange is what a change of the configuration does to the value.
type valueChange struct {
	adopting   bool     // nothing is known of the value: keep what is there, make what is missing
	overwrite  bool     // when adopting: store what the configuration gives, should something else be there
	fresh      bool     // nothing of the present value is carried over
	write      []string // keys that get a value, sorted
	remove     []string // keys that go, sorted
	regenerate []string // those of write whose recorded policy allows what the new one forbids
	added      []string // those of write that are new keys
	ifMissing  []string // those of added that keep a value which someone else put there
	changed    []string // those of write that have another value in the configuration
	what       string   // names the change, see secretstore.Replacement
}

// recreate is the change that makes every value anew, from a version that was
// current.
func recreate(want wanted, base string) valueChange {
	c := valueChange{fresh: true, write: want.valueKeys()}
	c.what = c.name("recreate", want, base)
	return c
}

// valueKeys are the keys to write for a whole value.
func (w wanted) valueKeys() []string {
	if w.json {
		return w.names()
	}
	return []string{""}
}

// changeBetween compares a state with a configuration. It looks at nothing else,
// so a plan and its apply agree.
func changeBetween(state, config secretModel, want wanted) valueChange {
	var c valueChange
	recordedByKey := statePolicies(state.EffectivePolicy, want.json)
	if state.Category.IsNull() && state.Keys.IsNull() && state.ValueWOVersion.IsNull() {
		c.adopting = true
		c.regenerate = want.forbidden(recordedByKey)
		return c
	}
	if !state.Keys.IsNull() != want.json {
		c.fresh = true
		c.write = want.valueKeys()
		c.what = c.describe(config, want)
		return c
	}
	managed, before := stringElements(state.KeyNames.Elements()), stringMap(state.Static)
	hadSecret := func(key string) bool {
		_, wasStatic := before[key]
		return !want.json || slices.Contains(managed, key) && !wasStatic
	}
	resupplied := !state.ValueWOVersion.Equal(config.ValueWOVersion) || !state.ValuesWOVersion.Equal(config.ValuesWOVersion)
	for key, p := range want.policies {
		recorded, isRecorded := recordedByKey[key]
		_, given := want.supplied[key]
		switch {
		case !isRecorded && !hadSecret(key):
			c.added = append(c.added, key)
			c.write = append(c.write, key)
			if _, wasStatic := before[key]; !given && !wasStatic {
				c.ifMissing = append(c.ifMissing, key)
			}
		case p.Supplied && (resupplied || isRecorded && !recorded.Supplied):
			c.changed = append(c.changed, key)
			c.write = append(c.write, key)
		case isRecorded && forbids(p, recorded):
			c.regenerate = append(c.regenerate, key)
			c.write = append(c.write, key)
		}
	}
	for key, value := range want.static {
		old, there := before[key]
		switch {
		case !there:
			c.added = append(c.added, key)
			c.write = append(c.write, key)
		case old != value:
			c.changed = append(c.changed, key)
			c.write = append(c.write, key)
		}
	}
	current := want.names()
	for _, name := range managed {
		if want.json && !slices.Contains(current, name) {
			c.remove = append(c.remove, name)
		}
	}
	for _, list := range [][]string{c.write, c.remove, c.regenerate, c.added, c.changed} {
		slices.Sort(list)
	}
	c.what = c.describe(config, want)
	return c
}

// forbids reports whether values that were generated, or supplied, under the
// recorded policy must be made anew.
func forbids(next, recorded policy.Policy) bool {
	return !next.Supplied && (recorded.Supplied || !policy.Covers(next, recorded))
}

// forbidden are the keys with a recorded policy whose values must be made anew.
func (w wanted) forbidden(recorded map[string]policy.Policy) []string {
	var keys []string
	for _, key := range sortedKeys(w.policies) {
		if p, there := recorded[key]; there && forbids(w.policies[key], p) {
			keys = append(keys, key)
		}
	}
	return keys
}

// describe names a change of the configuration.
func (c valueChange) describe(config secretModel, want wanted) string {
	static, _ := json.Marshal(want.static)
	return c.name("configuration", want, string(static), config.ValueWOVersion.String(), config.ValuesWOVersion.String())
}

// name names a change so that the same change has the same name in the next apply,
// should this one break off, and one of other keys or policies another. It holds no
// secret value.
func (c valueChange) name(kind string, want wanted, details ...string) string {
	policies := map[string]policy.Policy{}
	for _, key := range c.write {
		if p, ok := want.policies[key]; ok {
			policies[key] = p
		}
	}
	text, _ := json.Marshal(map[string]any{"json": want.json, "write": c.write, "remove": c.remove, "policies": policies, "details": details})
	return fmt.Sprintf("%s %x", kind, sha256.Sum256(text))
}

// made reports whether this change made a version from another.
func (c valueChange) made(arn, version, from string) bool {
	return secretstore.Replacement{Change: c.what}.Made(arn, version, from)
}

// empty reports whether the value stays as it is.
func (c valueChange) empty() bool { return !c.adopting && len(c.write) == 0 && len(c.remove) == 0 }

// renewed are the keys that had a value and get another one, which ends a grace
// period of theirs; nil when nothing of the value is carried over.
func (c valueChange) renewed(want wanted) []string {
	if c.fresh || !want.json {
		return nil
	}
	keys := []string{}
	for _, key := range c.write {
		if _, static := want.static[key]; !static && !slices.Contains(c.added, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// losesKey reports whether key material that protects stored data is replaced or
// removed, so that the version that has it must be kept.
func (c valueChange) losesKey(recorded map[string]policy.Record, want wanted) bool {
	for _, key := range c.added {
		if want.policies[key].GraceNeverEnds {
			return true // of someone else, should there be one
		}
	}
	for key, record := range recorded {
		touched := c.fresh || slices.Contains(c.write, key) || slices.Contains(c.remove, key)
		if record.Policy.GraceNeverEnds && touched {
			return true
		}
	}
	return false
}

// warn says in the plan what an apply will do to the value.
func (c valueChange) warn(want wanted, diags *diag.Diagnostics) {
	if c.empty() {
		return
	}
	switch {
	case c.adopting && len(want.supplied) > 0:
		warnKept(diags)
	case c.adopting && want.json:
		diags.AddWarning("Missing keys will be made",
			"This state does not know the value of the secret yet. The apply reads it, keeps the keys that are there as they are, and makes those that are missing.")
	case c.fresh:
		diags.AddWarning("Value changes its kind", "The secret turns from one string into a JSON object, or the reverse. "+
			"The apply stores an entirely new value; the present one stays readable as "+secretstore.Previous+".")
	}
	c.warnVersion(want, diags)
	c.warnTargets(want, diags)
}

func warnKept(diags *diag.Diagnostics) {
	diags.AddWarning("Present value is kept",
		"This state does not know the value of the secret yet. The apply keeps what is stored and records the version number of the supplied value. "+
			"To store the supplied value, raise value_wo_version or values_wo_version after that.")
}

// warnVersion lists what a new version changes.
func (c valueChange) warnVersion(want wanted, diags *diag.Diagnostics) {
	var text strings.Builder
	for _, part := range []struct {
		what string
		keys []string
	}{
		{"made anew, because the recorded policy allows values that the new one forbids", c.regenerate},
		{"changed in the configuration", c.changed},
		{"added", c.added},
		{"removed", c.remove},
	} {
		if len(part.keys) == 0 {
			continue
		}
		keys := "the value"
		if want.json {
			keys = strings.Join(part.keys, ", ")
		}
		fmt.Fprintf(&text, "\n  - %s: %s", keys, part.what)
	}
	if text.Len() == 0 {
		return
	}
	others := ""
	if want.json {
		others = " All other keys keep their values."
	}
	diags.AddWarning("New version of the secret", "The apply stores a new version."+others+
		" The present one stays readable as "+secretstore.Previous+".\n"+text.String())
}

// warnTargets names the passwords that a server must be given as well.
func (c valueChange) warnTargets(want wanted, diags *diag.Diagnostics) {
	keys := append(slices.Clone(c.regenerate), c.changed...)
	if c.fresh {
		keys = c.write
	}
	var targets []string
	for _, key := range keys {
		if base := want.policies[key].Base; base == "database" || base == "cache" {
			targets = append(targets, key)
		}
	}
	if len(targets) == 0 {
		return
	}
	name := "The value"
	if want.json {
		name = strings.Join(targets, ", ")
	}
	diags.AddWarning("Target must take over the new value", name+
		" is a database or cache password. The server must be given the new one in the same apply, or clients that read it can no longer log in.")
}
