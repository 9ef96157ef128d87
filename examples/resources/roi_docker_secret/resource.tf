# One key of a JSON secret, in Docker. When its rotation falls due, one plan shows
# the new value, the next version of the Docker secret, and no more: the services
# are moved to it in the apply, one after the other.
resource "roi_secret" "app" {
  name = "shop/staging/app"

  keys = {
    JWT_SECRET     = { category = "jwt" }
    SESSION_SECRET = { category = "session" }
  }
}

resource "roi_secret_rotation" "jwt" {
  secret_id = roi_secret.app.id
  keys      = ["JWT_SECRET"]
}

resource "roi_docker_secret" "jwt" {
  name       = "shop-jwt-secret" # the objects are shop-jwt-secret-v1, -v2, …
  secret_id  = roi_secret.app.id
  key        = "JWT_SECRET"
  version_id = roi_secret_rotation.jwt.version_id
  services   = ["shop_api", "shop_worker"]

  target = {
    file = "jwt-secret" # /run/secrets/jwt-secret, whatever the version
    uid  = 1000
    mode = "0400"
  }
}
