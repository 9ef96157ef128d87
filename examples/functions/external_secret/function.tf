# Two keys of a JSON secret as a Kubernetes Secret "app", the previous value of
# one of them as "app-previous", and the store that they are read from.
locals {
  external_secret = provider::roi::external_secret({
    name      = "app"
    namespace = "shop"
    secret_id = "shop/production/app" # roi_secret.app.name
    keys      = ["DB_PASSWORD", "JWT_SECRET"]
    previous  = ["JWT_SECRET"]

    store = {
      name            = "app"
      region          = "eu-central-1"
      service_account = "app"
    }
  })
}

# A file for the repository that Argo CD or Flux deploys, or for kubectl apply.
output "yaml" {
  value = local.external_secret.yaml
}

# The same as objects, by kind and name.
output "manifests" {
  value = keys(local.external_secret.manifests)
}
