// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/roi-systems/terraform-provider-roi/internal/dotenv"
	"github.com/roi-systems/terraform-provider-roi/internal/envfile"
)

func (r *envFileResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config envFileModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if !resp.Diagnostics.HasError() {
		config.entries(ctx, &resp.Diagnostics)
	}
}

// entries returns the entries, and reports what is wrong with those that are
// known.
func (m envFileModel) entries(ctx context.Context, diags *diag.Diagnostics) []envEntryModel {
	first := map[string]int{}
	var entries []envEntryModel
	for i, element := range m.Entries.Elements() {
		var entry envEntryModel
		at := path.Root("entries").AtListIndex(i)
		ok, unknown := asObject(ctx, element, &entry, diags)
		if !ok {
			if !unknown {
				diags.AddAttributeError(at, "Entry is null", "An entry must be an object with a name.")
			}
			continue
		}
		entries = append(entries, entry)
		name := entry.Name.ValueString()
		if other, twice := first[name]; twice && !entry.Name.IsUnknown() {
			diags.AddAttributeError(at.AtName("name"), "Two entries of one name", fmt.Sprintf(
				"entries[%d] and entries[%d] are both %q. A reader would take one of them, and not every reader the same. Leave one of them out.", other, i, name))
		} else if !entry.Name.IsUnknown() {
			first[name] = i
		}
		entry.check(at, m.Mode, diags)
	}
	return entries
}

func (e envEntryModel) check(at path.Path, mode types.String, diags *diag.Diagnostics) {
	name := e.Name.ValueString()
	if e.Value.IsNull() && e.SecretID.IsNull() {
		diags.AddAttributeError(at, "Entry has no value", fmt.Sprintf("The entry %q has neither value nor secret_id. Set one of them.", name))
	}
	if isKnown(e.Value) {
		if _, err := dotenv.Quote(e.Value.ValueString()); err != nil {
			diags.AddAttributeError(at.AtName("value"), "Value cannot be written", unwritable(name, err))
		}
	}
	if !e.SecretID.IsNull() && isKnown(mode) && envFileModeRule.ok(mode.ValueString()) && !strings.HasSuffix(mode.ValueString(), "00") {
		diags.AddAttributeError(path.Root("mode"), "Mode lets others read secrets", fmt.Sprintf(
			"With mode = %q other users of this machine could use a file that holds the secret %q. Leave mode out, or set \"0600\" or \"0400\".", mode.ValueString(), name))
	}
}

func unwritable(name string, err error) string {
	return fmt.Sprintf("The value of %q cannot be written so that docker compose, bash, Node.js and Python all read the same. Nothing was written.\n\n%s", name, sentence(err))
}

// envFileMark is where a plan leaves the path of the present file for the other
// half of a replacement: what is there is removed before the new one is made.
const envFileMark = "replaces"

func (r *envFileResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan envFileModel
	var state *envFileModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	replaced, again := "", false
	if state != nil {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, envFileMark, jsonString(state.Path.ValueString()))...)
	} else if mark, _ := req.Private.GetKey(ctx, envFileMark); mark != nil {
		_ = json.Unmarshal(mark, &replaced) // written by the line above
		again = true
	}

	plan.ID = plan.Path
	plan.ContentMatches = types.BoolValue(true)
	if state != nil && plan.Path.Equal(state.Path) {
		plan.Revision = state.Revision
		if plan.rewrites(*state) {
			plan.Revision = types.StringUnknown()
		}
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)

	if plan.Path.IsUnknown() || plan.AllowOutsideModule.IsUnknown() || plan.FollowSymlink.IsUnknown() || plan.Adopt.IsUnknown() {
		return
	}
	file, ok := plan.resolve(&resp.Diagnostics)
	switch {
	case !ok:
	case r.data != nil && !again && r.data.plansOnce() && !r.data.envFiles.claim(file.Path()):
		resp.Diagnostics.AddAttributeError(path.Root("path"), "File of two resources", fmt.Sprintf(
			"Another roi_env_file of this configuration writes the file %q too, and each would replace what the other wrote. Give each a path of its own, or put the entries of both into one.", file.Path()))
	case state == nil && plan.Path.ValueString() != replaced:
		plan.mayCreate(file, &resp.Diagnostics)
	}
}

// envFileRun is what this run of the provider has to remember of files. The zero
// value is ready.
type envFileRun struct {
	mu      sync.Mutex
	planned map[string]bool // by path, with symbolic links resolved
	written map[string]bool // by revision
}

// claim notes that a resource is planned to write a file, and reports whether it is
// the first one. It is not for the other half of a replacement, which is planned for
// the same file in the same run.
func (r *envFileRun) claim(file string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.planned[file] {
		return false
	}
	put(&r.planned, file, true)
	return true
}

// write writes a file, and notes it before wrote can be asked.
func (r *envFileRun) write(file envfile.File, w envfile.Write) (envfile.Written, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	written, err := file.Write(w)
	if err == nil {
		put(&r.written, written.Revision, true)
	}
	return written, err
}

