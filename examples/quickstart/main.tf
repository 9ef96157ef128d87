# Two secrets on the embedded store: nothing but Terraform and this provider is
# needed. Without `environment = "development"` the same resources are made in AWS
# Secrets Manager, where production asks for a kms_key_id in each roi_secret.

terraform {
  required_version = ">= 1.11"

  required_providers {
    roi = {
      source = "roi-systems/roi"
    }
  }
}

provider "roi" {
  environment = "development"

  tags = {
    application = "quickstart"
  }
}

# One JSON secret, as task definitions and ExternalSecrets read it. Each generated
# key has the policy of its category; the values under static are not secret.
resource "roi_secret" "app" {
  name        = "quickstart/app"
  description = "What the application needs to start"

  keys = {
    JWT_SECRET     = { category = "jwt" }
    ENCRYPTION_KEY = { category = "encryption" }
    WEBHOOK_SECRET = { category = "webhook", length = 64 }
  }

  static = {
    DB_HOST = "db.internal"
    DB_USER = "app"
  }
}

# JWT_SECRET is due every 90 days, by its category. When it is, the plan replaces
# the rotation, and the apply gives this key alone a new value.
resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.app.id
  keys      = ["JWT_SECRET"]
}

# Stands for what reads the secret: it follows a rotation in the same plan.
resource "terraform_data" "service" {
  triggers_replace = [roi_secret_rotation.jwt.version_id]
}

# One string: a password that survives a connection URL and an SQL literal.
resource "roi_secret" "database" {
  name     = "quickstart/database"
  category = "database"
  length   = 40
}

output "entropy_bits" {
  description = "What the policy of each generated value guarantees."
  value = merge(
    { for key, policy in roi_secret.app.effective_policy : "${roi_secret.app.name}#${key}" => policy.entropy_bits },
    { (roi_secret.database.name) = roi_secret.database.entropy_bits },
  )
}
