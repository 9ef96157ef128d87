# A document to merge with the file that defines the services:
#
#     docker stack deploy -c compose.yaml -c compose.secrets.yaml shop
#
# The names are those of versions, such as roi_docker_secret.jwt.versioned_name.
output "compose" {
  value = provider::roi::compose_secrets({
    jwt = {
      name     = "shop-jwt-v2"
      services = ["api", "worker"]
    }
    db-password = {
      name     = "shop-db-password-v7"
      services = ["api"]
      target   = "db.password"
      uid      = 1000
      mode     = "0400"
    }
  })
}
