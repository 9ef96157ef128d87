output "secret_arn" {
  description = "ARN of the secret. Consumers read AWSCURRENT of it."
  value       = roi_secret.app.arn
}

output "secret_name" {
  description = "Name of the secret."
  value       = roi_secret.app.name
}

output "version_ids" {
  description = "By key, the version in which it last changed: what tells a consumer that there is a new value. Null for a key that isn't rotated."
  value       = { for key, category in local.categories : key => try(roi_secret_rotation.category[category].version_id, null) }
}

output "due_at" {
  description = "By key, when it is due for rotation. Null for a key that isn't rotated."
  value       = { for key, category in local.categories : key => try(roi_secret_rotation.category[category].rotation_due_at, null) }
}

output "previous_keys" {
  description = "Keys that the secret has during a grace period only: the values before the rotation, of keys that sign."
  value       = [for key, category in local.categories : "${key}${local.previous_suffix}" if contains(local.signing, category)]
}
