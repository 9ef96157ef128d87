resource "roi_secret" "database" {
  name     = "shop/production/database"
  category = "database"
}

resource "roi_secret_rotation" "database" {
  secret_id    = roi_secret.database.id
  grace_period = "24h"
}

# It refers to the rotation, so that an apply opens it when the new value is there.
ephemeral "roi_secret_value" "database" {
  secret_id = roi_secret_rotation.database.secret_id
}

# Stands for a target with a write-only argument, such as aws_db_instance with
# password_wo and password_wo_version: generation is a number that grows with every
# rotation.
resource "roi_secret" "database_copy" {
  name     = "shop/production/database-copy"
  category = "database"

  value_wo         = ephemeral.roi_secret_value.database.value
  value_wo_version = roi_secret_rotation.database.generation
}

# Stands for what reads the secret itself and has to be started anew. A plain
# reference follows every new version, one that was made outside Terraform, too.
resource "terraform_data" "worker" {
  triggers_replace = [roi_secret_rotation.database.version_id]
}
