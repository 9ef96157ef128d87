# Production: AWS Secrets Manager with a customer-managed key, a copy in a second
# region, and External Secrets on Kubernetes. aws.tf has what AWS itself needs,
# manifests.tf what Kubernetes does.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
    roi = {
      source  = "roi-systems/roi"
      version = ">= 0.1.0"
    }
  }
}

locals {
  environment = "production"
}

variable "region" {
  description = "Region in which the secret is made and rotated."
  type        = string
  default     = "eu-central-1"
}

variable "replica_region" {
  description = "Region that holds a copy, which can be read when the first one can't."
  type        = string
  default     = "eu-west-1"
}

variable "incidents" {
  description = "By category, such as { jwt = \"INC-42\" }: a new text rotates the keys of the category in the next apply."
  type        = map(string)
  default     = {}
}

provider "roi" {
  environment = local.environment

  aws = {
    region = var.region
  }

  kms = {
    require_key_rotation = true
  }

  # What the alarms and the dashboard show.
  metrics = {}
}

module "environment" {
  source = "../environment"

  environment = local.environment
  kms_key_id  = module.aws.kms_key_arn
  replicas    = [{ region = var.replica_region, kms_key_id = module.aws.replica_kms_key_arn }]
  incidents   = var.incidents
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = module.environment.secret_arn
}

output "due_at" {
  description = "When each key is due for rotation."
  value       = module.environment.due_at
}
