# One JSON secret with several keys, each with a policy of its own.
resource "roi_secret" "app" {
  name       = "shop/production/app"
  kms_key_id = "alias/shop-secrets"

  keys = {
    JWT_SECRET     = { category = "jwt" }
    DB_PASSWORD    = { category = "database", length = 40 }
    ENCRYPTION_KEY = { category = "encryption" }
  }

  # Stored beside the keys, and not secret: these values are in state.
  static = {
    DB_HOST = "db.internal"
    DB_USER = "app"
  }

  tags = {
    team = "payments"
  }
}
