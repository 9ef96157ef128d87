# One string. The value is generated when the secret is created; rotating it later
# does not change this resource.
resource "roi_secret" "jwt" {
  name        = "shop/production/jwt"
  description = "Signs the tokens of the shop's API"
  kms_key_id  = "alias/shop-secrets"
  category    = "jwt"
}
