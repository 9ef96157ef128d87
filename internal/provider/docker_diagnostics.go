// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/roi-systems/terraform-provider-roi/internal/swarm"
)

// dockerAdvice is what a kind of failure is called and what to do about it.
var dockerAdvice = []struct {
	kind          error
	summary, next string
}{
	{swarm.ErrUnreachable, "Docker cannot be reached",
		"Start the daemon (systemctl start docker), or name the one that is meant: docker = { host = … } in the provider, or DOCKER_HOST. To see whether it answers:\n\n  docker info"},
	{swarm.ErrPermission, "No permission to use Docker",
		"Let this user use the daemon's socket, and log in again:\n\n  sudo usermod -aG docker \"$USER\"\n\nor reach it over ssh as a user who may: docker = { host = \"ssh://user@host\" }."},
	{swarm.ErrTLS, "TLS connection to Docker failed",
		"Use https or tcp with the certificates that belong to this daemon: ca_material, cert_material and key_material, or cert_path, of the provider's docker argument, or DOCKER_CERT_PATH. To try them:\n\n" +
			"  docker --tlsverify --tlscacert ca.pem --tlscert cert.pem --tlskey key.pem -H HOST info"},
	{swarm.ErrNoSwarm, "Docker is in no swarm",
		"Make a swarm of this daemon, or let it join one:\n\n  docker swarm init\n  docker swarm join-token manager    # on a manager, prints the command to join\n\nIf another daemon is meant, name it: docker = { host = … } in the provider."},
	{swarm.ErrWorker, "Docker node is not a manager",
		"Secrets and services are changed on a manager. Name one: docker = { host = … } in the provider. On a manager, these commands list the managers and promote this node:\n\n" +
			"  docker node ls --filter role=manager\n  docker node promote NODE"},
	{swarm.ErrLocked, "Swarm is locked", "Unlock it with its key:\n\n  docker swarm unlock"},
	{swarm.ErrNoLeader, "Swarm has no leader",
		"More than half of its managers must be up. On a manager, this lists them:\n\n  docker node ls --filter role=manager"},
	{swarm.ErrNameTaken, "Docker secret exists already",
		"What is there of that name is not known to be of this resource, and was left as it is. Choose another name, remove it (docker secret rm), or take it over:\n\n  terraform import ADDRESS NAME-vNUMBER"},
	{swarm.ErrSize, "Value does not fit into a Docker secret",
		fmt.Sprintf("Docker takes 1 to %d bytes. Copy one key of the secret (key = …), or keep large content elsewhere.", swarm.MaxValueBytes)},
	{swarm.ErrJob, "Service is a job",
		"A job runs to its end and is not updated; Docker starts it again when its specification changes. Take it out of services, and give it the new version when it is next started:\n\n" +
			"  docker service update --secret-rm OLD --secret-add source=NEW,target=FILE SERVICE"},
	{swarm.ErrPaused, "Update of a service is paused",
		"An earlier update of the service stopped half-way, and another one would take what it stopped to all tasks. Finish it or take it back first:\n\n  docker service ps --no-trunc SERVICE\n  docker service rollback SERVICE"},
	{swarm.ErrConflict, "Changed by someone else meanwhile", "Apply again; what was begun is then finished."},
	{swarm.ErrNotFound, "Not found in the swarm",
		"Check the names: docker service ls, docker secret ls. A service that is made later, because it refers to the secret, is not listed; services = [\"*\"] moves it when it is there."},
	{swarm.ErrInUse, "Docker secret is in use", "Take the secret out of the services first."},
	{swarm.ErrInvalid, "Docker refused the request", "Check the arguments against the message below."},
	{swarm.ErrInternal, "Docker failed", "Nothing suggests a mistake of yours. Apply again; what was begun is then finished."},
}

