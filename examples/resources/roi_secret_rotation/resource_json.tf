# Two rotations of one JSON secret: each changes only its keys, on its own date.
resource "roi_secret" "app" {
  name = "shop/production/app"

  keys = {
    JWT_SECRET     = { category = "jwt" }
    SESSION_SECRET = { category = "session", rotation_days = 180 }
    ENCRYPTION_KEY = { category = "encryption" }
  }
}

resource "roi_secret_rotation" "app_jwt" {
  secret_id           = roi_secret.app.id
  keys                = ["JWT_SECRET"]
  rotate_before       = "72h"
  grace_period        = "24h"
  previous_key_suffix = "_OLD"

  triggers = {
    incident = "none so far"
  }
}

# All other generated keys. Those of category "encryption" are rotated only when
# they are named.
resource "roi_secret_rotation" "app" {
  secret_id = roi_secret.app.id
}
