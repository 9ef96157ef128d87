# Development: the embedded store, and a file that the application reads. No account is
# needed.

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
  environment = "development"

  settings = {
    DB_HOST   = "localhost"
    LOG_LEVEL = "debug"
    PORT      = "8080"
  }
}

variable "file" {
  description = "Name of the file, in this folder."
  type        = string
  default     = ".env.development"
}

variable "incidents" {
  description = "By category, such as { jwt = \"INC-42\" }: a new text rotates the keys of the category in the next apply."
  type        = map(string)
  default     = {}
}

provider "roi" {
  environment = local.environment
}

module "environment" {
  source = "../environment"

  environment = local.environment
  incidents   = var.incidents

  # Nothing here is worth restoring.
  recovery_window_in_days = 0
}

resource "roi_env_file" "development" {
  path = "${path.root}/${var.file}"

  entries = concat(
    [for name, value in local.settings : { name = name, value = value }],
    [for key, version_id in module.environment.version_ids : {
      name       = key
      secret_id  = module.environment.secret_arn
      key        = key
      version_id = version_id
    }],
  )
}

output "due_at" {
  description = "When each key is due for rotation."
  value       = module.environment.due_at
}

output "version_ids" {
  description = "The version in which each key last changed."
  value       = module.environment.version_ids
}
