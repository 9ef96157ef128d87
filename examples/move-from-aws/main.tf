# Hand a secret from the AWS provider's aws_secretsmanager_secret over to
# roi_secret. The secret stays as it is: its value, its resource policy, its ARN.
#
# Remove the aws_secretsmanager_secret resource and its
# aws_secretsmanager_secret_version in the same change; for the version, whose
# value would otherwise be deleted with it, write a removed block.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

provider "roi" {}

moved {
  from = aws_secretsmanager_secret.jwt
  to   = roi_secret.jwt
}

removed {
  from = aws_secretsmanager_secret_version.jwt

  lifecycle {
    destroy = false
  }
}

resource "roi_secret" "jwt" {
  name       = "shop/production/jwt"
  kms_key_id = "alias/shop-secrets"
  category   = "jwt"
}
