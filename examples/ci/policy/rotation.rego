# Rules for a plan, as `terraform show -json tfplan` prints it.
package rotation

import rego.v1

# An overdue value is planned as a replacement of its rotation because of the
# attribute "overdue".
deny contains message if {
	some change in input.resource_changes
	change.type == "roi_secret_rotation"
	["overdue"] in change.change.replace_paths
	message := sprintf("%s is overdue: the nightly job has not rotated it", [change.address])
}

# A secret that goes takes its value along, and its ARN.
deny contains message if {
	some change in input.resource_changes
	change.type == "roi_secret"
	"delete" in change.change.actions
	message := sprintf("%s is deleted by this plan", [change.address])
}

# Worth a look, and no reason to refuse.
warn contains message if {
	some change in input.resource_changes
	change.type == "roi_secret_rotation"
	change.change.actions in [["delete", "create"], ["create", "delete"]]
	not ["overdue"] in change.change.replace_paths
	message := sprintf("%s gets a new value: what reads it has to follow", [change.address])
}