// wrote reports whether a write was one of this run: where a resource takes the place
// of another, its file may be written before the removal of the other one comes.
func (r *envFileRun) wrote(revision string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written[revision]
}

// resolve returns the file, and reports what is wrong with its path.
func (m envFileModel) resolve(diags *diag.Diagnostics) (envfile.File, bool) {
	file, err := envfile.Resolve(m.Path.ValueString(), envfile.Allow{
		OutsideModule: m.AllowOutsideModule.ValueBool(), Symlink: m.FollowSymlink.ValueBool(),
	})
	if err == nil {
		err = file.CheckPermission()
	}
	if err != nil {
		diags.Append(explainFile("write", m.Path.ValueString(), err))
	}
	return file, err == nil
}

// mayCreate reports whether a file that is there may be replaced by a create, or
// says why not.
func (m envFileModel) mayCreate(file envfile.File, diags *diag.Diagnostics) bool {
	status, err := file.Inspect()
	switch {
	case err != nil:
		diags.Append(explainFile("read", file.Path(), err))
		return false
	case !status.Exists:
		return true
	case status.Ours:
		diags.AddAttributeWarning(path.Root("path"), "File of another roi_env_file is taken over", fmt.Sprintf(
			"The file %q was written by a roi_env_file that is not in this state: by an apply whose state was not saved, or by another resource. "+
				"It is written again. If another resource has the same path, give each its own.", file.Path()))
		return true
	case m.Adopt.ValueBool():
		diags.AddAttributeWarning(path.Root("path"), "File will be replaced", fmt.Sprintf(
			"The file %q was written by something else, and adopt = true lets it be replaced.%s", file.Path(), m.keeps(file, status)))
		return true
	}
	diags.AddAttributeError(path.Root("path"), "File exists already", fmt.Sprintf(
		"The file %q was not written by roi_env_file, or was changed since, and would be replaced. Move it away, or set adopt = true: it is then replaced, "+
			"and what it holds is kept as a copy in %q, unless backup = false.", file.Path(), file.Folder()))
	return false
}

// explainFile turns an error about a file into a diagnostic. op completes "Cannot …
// the file".
func explainFile(op, name string, err error) diag.Diagnostic {
	what := fmt.Sprintf("Cannot %s the file %q", op, name)
	var problem *envfile.PathError
	if !errors.As(err, &problem) {
		if errors.Is(err, fs.ErrPermission) {
			return diag.NewAttributeErrorDiagnostic(path.Root("path"), "No permission",
				fmt.Sprintf("%s. Check owner and mode of the file and of the folders on its path:\n\n  ls -ld %s\n\n%s", what, shellWord(filepath.Dir(name)), err))
		}
		return diag.NewAttributeErrorDiagnostic(path.Root("path"), "File operation failed", what+".\n\n"+err.Error())
	}
	summary, next := "Path cannot be used", err.Error()
	switch problem.Kind {
	case envfile.ErrOutside:
		summary = "Path is outside the root module"
		next = fmt.Sprintf("%q is not in %q, the folder that Terraform runs in, or below it. Choose a path there (path = \"${path.root}/.env\"), or set allow_outside_module = true.",
			problem.Path, problem.Other)
	case envfile.ErrSymlink:
		summary = "Path is a symbolic link"
		next = fmt.Sprintf("%q leads to %q, and the values would be written there. Give the path of the file itself, remove the link, or set follow_symlink = true.", problem.Path, problem.Other)
	case envfile.ErrDangling:
		summary = "Path is a symbolic link without a file"
		next = fmt.Sprintf("%q leads to %q, where there is nothing. Make that file, or remove the link.", problem.Path, problem.Other)
	case envfile.ErrNotFile:
		summary = "Path is not a file"
		next = fmt.Sprintf("%q is a folder, or something else that is not a regular file. Choose another path.", problem.Path)
	case envfile.ErrNoFolder:
		summary = "Folder does not exist"
		next = fmt.Sprintf("roi_env_file makes no folders. Make it first:\n\n  mkdir -p %s", shellWord(problem.Other))
		if strings.HasPrefix(name, "~") {
			next = fmt.Sprintf("Terraform takes ~ for the name of a folder. Write path = pathexpand(%q).", name)
		}
	case envfile.ErrNoModes:
		summary = "Permissions are not kept"
		next = fmt.Sprintf("Others could read it: %q took a mode and did not keep it. Choose a path on a file system that keeps permissions, or have this one keep them "+
			"(for a Windows drive in WSL, mount it with the option metadata).", filepath.Dir(problem.Path))
	case envfile.ErrNoPermission:
		summary = "No permission to write in the folder"
		next = fmt.Sprintf("The user %d may not make files in %q: files there are replaced, not overwritten. Check its owner and mode:\n\n  ls -ld %[2]s", os.Getuid(), shellWord(problem.Other))
	}
	return diag.NewAttributeErrorDiagnostic(path.Root("path"), summary, what+". "+next)
}

// shellWord writes a path as one word for a shell.
func shellWord(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
