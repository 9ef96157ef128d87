# What an application needs in every environment: one JSON secret, and the rotation
# of its keys. What differs is the provider's `environment`, and what the root module
# around this one does with the outputs.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source  = "roi-systems/roi"
      version = ">= 0.1.0"
    }
  }
}

locals {
  categories = {
    JWT_SECRET         = "jwt"
    JWT_REFRESH_SECRET = "jwt"
    DB_PASSWORD        = "database"
    REDIS_PASSWORD     = "cache"
    SESSION_SECRET     = "session"
    ENCRYPTION_KEY     = "encryption"
    INTERNAL_API_KEY   = "api_key"
    WEBHOOK_SECRET     = "webhook"
  }

  # What was signed with a value of these is accepted until the grace period ends. Until
  # then the secret has the value before, too, under the name of the key with a suffix.
  signing         = ["jwt"]
  previous_suffix = "_OLD"

  keys_by_category = { for key, category in local.categories : category => key... }

  # What is encrypted with a key can't be read with the next one. So this key is
  # rotated when someone decides to, not by its age.
  rotated = {
    for category, keys in local.keys_by_category : category => keys
    if category != "encryption" || var.rotate_encryption_key
  }
}

resource "roi_secret" "app" {
  name                    = "${var.application}/${var.environment}/app"
  description             = "What ${var.application} needs to start in ${var.environment}"
  kms_key_id              = var.kms_key_id
  replicas                = var.replicas
  recovery_window_in_days = var.recovery_window_in_days

  keys = { for key, category in local.categories : key => { category = category } }
}

# One rotation for each category: its keys share interval, grace period and fate in
# an incident.
resource "roi_secret_rotation" "category" {
  for_each = local.rotated

  secret_id           = roi_secret.app.id
  keys                = each.value
  previous_key_suffix = contains(local.signing, each.key) ? local.previous_suffix : null

  triggers = {
    incident = lookup(var.incidents, each.key, "none so far")
  }
}
