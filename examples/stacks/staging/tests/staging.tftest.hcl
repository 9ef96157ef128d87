# terraform test: neither AWS nor Docker is asked.

mock_provider "roi" {}

run "every_key_becomes_a_docker_secret" {
  assert {
    condition     = module.environment.secret_name == "shop/staging/app"
    error_message = "The secret has another name than the IAM policies expect."
  }

  assert {
    condition     = length(roi_docker_secret.key) == 8 && roi_docker_secret.key["JWT_SECRET"].name == "shop-jwt-secret"
    error_message = "A key has no Docker secret, or one of another name."
  }

  assert {
    condition = alltrue([
      for key, secret in roi_docker_secret.key :
      yamldecode(output.compose_secrets).secrets[key] == { external = true, name = secret.versioned_name }
    ])
    error_message = "The compose document does not refer to the current versions."
  }

  assert {
    condition = (
      toset(yamldecode(output.compose_secrets).services.api.secrets[*].target) ==
      toset([for name in keys(yamldecode(file("compose.yaml")).services.api.environment) : trimsuffix(name, "_FILE")])
    )
    error_message = "The service reads other files than it is given."
  }
}
