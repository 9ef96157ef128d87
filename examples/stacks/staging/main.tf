# Staging: AWS Secrets Manager, and from there Docker secrets for a stack on a swarm.

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
  environment = "staging"
}

variable "stack" {
  description = "Name of the stack. The Docker secrets are named STACK-KEY."
  type        = string
  default     = "shop"
}

variable "region" {
  description = "Region of Secrets Manager."
  type        = string
  default     = "eu-central-1"
}

variable "kms_key_id" {
  description = "KMS key that encrypts the secret: id, ARN or alias. Default: the key that AWS manages."
  type        = string
  default     = null
}

variable "incidents" {
  description = "By category, such as { jwt = \"INC-42\" }: a new text rotates the keys of the category in the next apply."
  type        = map(string)
  default     = {}
}

# Docker is DOCKER_HOST, such as ssh://manager.staging.example: a manager of the
# swarm.
provider "roi" {
  environment = local.environment

  aws = {
    region = var.region
  }
}

module "environment" {
  source = "../environment"

  environment = local.environment
  kms_key_id  = var.kms_key_id
  incidents   = var.incidents
}

# A rotation makes the next version and moves the services of the stack to it, one
# task after the other. Before the first `docker stack deploy` there are none.
#
# The JWT keys of before are not delivered: they are in the secret during a grace period
# only, and a Docker secret can't come and go. So while the tasks are moved each refuses
# the tokens of those that have another value, and all tokens of before are refused after
# it. The README says what to do where that matters.
resource "roi_docker_secret" "key" {
  for_each = module.environment.version_ids

  name       = "${var.stack}-${lower(replace(each.key, "_", "-"))}"
  secret_id  = module.environment.secret_arn
  key        = each.key
  version_id = each.value
  services   = ["*"]
}

# The secrets section for `docker stack deploy`, with the names of the current
# versions. It has to be written again after each apply, since a stack that is
# deployed with names of before goes back to them. All files of a stack must have one
# version; older docker commands demand that there is one.
output "compose_secrets" {
  description = "Compose document that gives the secrets to the service api."
  value = join("", ["version: \"3.9\"\n", provider::roi::compose_secrets({
    for key, secret in roi_docker_secret.key : key => {
      name     = secret.versioned_name
      services = ["api"]
    }
  }, file("${path.module}/compose.yaml"))])
}

output "due_at" {
  description = "When each key is due for rotation."
  value       = module.environment.due_at
}
