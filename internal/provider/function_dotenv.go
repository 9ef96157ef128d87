// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
)

var _ function.Function = (*dotenvFunction)(nil)

func newDotenvFunction() function.Function { return &dotenvFunction{} }

// dotenvFunction is the function dotenv.
type dotenvFunction struct{}

// Metadata implements function.Function.
func (*dotenvFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "dotenv"
}

// Definition implements function.Function.
func (*dotenvFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Text of a .env file",
		MarkdownDescription: "Returns the text of a `.env` file: a line `NAME=value` for each entry, in the order of the names. Every entry is read to exactly the value that was given by " +
			"`docker compose`, by POSIX shells (`set -a; . ./.env`), by dotenv for Node.js and by python-dotenv.\n\n" +
			"Plain values stand as they are, so that `docker run --env-file` reads them too; others are in single quotes, or in double quotes if they hold a single one. " +
			"These readers disagree about escapes, so none is written, and a value that no quotes can express alike is an error: one with a carriage return, with two backslashes in a row or one at its end, " +
			"with `${…}`, or with a single quote beside a double quote, a backquote, an expansion such as `$X` or an escape such as `\\n`. Store such a value as base64. " +
			"Values that this provider generates need none of that.\n\n" +
			"~> The result is as sensitive or ephemeral as its entries. An ephemeral one can go into a write-only argument only, and a sensitive one that goes into any other argument is in the state. " +
			"For a file with secrets use the resource [`roi_env_file`](../resources/env_file.md), which keeps them out of it.",
		Parameters: []function.Parameter{
			function.MapParameter{
				Name: "entries",
				MarkdownDescription: "Values by name. A name has letters, digits and underscores, and does not begin with a digit. Those that bash keeps for itself, such as `UID`, `RANDOM` or `BASH_ENV`, " +
					"are refused. A number or a bool is written as Terraform converts it to a string.",
				ElementType: types.StringType,
			},
		},
		Return: function.StringReturn{},
	}
}

// Run implements function.Function.
func (*dotenvFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var entries map[string]*string
	if resp.Error = req.Arguments.Get(ctx, &entries); resp.Error != nil {
		return
	}
	values := map[string]string{}
	for _, name := range sortedKeys(entries) {
		if entries[name] == nil {
			resp.Error = function.NewArgumentFuncError(0, `entry "`+name+`" is null; leave it out, or write "" for an empty value`)
			return
		}
		values[name] = *entries[name]
	}
	text, err := dotenv.Encode(values)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, text)
}
