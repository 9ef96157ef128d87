package rotation_test

import data.rotation
import rego.v1

change(type, actions, paths) := {"resource_changes": [{
	"address": concat(".", [type, "jwt"]),
	"type": type,
	"change": {"actions": actions, "replace_paths": paths},
}]}

test_overdue if {
	plan := change("roi_secret_rotation", ["delete", "create"], [["overdue"]])
	rotation.deny == {"roi_secret_rotation.jwt is overdue: the nightly job has not rotated it"} with input as plan
	rotation.warn == set() with input as plan
}

test_trigger if {
	plan := change("roi_secret_rotation", ["create", "delete"], [["triggers"]])
	rotation.deny == set() with input as plan
	rotation.warn == {"roi_secret_rotation.jwt gets a new value: what reads it has to follow"} with input as plan
}

test_deleted_secret if {
	rotation.deny == {"roi_secret.jwt is deleted by this plan"} with input as change("roi_secret", ["delete"], [])
	rotation.deny == {"roi_secret.jwt is deleted by this plan"} with input as change("roi_secret", ["delete", "create"], [["name"]])
}

test_nothing_to_do if {
	rotation.deny == set() with input as change("roi_secret", ["no-op"], [])
	rotation.deny == set() with input as change("roi_secret_rotation", ["create"], [])
	rotation.deny == set() with input as {}
}
