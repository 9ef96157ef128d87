terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

# Production is the default: AWS Secrets Manager, customer-managed KMS keys, and
# the strictest floors for policies. Credentials and region come from where the
# AWS provider takes them, too.
provider "roi" {
  tags = {
    team = "payments"
  }

  aws = {
    region              = "eu-central-1"
    allowed_account_ids = ["111122223333"]
    assume_role = {
      role_arn = "arn:aws:iam::111122223333:role/terraform"
    }
  }

  policies = {
    # Longer than the category asks for, in every roi_secret.
    jwt = {
      length = 96
    }
    # A category of your own. It can't be weaker than the one it comes from.
    partner_token = {
      base          = "api_key"
      length        = 64
      encoding      = "alphanumeric"
      rotation_days = 30
    }
  }
}
