# Settings that are no secrets. For a file with secrets there is roi_env_file.
output "env" {
  value = provider::roi::dotenv({
    PORT        = 8080
    LOG_LEVEL   = "info"
    DB_URL      = "postgres://app@db.internal:5432/shop"
    MOTD        = "it's a new day"
    CERTIFICATE = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
  })
}
