# All keys of a JSON secret as a Kubernetes Secret "app", and the store that they are
# read from. With previous_key_suffix in the roi_secret_rotation the values before a
# rotation are among them as long as the grace period runs.
locals {
  external_secret = provider::roi::external_secret({
    name      = "app"
    namespace = "shop"
    secret_id = "shop/production/app" # roi_secret.app.name
    all_keys  = true

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

# Two keys of it, and the previous value of one of them as a second Secret,
# "some-previous", which is refreshed at another time than the first.
output "some_keys" {
  value = provider::roi::external_secret({
    name      = "some"
    namespace = "shop"
    secret_id = "shop/production/app"
    keys      = ["DB_PASSWORD", "JWT_SECRET"]
    previous  = ["JWT_SECRET"]
    store     = { name = "app" }
  }).yaml
}
