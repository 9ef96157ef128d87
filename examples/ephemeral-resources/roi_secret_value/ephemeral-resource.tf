resource "roi_secret" "app" {
  name = "shop/app"
  keys = {
    JWT_SECRET  = { category = "jwt" }
    DB_PASSWORD = { category = "database" }
  }
}

# One key of a JSON secret. Without `key`, `value` is the whole secret and `values`
# its keys.
ephemeral "roi_secret_value" "db_password" {
  secret_id = roi_secret.app.id
  key       = "DB_PASSWORD"
}

# An ephemeral value can go where Terraform does not store it: a provider's
# configuration, a write-only argument, or the environment of a provisioner.
resource "terraform_data" "password_file" {
  triggers_replace = [roi_secret.app.id]

  provisioner "local-exec" {
    command = "umask 077; printf '%s' \"$DB_PASSWORD\" > \"$FILE\""
    environment = {
      DB_PASSWORD = ephemeral.roi_secret_value.db_password.value
      FILE        = "${path.module}/db-password"
    }
  }
}
