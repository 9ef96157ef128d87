# The file that an application reads in development, as in
#   docker compose --env-file .env.development up
resource "roi_secret" "app" {
  name = "shop/development/app"

  keys = {
    JWT_SECRET  = { category = "jwt" }
    DB_PASSWORD = { category = "database" }
  }
}

resource "roi_secret_rotation" "app" {
  secret_id = roi_secret.app.id
}

resource "roi_env_file" "development" {
  path = "${path.root}/.env.development"

  entries = [
    { name = "DB_HOST", value = "localhost" },
    {
      name       = "DB_PASSWORD"
      secret_id  = roi_secret.app.id
      key        = "DB_PASSWORD"
      version_id = roi_secret_rotation.app.version_id
    },
    {
      name       = "JWT_SECRET"
      secret_id  = roi_secret.app.id
      key        = "JWT_SECRET"
      version_id = roi_secret_rotation.app.version_id
    },
  ]
}
