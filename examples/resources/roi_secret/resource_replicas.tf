# Copies in other regions, each with a key of its region. AWS keeps them in step.
resource "roi_secret" "sessions" {
  name       = "shop/production/sessions"
  kms_key_id = "alias/shop-secrets"
  category   = "session"

  replicas = [
    { region = "eu-west-1", kms_key_id = "alias/shop-secrets" },
    { region = "us-east-1", kms_key_id = "alias/shop-secrets" },
  ]

  recovery_window_in_days = 7
}
