// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package generate_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/roi-systems/terraform-provider-roi/internal/generate"
	"github.com/roi-systems/terraform-provider-roi/internal/policy"
)

// TestValuePassesCheck: whatever policy can be resolved, its values satisfy it.
func TestValuePassesCheck(t *testing.T) {
	t.Parallel()
	resolved := 0
	rapid.Check(t, func(t *rapid.T) {
		p, err := policy.Resolve(policy.Development, drawCategory(t), nil, drawOverrides(t))
		if err != nil {
			return
		}
		resolved++
		g, err := generate.New(p)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			value, err := g.Value()
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			if len(value) != p.Length {
				t.Fatalf("%+v: %d characters", p, len(value))
			}
			if findings := policy.Check(p, value); findings != nil {
				t.Fatalf("%+v: %v", p, findings)
			}
		}
	})
	if resolved < 20 {
		t.Errorf("only %d policies were resolved: the test shows nothing", resolved)
	}
}

func drawCategory(t *rapid.T) string {
	var generated []string
	for _, category := range policy.Categories() {
		if p, _ := policy.Builtin(category); !p.Supplied {
			generated = append(generated, category)
		}
	}
	return rapid.SampledFrom(generated).Draw(t, "category")
}

func drawOverrides(t *rapid.T) policy.Overrides {
	maybe := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, "set "+name) == 0 }
	var o policy.Overrides
	number := func(name string, to **int, least, most int) {
		if maybe(name) {
			*to = new(rapid.IntRange(least, most).Draw(t, name))
		}
	}
	number("length", &o.Length, 16, 300)
	number("min_lower", &o.MinLower, 0, 5)
	number("min_upper", &o.MinUpper, 0, 5)
	number("min_digits", &o.MinDigits, 0, 4)
	number("min_special", &o.MinSpecial, 0, 2)
	if maybe("encoding") {
		encodings := []policy.Encoding{policy.Base64URL, policy.Base64, policy.Hex, policy.Alphanumeric, policy.ASCII}
		o.Encoding = new(rapid.SampledFrom(encodings).Draw(t, "encoding"))
	}
	if maybe("exclude_characters") {
		characters := rapid.RuneFrom([]rune("0O1lIabcdefXYZ-_.~"))
		o.ExcludeCharacters = new(rapid.StringOfN(characters, 0, 10, -1).Draw(t, "exclude_characters"))
	}
	if maybe("first_character") {
		o.FirstCharacter = new(policy.FirstLetter)
	}
	if maybe("pattern_rules") {
		o.PatternRules = new(rapid.Bool().Draw(t, "pattern_rules"))
	}
	return o
}

func TestValueErrors(t *testing.T) {
	t.Parallel()
	for _, category := range []string{"external", "tls"} {
		p, _ := policy.Builtin(category)
		if _, err := generate.Value(p); !errors.Is(err, generate.ErrSupplied) {
			t.Errorf("%s: error %v, want ErrSupplied", category, err)
		}
	}
	jwt, _ := policy.Builtin("jwt")
	tests := map[string]struct {
		change func(*policy.Policy)
		want   string
	}{
		"supplied":   {func(p *policy.Policy) { p.Supplied = true }, generate.ErrSupplied.Error()},
		"no length":  {func(p *policy.Policy) { p.Length = 0 }, `the policy of category "jwt" allows no value`},
		"no letters": {func(p *policy.Policy) { p.Encoding = policy.Any }, `the policy of category "jwt" allows no value`},
		"impossible": {func(p *policy.Policy) { p.MinSpecial = 65 }, "none of 100000 candidates satisfied the policy"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := jwt
			test.change(&p)
			value, err := generate.Value(p)
			if err == nil || err.Error() != test.want || value != "" {
				t.Errorf("error %v, want %q and no value", err, test.want)
			}
		})
	}
}

// TestValueNeverRepeats also lets the race detector see one generator in several
// goroutines.
func TestValueNeverRepeats(t *testing.T) {
	t.Parallel()
	p, _ := policy.Builtin("cache")
	g, err := generate.New(p)
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		wait sync.WaitGroup
	)
	for range 4 {
		wait.Go(func() {
			for range 5000 {
				value, err := g.Value()
				mu.Lock()
				if err != nil || seen[value] {
					t.Errorf("a value came twice, or an error: %v", err)
				}
				seen[value] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(seen) != 20_000 {
		t.Error(fmt.Sprint(len(seen), " different values"))
	}
}
