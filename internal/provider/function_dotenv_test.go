// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"crypto/rand"
	"strings"
	"testing"
)

func TestDotenvFunction(t *testing.T) {
	got, problem := call(t, "dotenv", object{"PORT": "8080", "GREETING": "it's me", "PASSWORD": "a(b)!", "EMPTY": ""})
	const want = "EMPTY=\nGREETING=\"it's me\"\nPASSWORD='a(b)!'\nPORT=8080\n"
	if problem != nil || got != want {
		t.Errorf("got %v, %v; want %s", got, problem, want)
	}
	if got, problem := call(t, "dotenv", object{}); problem != nil || got != "" {
		t.Errorf("no entries give %v, %v", got, problem)
	}
}

func TestDotenvFunctionRefuses(t *testing.T) {
	value := rand.Text()
	checkRefusals(t, "dotenv", map[string]refusal{
		"name":    {[]any{object{"A-B": "x"}}, 0, `entry "A-B": the name of a variable`},
		"of bash": {[]any{object{"UID": "1000"}}, 0, `entry "UID": bash keeps`},
		"value":   {[]any{object{"A": value + "\r"}}, 0, `entry "A": the value holds a carriage return`},
		"null":    {[]any{object{"A": nil}}, 0, `entry "A" is null`},
	})
	_, problem := call(t, "dotenv", object{"A": value + "\r", "B": "'$" + value, "C": value + `\`})
	if problem == nil || strings.Count(problem.Text, "\n") != 2 {
		t.Fatal("not every entry is reported")
	}
	if strings.Contains(problem.Text, value) {
		t.Error("the error holds a value")
	}
}
