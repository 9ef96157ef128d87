// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
)

// stack is one way to have secrets that rotate.
type stack struct {
	name    string
	config  func(secrets int, awsURL string) string
	plugins plugins
	due     map[string]string // environment that makes everything overdue
	notDue  map[string]string // environment before that
	flags   []string          // of plan, apply and destroy
	plan    []string          // of plan
	apart   bool              // runs only when it is asked for by name
	peers   bool
}

// plugins says where a stack's providers come from.
type plugins int

const (
	builtIn plugins = iota
	fromTree
	fromFloor
	fromPeers
)

const doNothingName = "do-nothing"

// The due date of what was made today lies less than 91 days ahead.
var overdue = map[string]string{"ROI_PLAN_AS_OF": "+91d"}

var stacks = []stack{
	{name: "roi", config: forEach, plugins: fromTree, due: overdue},
	{name: doNothingName, config: forEach, plugins: fromFloor, due: map[string]string{"BENCH_OVERDUE": "1"}},
	{name: "terraform_data", config: terraformData, due: map[string]string{"TF_VAR_round": "2"}, notDue: map[string]string{"TF_VAR_round": "1"}},
	{name: "classic", config: classic, plugins: fromPeers, due: since(0), notDue: since(time.Hour), peers: true},
	{name: "write-only", config: writeOnly, plugins: fromPeers, due: since(0), notDue: since(time.Hour), peers: true},

	{name: "roi-blocks", config: blocks, plugins: fromTree, due: overdue, apart: true},
	{name: "do-nothing-blocks", config: blocks, plugins: fromFloor, due: map[string]string{"BENCH_OVERDUE": "1"}, apart: true},
	{name: "roi-json", config: jsonOf8, plugins: fromTree, due: overdue, apart: true},
	{name: "roi-parallelism-50", config: forEach, plugins: fromTree, due: overdue, flags: []string{"-parallelism=50"}, apart: true},
	{name: "roi-no-refresh", config: forEach, plugins: fromTree, due: overdue, plan: []string{"-refresh=false"}, apart: true},
}

// since is what the peers' stacks count 90 days from. An earlier time is another
// round of theirs: their provider cannot be told to plan as of a later day.
func since(ago time.Duration) map[string]string {
	return map[string]string{"TF_VAR_since": time.Now().Add(-ago).UTC().Format(time.RFC3339)}
}

// What a step of every stack does.
const (
	opStart   = "start"
	opApply   = "apply"
	opPlan    = "plan"
	opOverdue = "overdue plan"
	opRotate  = "rotate"
	opDestroy = "destroy"
)

// step is one command of Terraform.
type step struct {
	op      string
	args    []string
	env     map[string]string
	changes bool // for a plan: whether it must show some
}

func (s stack) steps() []step {
	common := append([]string{"-input=false", "-no-color"}, s.flags...)
	apply := slices.Concat([]string{"apply", "-auto-approve"}, common)
	plan := slices.Concat([]string{"plan", "-detailed-exitcode"}, common, s.plan)
	return []step{
		{op: opApply, args: apply, env: s.notDue},
		{op: opPlan, args: plan, env: s.notDue},
		{op: opOverdue, args: plan, env: s.due, changes: !slices.Contains(s.plan, "-refresh=false")},
		{op: opRotate, args: apply, env: s.due},
		{op: opDestroy, args: slices.Concat([]string{"destroy", "-auto-approve"}, common), env: s.due},
	}
}

func roiProvider(url string) string {
	return fmt.Sprintf(`
terraform {
  required_providers {
    roi = { source = "roi-systems/roi" }
  }
}
provider "roi" {
  environment = "production"
  aws = {
    region     = %q
    access_key = %q
    secret_key = %q
    endpoints  = { secretsmanager = %[4]q, kms = %[4]q, sts = %[4]q }
  }
}
`, awsfake.DefaultRegion, awsfake.AccessKeyID, awsfake.SecretAccessKey, url)
}

// names is the set that every stack makes its objects for.
func names(secrets int) string {
	return fmt.Sprintf(`
locals {
  names = toset([for i in range(%d) : format("s%%04d", i)])
}
`, secrets)
}

