# By the name of the current version, or by Docker's id of it.
terraform import roi_docker_secret.jwt shop-jwt-secret-v3
