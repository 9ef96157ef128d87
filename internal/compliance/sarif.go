// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// documentation is where the checks are described.
const documentation = "https://registry.terraform.io/providers/roi-systems/roi/latest/docs/data-sources/compliance_report#checks"

// The parts of SARIF 2.1.0 that are used.
// Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  Totals            `json:"properties"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string              `json:"id"`
		ShortDescription     sarifMessage        `json:"shortDescription"`
		FullDescription      sarifMessage        `json:"fullDescription"`
		Help                 sarifMessage        `json:"help"`
		HelpURI              string              `json:"helpUri"`
		DefaultConfiguration sarifConfiguration  `json:"defaultConfiguration"`
		Properties           sarifRuleProperties `json:"properties"`
	}
	sarifConfiguration struct {
		Level Level `json:"level"`
	}
	sarifRuleProperties struct {
		Tags     []string `json:"tags"`
		Severity string   `json:"security-severity"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications"`
	}
	sarifNotification struct {
		Level          string       `json:"level"`
		Message        sarifMessage `json:"message"`
		AssociatedRule sarifRuleRef `json:"associatedRule"`
	}
	sarifRuleRef struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               Level             `json:"level"`
		Message             sarifMessage      `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical  `json:"physicalLocation"`
		LogicalLocations []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

// severities are what GitHub sorts alerts by, from 0 to 10: high from 7, medium
// from 4.
// Source: https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
var severities = map[Level]string{Error: "8.0", Warning: "5.0"}

// SARIF writes the failures of a report as SARIF 2.1.0, for tools that collect the
// alerts of scanners. What was not evaluated is told in notifications, one for each
// check. version is that of the provider.
func (r Report) SARIF(version string) string {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "roi", Version: version, InformationURI: "https://registry.terraform.io/providers/roi-systems/roi/latest",
		}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: true, Notifications: []sarifNotification{}}},
		Results:     []sarifResult{},
		Properties:  r.Totals,
	}
	for _, check := range checks {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID:                   check.ID,
			ShortDescription:     sarifMessage{check.Title},
			FullDescription:      sarifMessage{strings.Join(append([]string{check.Title + "."}, evidence(check.Controls)...), " ")},
			Help:                 sarifMessage{check.Help},
			HelpURI:              documentation,
			DefaultConfiguration: sarifConfiguration{check.Level},
			Properties:           sarifRuleProperties{append([]string{"security", "secrets"}, check.Controls...), severities[check.Level]},
		})
		missed := 0
		for _, result := range r.Results {
			if result.Check == check.ID && result.Status == NotEvaluated {
				missed++
			}
		}
		if missed > 0 {
			run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{
				Level: "note", Message: sarifMessage{fmt.Sprintf("%s was not evaluated %d times", check.ID, missed)}, AssociatedRule: sarifRuleRef{check.ID},
			})
		}
	}
	for _, result := range r.Results {
		if result.Status == Fail {
			run.Results = append(run.Results, alert(result))
		}
	}
	return encode(sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func evidence(controls []string) []string {
	if len(controls) == 0 {
		return nil
	}
	return []string{"Evidence for " + strings.Join(controls, ", ") + "."}
}

func alert(r Result) sarifResult {
	index := position(r.Check)
	what, kind := r.Name, "resource"
	if r.Key != "" {
		what += ", key " + r.Key
	}
	name := r.Subject
	if r.Key != "" {
		name, kind = name+"#"+r.Key, "member"
	}
	return sarifResult{
		RuleID: r.Check, RuleIndex: index, Level: checks[index].Level,
		Message: sarifMessage{what + ": " + r.Reason + "."},
		Locations: []sarifLocation{{
			PhysicalLocation: sarifPhysical{sarifArtifact{artifact(r)}, sarifRegion{1, 1, 1, 1}},
			LogicalLocations: []sarifLogical{{name, kind}},
		}},
		PartialFingerprints: map[string]string{"primaryLocationLineHash": fingerprint(r)},
	}
}

// artifact is the place of an alert. GitHub wants a file of the repository for
// each; a secret has none, so that this is a path that stands for it, the same in
// every run. Empty and relative segments would lead elsewhere.
func artifact(r Result) string {
	segments := strings.Split(r.Name, "/")
	for i, segment := range segments {
		if segment == "" || segment == "." || segment == ".." {
			segment = "_"
		}
		segments[i] = url.PathEscape(segment)
	}
	return "secrets/" + strings.Join(segments, "/")
}

// fingerprint tells alerts apart, and the same one of two runs together, by their
// names only. The number behind it is that of the occurrence in a file, which
// GitHub expects.
func fingerprint(r Result) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Check, r.Subject, r.Key}, "\n")))
	return hex.EncodeToString(sum[:8]) + ":1"
}

// JSON writes the report as JSON.
func (r Report) JSON() string { return encode(r) }

// encode leaves <, > and & readable: nothing of it is embedded in HTML.
func encode(v any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // strings and numbers always encode
	return strings.TrimSuffix(text.String(), "\n")
}
