// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/roi-systems/terraform-provider-roi/internal/policy"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore"
)

const (
	// pciLength is the least length of PCI DSS 4.0.1 8.3.6, nistLength that of NIST
	// SP 800-63B-4 3.1.1.2 for a password that is the only factor, in characters.
	pciLength  = 12
	nistLength = 15
)

// values looks at the values that the secret has a policy for: what the policy and
// the tags tell, and, if values may be read, what they are.
func (r *run) values(ctx context.Context, s *subject, records map[string]policy.Record, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	for _, key := range keys {
		r.floor(s, key, records[key].Policy)
	}
	if err := r.ages(ctx, s, records, keys); err != nil {
		return err
	}
	stored, reason, err := r.read(ctx, s)
	if err != nil {
		return err
	}
	for _, key := range keys {
		p := records[key].Policy
		value, why := stored.value(key)
		if reason != "" {
			why = reason
		}
		if why != "" {
			notRead(s, key, p, why)
			continue
		}
		judge(s, key, p, value)
	}
	return r.reuse(ctx, s, keys, stored, reason)
}

// floor says whether the recorded policy is what the environment demands.
func (r *run) floor(s *subject, key string, p policy.Policy) {
	if err := r.Floor(p); err != nil {
		s.add(policyFloor, key, Fail, "%s", problem(err))
		return
	}
	s.add(policyFloor, key, Pass, "the policy of category %q is at least what the environment demands", p.Category)
}

// problem is the first of what is wrong with a policy.
func problem(err error) string {
	var problems policy.Problems
	if errors.As(err, &problems) {
		return strings.TrimSuffix(problems[0].Detail, ".")
	}
	return err.Error()
}

// content is what was read of a version.
type content struct {
	whole  secretstore.Plaintext
	object *secretstore.Object
}

func contentOf(value secretstore.Plaintext) content {
	object, err := secretstore.ParseObject(value.Reveal())
	if err != nil {
		object = nil
	}
	return content{value, object}
}

// value returns the value of a key, "" being the whole secret, or why there is
// none.
func (c content) value(key string) (value, why string) {
	if key == "" {
		return c.whole.Reveal(), ""
	}
	if c.object == nil {
		return "", "the secret is not a JSON object with unique keys"
	}
	if !c.object.Has(key) {
		return "", "the JSON object has no such key"
	}
	value, ok := c.object.String(key)
	if !ok {
		return "", "the key holds JSON that is not a string"
	}
	return value, ""
}

// read returns the current value, or why it was not read.
func (r *run) read(ctx context.Context, s *subject) (stored content, reason string, err error) {
	if !r.ReadValues {
		return content{}, notAllowedToRead, nil
	}
	if s.secret.VersionWith(secretstore.Current) == "" {
		return content{}, "the secret has no current version", nil
	}
	value, err := r.Store.Value(ctx, s.secret.ARN, secretstore.VersionRef{})
	if err != nil {
		reason, err = refused("secretsmanager:GetSecretValue", s.secret.ARN, err)
		return content{}, reason, err
	}
	return contentOf(value.Plaintext), "", nil
}

const notAllowedToRead = "values are read only with read_values = true"

// A rule of a policy, as a check sees it.
type rule struct {
	check   string
	applies func(policy.Policy) bool
	rules   []policy.Rule
	broken  func(policy.Policy) string // why it fails
	kept    func(policy.Policy) string
}

func says(text string) func(policy.Policy) string { return func(policy.Policy) string { return text } }