func forEach(secrets int, url string) string {
	return roiProvider(url) + names(secrets) + fmt.Sprintf(`
resource "roi_secret" "bench" {
  for_each                = local.names
  name                    = "bench/${each.key}"
  category                = "session"
  kms_key_id              = %q
  recovery_window_in_days = 0
}
resource "roi_secret_rotation" "bench" {
  for_each  = local.names
  secret_id = roi_secret.bench[each.key].id
}
`, keyAlias)
}

// blocks is forEach with a block for every object.
func blocks(secrets int, url string) string {
	var b strings.Builder
	b.WriteString(roiProvider(url))
	for i := range secrets {
		fmt.Fprintf(&b, `
resource "roi_secret" "s%04[1]d" {
  name                    = "bench/s%04[1]d"
  category                = "session"
  kms_key_id              = %[2]q
  recovery_window_in_days = 0
}
resource "roi_secret_rotation" "s%04[1]d" {
  secret_id = roi_secret.s%04[1]d.id
}
`, i, keyAlias)
	}
	return b.String()
}

// jsonOf8 has as many values, eight of them in each secret.
func jsonOf8(secrets int, url string) string {
	return roiProvider(url) + names((secrets+7)/8) + fmt.Sprintf(`
resource "roi_secret" "bench" {
  for_each                = local.names
  name                    = "bench/${each.key}"
  keys                    = { for i in range(8) : "KEY_${i}" => { category = "session" } }
  kms_key_id              = %q
  recovery_window_in_days = 0
}
resource "roi_secret_rotation" "bench" {
  for_each  = local.names
  secret_id = roi_secret.bench[each.key].id
}
`, keyAlias)
}

// terraformData has the objects and references of forEach without any provider.
func terraformData(secrets int, _ string) string {
	return names(secrets) + fmt.Sprintf(`
variable "round" { type = string }
resource "terraform_data" "secret" {
  for_each = local.names
  input    = { name = "bench/${each.key}", category = "session", kms_key_id = %q }
}
resource "terraform_data" "rotation" {
  for_each         = local.names
  input            = terraform_data.secret[each.key].id
  triggers_replace = var.round
}
`, keyAlias)
}

func peersProviders(url string) string {
	return fmt.Sprintf(`
terraform {
  required_providers {
    aws    = { source = "hashicorp/aws" }
    random = { source = "hashicorp/random" }
    time   = { source = "hashicorp/time" }
  }
}
provider "aws" {
  region                      = %q
  access_key                  = %q
  secret_key                  = %q
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
    secretsmanager = %[4]q
    kms            = %[4]q
    sts            = %[4]q
  }
}
variable "since" { type = string }
resource "time_rotating" "bench" {
  for_each      = local.names
  rfc3339       = var.since
  rotation_days = 90
}
resource "aws_secretsmanager_secret" "bench" {
  for_each                = local.names
  name                    = "bench/${each.key}"
  kms_key_id              = %[5]q
  recovery_window_in_days = 0
}
`, awsfake.DefaultRegion, awsfake.AccessKeyID, awsfake.SecretAccessKey, url, keyAlias)
}

// classic is what most teams write.
func classic(secrets int, url string) string {
	return peersProviders(url) + names(secrets) + `
resource "random_password" "bench" {
  for_each = local.names
  length   = 64
  keepers  = { rotation = time_rotating.bench[each.key].id }
}
resource "aws_secretsmanager_secret_version" "bench" {
  for_each      = local.names
  secret_id     = aws_secretsmanager_secret.bench[each.key].id
  secret_string = random_password.bench[each.key].result
}
`
}

// writeOnly keeps the values out of the state.
func writeOnly(secrets int, url string) string {
	return peersProviders(url) + names(secrets) + `
ephemeral "random_password" "bench" {
  for_each = local.names
  length   = 64
}
resource "aws_secretsmanager_secret_version" "bench" {
  for_each                 = local.names
  secret_id                = aws_secretsmanager_secret.bench[each.key].id
  secret_string_wo         = ephemeral.random_password.bench[each.key].result
  secret_string_wo_version = time_rotating.bench[each.key].unix
}
`
}