// explainDocker turns an error about a Docker secret into a diagnostic; what says
// what cannot be done.
func explainDocker(what string, err error) diag.Diagnostic {
	var stored *storedValueError
	var rolledBack *swarm.RolledBackError
	var inUse *swarm.InUseError
	var unknown *unknownArgumentError
	switch {
	case errors.As(err, &unknown):
		return unknown.diagnostic(what)
	case errors.As(err, &stored):
		return explainStored(what, stored)
	case errors.As(err, &rolledBack):
		return explainRolledBack(what, rolledBack)
	case errors.As(err, &inUse):
		return diag.NewErrorDiagnostic("Docker secret is in use", what+": services use it. Nothing was removed.\n\n"+inUseText(inUse.Left)+"\n\n"+err.Error())
	}
	for _, a := range dockerAdvice {
		if errors.Is(err, a.kind) {
			return diag.NewErrorDiagnostic(a.summary, fmt.Sprintf("%s.\n\n%s\n\n%s", what, a.next, err))
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return diag.NewAttributeErrorDiagnostic(path.Root("timeouts"), "Timed out",
			what+": Docker did not finish in the time that timeouts allows. To see whether it answers:\n\n  docker info\n\nApply again; what was begun is then finished.\n\n"+err.Error())
	case errors.Is(err, context.Canceled):
		return diag.NewErrorDiagnostic("Interrupted", what+": the run was interrupted. Apply again; what was begun is then finished.\n\n"+err.Error())
	}
	return diag.NewErrorDiagnostic("Docker operation failed", what+".\n\n"+err.Error())
}

// explainStored is for a value that could not be read from the store.
func explainStored(what string, err *storedValueError) diag.Diagnostic {
	if errors.Is(err, errStaleVersion) {
		return diag.NewErrorDiagnostic("Store is behind", fmt.Sprintf(
			"%s: the secret %q still answers with the version before version_id. Nothing was changed in Docker. Apply again in a moment.", what, err.secret))
	}
	return explain(fmt.Sprintf("%s: the value of the secret %q cannot be read. Nothing was changed in Docker", what, err.secret), err.secret, err.err)
}

// explainRolledBack is for services that were put back. They may have failed with the
// version that was current before, as one that is new in services does.
func explainRolledBack(what string, err *swarm.RolledBackError) diag.Diagnostic {
	summary := "Service failed with the secret"
	if err.New {
		summary = "Service failed with the new version"
	}
	return diag.NewAttributeErrorDiagnostic(path.Root("services"), summary, rolledBackText(what, err))
}

func rolledBackText(what string, err *swarm.RolledBackError) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: the service %s did not run with %s. ", what, quote(err.Service), err.Version)
	switch {
	case err.Left != nil:
		text.WriteString("Not everything could be put back; the next apply goes on from there.")
	case err.New:
		text.WriteString("Every service is back on the version that it had, and the new version was removed. The state still has the version before, and the next apply tries again.")
	default:
		fmt.Fprintf(&text, "Every service is back on what it had. No version was made: %s is still the current one, and the next apply tries again.", err.Version)
	}
	for _, step := range err.Steps {
		text.WriteString("\n  - " + step)
	}
	fmt.Fprintf(&text, "\n\nWhat its tasks said:\n\n  docker service ps --no-trunc %[1]s\n  docker service logs %[1]s\n\n%[2]s", err.Service, err.Cause)
	if err.Left != nil {
		text.WriteString("\n" + err.Left.Error())
	}
	return text.String()
}

func inUseText(left []swarm.Leftover) string {
	var text strings.Builder
	text.WriteString("Take it out of the services, then apply again:\n")
	for _, l := range left {
		for _, service := range l.Services {
			fmt.Fprintf(&text, "\n  docker service update --secret-rm %s %s", l.Name, service)
		}
		for _, service := range l.Previous {
			fmt.Fprintf(&text, "\n  docker service update %s    # as it is: its previous specification refers to %s", service, l.Name)
		}
	}
	return text.String()
}

// warnOutcome reports what an apply could not do, or what others will undo.
func warnOutcome(name string, out swarm.Outcome, diags *diag.Diagnostics) {
	for _, left := range out.Left {
		text := fmt.Sprintf("%s is superseded and was not removed: ", left.Name)
		switch {
		case len(left.Services) > 0:
			text += "services use it: " + strings.Join(left.Services, ", ") + ". Add them to services, or move them:\n\n"
			for _, service := range left.Services {
				text += "  docker service update --secret-rm " + left.Name
				for _, mount := range left.Mounts[service] {
					text += " --secret-add source=" + out.Version.Name + "," + mount
				}
				text += " " + service + "\n"
			}
			text += "\nA later apply removes it."
		case len(left.Previous) > 0:
			text += "docker service rollback would need it for " + strings.Join(left.Previous, ", ") + ". The apply after the next update of the service removes it."
		default:
			text += "a later apply tries again."
		}
		if left.Err != nil {
			text += "\n\n" + left.Err.Error()
		}
		diags.AddWarning("Superseded version is still there", text)
	}
	for _, stack := range out.Stacks {
		diags.AddAttributeWarning(path.Root("services"), "Service belongs to a stack", fmt.Sprintf(
			"%s now uses %s, and belongs to the stack %s: the next docker stack deploy puts back what its Compose file says. Change the name in the file as well, in the entry of secrets that has the one before:\n\n"+
				"secrets:\n  %s:\n    external: true\n    %s",
			stack.Service, out.Version.Name, stack.Stack, cmp.Or(stack.File, name), stack.Compose))
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// isGone reports whether an error is Docker's own answer that a secret is not there.
func isGone(err error) bool { return errors.Is(err, swarm.ErrNotFound) }
