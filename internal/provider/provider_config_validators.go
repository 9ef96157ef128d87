// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/roi-systems/terraform-provider-roi/internal/rotation"
	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// stringRule is a validator of one string: must says what it has to be, as the
// end of a sentence that begins with the attribute, and ok decides. The value is
// shown in the error unless it is hidden.
type stringRule struct {
	must   string
	hidden bool
	ok     func(string) bool
}

var _ validator.String = stringRule{}

// Description implements validator.Describer.
func (r stringRule) Description(context.Context) string { return r.must }

// MarkdownDescription implements validator.Describer.
func (r stringRule) MarkdownDescription(context.Context) string { return r.must }

// ValidateString implements validator.String.
func (r stringRule) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() || r.ok(req.ConfigValue.ValueString()) {
		return
	}
	detail := fmt.Sprintf("Attribute %s %s", req.Path, r.must)
	if !r.hidden {
		detail += fmt.Sprintf(", got: %q", req.ConfigValue.ValueString())
	}
	resp.Diagnostics.AddAttributeError(req.Path, "Invalid Attribute Value", detail)
}

// siblings names arguments of the same object, for validators of combinations.
func siblings(names ...string) []path.Expression {
	expressions := make([]path.Expression, len(names))
	for i, name := range names {
		expressions[i] = path.MatchRelative().AtParent().AtName(name)
	}
	return expressions
}

func oneOf[T ~string](values []T) validator.String { return stringvalidator.OneOf(texts(values)...) }

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = string(value)
	}
	return all
}

func matching(must, pattern string) stringRule {
	return stringRule{must: must, ok: regexp.MustCompile(pattern).MatchString}
}

// atMost adds a limit in bytes. In a pattern a large one would take half a megabyte.
func (r stringRule) atMost(length int) stringRule {
	short := r.ok
	r.ok = func(s string) bool { return len(s) <= length && short(s) }
	return r
}

// duration accepts Go durations from least to most; most 0 means no upper limit.
func duration(must string, least, most time.Duration) stringRule {
	return stringRule{must: must, ok: func(s string) bool {
		d, err := time.ParseDuration(s)
		return err == nil && d >= least && (most == 0 || d <= most)
	}}
}

var nonNegativeDuration = duration(`must be a duration of 0 or more, such as "90m" or "168h"`, 0, 0)

// The instant does not matter to whether the text is well-formed, so that a
// validator needs no clock.
var planAsOfRule = stringRule{
	must: fmt.Sprintf(`must be an RFC 3339 time such as "2027-03-31T00:00:00Z" or a number of days from now such as "+91d", at most %d`, rotation.MaxPlanAsOfDays),
	ok: func(s string) bool {
		_, err := rotation.ParsePlanAsOf(s, time.Time{})
		return s != "" && err == nil
	},
}

// What STS accepts: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
var (
	roleDurationRule = duration(`must be a duration between "15m" and "12h"`, 15*time.Minute, 12*time.Hour)
	roleSessionRule  = matching("must be 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -", `^[\w+=,.@-]{2,64}$`)
	externalIDRule   = stringRule{
		must: "must be 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -",
		ok: func(s string) bool {
			return len(s) >= 2 && len(s) <= 1224 && externalIDPattern.MatchString(s)
		},
	}
	roleARNRule = stringRule{
		must: `must be the ARN of an IAM role, such as "arn:aws:iam::123456789012:role/NAME"`,
		ok:   func(s string) bool { return isIAMARN(s, "role/") },
	}
	policyARNRule = stringRule{
		must: `must be the ARN of an IAM policy, such as "arn:aws:iam::aws:policy/ReadOnlyAccess"`,
		ok:   func(s string) bool { return isIAMARN(s, "policy/") },
	}
	jsonRule             = stringRule{must: "must be a JSON document", hidden: true, ok: func(s string) bool { return json.Valid([]byte(s)) }}
	webIdentityTokenRule = stringRule{
		must:   "must have 4 to 20000 characters",
		hidden: true,
		ok:     func(s string) bool { return len(s) >= 4 && len(s) <= 20000 },
	}
	accountIDRule = matching("must be an AWS account id of 12 digits", `^[0-9]{12}$`)

	externalIDPattern = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	partitionPattern  = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	iamAccountPattern = regexp.MustCompile(`^(aws|[0-9]{12})$`)
)

func isIAMARN(s, resource string) bool {
	a, err := arn.Parse(s)
	return err == nil && partitionPattern.MatchString(a.Partition) && a.Service == "iam" && a.Region == "" &&
		iamAccountPattern.MatchString(a.AccountID) && strings.HasPrefix(a.Resource, resource) && len(a.Resource) > len(resource)
}

var endpointRule = stringRule{
	must:   `must be an http or https URL without a user name or password, such as "https://vpce-0abc.secretsmanager.eu-west-1.vpce.amazonaws.com"`,
	hidden: true,
	ok: func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
	},
}

// A proxy URL may hold a password. An empty one means "no proxy".
var proxyRule = stringRule{
	must:   `must be a URL such as "http://proxy.example:3128", or "" for no proxy`,
	hidden: true,
	ok: func(s string) bool {
		u, err := url.Parse(s)
		return s == "" || err == nil && u.Scheme != "" && u.Host != ""
	},
}

// dockerHostRule never shows the address: it may have a password, which is refused.
var dockerHostRule = stringRule{
	must:   `must begin with unix://, tcp://, http://, https://, npipe:// or ssh://, as in "ssh://deploy@swarm.example", and have no password`,
	hidden: true,
	ok:     func(s string) bool { return swarm.CheckHost(s) == nil },
}

// pemRule never shows the text: what is pasted by mistake may be the key.
var pemRule = stringRule{
	must:   `must be in PEM form, beginning with "-----BEGIN"`,
	hidden: true,
	ok:     func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN ") },
}

var notReservedTag = stringRule{
	must: fmt.Sprintf("must not begin with %q, where this provider keeps its records", reservedTagPrefix),
	ok:   func(key string) bool { return !isReservedTag(key) },
}
