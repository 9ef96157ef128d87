// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Package provider is the Terraform side of roi: schemas, models, plans, and the
// calls of the packages that decide and do things. A file begins with what it
// belongs to:
//
//	provider.go, server.go      what the provider consists of, and what serves it
//	provider_config_*           the provider block: schema and validation
//	provider_data.go            what resources ask of the provider block: store,
//	                            environment, policies, rotation settings
//	resource_X, data_source_X,  roi_X: schema, model and entry points; with _plan,
//	ephemeral_X, function_X     _apply, _schema and so on for what is long
//	functions.go                the list of functions; function_arguments.go and
//	                            function_policy_options.go are what several share
//
// What is behind a resource:
//
//	secret_*       roi_secret: what is wanted (want), creating and taking over
//	               (takeover), keys, replicas, what one run remembers (run)
//	rotation_*     roi_secret_rotation: what is wanted (want), what Read keeps for
//	               the plans that follow (facts), plan, read, apply, what one run
//	               remembers (run)
//	docker_*       roi_docker_secret: connection, value, diagnostics
//	env_file_*     roi_env_file: values, plan
//	metrics_*      what is published to CloudWatch, and when
//
// What several share: store_cache.go (one description of a secret for all of a
// run), policy_arguments.go and effective_policy.go (policies as arguments and as
// attributes), tags.go, values.go (Terraform values from and to Go), and
// diagnostics.go.
//
// Tests have the name of what they test. Where they run Terraform on something
// larger it is the name of that: examples, guides, stacks, ci, consumers,
// migration. acc_test.go has what they share.
package provider
