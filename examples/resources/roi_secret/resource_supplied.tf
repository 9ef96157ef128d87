variable "partner_token" {
  type      = string
  sensitive = true
  ephemeral = true
}

# A value that someone else made. Terraform never stores a write-only argument and
# can't see that it changed: raise the version when it did.
resource "roi_secret" "partner" {
  name       = "shop/production/partner-token"
  kms_key_id = "alias/shop-secrets"

  category         = "external"
  value_wo         = var.partner_token
  value_wo_version = 1
}

# Supplied values beside generated ones, in one JSON secret.
resource "roi_secret" "payment" {
  name       = "shop/production/payment"
  kms_key_id = "alias/shop-secrets"

  keys = {
    PARTNER_TOKEN  = { category = "external" }
    WEBHOOK_SECRET = { category = "webhook" }
  }
  values_wo         = { PARTNER_TOKEN = var.partner_token }
  values_wo_version = 1
}
