variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM: arn:aws:iam::ACCOUNT:oidc-provider/ISSUER."
  type        = string
}

variable "topic_arn" {
  description = "SNS topic that is told when a rotation is due or has failed."
  type        = string
}

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "replica"
  region = var.replica_region
}

module "aws" {
  source = "./aws"

  providers = {
    aws         = aws
    aws.replica = aws.replica
  }

  name              = "shop-${local.environment}"
  environment       = local.environment
  secret_arn        = module.environment.secret_arn
  secret_name       = module.environment.secret_name
  oidc_provider_arn = var.oidc_provider_arn
  service_account   = "${local.namespace}:${local.store_service_account}"
  topic_arn         = var.topic_arn
}
