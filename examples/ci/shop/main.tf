# A root module with secrets and their rotations, for the gate in the folder above:
# pull requests plan it, a nightly job applies what is due.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

variable "kms_key_id" {
  description = "Customer-managed KMS key that encrypts the secrets: id, ARN or alias. Production demands one."
  type        = string
  default     = null
}

variable "incident" {
  description = "A new value rotates every secret at once."
  type        = string
  default     = "none so far"
}

variable "recovery_window_in_days" {
  description = "How long a deleted secret can be restored. 0 in tests, which make the same names again."
  type        = number
  default     = 30
}

provider "roi" {
  metrics = {}

  kms = {
    require_key_rotation = true
  }
}

resource "roi_secret" "jwt" {
  name                    = "shop/production/jwt"
  category                = "jwt"
  kms_key_id              = var.kms_key_id
  recovery_window_in_days = var.recovery_window_in_days
}

resource "roi_secret" "app" {
  name                    = "shop/production/app"
  kms_key_id              = var.kms_key_id
  recovery_window_in_days = var.recovery_window_in_days

  keys = {
    SESSION_SECRET = { category = "session" }
    WEBHOOK_SECRET = { category = "webhook", rotation_days = 30 }
  }
}

resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.jwt.id
  triggers  = { incident = var.incident }
}

resource "roi_secret_rotation" "app" {
  secret_id = roi_secret.app.id
  triggers  = { incident = var.incident }
}