// rules are the checks of one value but those of age and reuse. No reason says
// more of a value than which rule it breaks.
var rules = []rule{
	{
		check:   valueStrength,
		applies: func(p policy.Policy) bool { return !p.Supplied || p.Encoding != policy.Any || p.PatternRules },
		rules:   []policy.Rule{policy.RuleGuessable, policy.RuleShannon, policy.RuleEntropy},
		broken: func(p policy.Policy) string {
			return fmt.Sprintf("the value falls short of what zxcvbn, the entropy of its characters or min_entropy_bits demand for the classification %s", p.Classification)
		},
		kept: says("estimates (zxcvbn, Shannon entropy) find the value hard to guess"),
	},
	{
		check:   valueLength,
		applies: func(policy.Policy) bool { return true },
		rules:   []policy.Rule{policy.RuleLength, policy.RuleMaxLength},
		broken:  func(p policy.Policy) string { return "the value does not have " + lengths(p) },
		kept:    func(p policy.Policy) string { return "the value has " + lengths(p) },
	},
	{
		check:   valueEncoding,
		applies: func(p policy.Policy) bool { return p.Encoding != policy.Any },
		rules:   []policy.Rule{policy.RuleEncoding},
		broken:  func(p policy.Policy) string { return fmt.Sprintf("the value is not %s", p.Encoding) },
		kept:    func(p policy.Policy) string { return fmt.Sprintf("the value is %s", p.Encoding) },
	},
	{
		check:   valueCharacters,
		applies: func(p policy.Policy) bool { return p.ExcludeCharacters != "" || p.FirstCharacter == policy.FirstLetter },
		rules:   []policy.Rule{policy.RuleExcluded, policy.RuleFirstCharacter},
		broken:  says("the value has characters that its policy excludes, or begins with one that it may not begin with"),
		kept:    says("the value has no character that its policy excludes"),
	},
	{
		check: valueClasses,
		applies: func(p policy.Policy) bool {
			varied := p.Encoding != policy.Any && p.Encoding != policy.Hex
			return p.PatternRules && varied || p.MinLower+p.MinUpper+p.MinDigits+p.MinSpecial > 0
		},
		rules: []policy.Rule{
			policy.RuleMinLower, policy.RuleMinUpper, policy.RuleMinDigits, policy.RuleMinSpecial, policy.RuleClasses,
		},
		broken: says("the value lacks characters of the classes that its policy demands"),
		kept:   says("the value has characters of the classes that its policy demands"),
	},
	{
		check:   valuePatterns,
		applies: func(p policy.Policy) bool { return p.PatternRules },
		rules:   []policy.Rule{policy.RuleIdentical, policy.RuleSequence},
		broken:  says("the value has a run of three identical characters or a sequence of four"),
		kept:    says("the value has neither a run of identical characters nor a sequence"),
	},
	{
		check:   valueBlocklist,
		applies: func(p policy.Policy) bool { return p.PatternRules },
		rules:   []policy.Rule{policy.RuleBlocklist},
		broken:  says("the value is or contains a well-known weak password or placeholder"),
		kept:    says("the value contains no well-known weak password or placeholder"),
	},
}

// least is the least length that is asked of a value, in characters.
func least(p policy.Policy) int {
	if p.Classification == policy.Secret || p.Classification == policy.Critical {
		return max(p.Length, pciLength)
	}
	return p.Length
}

func lengths(p policy.Policy) string {
	switch n := least(p); {
	case n == p.MaxLength:
		return fmt.Sprintf("the %d characters that its policy demands", n)
	case p.MaxLength > 0:
		return fmt.Sprintf("the %d to %d characters that its policy demands", n, p.MaxLength)
	case n > p.Length:
		return fmt.Sprintf("at least the %d characters that every secret is to have", n)
	default:
		return fmt.Sprintf("at least the %d characters that its policy demands", n)
	}
}

// judge checks one value.
func judge(s *subject, key string, p policy.Policy, value string) {
	findings := policy.Check(p, value)
	for _, rule := range rules {
		switch {
		case !rule.applies(p):
			continue
		case rule.check == valueStrength && !p.Supplied:
			generated(s, key, p)
			continue
		}
		broken := slices.ContainsFunc(findings, func(f policy.Finding) bool { return slices.Contains(rule.rules, f.Rule) })
		switch rule.check {
		case valueLength:
			broken = broken || utf8.RuneCountInString(value) < least(p)
		case valueCharacters:
			// Of those that are not of the encoding either, Check says no more than that.
			broken = broken || strings.ContainsAny(value, p.ExcludeCharacters)
		}
		status, reason := Pass, rule.kept(p)
		switch {
		case value == "" && rule.check == valueLength:
			status, reason = Fail, "the value is empty"
		case value == "":
			status, reason = NotEvaluated, "the value is empty"
		case broken:
			status, reason = Fail, rule.broken(p)
		}
		result := s.add(rule.check, key, status, "%s", reason)
		limitControls(result, p)
		if rule.check == valueClasses && status == Pass && !(strings.ContainsAny(value, "0123456789") && strings.ContainsFunc(value, isLetter)) {
			result.without(pciMinimum)
		}
	}
}

func isLetter(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// notRead says why a value was not checked.
func notRead(s *subject, key string, p policy.Policy, why string) {
	for _, rule := range rules {
		switch {
		case !rule.applies(p):
		case rule.check == valueStrength && !p.Supplied:
			generated(s, key, p)
		default:
			limitControls(s.add(rule.check, key, NotEvaluated, "%s", why), p)
		}
	}
}

// generated judges the strength of a value that was generated: by the number of
// values that its policy allows, which no look at one of them can tell.
func generated(s *subject, key string, p policy.Policy) {
	bits := policy.Measure(p).Bits
	status, reason := Pass, fmt.Sprintf("a value generated by its policy has %.0f bits of entropy", math.Floor(bits))
	if bits < float64(max(1, p.MinEntropyBits)) {
		status, reason = Fail, fmt.Sprintf("%s, and min_entropy_bits is %d", reason, p.MinEntropyBits)
	}
	limitControls(s.add(valueStrength, key, status, "%s", reason), p)
}

// limitControls takes away what a result about a value is no evidence for.
func limitControls(result *Result, p policy.Policy) {
	if p.Base != "encryption" {
		result.without(pciKeyGeneration)
	}
	if result.Check == valueLength {
		if least(p) < pciLength {
			result.without(pciMinimum)
		}
		if least(p) < nistLength {
			result.without(nistPasswords)
		}
	}
}
