# An ephemeral resource is the way back to a value: Terraform holds it in memory
# for one run and stores it nowhere.
ephemeral "roi_secret_value" "database" {
  secret_id = roi_secret.database.id
}

# The value goes to the command in its environment, never on its command line,
# and umask makes the file 0600 from the first byte.
resource "terraform_data" "password_file" {
  triggers_replace = [roi_secret.database.id]

  provisioner "local-exec" {
    command = "umask 077; printf '%s' \"$DATABASE_PASSWORD\" > \"$FILE\""
    environment = {
      DATABASE_PASSWORD = ephemeral.roi_secret_value.database.value
      FILE              = "${path.module}/database-password"
    }
  }
}
